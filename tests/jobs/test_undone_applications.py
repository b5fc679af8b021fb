"""An application that can't be done stops none of the others, and what holds it up is written down."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import application_secrets
import pytest
from application_owner import Owner
from application_plan import Found, Member, Plan, Stored
from application_secrets import Config, Provision, Undone
from application_wish import STACK, Application, Secret
from fake_config_map import ConfigMap
from infisical_api import ApiError, InfisicalApi
from job import Failed, Pending, Report
from job_pki import authority
from kube import Api
from patient_api import PatientApi

PLACE = ("prod", "/", "K")
CONFLICT = "prod:/K has a value that people wrote. Let it be theirs ({owner: people}), or delete it in the web UI"


class Projects:
    """A server with projects of one secret each: `a` has a value of people's, `b` one that was edited by hand."""

    def __init__(self, deadline_seconds: float = 20) -> None:
        self.api = InfisicalApi("http://unused", deadline_seconds=deadline_seconds)
        self.secrets = {"a": Stored("theirs"), "b": Stored("edited", f"{STACK} - x")}
        self.gone = ""  # a project that is not listed
        self.breaks = 0  # answers that break off, by 502
        self.down = False

    def projects(self) -> list[dict[str, Any]]:
        if self.down:
            raise ApiError(0, "Connection refused", "GET", "/api/v1/projects")
        description = "infisical-platform stack-1 keeps this project"
        place = {"environments": [{"slug": "prod"}], "description": description}
        every = [{"id": slug, "slug": slug, **place} for slug in self.secrets]
        return [each for each in every if each["id"] != self.gone]

    def create(self, name: str, slug: str, description: str) -> None:
        raise ApiError(400, f'A project with the slug "{slug}" already exists in your organization.', "POST", "/")

    def every_project(self) -> list[dict[str, Any]]:
        return []

    def found(self, project: dict[str, Any], environments: set[str]) -> Found:
        if self.breaks:
            self.breaks -= 1
            raise ApiError(502, "Bad Gateway", "GET", "/api/v4/secrets")
        return Found({"prod": ("e", "P")}, secrets={PLACE: self.secrets[project["id"]]})

    def act(self, project: str, plan: Plan) -> list[str]:
        [(_, value, comment)] = plan.writes[0].secrets
        self.secrets[project] = Stored(value or "", comment)
        return []


def application(name: str) -> Application:
    return Application(name, name, {"prod": "P"}, secrets=(Secret(PLACE, "stack", "the stack's"),))


def provision(server: Any) -> Provision:
    config = Config(address="", namespace="n", drift="", auth="universal", deadline_seconds=20)
    kube: Any = ConfigMap()
    return Provision(config, server, kube, Report("test"), Owner("o", "stack-1", "state-1"))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application_secrets, "_LOOK_SECONDS", 0.5)


def test_those_behind_one_that_is_in_conflict_are_put_back() -> None:
    server = Projects()
    run = provision(server)
    with pytest.raises(Undone, match=r"^application a: prod:/K has a value that people wrote"):
        run.all([application("a"), application("b")])
    assert server.secrets["b"].value == "the stack's"
    assert run.drift == [f"a: {CONFLICT}"]
    assert run.mended == ["b: prod:/K was not what the stack says"]


def test_what_is_looked_at_twice_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for something at the end of its time is looked at again."""

    class Peopled(Projects):
        def found(self, project: dict[str, Any], environments: set[str]) -> Found:
            members = {"eve@example.org": Member("m", ("admin",))}
            return replace(super().found(project, environments), members=members)

    looked: list[str] = []

    def licensed(one: Application, *_: Any) -> None:
        looked.append(one.name)
        if len(looked) == 1:
            raise Failed("late") from Pending("it is not listed yet")

    monkeypatch.setattr(application_secrets, "licensed", licensed)
    server = Peopled()
    del server.secrets["a"]
    run = provision(server)
    run.all([application("b")])
    assert looked == ["b", "b"]
    assert run.drift == ["b: eve@example.org is a member, and the stack names nobody of that address"]


def test_each_has_its_sentence() -> None:
    server = Projects()
    server.secrets["b"] = Stored("theirs, too")
    with pytest.raises(Undone) as caught:
        provision(server).all([application("a"), application("b")])
    assert str(caught.value) == f"application a: {CONFLICT}. application b: {CONFLICT}"


def test_one_that_goes_on_waiting_leaves_the_others_their_time() -> None:
    server = Projects(deadline_seconds=3)
    server.gone = "a"
    with pytest.raises(
        Undone, match=r"^application a: the organisation has a project a, which Infisical does not list"
    ):
        provision(server).all([application("a"), application("b")])
    assert server.secrets["b"].value == "the stack's"


def test_one_that_was_late_is_done_after_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application_secrets, "_LOOK_SECONDS", 1)
    server = Projects()
    server.secrets["a"], server.breaks = Stored("edited", f"{STACK} - x"), 7
    server.api = InfisicalApi("http://unused", deadline_seconds=2.4)
    run = provision(server)
    run.all([application("a"), application("b")])
    assert {each.value for each in server.secrets.values()} == {"the stack's"}
    assert not run.undone


def test_a_server_that_is_gone_is_no_application_s_fault() -> None:
    server = Projects(deadline_seconds=1)
    server.down = True
    with pytest.raises(Failed, match=r"^Infisical GET /api/v1/projects: Connection refused") as caught:
        provision(server).all([application("a"), application("b")])
    assert not isinstance(caught.value, Undone)


def test_the_schedule_asks_for_approval_once() -> None:
    """Each more would be a request with the value in it, every hour."""

    class Guarded(Projects):
        def act(self, project: str, plan: Plan) -> list[str]:
            self.asked.extend(plan.places)
            return plan.places

        asked: ClassVar[list[str]] = []

    server, before = Guarded(), ""
    for _ in range(3):
        run = provision(server)
        run.before = before
        with pytest.raises(Undone, match="application b: not written: in prod:/ a policy makes every change a request"):
            run.all([application("b")])
        before = "\n".join(run.drift)
    assert server.asked == ["prod:/"]


class Kube:
    """ConfigMaps by their paths, of an API server that is busy with every other request."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, str]] = {}
        self.requests = 0

    def request(self, method: str, target: str, body: str | None = None, *_: str) -> bytes:
        self.requests += 1
        if self.requests % 2:
            raise Pending("API server answers 429 to it: busy")
        data = self.objects.setdefault(target.partition("?")[0], {})
        data |= json.loads(body or "{}").get("data", {})
        return json.dumps({"data": data}).encode()


@pytest.fixture
def busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kube:
    for name in ("token", "ca.crt"):
        (tmp_path / name).write_text(authority().pem)
    monkeypatch.setenv("KUBE_CREDENTIALS", str(tmp_path))
    monkeypatch.setenv("KUBE_API_URL", "https://unused")
    kube = Kube()
    monkeypatch.setattr(Api, "_request", lambda self, *request: kube.request(*request))  # pyright: ignore
    return kube


@pytest.mark.parametrize("scheduled", [True, False])
def test_it_is_written_down_where_the_doctor_reads_it(
    busy: Kube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], scheduled: bool
) -> None:
    """What an `up` has changed itself is only shown, since that may be what it was run for."""
    base = "/api/v1/namespaces/infisical/configmaps"
    secret = {"place": [*PLACE], "owner": "stack", "file": "k"}
    wish = {"environments": {"prod": "P"}, "people": {}, "removed": [], "secrets": [secret], "retired": False}
    documents = {name: json.dumps({**wish, "name": name, "slug": name, "licensed": {}}) for name in ("a", "b")}
    busy.objects[f"{base}/wish"], server = documents, Projects()
    (tmp_path / "k").write_text("the stack's")
    for name, stand_in in {"stack_login": lambda api, *_: api, "Server": lambda _: server}.items():
        monkeypatch.setattr(application_secrets, name, stand_in)
    for name, value in {"WISH": "wish", "VALUES": "values", "STACK_ID": "stack-1", "STATE_ID": "state-1"}.items():
        monkeypatch.setenv(name, value)
    config = Config(
        address="http://unused",
        namespace="infisical",
        drift="infisical-drift",
        auth="universal",
        deadline_seconds=20,
        run="schedule" if scheduled else "up",
        values=str(tmp_path),
        bootstrap=str(tmp_path),
    )
    began = time.time()
    with pytest.raises(Undone):
        application_secrets.main(config, Report("test"))
    told = busy.objects[f"{base}/infisical-drift"]
    changed = "b: prod:/K was not what the stack says"
    assert told["drift"].splitlines() == [f"a: {CONFLICT}", *([changed] if scheduled else [])]
    assert changed in capsys.readouterr().out
    assert told["checked"] >= time.strftime("%Y-%m-%dT%H:%M", time.gmtime(began))


def test_an_api_server_that_stays_busy_is_a_failure(busy: Kube) -> None:
    patient = PatientApi(Report("test"), 0)
    with pytest.raises(Failed, match="busy"):
        patient.find("/")
    assert patient.find("/") == {"data": {}}
