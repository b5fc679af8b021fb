"""A platform to restore: a bench of backups with Infisical's Deployment and a Redis."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backup_bench import LABEL, Bench, Done, tables
from job_cluster import Cluster
from job_engines import PASSWORD, Postgres, eventually
from job_pki import Pair
from job_redis import ADDRESSES, GROUP, Redis
from redis_connection import Connection

DEPLOYMENT = "infisical"


class Platform(Bench):
    """A bench with Infisical's Deployment and a Redis."""

    def __init__(self, redis: Redis, *given: Any) -> None:
        super().__init__(*given)
        self.redis = redis
        self.workloads = self.cluster.namespace("infisical")
        stop = ("apps", "deployments", ["get", "patch"], [DEPLOYMENT, "infisical-backend"])
        self.cluster.grant(self.workloads, [stop])
        labels = {"app": "infisical"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "i", "image": "i"}]}}
        spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
        self._deployments = f"/apis/apps/v1/namespaces/{self.workloads}/deployments"
        self.cluster.create(self._deployments, {"metadata": {"name": DEPLOYMENT}, "spec": spec})
        eventually(lambda: self.deployment["status"].get("replicas") == 2, "both pods are there")
        self.keep("queued", "job")

    @property
    def deployment(self) -> dict[str, Any]:
        return self.cluster.call("GET", f"{self._deployments}/{DEPLOYMENT}")

    @property
    def replicas(self) -> int:
        return self.deployment["spec"]["replicas"]

    def keep(self, name: str, value: str) -> None:
        with Connection(ADDRESSES[0], self.redis.port, PASSWORD) as connection:
            connection.call("SET", name, value)

    @property
    def kept(self) -> int:
        with Connection(ADDRESSES[0], self.redis.port, PASSWORD) as connection:
            return connection.call("DBSIZE")

    @property
    def secrets(self) -> str:
        return self.sql("select string_agg(name, ' ' order by name) from secrets")

    @property
    def untouched(self) -> bool:
        return (self.secrets, self.replicas, self.kept > 0) == ("a b c late", 2, True)

    def restoring(self, identifier: str = "one", **changed: Any) -> dict[str, Any]:
        return {
            **self.config(),
            "id": identifier,
            "source": "latest",
            "workloads": {"namespace": self.workloads, "deployments": [DEPLOYMENT, "infisical-backend"]},
            "queues": {
                "sentinel_host": ADDRESSES[0],
                "sentinel_port": self.redis.sentinel_port,
                "master_name": GROUP,
            },
            **changed,
        }

    def restore(self, identifier: str = "one", *, label: str = LABEL, **changed: Any) -> Done:
        return self.run("restore.py", self.restoring(identifier, **changed), REDIS_PASSWORD=PASSWORD, KEY_LABEL=label)

    def confirmed(self, identifier: str = "one", **changed: Any) -> Done:
        """Restores with the confirmation that the refusal prints."""
        return self.restore(identifier, overwrite=self.token(identifier, **changed), **changed)

    def token(self, identifier: str = "one", **changed: Any) -> str:
        refused = self.restore(identifier, **changed)
        found = re.search(r"set restore\.overwrite to ([0-9a-f]{12})$", refused.last_line)
        assert found, refused.output
        return found[1]


@contextmanager
def backed_up(redis: Redis, cluster: Cluster, postgres: Postgres, ca: Pair, folder: Path) -> Iterator[Platform]:
    """A platform of three secrets that are backed up, and one that came later."""
    postgres.present(ca.issue("127.0.0.1"))
    platform = Platform(redis, cluster, postgres, ca, folder)
    platform.sql(tables("a", "b", "c"))
    done = platform.back_up()
    assert done.status == 0, done.output
    platform.sql("insert into secrets values ('late', 'later'); create table newer (n int); drop view names")
    yield platform
    platform.drop()
