"""What the Zalando operator makes, on a real API server; the test plays the operator."""

from collections.abc import Callable
from typing import Any

from job_cluster import Cluster, Rule
from job_engines import eventually

CLUSTER = "platform-db-cluster"
RULES: list[Rule] = [
    ("acid.zalan.do", "postgresqls", ["get", "patch"], [CLUSTER]),
    ("apps", "statefulsets", ["get"], [CLUSTER]),
    ("apps", "deployments", ["get"], [f"{CLUSTER}-pooler"]),
    ("", "pods", ["list"], []),
    ("", "events", ["list"], []),
    ("", "persistentvolumeclaims", ["list"], []),
]
LIMITS = {"cpu": "2", "memory": "2Gi"}
SPILO = {"application": "spilo", "cluster-name": CLUSTER}
READY = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running"}


class Database:
    def __init__(self, cluster: Cluster, start_job: Callable[..., Any]) -> None:
        self.cluster, self._start_job = cluster, start_job
        self.namespace = cluster.namespace("db")
        cluster.grant(self.namespace, RULES)
        self.uid = cluster.postgresql(self.namespace, CLUSTER)["metadata"]["uid"]
        self.statefulset = f"/apis/apps/v1/namespaces/{self.namespace}/statefulsets/{CLUSTER}"
        self.path = f"/apis/acid.zalan.do/v1/namespaces/{self.namespace}/postgresqls/{CLUSTER}"

    def status(self, status: str) -> None:
        self.cluster.call("PATCH", f"{self.path}/status", {"status": {"PostgresClusterStatus": status}})

    def warning(self, message: str) -> None:
        reference = {"kind": "postgresql", "name": CLUSTER, "namespace": self.namespace, "uid": self.uid}
        self.cluster.event(self.namespace, reference, message)

    def pod(self, name: str, status: object) -> None:
        pods = f"/api/v1/namespaces/{self.namespace}/pods"
        spec = {"containers": [{"name": "postgres", "image": "spilo"}]}
        self.cluster.create(pods, {"metadata": {"name": name, "labels": {"cluster-name": CLUSTER}}, "spec": spec})
        self.cluster.call("PATCH", f"{pods}/{name}/status", {"status": status})

    def make(self, *, limits: dict[str, str] = LIMITS, of_before: int = 0) -> None:
        """As the operator makes two of PostgreSQL, all ready; the first ones with the limits of before."""
        postgres = {"name": "postgres", "image": "spilo", "resources": {"limits": limits}}
        self.cluster.statefulset(self.namespace, CLUSTER, SPILO, postgres, 2)
        for number in range(2):
            before = {"limits": {"cpu": "1", "memory": "1Gi"}}
            old = {**postgres, "resources": before} if number < of_before else postgres
            self.postgres(f"{CLUSTER}-{number}", old)

    def postgres(self, name: str, container: dict[str, Any], status: object = READY) -> None:
        pods = f"/api/v1/namespaces/{self.namespace}/pods"
        self.cluster.create(pods, {"metadata": {"name": name, "labels": SPILO}, "spec": {"containers": [container]}})
        self.cluster.call("PATCH", f"{pods}/{name}/status", {"status": status})

    def say(self, number: int, status: object) -> None:
        """As the kubelet says how a pod of PostgreSQL is."""
        pod = f"/api/v1/namespaces/{self.namespace}/pods/{CLUSTER}-{number}"
        self.cluster.call("PATCH", f"{pod}/status", {"status": status})

    def pooler(self, status: object = READY) -> str:
        """As the operator makes one of PgBouncer; the name of its pod."""
        labels = {"connection-pooler": f"{CLUSTER}-pooler"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "pgbouncer", "image": "p"}]}}
        spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        deployments = f"/apis/apps/v1/namespaces/{self.namespace}/deployments"
        self.cluster.create(deployments, {"metadata": {"name": f"{CLUSTER}-pooler"}, "spec": spec})
        pods = f"/api/v1/namespaces/{self.namespace}/pods"

        def names() -> list[str]:
            found = self.cluster.call("GET", f"{pods}?labelSelector=connection-pooler")["items"]
            return [pod["metadata"]["name"] for pod in found]

        eventually(names, "the pooler's pod is there")
        self.cluster.call("PATCH", f"{pods}/{names()[0]}/status", {"status": status})
        return names()[0]

    def claim(self, server: int, size: str) -> str:
        """Make the volume of a server, and return the claim's name."""
        name = f"pgdata-{CLUSTER}-{server}"
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
        claims = f"/api/v1/namespaces/{self.namespace}/persistentvolumeclaims"
        self.cluster.create(claims, {"metadata": {"name": name, "labels": SPILO}, "spec": spec})
        return name

    def complete(self) -> None:
        self.make()
        self.pooler()

    def annotate(self, value: str | None) -> None:
        annotations = {"metadata": {"annotations": {"last-major-upgrade-failure": value}}}
        self.cluster.call("PATCH", self.path, annotations)

    def declared(self, kind: str, name: str) -> list[str]:
        """Field managers other than the stack which have declared something, once all is as the stack declares it."""

        def whole() -> bool:
            spec = self.cluster.call("GET", self.path)["spec"]
            return (spec["databases"], spec["users"]) == ({"infisical": "infisical_user"}, {"infisical_user": []})

        eventually(whole, "everything is declared", 5)
        metadata = self.cluster.call("GET", self.path)["metadata"]
        assert metadata["annotations"] == {"owner": "stack"}
        return [
            entry["manager"]
            for entry in metadata["managedFields"]
            if f"f:{name}" in entry["fieldsV1"].get("f:spec", {}).get(f"f:{kind}", {})
            and entry["manager"].startswith("platform-db")
        ]

    @property
    def retries(self) -> list[str]:
        return self.declared("databases", "infisical")

    @property
    def passwords_read(self) -> list[str]:
        return self.declared("users", "infisical_user")

    def update(self) -> None:
        """As the operator acts on any change."""
        self.status("Updating")
        self.status("Running")

    def gate(self, deadline: float = 120, patience: float = 100) -> Any:
        config = {
            "namespace": self.namespace,
            "cluster": CLUSTER,
            "database": "infisical",
            "owner": "infisical_user",
            "version": "17",
            "size": {"instances": 2, "cpu_limit": "2", "memory_limit": "2Gi", "storage": "10Gi", "pooler_instances": 1},
            "operator_patience_seconds": patience,
            "deadline_seconds": deadline,
        }
        return self._start_job("database_ready.py", config, **self.cluster.environment)
