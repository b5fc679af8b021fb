#!/usr/bin/python3
"""Print Patroni's configuration, made from the environment that Zalando's operator gives a database pod."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

INSTALLED = Path("/usr/lib/postgresql")


def merge(base: dict[str, Any], over: Mapping[str, Any]) -> None:
    """Put `over` onto `base`: mappings merge, anything else replaces."""
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merge(base[key], value)
        elif value is not None:
            base[key] = value


def option_name(option: str | Mapping[str, str]) -> str:
    """Return the name of an initdb option, `data-checksums` or `{encoding: UTF8}`."""
    return option if isinstance(option, str) else next(iter(option))


def initdb(defaults: list[Any], given: list[Any]) -> list[Any]:
    """Return initdb's options: those given, and the defaults of which none is given."""
    names = {option_name(option) for option in given}
    return [option for option in defaults if option_name(option) not in names] + given


def configuration(env: Mapping[str, str]) -> dict[str, Any]:
    """Return the configuration as Patroni documents it: Spilo's defaults, overridden by SPILO_CONFIGURATION."""
    spilo = json.loads(env.get("SPILO_CONFIGURATION") or "{}")
    config: dict[str, Any] = {
        "scope": env["SCOPE"],
        "name": env.get("POD_NAME") or socket.gethostname(),
        # The operator calls it from outside of the pod, without credentials.
        "restapi": {"listen": ":8008", "connect_address": f"{env['POD_IP']}:8008"},
        "kubernetes": kubernetes(env),
        "bootstrap": {"dcs": cluster(), "post_init": "/scripts/post_init.sh"},
        "postgresql": postgresql(env),
    }
    bootstrap = dict(spilo.get("bootstrap") or {})
    options = initdb(
        [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums"], bootstrap.pop("initdb", None) or []
    )
    merge(config["bootstrap"], {**bootstrap, "initdb": options})
    merge(config["postgresql"], spilo.get("postgresql") or {})
    if not Path(config["postgresql"]["bin_dir"], "postgres").exists():
        versions = ", ".join(sorted(path.name for path in INSTALLED.iterdir()))
        sys.exit(
            f"render_patroni.py: no PostgreSQL in {config['postgresql']['bin_dir']}; this image has {versions}: "
            "set spec.postgresql.version to that"
        )
    return config


def kubernetes(env: Mapping[str, str]) -> dict[str, Any]:
    """Return how Patroni finds its peers and marks the primary."""
    found: dict[str, Any] = {
        "namespace": env["POD_NAMESPACE"],
        "pod_ip": env["POD_IP"],
        "labels": json.loads(env.get("KUBERNETES_LABELS") or '{"application": "spilo"}'),
        "bootstrap_labels": json.loads(env.get("KUBERNETES_BOOTSTRAP_LABELS") or "{}"),
        "scope_label": env.get("KUBERNETES_SCOPE_LABEL", "cluster-name"),
        "role_label": env.get("KUBERNETES_ROLE_LABEL", "spilo-role"),
        # The operator and the Services select `master`; Patroni 4 says `primary` of itself.
        "leader_label_value": env.get("KUBERNETES_LEADER_LABEL_VALUE", "master"),
        "standby_leader_label_value": env.get("KUBERNETES_STANDBY_LEADER_LABEL_VALUE", "master"),
        "follower_label_value": "replica",
    }
    if env.get("KUBERNETES_USE_CONFIGMAPS", "").lower() not in ("true", "1"):
        # The primary's Service has no selector: Patroni keeps its Endpoints.
        found |= {"use_endpoints": True, "ports": [{"name": "postgresql", "port": 5432}]}
    return found


def cluster() -> dict[str, Any]:
    """Return what all members agree on."""
    # The operator reads the parameters without looking whether there are any.
    parameters = {
        "max_connections": "100",
        "wal_level": "replica",
        "hot_standby": "on",
        "max_wal_senders": "10",
        "max_replication_slots": "10",
        "wal_log_hints": "on",
        "wal_keep_size": "128MB",
    }
    return {
        "ttl": 30,
        "loop_wait": 10,
        "retry_timeout": 10,
        "maximum_lag_on_failover": 33554432,
        "postgresql": {"use_pg_rewind": True, "use_slots": True, "parameters": parameters},
    }


def postgresql(env: Mapping[str, str]) -> dict[str, Any]:
    """Return what this member runs, and whom it lets in."""
    standby = env.get("PGUSER_STANDBY", "standby")
    superuser = {"username": env.get("PGUSER_SUPERUSER", "postgres"), "password": env["PGPASSWORD_SUPERUSER"]}
    return {
        "listen": "*:5432",
        "connect_address": f"{env['POD_IP']}:5432",
        "data_dir": f"{env['PGROOT']}/data",
        "bin_dir": str(INSTALLED / env["PGVERSION"] / "bin"),
        "use_unix_socket": True,
        "use_unix_socket_repl": True,
        "pgpass": "/run/postgresql/pgpass",
        "authentication": {
            "superuser": superuser,
            "replication": {"username": standby, "password": env["PGPASSWORD_STANDBY"]},
        },
        "parameters": parameters(env),
        "pg_hba": [
            "local all all trust",
            "local replication all trust",
            "host all all 127.0.0.1/32 md5",
            "host all all ::1/128 md5",
            f"hostssl replication {standby} all md5",
            "hostnossl all all all reject",
            "hostssl all all all md5",
        ],
    }


def parameters(env: Mapping[str, str]) -> dict[str, str]:
    """Return the server's own parameters."""
    found = {
        "unix_socket_directories": "/run/postgresql",
        "ssl": "on",
        "ssl_cert_file": env["SSL_CERTIFICATE_FILE"],
        "ssl_key_file": env["SSL_PRIVATE_KEY_FILE"],
        "shared_preload_libraries": "pg_stat_statements",
        "logging_collector": "off",
        "log_line_prefix": "%t [%p] %u@%d %h ",
    }
    if env.get("SSL_CA_FILE"):
        found["ssl_ca_file"] = env["SSL_CA_FILE"]
    return found


if __name__ == "__main__":
    yaml.safe_dump(configuration(os.environ), sys.stdout, sort_keys=False)
