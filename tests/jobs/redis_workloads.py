"""The StatefulSets that the redis-operator makes, on a real API server; the test plays operator and controller."""

from typing import Any

from job_cluster import Cluster, Rule

REDIS, SENTINEL = "platform-kv", "platform-kv-sentinel-sentinel"
IMAGE, CONFIG_MAP = "redis:7.0.15", "platform-kv-config-1"
RULES: list[Rule] = [
    ("apps", "statefulsets", ["get"], [REDIS, SENTINEL]),
    ("", "pods", ["list"], []),
    ("", "events", ["list"], []),
    ("", "persistentvolumeclaims", ["list"], []),
]


class Workloads:
    """Three of Redis and three Sentinels, rolled out, in a namespace of their own."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.namespace = cluster, cluster.namespace("kv")
        cluster.grant(self.namespace, RULES)
        for name in (REDIS, SENTINEL):
            redis = {"name": name, "image": IMAGE, "resources": {"limits": {"memory": "512Mi"}}}
            cluster.statefulset(self.namespace, name, {"app": name}, redis, 3)
        volumes = [{"name": "external-config", "configMap": {"name": CONFIG_MAP}}]
        self.change(REDIS, {"template": {"spec": {"volumes": volumes}}})
        cluster.rolled_out(self.namespace, REDIS)

    @property
    def config(self) -> dict[str, Any]:
        """The script's, as the stack asks for them."""
        workload = {"replicas": 3, "image": IMAGE, "memory_limit": "0.5Gi"}
        workloads = [{"statefulset": REDIS, **workload, "storage": "1Gi"}, {"statefulset": SENTINEL, **workload}]
        return {"namespace": self.namespace, "workloads": workloads}

    @property
    def environment(self) -> dict[str, str]:
        return {**self.cluster.environment, "CONFIG_MAP": CONFIG_MAP}

    def path(self, name: str) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/statefulsets/{name}"

    def change(self, name: str, spec: object) -> None:
        """As the operator changes one."""
        kind = "application/strategic-merge-patch+json"
        self.cluster.call("PATCH", self.path(name), {"spec": spec}, kind)

    def image(self, name: str, image: str) -> None:
        self.change(name, {"template": {"spec": {"containers": [{"name": name, "image": image}]}}})

    def pod(self, name: str, app: str, status: object, revision: str = "1") -> None:
        pods = f"/api/v1/namespaces/{self.namespace}/pods"
        spec = {"containers": [{"name": app, "image": IMAGE}]}
        labels = {"app": app, "controller-revision-hash": revision}
        self.cluster.create(pods, {"metadata": {"name": name, "labels": labels}, "spec": spec})
        self.cluster.call("PATCH", f"{pods}/{name}/status", {"status": status})

    def newest(self, name: str, revision: str) -> None:
        """As the StatefulSet controller says which pods are of the newest revision."""
        self.cluster.call("PATCH", f"{self.path(name)}/status", {"status": {"updateRevision": revision}})

    def claim(self, server: int, size: str) -> None:
        """Make the volume of a server of Redis."""
        labels = {"app": REDIS, "redis_setup_type": "replication", "role": "replication"}
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
        self.cluster.create(
            f"/api/v1/namespaces/{self.namespace}/persistentvolumeclaims",
            {"metadata": {"name": f"data-{REDIS}-{server}", "labels": labels}, "spec": spec},
        )

    def grown(self, size: int) -> None:
        """Note beside the StatefulSet, as the operator does, what it has grown the volumes to that it saw."""
        self.cluster.call("PATCH", self.path(REDIS), {"metadata": {"annotations": {"storageCapacity": str(size)}}})

    def refused(self, name: str, message: str) -> None:
        """As the StatefulSet controller says that a pod was not admitted."""
        uid = self.cluster.call("GET", self.path(name))["metadata"]["uid"]
        reference = {"kind": "StatefulSet", "name": name, "namespace": self.namespace, "uid": uid}
        self.cluster.event(self.namespace, reference, message, "FailedCreate")
