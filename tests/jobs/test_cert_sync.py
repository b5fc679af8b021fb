"""Certificate sync: a real PostgreSQL and PgBouncers present certificates, a real API server takes the writes."""

import base64
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cert_sync import CertSync, Config
from job import parse
from job_cluster import Cluster, Rule
from job_engines import PgBouncer, Postgres, RoundRobin, eventually, listens
from job_pki import DAY, Pair, authority, self_signed
from kube import Api, Conflict

PRIMARY, POOLER = "platform-db-cluster.db.svc", "platform-db-cluster-pooler.db.svc"
NAMES = (PRIMARY, POOLER)
PRIMARY_ADDRESS, POOLER_ADDRESS, PODS = "127.0.0.1", "127.0.0.2", ("127.0.0.3", "127.0.0.4")
CLUSTER, TARGET, DEPLOYMENT, KEY = "platform-db-cluster", "infisical-secrets", "infisical-backend", "DB_ROOT_CERT"
DATABASE_RULES: list[Rule] = [
    ("", "secrets", ["get"], ["platform-db-ca", "platform-db-tls"]),
    ("acid.zalan.do", "postgresqls", ["get", "patch"], [CLUSTER]),
]
INFISICAL_RULES: list[Rule] = [
    ("", "secrets", ["get", "patch"], [TARGET]),
    ("apps", "deployments", ["get", "patch"], [DEPLOYMENT]),
]


class Platform:
    """The two namespaces with their objects, and the servers of the database."""

    def __init__(self, cluster: Cluster, postgres: Postgres, folder: Path, start_job: Callable[..., Any]) -> None:
        self.cluster, self.postgres, self.folder, self._start_job = cluster, postgres, folder, start_job
        self.database, self.infisical = cluster.namespace("db"), cluster.namespace("infisical")
        cluster.grant(self.database, DATABASE_RULES)
        cluster.grant(self.infisical, INFISICAL_RULES)
        cluster.postgresql(self.database, CLUSTER)
        cluster.secret(self.infisical, TARGET, {"ENCRYPTION_KEY": "never-touched"})
        self.ca = authority()
        self.leaf = self.ca.issue(*NAMES)
        self.paths = {
            "authority": f"/api/v1/namespaces/{self.database}/secrets/platform-db-ca",
            "leaf": f"/api/v1/namespaces/{self.database}/secrets/platform-db-tls",
            "target": f"/api/v1/namespaces/{self.infisical}/secrets/{TARGET}",
            "database": f"/apis/acid.zalan.do/v1/namespaces/{self.database}/postgresqls/{CLUSTER}",
            "deployment": f"/apis/apps/v1/namespaces/{self.infisical}/deployments/{DEPLOYMENT}",
        }
        cluster.secret(self.database, "platform-db-ca", {"ca.crt": self.ca.pem, "tls.crt": self.ca.pem})
        cluster.secret(self.database, "platform-db-tls", {"ca.crt": self.ca.pem, "tls.crt": self.leaf.pem})
        self.servers: list[PgBouncer | RoundRobin] = []
        postgres.present(self.leaf)

    # what the operators would do

    def pooler(self, *pairs: Pair | None) -> None:
        """Pooler pods behind one address, each with its own certificate; None is one without TLS."""
        for address, pair in zip(PODS, pairs, strict=False):
            name = self.folder / f"pooler-{self.database}-{address}-{time.monotonic_ns()}"
            self.servers.append(PgBouncer(name, address, self.postgres.port, self.postgres, pair))
        backends = [(address, self.postgres.port) for address in PODS[: len(pairs)]]
        self.servers.append(RoundRobin(POOLER_ADDRESS, self.postgres.port, backends))

    def stop(self) -> None:
        while self.servers:
            self.servers.pop().stop()

    def secret_file(self, which: str, key: str, *pairs: Pair) -> None:
        value = base64.b64encode("".join(pair.pem for pair in pairs).encode()).decode()
        self.cluster.call("PATCH", self.paths[which], {"data": {key: value}})

    def renew(self, leaf: Pair | None = None) -> Pair:
        leaf = leaf or self.ca.issue(*NAMES)
        self.secret_file("leaf", "tls.crt", leaf)
        return leaf

    def deploy(self) -> None:
        labels = {"app": "infisical"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "infisical", "image": "i"}]}}
        spec = {"selector": {"matchLabels": labels}, "template": template}
        path = self.paths["deployment"].rpartition("/")[0]
        self.cluster.create(path, {"metadata": {"name": DEPLOYMENT}, "spec": spec})

    # what was written

    @property
    def published(self) -> str:
        data = self.cluster.call("GET", self.paths["target"])["data"]
        assert base64.b64decode(data["ENCRYPTION_KEY"]) == b"never-touched"
        return base64.b64decode(base64.b64decode(data.get(KEY, ""))).decode()

    @property
    def ca_annotation(self) -> str | None:
        template = self.cluster.call("GET", self.paths["deployment"])["spec"]["template"]
        return template["metadata"].get("annotations", {}).get("infisical-platform/ca-sha256")

    @property
    def leaf_annotation(self) -> str | None:
        spec = self.cluster.call("GET", self.paths["database"])["spec"]
        return spec.get("podAnnotations", {}).get("infisical-platform/leaf-sha256")

    def versions(self) -> dict[str, tuple[str, int]]:
        """Of everything a run can write; of the Deployment the generation, as its controller writes too."""
        found = {}
        for name in ("target", "database", "deployment"):
            try:
                metadata = self.cluster.call("GET", self.paths[name])["metadata"]
            except AssertionError:
                continue
            generation = metadata.get("generation", 0)
            found[name] = ("" if name == "deployment" else metadata["resourceVersion"], generation)
        return found

    def config(self) -> dict[str, Any]:
        port = self.postgres.port
        return {
            "authority": {"namespace": self.database, "secret": "platform-db-ca"},
            "leaf": {"namespace": self.database, "secret": "platform-db-tls"},
            "target": {"namespace": self.infisical, "secret": TARGET, "key": KEY},
            "endpoints": [
                {"host": PRIMARY, "port": port, "role": "primary"},
                {"host": POOLER, "port": port, "role": "pooler"},
            ],
            "database": {"namespace": self.database, "name": CLUSTER},
            "deployment": {"namespace": self.infisical, "name": DEPLOYMENT},
            "deadline_seconds": 0,
        }

    def start(self, **changed: Any) -> Any:
        hosts = {PRIMARY: [PRIMARY_ADDRESS], POOLER: [POOLER_ADDRESS]}
        return self._start_job("cert_sync.py", self.config() | changed, hosts=hosts, **self.cluster.environment)

    def run(self, **changed: Any) -> Any:
        return self.start(**changed).outcome()

    def refused(self, *complaints: str, **changed: Any) -> None:
        """The run fails with these words in its last line, and writes nothing."""
        before = self.versions()
        outcome = self.run(**changed)
        assert outcome.status == 1
        for complaint in complaints:
            assert complaint in outcome.last_line
        assert self.versions() == before

    def idle(self) -> str:
        """A run which succeeds without a write; its last line."""
        before = self.versions()
        outcome = self.run()
        assert outcome.status == 0, outcome.output
        assert self.versions() == before
        assert outcome.last_line.startswith("cert-sync: nothing to do")
        return outcome.last_line


@pytest.fixture
def platform(
    cluster: Cluster, postgres: Postgres, servers_folder: Path, start_job: Callable[..., Any]
) -> Iterator[Platform]:
    platform = Platform(cluster, postgres, servers_folder, start_job)
    yield platform
    platform.stop()


def test_first_publication_then_nothing(platform: Platform) -> None:
    platform.pooler(platform.leaf)
    outcome = platform.run()
    assert outcome.status == 0
    assert platform.published == platform.ca.pem
    assert outcome.last_line.startswith(
        f"cert-sync: published 1 authorities as {KEY} of Secret {platform.infisical}/{TARGET}: primary {PRIMARY}:"
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
    assert f"rolled Deployment {platform.infisical}/{DEPLOYMENT}" in outcome.last_line
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
    assert "rolled Deployment" in outcome.last_line
    platform.idle()


def test_expired_authority_is_dropped(platform: Platform) -> None:
    platform.pooler(platform.leaf)
    platform.secret_file("authority", "ca.crt", authority("expired", lasts=-DAY), platform.ca)
    assert platform.run().status == 0
    assert platform.published == platform.ca.pem


def test_only_expired_authorities(platform: Platform) -> None:
    platform.pooler(platform.leaf)
    expired = authority("expired", lasts=-DAY)
    platform.secret_file("authority", "ca.crt", expired)
    platform.secret_file("leaf", "ca.crt", expired)
    platform.refused("every authority in Secret", "has expired", "CN=expired")


def test_renewed_leaf_rolls_the_pooler_once(platform: Platform) -> None:
    platform.pooler(platform.leaf, platform.ca.issue(*NAMES))
    assert platform.run(endpoints=platform.config()["endpoints"][:1]).status == 0
    renewed = platform.renew()
    platform.postgres.present(renewed)
    platform.stop()
    platform.pooler(renewed, platform.leaf)  # one of its two pods is still old
    outcome = platform.run()
    assert outcome.status == 0
    assert f"asked for a roll of the pooler of postgresql {platform.database}/{CLUSTER}" in outcome.last_line
    assert platform.leaf_annotation == renewed.sha256
    line = platform.idle()
    assert f"sha256 {platform.leaf.sha256}" in line
    assert "the roll of its pods is under way" in line


def test_primary_reloads_by_itself(platform: Platform) -> None:
    assert platform.run(endpoints=platform.config()["endpoints"][:1]).status == 0
    renewed = platform.renew()
    platform.pooler(renewed)
    line = platform.idle()
    assert f"primary {PRIMARY}:{platform.postgres.port} presents CN={PRIMARY}" in line
    assert "from before the renewal: PostgreSQL's pod reloads it by itself within five minutes" in line
    assert platform.leaf_annotation is None


def test_renewal_which_is_never_taken_up_is_an_alarm(platform: Platform) -> None:
    old = platform.ca.issue(*NAMES, age=99 * DAY, lasts=DAY)
    platform.postgres.present(old)
    platform.pooler(platform.leaf)
    assert platform.run(endpoints=platform.config()["endpoints"][:1]).status == 0
    platform.refused("the renewed certificate is not taken up, restart the pods: primary", old.sha256)


def test_expired_leaf(platform: Platform) -> None:
    expired = platform.renew(platform.ca.issue(*NAMES, lasts=-DAY))
    platform.postgres.present(expired)
    platform.pooler(expired)
    # The Secret holds the same, so waiting changes nothing: this ends long before its deadline.
    platform.refused(
        f"primary {PRIMARY}:",
        f"sha256 {expired.sha256}",
        "certificate has expired",
        "valid until",
        deadline_seconds=600,
    )


@pytest.mark.parametrize("pods", [1, 2])
def test_expired_leaf_of_a_pooler_is_cured_by_a_roll(platform: Platform, pods: int) -> None:
    """With two pods the other one has the new leaf: a refusal and a look may reach different pods."""
    expired = platform.ca.issue(*NAMES, lasts=-DAY)
    platform.pooler(*[expired, platform.leaf][:pods])
    job = platform.start(deadline_seconds=60)
    eventually(lambda: platform.leaf_annotation == platform.leaf.sha256, "the roll is asked for")
    assert platform.published == ""  # not before everything verifies
    platform.stop()
    platform.pooler(platform.leaf)
    outcome = job.outcome()
    assert outcome.status == 0
    assert platform.published == platform.ca.pem


@pytest.mark.parametrize("where", ["primary", "pooler"])
def test_foreign_certificate(platform: Platform, where: str) -> None:
    """Nothing is written, also not for a pooler whose own certificate is an old one of ours."""
    foreign = self_signed(*NAMES)
    old = platform.ca.issue(*NAMES)
    platform.postgres.present(foreign if where == "primary" else platform.leaf)
    platform.pooler(old if where == "primary" else foreign)
    host = PRIMARY if where == "primary" else POOLER
    platform.refused(
        f"{where} {host}:{platform.postgres.port} presents CN={PRIMARY} (issuer CN={PRIMARY}, 2 names, "
        f"sha256 {foreign.sha256}",
        "self-signed certificate",
    )


def test_wrong_name(platform: Platform) -> None:
    wrong = platform.renew(platform.ca.issue(PRIMARY, "elsewhere.db.svc"))
    platform.postgres.present(wrong)
    platform.pooler(wrong)
    platform.refused(f"pooler {POOLER}:", "Hostname mismatch", POOLER, "2 names")


def test_common_name_is_no_name(platform: Platform) -> None:
    wrong = platform.renew(platform.ca.issue(subject=PRIMARY))
    platform.postgres.present(wrong)
    platform.pooler(wrong)
    platform.refused(f"primary {PRIMARY}:", "Hostname mismatch", "0 names")


def test_pooler_without_tls(platform: Platform) -> None:
    platform.pooler(None)
    platform.refused(f"pooler {POOLER}:{platform.postgres.port} does not offer TLS")


def test_unreachable_pooler(platform: Platform) -> None:
    assert not listens(POOLER_ADDRESS, platform.postgres.port)
    platform.refused(f"pooler {POOLER}:{platform.postgres.port}: ", "Connection refused")


def test_pooler_appears_late(platform: Platform) -> None:
    job = platform.start(deadline_seconds=60)
    job.sees("Connection refused")
    platform.pooler(platform.leaf)
    assert job.outcome().status == 0
    assert platform.published == platform.ca.pem


def test_missing_secret_appears_late(platform: Platform) -> None:
    platform.pooler(platform.leaf)
    platform.cluster.call("DELETE", platform.paths["leaf"])
    job = platform.start(deadline_seconds=60)
    job.sees("404")
    platform.cluster.secret(
        platform.database, "platform-db-tls", {"ca.crt": platform.ca.pem, "tls.crt": platform.leaf.pem}
    )
    assert job.outcome().status == 0


def test_missing_target(platform: Platform) -> None:
    platform.pooler(platform.leaf)
    platform.cluster.call("DELETE", platform.paths["target"])
    outcome = platform.run(deadline_seconds=60)
    assert outcome.status == 1
    assert f'secrets "{TARGET}" not found' in outcome.last_line


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

    sync = CertSync(parse(Config, platform.config()), Interrupted())
    with pytest.raises(Conflict):
        sync._publish(sync._trust(), cluster.call("GET", platform.paths["target"]))
    assert cluster.call("GET", platform.paths["target"])["data"][KEY] == "bmV3ZXI="
