"""Certificate sync: what it publishes and restarts, and that it does nothing twice.

What it refuses and waits for: test_cert_refusals.py. What is decided of what is seen: tests/unit/test_cert_decide.py.
"""

import base64
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from cert_observe import read_trust
from cert_sync import CertSync, Config
from job import parse
from job_cluster import Cluster
from job_pki import DAY, authority
from job_platform import (
    CLUSTER,
    DEPLOYMENT,
    KEY,
    NAMES,
    POOLER,
    POOLERS,
    PRIMARY,
    PRIMARY_ADDRESS,
    REPLICA,
    REPLICA_ADDRESS,
    TARGET,
    Platform,
)
from kube import Api, Conflict


def test_first_publication_then_nothing(platform: Platform) -> None:
    platform.pooler(platform.leaf)
    outcome = platform.run()
    assert outcome.status == 0
    assert platform.published == platform.ca.pem
    assert outcome.last_line.startswith(
        f"cert-sync: published 1 authorities as {KEY} of Secret {platform.infisical}/{TARGET}: "
        f"every pod (1 primary, 1 pooler) verified by {KEY} = CN=platform-db-ca sha256 {platform.ca.sha256[:16]}"
    )
    assert len(outcome.output.splitlines()) == 1
    time.sleep(1)  # creation times have whole seconds, and the application is deployed well after the publication
    platform.deploy()
    assert platform.ca.sha256[:16] in platform.idle()
    assert platform.ca_annotation is None
    assert platform.leaf_annotation is None


def test_field_manager_owns_one_key(platform: Platform) -> None:
    platform.pooler(platform.leaf)
    assert platform.run().status == 0
    fields = platform.cluster.call("GET", platform.paths["target"])["metadata"]["managedFields"]
    owned = {entry["manager"]: entry["fieldsV1"] for entry in fields}
    assert owned["cert-sync"] == {"f:data": {f"f:{KEY}": {}}}


def test_changed_authority_rolls_infisical_once(platform: Platform) -> None:
    platform.pooler(platform.leaf)
    assert platform.run().status == 0
    time.sleep(1)
    platform.deploy()
    time.sleep(1)
    renewed = authority("platform-db-ca-2")
    platform.secret_file("authority", "ca.crt", renewed)
    outcome = platform.run()
    assert outcome.status == 0
    assert platform.published == renewed.pem + platform.ca.pem  # what is served still verifies
    assert "published 2 authorities" in outcome.last_line
    assert f"restarted Deployment {platform.infisical}/{DEPLOYMENT}" in outcome.last_line
    assert platform.ca_annotation
    platform.idle()


def test_replaced_authority(platform: Platform) -> None:
    """The old authority stays published while servers present its leaf, and goes when none does."""
    platform.pooler(platform.leaf)
    assert platform.run().status == 0
    old, new = platform.ca, authority("platform-db-ca-2")
    platform.secret_file("authority", "ca.crt", new)
    platform.secret_file("leaf", "ca.crt", new)
    leaf = platform.renew(new.issue(*NAMES))
    outcome = platform.run()
    assert outcome.status == 0
    assert platform.published == new.pem + old.pem
    assert platform.leaf_annotation == leaf.sha256
    platform.idle()
    platform.postgres.present(leaf)
    assert platform.published == new.pem + old.pem
    platform.idle()  # the pooler still needs it
    platform.stop()
    platform.pooler(leaf)
    assert platform.run().status == 0
    assert platform.published == new.pem
    platform.idle()


def test_published_value_which_is_none_is_replaced(platform: Platform) -> None:
    platform.pooler(platform.leaf)
    platform.cluster.call("PATCH", platform.paths["target"], {"data": {KEY: "bm8gY2VydGlmaWNhdGU="}})
    assert platform.run().status == 0
    assert platform.published == platform.ca.pem


def test_roll_of_an_interrupted_run_is_made_up_for(platform: Platform) -> None:
    """Killed after the publication, before the roll: the Deployment is older than what the Secret holds."""
    platform.pooler(platform.leaf)
    platform.deploy()
    time.sleep(1)
    bundle = base64.b64encode(base64.b64encode(platform.ca.pem.encode())).decode()
    platform.cluster.call("PATCH", f"{platform.paths['target']}?fieldManager=cert-sync", {"data": {KEY: bundle}})
    outcome = platform.run()
    assert outcome.status == 0
    assert "published" not in outcome.last_line
    assert "restarted Deployment" in outcome.last_line
    platform.idle()


def test_expired_authority_is_dropped(platform: Platform) -> None:
    platform.pooler(platform.leaf)
    platform.secret_file("authority", "ca.crt", authority("expired", lasts=-DAY), platform.ca)
    assert platform.run().status == 0
    assert platform.published == platform.ca.pem


def test_renewed_leaf_rolls_the_pooler_once(platform: Platform) -> None:
    platform.pooler(platform.leaf, platform.ca.issue(*NAMES))
    assert platform.run(services=platform.primary_alone()).status == 0
    renewed = platform.renew()
    platform.postgres.present(renewed)
    platform.stop()
    platform.pooler(renewed, platform.leaf)  # one of its two pods is still old
    outcome = platform.run()
    assert outcome.status == 0
    assert f"asked for a restart of the pooler of postgresql {platform.database}/{CLUSTER}" in outcome.last_line
    assert platform.leaf_annotation == renewed.sha256
    line = platform.idle()
    assert f"sha256 {platform.leaf.sha256}" in line
    assert "the restart of its pods is under way" in line


def test_primary_reloads_by_itself(platform: Platform) -> None:
    assert platform.run(services=platform.primary_alone()).status == 0
    renewed = platform.renew()
    platform.pooler(renewed)
    line = platform.idle()
    assert (
        f"primary primary-{PRIMARY_ADDRESS} ({PRIMARY_ADDRESS}:{platform.postgres.port}) presents CN={PRIMARY}" in line
    )
    assert "from before the renewal: PostgreSQL's pod reloads it by itself within five minutes" in line
    assert platform.leaf_annotation is None


def test_every_pod_is_asked_itself(platform: Platform) -> None:
    """The one old pod of ten is found by every run, and named; a balancer would hide it from most."""
    old = platform.ca.issue(*NAMES)
    renewed = platform.renew()
    platform.postgres.present(renewed)
    platform.pooler(*[renewed] * 6, old, *[renewed] * 3)
    outcome = platform.run()
    assert outcome.status == 0
    assert f"pooler pooler-{POOLERS[6]} ({POOLERS[6]}:{platform.postgres.port}) presents " in outcome.last_line
    assert outcome.last_line.count(" presents ") == 1
    assert "every pod (1 primary, 10 pooler) verified" in outcome.last_line
    assert platform.leaf_annotation == renewed.sha256


def test_replica_is_verified_for_its_own_name(platform: Platform) -> None:
    platform.pooler(platform.leaf)
    platform.replica(platform.leaf)
    assert "every pod (1 primary, 1 replica, 1 pooler) verified" in platform.run().last_line
    platform.stop()
    platform.pooler(platform.leaf)
    platform.replica(platform.ca.issue(PRIMARY, POOLER))
    platform.refused(f"replica replica-{REPLICA_ADDRESS} (", "Hostname mismatch", REPLICA)


def test_leaf_without_its_authority(platform: Platform) -> None:
    platform.pooler(platform.leaf)
    (platform.mounted / "leaf/ca.crt").unlink()
    assert platform.run().status == 0
    assert platform.published == platform.ca.pem


def test_two_runs_at_once(platform: Platform) -> None:
    platform.pooler(platform.leaf)
    jobs = [platform.start(deadline_seconds=60) for _ in range(3)]
    assert [job.outcome().status for job in jobs] == [0, 0, 0]
    assert platform.published == platform.ca.pem
    platform.idle()


def test_stale_write_is_refused(cluster: Cluster, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Secret changes between the read and the write: nothing is undone, the next round reads anew."""
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)

    class Interrupted(Api):
        def merge_patch(self, path: str, change: Any, *, field_manager: str) -> Any:
            cluster.call("PATCH", path, {"data": {KEY: "bmV3ZXI="}})
            return super().merge_patch(path, change, field_manager=field_manager)

    config = parse(Config, platform.config())
    sync = CertSync(config, Interrupted())
    trust = read_trust(config.authority, config.leaf, datetime.now(UTC))
    with pytest.raises(Conflict):
        sync.act.publish(trust.authorities, sync.act.read())
    assert cluster.call("GET", platform.paths["target"])["data"][KEY] == "bmV3ZXI="
