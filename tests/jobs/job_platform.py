"""The platform as CertSync finds it: real servers present certificates, a real API server takes the writes."""

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from job_cluster import Cluster, Rule
from job_engines import PgBouncer, Postgres
from job_pki import Pair, authority

CLUSTER, TARGET, DEPLOYMENT, KEY = "platform-db-cluster", "infisical-secrets", "infisical-backend", "DB_ROOT_CERT"
SERVICES = {"primary": CLUSTER, "replica": f"{CLUSTER}-repl", "pooler": f"{CLUSTER}-pooler"}
HOSTS = {role: f"{service}.db.svc" for role, service in SERVICES.items()}
PRIMARY, REPLICA, POOLER = HOSTS.values()
NAMES = tuple(HOSTS.values())
# The API server takes no loopback address for an endpoint, so the tests' resolver translates: 10.0.0.3 is 127.0.0.3.
PRIMARY_ADDRESS, REPLICA_ADDRESS, POOLERS = "10.0.0.1", "10.0.0.2", tuple(f"10.0.0.{n}" for n in range(3, 13))
DATABASE_RULES: list[Rule] = [
    ("", "endpoints", ["get"], list(SERVICES.values())),
    ("acid.zalan.do", "postgresqls", ["get", "patch"], [CLUSTER]),
]
INFISICAL_RULES: list[Rule] = [
    ("", "secrets", ["get", "patch"], [TARGET]),
    ("apps", "deployments", ["get", "patch"], [DEPLOYMENT]),
]


def loopback(address: str) -> str:
    return address.replace("10.", "127.", 1)


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
            "target": f"/api/v1/namespaces/{self.infisical}/secrets/{TARGET}",
            "database": f"/apis/acid.zalan.do/v1/namespaces/{self.database}/postgresqls/{CLUSTER}",
            "deployment": f"/apis/apps/v1/namespaces/{self.infisical}/deployments/{DEPLOYMENT}",
        }
        self.mounted = folder / f"mounted-{self.database}"
        for name in ("authority", "leaf"):
            (self.mounted / name).mkdir(parents=True)
            self.secret_file(name, "ca.crt", self.ca)
        self.secret_file("leaf", "tls.crt", self.leaf)
        self.servers: list[PgBouncer] = []
        postgres.present(self.leaf)
        self.endpoints("primary", PRIMARY_ADDRESS)

    # what operators, controllers and the kubelet would do

    def endpoints(self, role: str, *addresses: str) -> None:
        """The pods behind a Service."""
        path = f"/api/v1/namespaces/{self.database}/endpoints"
        ready = [{"ip": address, "targetRef": {"kind": "Pod", "name": f"{role}-{address}"}} for address in addresses]
        subsets = [{"addresses": ready, "ports": [{"port": self.postgres.port}]}] if ready else []
        body = {"metadata": {"name": SERVICES[role]}, "subsets": subsets}
        try:
            self.cluster.call("PUT", f"{path}/{SERVICES[role]}", body, "application/json")
        except AssertionError:
            self.cluster.create(path, body)

    def server(self, address: str, pair: Pair | None) -> None:
        """A server of its own with a certificate; None is one without TLS."""
        name = self.folder / f"server-{self.database}-{address}-{time.monotonic_ns()}"
        self.servers.append(PgBouncer(name, loopback(address), self.postgres.port, self.postgres, pair))

    def pooler(self, *pairs: Pair | None) -> None:
        """Pooler pods, each with its own certificate."""
        used = POOLERS[: len(pairs)]
        for address, pair in zip(used, pairs, strict=True):
            self.server(address, pair)
        self.endpoints("pooler", *used)

    def replica(self, pair: Pair) -> None:
        self.server(REPLICA_ADDRESS, pair)
        self.endpoints("replica", REPLICA_ADDRESS)

    def stop(self) -> None:
        while self.servers:
            self.servers.pop().stop()

    def secret_file(self, which: str, key: str, *pairs: Pair) -> None:
        (self.mounted / which / key).write_text("".join(pair.pem for pair in pairs))

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
        return {
            "authority": {"secret": "platform-db-ca", "folder": str(self.mounted / "authority")},
            "leaf": {"secret": "platform-db-tls", "folder": str(self.mounted / "leaf")},
            "target": {"namespace": self.infisical, "name": TARGET, "key": KEY},
            "services": [{"name": SERVICES[role], "role": role, "host": host} for role, host in HOSTS.items()],
            "database": {"namespace": self.database, "name": CLUSTER},
            "deployment": {"namespace": self.infisical, "name": DEPLOYMENT},
            "deadline_seconds": 0,
        }

    def start(self, **changed: Any) -> Any:
        hosts = {address: [loopback(address)] for address in (PRIMARY_ADDRESS, REPLICA_ADDRESS, *POOLERS)}
        return self._start_job("cert_sync.py", self.config() | changed, hosts=hosts, **self.cluster.environment)

    def primary_alone(self) -> list[dict[str, str]]:
        """The services of a run that does not look at the pooler."""
        return self.config()["services"][:1]

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
