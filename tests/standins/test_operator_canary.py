"""The operator's proof: a change in Infisical arrives in the cluster, or the last line says that none does."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import operator_canary
import pytest
from application_owner import Owner
from application_plan import Plan, Write
from application_secrets import Config as Wish
from application_secrets import Provision
from application_server import Server
from application_wish import PEOPLE, application_of
from fake_config_map import ConfigMap
from infisical_api import InfisicalApi, universal_login
from job import Failed, Report
from operator_canary import Config

from components.application_wish import file_of, wishes
from components.operator_canary import canary
from settings.applications import CANARY, secrets_of
from tests.standins.authority import Authority
from tests.standins.conftest import Start
from tests.standins.infisical import Environment
from tests.standins.instance import Instance, bootstrap
from tests.standins.kubernetes_api import KubernetesApi, kubernetes_api

HOME = "operators"


@dataclass
class Proof:
    """A provisioned canary, and an API server without an operator."""

    instance: Instance
    server: Server
    kube: KubernetesApi
    folder: Path
    delivered: list[str] = field(default_factory=list[str])

    def config(self, **changes: Any) -> Config:
        plain: dict[str, Any] = {
            "address": f"http://127.0.0.1:{self.instance.server.port}",
            "project": CANARY,
            "environment": "canary",
            "key": "CANARY",
            "namespace": HOME,
            "secret": CANARY,
            "why": "kubectl logs deployment/operator",
            "anew": "`kubectl delete job x`",
            "deadline_seconds": 20,
            "bootstrap": str(self.folder / "bootstrap"),
        }
        return Config(**plain | changes)

    def stored(self) -> tuple[str, str]:
        """The value in Infisical, and its comment."""
        [project] = [each for each in self.server.projects() if each["slug"] == CANARY]
        [found] = self.server.found(project, {"canary"}).secrets.values()
        return found.value, found.comment

    def deliver(self, value: str) -> None:
        self.delivered.append(value)
        data = {"CANARY": base64.b64encode(value.encode()).decode()}
        self.kube.secrets[f"{HOME}/{CANARY}"] = {"data": data}

    @contextmanager
    def operator(self, times: float = float("inf")) -> Iterator[None]:
        """Have an operator copy each new value, so many times."""
        done = threading.Event()

        def copy() -> None:
            while not done.wait(0.05):
                value, _ = self.stored()
                if value not in self.delivered and len(self.delivered) < times:
                    self.deliver(value)

        thread = threading.Thread(target=copy)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def provisioner(instance: Instance) -> dict[str, str]:
    """What the stack logs in with: a machine that may make projects."""
    path = f"/api/v1/auth/universal-auth/identities/{instance.identity('infisical-provisioner', 'admin')}"
    client = instance.call("POST", path, {})["identityUniversalAuth"]["clientId"]
    return {"clientId": client, "clientSecret": instance.call("POST", f"{path}/client-secrets", {})["clientSecret"]}


def provision(instance: Instance, server: Server, folder: Path) -> None:
    """Do what the provisioning Job does with the canary's wish."""
    application = canary(HOME)
    for secret in secrets_of(application):
        (folder / file_of(CANARY, secret)).write_text(str(secret.source))
    [document] = wishes({CANARY: application}).values()
    wish = Wish(address="", namespace="infisical", drift="", auth="universal", deadline_seconds=30)
    kube: Any = ConfigMap()
    run = Provision(wish, server, kube, Report("test"), Owner(instance.organization, "stack-1", "state-1"))
    run.all([application_of(json.loads(document), str(folder))])


@pytest.fixture(params=["newest", "2025-06-01"])
def proof(
    request: pytest.FixtureRequest,
    start: Start,
    environment: Environment,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Proof]:
    older = {} if request.param == "newest" else {"STAND_IN_RELEASED": request.param}
    instance = bootstrap(start(environment | older))
    credentials = provisioner(instance)
    (tmp_path / "bootstrap").mkdir()
    for name, value in credentials.items():
        (tmp_path / "bootstrap" / name).write_text(value)
    api = InfisicalApi(f"http://127.0.0.1:{instance.server.port}", deadline_seconds=120)
    server = Server(universal_login(api, credentials["clientId"], credentials["clientSecret"]))
    provision(instance, server, tmp_path)
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    (tmp_path / "token").write_text("token")
    with kubernetes_api(tmp_path, authority) as kube:
        monkeypatch.setenv("KUBE_API_URL", kube.url)
        monkeypatch.setenv("KUBE_CREDENTIALS", str(tmp_path))
        yield Proof(instance, server, kube, tmp_path)


def test_a_change_that_arrives_is_the_proof(proof: Proof) -> None:
    before = proof.stored()[0]
    with proof.operator():
        said = operator_canary.main(proof.config(), Report("test"))
    assert said.startswith("a secret that changed in Infisical was in the cluster ")
    value, comment = proof.stored()
    assert proof.delivered == [before, value]
    assert comment.startswith(PEOPLE), "so that the stack never puts it back"
    assert value not in said


def test_it_is_proven_again_from_where_it_stands(proof: Proof) -> None:
    with proof.operator():
        for _ in range(2):
            operator_canary.main(proof.config(), Report("test"))
    assert len(set(proof.delivered)) == 3


@pytest.mark.parametrize(("times", "cause"), [(0, "has not brought"), (1, "once, and not what Infisical has since")])
def test_an_operator_that_brings_none_or_only_the_first_is_named(proof: Proof, times: int, cause: str) -> None:
    with proof.operator(times), pytest.raises(Failed, match=cause) as caught:
        operator_canary.main(proof.config(deadline_seconds=8 if times else 3), Report("test"))
    assert f"Secret {HOME}/{CANARY}" in str(caught.value)
    assert str(caught.value).endswith("`kubectl logs deployment/operator` tells why")
    assert proof.stored()[0] not in str(caught.value)


def gone(proof: Proof, monkeypatch: pytest.MonkeyPatch) -> None:
    [project] = [each for each in proof.server.projects() if each["slug"] == CANARY]
    proof.server.delete(project)


def emptied(proof: Proof, monkeypatch: pytest.MonkeyPatch) -> None:
    [project] = [each for each in proof.server.projects() if each["slug"] == CANARY]
    proof.server.act(project["id"], Plan(writes=(Write("delete", "canary", "/", (("CANARY", None, ""),)),)))


def guarded(proof: Proof, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "act", lambda *_: ["canary:/"])


@pytest.mark.parametrize(
    ("what", "cause"),
    [
        (gone, "project operator-canary is gone"),
        (emptied, "project operator-canary has no canary:/CANARY"),
        (guarded, "a policy makes every change of canary:/CANARY a request for approval"),
    ],
)
def test_what_people_have_done_to_it_is_named(
    proof: Proof, what: Callable[[Proof, pytest.MonkeyPatch], None], cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof.deliver(proof.stored()[0])
    what(proof, monkeypatch)
    with pytest.raises(Failed, match=cause):
        operator_canary.main(proof.config(), Report("test"))
