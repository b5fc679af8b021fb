"""The stand-in of the secrets operator does what was seen of the real one, faults included."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from job_cluster import SCRIPT, running_cluster
from job_engines import eventually
from job_operator import HOME, RELOAD, World, operator, world

AUTH = f"/apis/secrets.infisical.com/v1beta1/namespaces/{HOME}/infisicalauths/infisical-shop"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_cluster() as cluster, world(cluster, tmp_path_factory.mktemp("operator")) as found:
        yield found


@pytest.fixture
def shop(running: World) -> World:
    running.infisical.secrets = {"A": "one", "B": "two"}
    running.infisical.refusal = running.infisical.list_refusal = None
    return running


def deployment(shop: World, name: str, secret: str) -> str:
    """One without pods that uses a Secret and asks for restarts; its path."""
    container = {"name": "c", "image": "i", "envFrom": [{"secretRef": {"name": secret}}]}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template}
    metadata = {"name": name, "annotations": {RELOAD: "true"}}
    deployments = f"/apis/apps/v1/namespaces/{shop.namespace}/deployments"
    shop.cluster.create(deployments, {"metadata": metadata, "spec": spec})
    return f"{deployments}/{name}"


def conditions(shop: World) -> dict[str, tuple[str, str]]:
    found = shop.cluster.call("GET", AUTH)["status"]["conditions"]
    return {each["type"].rpartition("/")[2]: (each["status"], each["message"]) for each in found}


def by_template(**data: str) -> dict[str, Any]:
    return {"template": {"engineVersion": "v1", "data": data}}


def test_values_arrive_change_and_are_counted(shop: World) -> None:
    shop.deliver("plain", secretType="Opaque")
    shop.arrives("plain", {"A": b"one", "B": b"two"})
    version = shop.secret("plain")["metadata"]["annotations"]["secrets.infisical.com/version"]
    assert re.fullmatch(r'W/"secrets-\d+-[0-9A-F]{8}"', version)
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


def test_a_template_that_fails_leaves_the_secret_as_it_was(shop: World) -> None:
    """Which is what the program's own templates do."""
    text = '{{ $found := index . "A" }}{{ if not $found.Value }}{{ fail "A has no value" }}{{ end }}{{ $found.Value }}'
    shop.deliver("kept", **by_template(A=text))
    shop.arrives("kept", {"A": b"one"})
    shop.infisical.secrets = {}
    shop.hurry("kept")
    shop.fails("kept", "A has no value")
    assert shop.data("kept") == {"A": b"one"}


def test_an_empty_folder_empties_a_secret_without_a_template(shop: World) -> None:
    shop.deliver("emptied")
    shop.arrives("emptied", {"A": b"one", "B": b"two"})
    shop.infisical.secrets = {}
    shop.hurry("emptied")
    shop.arrives("emptied", {})


def test_a_secret_of_somebody_else_loses_its_keys_and_keeps_its_type_and_owner(shop: World) -> None:
    shop.cluster.secret(shop.namespace, "theirs", {"precious": "value"})
    shop.deliver("theirs", secretType="kubernetes.io/basic-auth", creationPolicy="Owner")
    shop.arrives("theirs", {"A": b"one", "B": b"two"})
    found = shop.secret("theirs")
    assert (found["type"], found["metadata"].get("ownerReferences")) == ("Opaque", None)


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
    shop.looks_again("edited")
    assert shop.data("edited") == {"A": b"by hand", "B": b"two"}
    shop.cluster.call("DELETE", path)
    shop.hurry("edited")
    shop.arrives("edited", {"A": b"one", "B": b"two"})


def test_an_edit_is_put_right_once_the_target_has_other_annotations_and_nothing_restarts(shop: World) -> None:
    uses = deployment(shop, "worker", "righted")
    shop.deliver("righted", metadata={"labels": {}, "annotations": {"wish": "1"}})
    shop.arrives("righted", {"A": b"one", "B": b"two"})
    eventually(lambda: shop.restarted_for(uses, "righted"), "the first sync restarts")
    restarted = shop.restarted_for(uses, "righted")
    path = f"/api/v1/namespaces/{shop.namespace}/secrets/righted"
    shop.cluster.call("PATCH", path, {"data": {"A": base64.b64encode(b"by hand").decode()}})
    shop.change_target("righted", metadata={"labels": {}, "annotations": {"wish": "2"}})
    shop.arrives("righted", {"A": b"one", "B": b"two"})
    assert shop.restarted_for(uses, "righted") == restarted


def test_annotations_are_copied_unless_the_target_says_its_own(shop: World) -> None:
    shop.deliver("copied", metadata=None)
    shop.deliver("own", metadata={"labels": {"mine": "1"}, "annotations": {"a": "b"}})
    for name in ("copied", "own"):
        shop.arrives(name, {"A": b"one", "B": b"two"})
    copied = shop.secret("copied")["metadata"]["annotations"]
    assert (copied["pulumi.com/x"], copied["secrets.infisical.com/managed-annotations"]) == ("copied", "pulumi.com/x")
    own = shop.secret("own")["metadata"]
    assert own["labels"] == {"mine": "1"}
    assert own["annotations"].keys() == {"a", "secrets.infisical.com/version"}


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        (
            "owner-elsewhere",
            {"namespace": HOME, "creationPolicy": "Owner"},
            "cross-namespace owner references are disallowed",
        ),
        ("no-rights", {"namespace": "kube-system"}, "unknown namespace for the cache"),
        ("nonsense", by_template(A="{{ nonsense }}"), 'function "nonsense" not defined'),
    ],
)
def test_what_can_not_be_written_is_said(shop: World, name: str, target: dict[str, Any], message: str) -> None:
    shop.deliver(name, **target)
    shop.fails(name, message)


def test_an_immutable_secret_is_said(shop: World) -> None:
    body = {"metadata": {"name": "fixed"}, "immutable": True, "stringData": {"x": "y"}}
    shop.cluster.create(f"/api/v1/namespaces/{shop.namespace}/secrets", body)
    shop.deliver("fixed")
    shop.fails("fixed", "field is immutable when `immutable` is set")


def test_a_workload_that_asks_for_it_and_uses_the_secret_is_restarted(shop: World) -> None:
    uses, other = deployment(shop, "uses", "reloaded"), deployment(shop, "other", "another")
    shop.deliver("reloaded")
    eventually(lambda: shop.restarted_for(uses, "reloaded"), "the first sync restarts too")
    first = shop.restarted_for(uses, "reloaded")
    shop.infisical.secrets["A"] = "rotated"
    shop.hurry("reloaded")
    eventually(lambda: shop.restarted_for(uses, "reloaded") != first, "a changed value restarts")
    assert not shop.restarted_for(other, "reloaded")


@pytest.mark.parametrize(("name", "before"), [("passed-over", None), ("conflict", "true")])
def test_a_workload_that_changes_in_the_pass_that_changes_its_secret_is_never_restarted(
    shop: World, name: str, before: str | None
) -> None:
    """What is annotated then is passed over, and a conflict is forgotten, while the status says that all is well."""
    uses = deployment(shop, name, name)

    def annotate(value: str | None) -> None:
        annotations = {RELOAD: value, "touched": str(time.monotonic())}
        shop.cluster.call("PATCH", uses, {"metadata": {"annotations": annotations}})

    annotate(before)
    shop.infisical.meanwhile = lambda: annotate("true")
    shop.deliver(name)
    shop.arrives(name, {"A": b"one", "B": b"two"})
    shop.infisical.meanwhile = lambda: None
    shop.looks_again(name)
    assert (shop.status(name)[0], shop.restarted_for(uses, name)) == ("True", None)


def test_a_log_in_that_is_refused_is_said_and_recovers(shop: World) -> None:
    """A changed connection makes it log in anew."""
    shop.infisical.refusal = (400, "Local IPs not allowed as URL")
    shop.cluster.call("PATCH", AUTH, {"spec": {"kubernetes": {"serviceAccountTokenAudiences": ["other"]}}})
    eventually(lambda: "Local IPs not allowed as URL" in conditions(shop)["IsReady"][1], "the reason is there")
    shop.deliver("late")
    shop.fails("late", "InfisicalAuth is not ready")
    shop.infisical.refusal = None
    shop.cluster.call("PATCH", AUTH, {"spec": {"kubernetes": {"serviceAccountTokenAudiences": None}}})
    shop.arrives("late", {"A": b"one", "B": b"two"})


def test_who_waits_for_the_lease_acts_when_the_one_before_has_been_gone_for_a_while(
    running: World, tmp_path: Path
) -> None:
    folders = tmp_path / "first", tmp_path / "second"
    for folder in folders:
        folder.mkdir()
    acquired = "successfully acquired lease"
    with operator(running.cluster, folders[0], running.namespace, "--leader-elect") as log:
        eventually(lambda: acquired in log.read_text(), "the first has the lease")
        path = f"/apis/coordination.k8s.io/v1/namespaces/{HOME}/leases/cf2b8c44.infisical.com"
        assert running.cluster.call("GET", path)["spec"]["leaseDurationSeconds"] == 15
    began = time.monotonic()
    with operator(running.cluster, folders[1], running.namespace, "--leader-elect") as log:
        eventually(lambda: acquired in log.read_text(), "the second has it")
    assert time.monotonic() - began > 12, "the first has not given it back"


def test_a_namespace_that_it_may_not_read_holds_up_all_others(running: World, tmp_path: Path) -> None:
    """It is ready all the same, and ends after two minutes. A namespace that is deleted takes its Role with it."""
    rights = [("", "secrets", ["list"], []), ("secrets.infisical.com", "infisicalstaticsecrets", ["list"], [])]
    running.cluster.grant(HOME, rights)
    with operator(running.cluster, tmp_path, running.namespace, user=SCRIPT) as log:
        eventually(lambda: f'in the namespace "{running.namespace}"' in log.read_text(), "it says which")
        assert "acting in namespaces" not in log.read_text()
        running.cluster.grant(running.namespace, rights)
        eventually(lambda: "acting in namespaces" in log.read_text(), "it acts")


def identity(shop: World, value: str) -> None:
    path = f"/api/v1/namespaces/{HOME}/secrets/infisical-identity-shop"
    shop.cluster.call("PATCH", path, {"data": {"identityId": base64.b64encode(value.encode()).decode()}})


def log_ins(shop: World) -> int:
    return sum(path.endswith("/login") for path in shop.infisical.requests)


def test_a_token_outlives_the_secret_that_it_was_got_with(shop: World) -> None:
    shop.deliver("held")
    shop.arrives("held", {"A": b"one", "B": b"two"})
    before = log_ins(shop)
    identity(shop, "somebody-else")
    shop.infisical.secrets["A"] = "later"
    shop.hurry("held")
    shop.arrives("held", {"A": b"later", "B": b"two"})
    assert (log_ins(shop), conditions(shop)["IsReady"][0]) == (before, "True")
    identity(shop, "identity")


def test_an_identity_that_is_empty_is_said_and_so_is_its_method(shop: World) -> None:
    identity(shop, "")
    shop.cluster.call("PATCH", AUTH, {"spec": {"kubernetes": {"serviceAccountTokenAudiences": ["other"]}}})
    eventually(lambda: conditions(shop)["IsReady"][0] == "False", "it is not ready")
    said = conditions(shop)
    assert said["IsReady"][1] == (
        f"infisicalAuth is not ready to be used due to an error: secret {HOME}/infisical-identity-shop "
        'has no value for key "identityId" (referenced by .spec.kubernetes.identityIdRef)'
    )
    assert said["AuthMethod"] == ("False", "kubernetes")
    identity(shop, "identity")
    shop.cluster.call("PATCH", AUTH, {"spec": {"kubernetes": {"serviceAccountTokenAudiences": None}}})
    eventually(lambda: conditions(shop)["AuthMethod"][0] == "True", "it is ready again")


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (429, "unable to fetch all secret sources: failed to list secrets due to rate limit"),
        (400, 'unable to fetch all secret sources: Bad request: failed to list secrets [body={"message": "why"}]'),
        (404, 'unable to fetch all secret sources: failed to list secrets [status=404, body={"message": "why"}]'),
        (403, "unable to fetch all secret sources: Unauthorized access: status 403"),
    ],
)
def test_what_infisical_refuses_is_said(shop: World, status: int, message: str) -> None:
    shop.deliver(f"refused-{status}")
    shop.arrives(f"refused-{status}", {"A": b"one", "B": b"two"})
    shop.infisical.list_refusal = status, {"message": "why"}
    shop.hurry(f"refused-{status}")
    eventually(lambda: shop.status(f"refused-{status}") == ("False", f"Reconciliation failed: {message}"), message)
    assert shop.data(f"refused-{status}") == {"A": b"one", "B": b"two"}
