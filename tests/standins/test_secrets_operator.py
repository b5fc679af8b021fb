"""The stand-in of the secrets operator does what was seen of the real one, faults included."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from job_cluster import running_cluster
from job_engines import eventually
from job_operator import HOME, World, world


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_cluster() as cluster, world(cluster, tmp_path_factory.mktemp("operator")) as found:
        yield found


@pytest.fixture
def shop(running: World, request: pytest.FixtureRequest) -> World:
    running.infisical.secrets = {"A": "one", "B": "two"}
    running.infisical.refusal = None
    return running


def by_template(**data: str) -> dict[str, Any]:
    return {"template": {"engineVersion": "v1", "data": data}}


def test_values_arrive_change_and_are_counted(shop: World) -> None:
    shop.deliver("plain", secretType="Opaque")
    shop.arrives("plain", {"A": b"one", "B": b"two"})
    version = shop.secret("plain")["metadata"]["annotations"]["secrets.infisical.com/version"]
    shop.infisical.secrets["A"] = "changed"
    shop.arrives("plain", {"A": b"changed", "B": b"two"})
    assert shop.secret("plain")["metadata"]["annotations"]["secrets.infisical.com/version"] != version


def test_bytes_a_type_and_keys_with_dots(shop: World) -> None:
    shop.infisical.secrets = {"tls.crt": base64.b64encode(b"\x00\xff").decode(), "K": "key"}
    template = by_template(
        **{"tls.crt": '{{ (index . "tls.crt").Value | decodeBase64ToBytes }}', "tls.key": "{{ .K.Value }}"}
    )
    shop.deliver("tls", secretType="kubernetes.io/tls", **template)
    shop.arrives("tls", {"tls.crt": b"\x00\xff", "tls.key": b"key"})
    assert shop.secret("tls")["type"] == "kubernetes.io/tls"


def test_a_missing_secret_is_no_value_or_empty_and_the_status_true(shop: World) -> None:
    shop.deliver("garbage", **by_template(A="{{ .MISSING.Value }}", B='{{ (index . "MISSING").Value }}'))
    shop.arrives("garbage", {"A": b"<no value>", "B": b""})
    eventually(lambda: shop.status("garbage")[0] == "True", "the status is True")


def test_a_template_that_fails_leaves_the_secret_as_it_was(shop: World) -> None:
    """Which is what the program's own templates do."""
    text = '{{ $found := index . "A" }}{{ if not $found.Value }}{{ fail "A has no value" }}{{ end }}{{ $found.Value }}'
    shop.deliver("kept", **by_template(A=text))
    shop.arrives("kept", {"A": b"one"})
    shop.infisical.secrets = {}
    shop.fails("kept", "A has no value")
    assert shop.data("kept") == {"A": b"one"}


def test_an_empty_folder_empties_a_secret_without_a_template(shop: World) -> None:
    shop.deliver("emptied")
    shop.arrives("emptied", {"A": b"one", "B": b"two"})
    shop.infisical.secrets = {}
    shop.arrives("emptied", {})
    assert shop.status("emptied")[0] == "True"


def test_a_secret_of_somebody_else_loses_its_keys_and_keeps_its_type_and_owner(shop: World) -> None:
    shop.cluster.secret(shop.namespace, "theirs", {"precious": "value"})
    shop.deliver("theirs", secretType="kubernetes.io/basic-auth", creationPolicy="Owner")
    shop.arrives("theirs", {"A": b"one", "B": b"two"})
    found = shop.secret("theirs")
    assert (found["type"], found["metadata"].get("ownerReferences")) == ("Opaque", None)
    eventually(lambda: shop.status("theirs")[0] == "True", "the status is True")


def test_what_it_makes_it_may_own(shop: World) -> None:
    shop.deliver("owned", creationPolicy="Owner")
    shop.arrives("owned", {"A": b"one", "B": b"two"})
    [owner] = shop.secret("owned")["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["controller"]) == ("InfisicalStaticSecret", True)


def test_an_edit_is_never_healed_and_a_deletion_is(shop: World) -> None:
    shop.deliver("edited")
    shop.arrives("edited", {"A": b"one", "B": b"two"})
    path = f"/api/v1/namespaces/{shop.namespace}/secrets/edited"
    shop.cluster.call("PATCH", path, {"data": {"A": base64.b64encode(b"by hand").decode()}})
    before = len(shop.infisical.requests)
    eventually(lambda: len(shop.infisical.requests) > before + 12, "it has asked for the secrets again")
    assert shop.data("edited") == {"A": b"by hand", "B": b"two"}
    shop.cluster.call("DELETE", path)
    shop.arrives("edited", {"A": b"one", "B": b"two"})


def test_annotations_are_copied_unless_the_target_says_its_own(shop: World) -> None:
    shop.deliver("copied", metadata=None)
    shop.deliver("own", metadata={"labels": {"mine": "1"}, "annotations": {"a": "b"}})
    for name in ("copied", "own"):
        shop.arrives(name, {"A": b"one", "B": b"two"})
    assert shop.secret("copied")["metadata"]["annotations"]["pulumi.com/x"] == "copied"
    own = shop.secret("own")["metadata"]
    assert own["labels"] == {"mine": "1"}
    assert own["annotations"].keys() == {"a", "secrets.infisical.com/version"}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"namespace": HOME, "creationPolicy": "Owner"}, "cross-namespace owner references are disallowed"),
        ({"namespace": "kube-system"}, "unknown namespace for the cache"),
        ({"template": {"engineVersion": "v1", "data": {"A": "{{ nonsense }}"}}}, 'function "nonsense" not defined'),
    ],
)
def test_what_can_not_be_written_is_said(shop: World, target: dict[str, Any], message: str) -> None:
    name = f"refused-{abs(hash(message)) % 1000}"
    shop.deliver(name, **target)
    shop.fails(name, message)


def test_an_immutable_secret_is_said(shop: World) -> None:
    body = {"metadata": {"name": "fixed"}, "immutable": True, "stringData": {"x": "y"}}
    shop.cluster.create(f"/api/v1/namespaces/{shop.namespace}/secrets", body)
    shop.deliver("fixed")
    shop.fails("fixed", "field is immutable when `immutable` is set")


def test_a_workload_that_asks_for_it_and_uses_the_secret_is_restarted(shop: World) -> None:
    deployments = f"/apis/apps/v1/namespaces/{shop.namespace}/deployments"
    for name, source in (("uses", "reloaded"), ("other", "another")):
        container = {"name": "c", "image": "i", "envFrom": [{"secretRef": {"name": source}}]}
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
        spec = {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template}
        metadata = {"name": name, "annotations": {"secrets.infisical.com/auto-reload": "true"}}
        shop.cluster.create(deployments, {"metadata": metadata, "spec": spec})
    shop.deliver("reloaded")

    def written(name: str) -> str:
        template = shop.cluster.call("GET", f"{deployments}/{name}")["spec"]["template"]["metadata"]
        return template.get("annotations", {}).get("secrets.infisical.com/managed-secret.reloaded", "")

    eventually(lambda: written("uses"), "the first sync restarts too")
    first = written("uses")
    shop.infisical.secrets["A"] = "rotated"
    eventually(lambda: written("uses") != first, "a changed value restarts")
    assert not written("other")


def test_a_log_in_that_is_refused_is_said_and_recovers(shop: World) -> None:
    """A changed connection makes it log in anew."""
    path = f"/apis/secrets.infisical.com/v1beta1/namespaces/{HOME}/infisicalauths/infisical-shop"
    shop.infisical.refusal = (400, "Local IPs not allowed as URL")
    shop.cluster.call("PATCH", path, {"spec": {"kubernetes": {"serviceAccountTokenAudiences": ["other"]}}})

    def said() -> str:
        conditions = shop.cluster.call("GET", path)["status"]["conditions"]
        return next(each["message"] for each in conditions if each["type"].endswith("/IsReady"))

    eventually(lambda: "Local IPs not allowed as URL" in said(), "the reason is there")
    shop.deliver("late")
    shop.fails("late", "InfisicalAuth is not ready")
    shop.infisical.refusal = None
    shop.cluster.call("PATCH", path, {"spec": {"kubernetes": {"serviceAccountTokenAudiences": None}}})
    shop.arrives("late", {"A": b"one", "B": b"two"})
