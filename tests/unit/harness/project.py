"""Run this program on the harness, with a stack's configuration and the shapes that a stack may have."""

from __future__ import annotations

import base64
import functools
import json
import os
import runpy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from safeguards.cluster import LiveCluster
from safeguards.network import IMAGES
from settings import Commands, Settings, load
from settings.machinery.named_secrets import named_in
from settings.secrets import SECRETS
from tests.jobs.job_pki import authority
from tests.unit.harness.graph import Graph
from tests.unit.harness.recording import Providers, State, record

ROOT = Path(__file__).resolve().parents[3]
PROJECT: str = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["name"]
COMMANDS = Commands(PROJECT, "dev")
CLUSTER = "uid-of-kube-system"

# What `make secrets STACK=prod` asks for.
THROW_AWAY = {
    "smtpPassword": "throw-away-smtp",
    "githubLoginClientSecret": "throw-away-login",
    "githubAppClientSecret": "throw-away-app",
    "githubAppPrivateKey": "-----BEGIN PRIVATE KEY-----\ndGhyb3ctYXdheQ==\n-----END PRIVATE KEY-----\n",
    "awsSecretAccessKey": "throw-away-aws",
}
OPERATOR = {"chart": {"path": "embedded/charts/secrets-operator"}}  # which `make charts` would put into charts/
_CHARTS = "tests/unit/charts"  # two kinds of each operator
INSTALLED = {
    "postgres": "install",
    "redis": "install",
    "certManager": "install",
    "postgresChart": {"path": f"{_CHARTS}/postgres-operator"},
    "redisChart": {"path": f"{_CHARTS}/redis-operator"},
    "certManagerChart": {"path": f"{_CHARTS}/cert-manager"},
}
ORGANIZATION = {"name": "dog", "admin": "ops@example.org"}
SHOP = {
    "environments": {"prod": "Production"},
    "people": {"viewer": ["dev@example.org"]},
    "secrets": {
        "prod": {
            "/": {
                "FEATURES": "search,cart",
                "SESSION_KEY": {"generate": 64},
                "DATABASE_URL": {"from": "shopDatabaseUrl"},
                "STRIPE_KEY": {"owner": "people"},
            }
        }
    },
    "deliver": [{"environment": "prod", "namespace": "shop", "secret": "shop-env", "restarts": ["deployment/shop"]}],
}
_MORE = ("installed", "operator", "organization", "applications", "backed-up", "bucket", "restored", "moved-in")
SHAPES = ("dev", "prod", "minimal", "everything", "gateway", "smallest", "rotated", *_MORE)
AUTHORITY = authority("Cloud Root").pem
EXTERNAL_DATABASE = {"kind": "external", "host": "db.example.org", "port": 6432, "authority": AUTHORITY}
EXTERNAL_REDIS = {"kind": "external", "host": "redis.example.org", "authority": AUTHORITY}
EXTERNAL_SENTINELS = {
    "kind": "external",
    "sentinelHosts": ["s-0.example.org:26379", "s-1.example.org:26380"],
    "masterName": "main",
    "username": "app",
    "tls": False,
}
OUTSIDE = ("external", "sentinels")  # shapes whose database or Redis somebody else runs
OTHER_SERVER = {"host": "postgresql.old.svc", "port": 5433, "name": "infisicalDB", "user": "old", "tls": False}
RECIPIENT = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n=AAAA\n-----END PGP PUBLIC KEY BLOCK-----\n"
BUCKET = {"kind": "bucket", "endpoint": "https://s3.example.org", "name": "dumps"}

Configured = Mapping[str, object] | str  # of a stack's key


def platform(
    stack: str = "dev",
    *,
    preview: bool = False,
    state: State | None = None,
    namespaces: Mapping[str, Mapping[str, str]] | None = None,
    environment: Mapping[str, str] | None = None,
    **keys: Configured,
) -> Graph:
    """Run the whole program with the configuration of Pulumi.<stack>.yaml. Equal calls run once.

    A keyword names a key of the stack: a section, whose keys replace those of the file, or a secret. In a preview
    nothing is known that a provider makes. `state` is what the last update left. The cluster is empty, but for
    `namespaces` (name to annotations) and an `infisical-secrets` with `environment`.
    """
    cluster = (json.dumps(namespaces or {}), json.dumps(environment or {}), json.dumps(_running(keys)))
    return _platform(stack, preview, json.dumps(state or {}), cluster, json.dumps(keys, sort_keys=True))


@functools.cache
def _platform(stack: str, preview: bool, state: str, cluster: tuple[str, str, str], keys: str) -> Graph:
    values = configuration(stack, **json.loads(keys))
    environment = {"PULUMI_CONFIG": json.dumps(values), "PULUMI_CONFIG_SECRET_KEYS": json.dumps(encrypted(values))}

    def program() -> None:
        with mock.patch.dict(os.environ, environment), _cluster(*map(json.loads, cluster)):
            runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")

    graph = record(program, Providers(preview=preview, state=json.loads(state)), PROJECT, stack)
    return replace(graph, given=frozenset(values[key] for key in encrypted(values)))


def _running(keys: Mapping[str, Configured]) -> Mapping[str, list[str]]:
    """Return the operators that the cluster has, by image: those that the stack doesn't install."""
    operators = keys.get("operators", {})
    installed = operators if isinstance(operators, Mapping) else {}
    return {image: [image] for operator, image in IMAGES.items() if installed.get(operator) != "install"}


@contextmanager
def _cluster(
    namespaces: Mapping[str, Mapping[str, str]],
    environment: Mapping[str, str],
    images: Mapping[str, list[str]],
) -> Iterator[None]:
    """Answer the program's questions about its cluster."""
    found = {"kube-system": {"uid": CLUSTER}}
    found |= {name: {"uid": f"uid-{name}", "annotations": annotations} for name, annotations in namespaces.items()}
    with (
        mock.patch.object(LiveCluster, "namespaces", side_effect=lambda *others: {name: {} for name in others} | found),
        mock.patch.object(LiveCluster, "environment", return_value=environment),
        mock.patch.object(LiveCluster, "images", return_value=images),
        mock.patch.object(LiveCluster, "helm_release", return_value=""),
        mock.patch.object(LiveCluster, "statefulset", return_value={}),
        mock.patch.object(LiveCluster, "deployments", return_value=[]),
        mock.patch.object(LiveCluster, "listeners", return_value=[{"name": "https", "protocol": "HTTPS"}]),
        mock.patch.object(LiveCluster, "controller", return_value="traefik.io/ingress-controller"),
        mock.patch.object(LiveCluster, "api_server", return_value={("10.0.0.1", 6443)}),
        mock.patch.object(
            LiveCluster, "has_pods", side_effect=lambda _, labels: labels != {"k8s-app": "node-local-dns"}
        ),
    ):
        yield


def shape(name: str, **more: Any) -> Graph:
    """Run one of SHAPES, with more sections: the three stacks, all that can be turned on, a Gateway, one of each,
    rotated passwords, the secrets operator, the first organisation, an application, backups, the database of another
    Infisical that moves in, and databases that somebody else runs.
    """
    larger = {
        "everything": everything,
        "applications": with_applications,
        "bucket": in_a_bucket,
        "moved-in": moved_in,
        "external": external,
        "sentinels": with_sentinels,
    }
    if name in larger:
        return larger[name](**more)
    match name:
        case "gateway":
            route = {"kind": "gateway", "name": "public", "namespace": "edge", "listener": "https"}
            return platform(ingress={"route": route}, **more)
        case "smallest":
            return platform(database={"instances": 1, "pooler": {"instances": 1}}, infisical={"replicas": 1}, **more)
        case "installed":
            return platform(operators=INSTALLED, **more)
        case "operator":
            return platform(secretsOperator=OPERATOR, **more)
        case "organization":
            return platform(organization=ORGANIZATION, **more)
        case "rotated":
            return platform(database={"passwordRotation": 2}, redis={"passwordRotation": 2}, **more)
        case "backed-up":
            return platform(backup={"target": {"kind": "volume"}, "recipients": [RECIPIENT]}, **more)
        case "restored":
            identity = RECIPIENT.replace("PUBLIC", "PRIVATE").replace("AAAA", "dGhyb3ctYXdheQ==", 1)
            backup = {"target": {"kind": "volume"}, "recipients": [RECIPIENT]}
            restore = {"id": "one", "from": "latest"}
            return platform(backup=backup, restore=restore, restoreIdentity=identity, **more)
        case _:
            return platform(name, **more)


def with_applications(stack: str = "dev", **keys: Any) -> Graph:
    """Run the program with the application `shop`, or with what `keys` say instead."""
    beside = {"organization": ORGANIZATION, "secretsOperator": OPERATOR, "shopDatabaseUrl": "throw-away-shop-url"}
    return platform(stack, **{"applications": {"shop": SHOP}, **beside, **keys})


def sample() -> Graph:
    """Run the program with stack dev's sample application."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "embedded" / "sample.yaml").read_text())["config"]
    return platform(**{key.partition(":")[2]: value for key, value in config.items()})


def in_a_bucket(**more: Any) -> Graph:
    """Run the program with backups in a bucket with an authority of its own."""
    authority = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    backup = {"target": {**BUCKET, "authority": authority, "lockDays": 3}, "recipients": [RECIPIENT, RECIPIENT]}
    return platform("prod", backup=backup, backupAccessKey="throw-away-id", backupSecretKey="throw-away-bucket", **more)


def moved_in(**more: Any) -> Graph:
    """Run the program with the database of another Infisical that moves in."""
    backup = {"target": {"kind": "volume"}, "recipients": [RECIPIENT]}
    moving = {"backup": backup, "restore": {"id": "one", "server": OTHER_SERVER}, "restorePassword": "throw-away-other"}
    return platform(**{**moving, **more})


def external(**more: Any) -> Graph:
    """Run the program with a database and a Redis that somebody else runs, backed up and restored."""
    keys: dict[str, Any] = {
        "database": EXTERNAL_DATABASE,
        "redis": EXTERNAL_REDIS,
        "databasePassword": "throw-away/d@tabase",
        "redisPassword": "throw-away/red|s",
        "backup": {"target": {"kind": "volume"}, "recipients": [RECIPIENT]},
        "restore": {"id": "one", "from": "latest"},
    }
    return platform("minimal", **{**keys, **more})


def with_sentinels(**more: Any) -> Graph:
    """Run the program with a Redis under Sentinels that somebody else runs, and a database of its own."""
    passwords = {"redisPassword": "throw-away-redis", "redisSentinelPassword": "throw-away-sentinel"}
    return platform("minimal", redis=EXTERNAL_SENTINELS, **passwords, **more)


def everything(**more: Any) -> Graph:
    """Run the program with all that a stack may turn on, and the older chart."""
    return platform(
        "prod",
        database={"instances": 3, "storageClass": "large", "pooler": {"instances": 3, "mode": "session"}},
        redis={"instances": 5, "sentinels": 5, "quorum": 3, "storageClass": "fast"},
        infisical={
            "corsAllowedOrigins": ["https://app.example.org", "https://admin.example.org:8443"],
            "readReplicas": "cluster",
            "telemetry": True,
            "allowInternalIpConnections": True,
            "pools": {"min": 1, "max": 8, "replicaMin": 0, "replicaMax": 4, "auditLogsMin": 0, "auditLogsMax": 2},
            "chart": {"flavour": "infisical", "version": "0.4.2", "path": "embedded/charts/infisical"},
        },
        ingress={"issuer": {"kind": "letsEncrypt", "email": "ops@example.org", "staging": True}},
        **more,
    )


def configuration(stack: str, **keys: Configured) -> dict[str, str]:
    """Return what the engine hands to the program: strings as they are, everything else as JSON."""
    values: dict[str, Any] = dict(yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"])
    if stack == "prod":
        values |= {f"{PROJECT}:{key}": value for key, value in THROW_AWAY.items()}
    chart = values[f"{PROJECT}:infisical"].setdefault("chart", {"flavour": "infisical-standalone"})
    chart.setdefault("path", f"embedded/charts/{chart['flavour']}")  # which `make charts` would put into charts/
    for name, changes in keys.items():
        key = f"{PROJECT}:{name}"
        values[key] = {**values.get(key, {}), **changes} if isinstance(changes, Mapping) else changes
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


def audit_logs_in(address: str, login: str = "u:p") -> dict[str, str]:
    """Return the secret variables of a database of the audit log's own, at host:port/database."""
    return {
        "AUDIT_LOGS_DB_CONNECTION_URI": f"postgresql://{login}@{address}",
        "AUDIT_LOGS_DB_ROOT_CERT": base64.b64encode(AUTHORITY.encode()).decode(),
    }


def settings_of(stack: str = "dev", **keys: Configured) -> Settings:
    """Return the settings of Pulumi.<stack>.yaml with the changes that `keys` make, as `platform` takes them."""
    values = configuration(stack, **keys)
    return load(Commands(PROJECT, stack), values, encrypted(values))


def encrypted(values: Mapping[str, str]) -> list[str]:
    """Return the keys that a stack file holds encrypted: secrets of the stack, and those that applications name."""
    named = {key for key, _ in named_in(json.loads(values.get(f"{PROJECT}:applications", "{}")))}
    return [key for key in values if key.removeprefix(f"{PROJECT}:") in SECRETS | named]
