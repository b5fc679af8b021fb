"""The database image's Patroni configuration: what the operator gives, and what it and PostgreSQL then need."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "embedded/images/postgres/root/scripts/render_patroni.py"

# As seen in a pod which the operator 1.15.1 created.
POD = {
    "SCOPE": "platform-db-cluster",
    "PGROOT": "/home/postgres/pgdata/pgroot",
    "PGVERSION": "15",
    "POD_IP": "10.0.0.7",
    "POD_NAMESPACE": "platform-db-pg",
    "PGUSER_SUPERUSER": "postgres",
    "PGPASSWORD_SUPERUSER": 'a"b: #c',
    "PGUSER_STANDBY": "standby",
    "PGPASSWORD_STANDBY": "standby-password",
    "KUBERNETES_SCOPE_LABEL": "cluster-name",
    "KUBERNETES_ROLE_LABEL": "spilo-role",
    "KUBERNETES_LABELS": '{"application":"spilo"}',
    "KUBERNETES_BOOTSTRAP_LABELS": '{"critical-operation":"true"}',
    "SSL_CERTIFICATE_FILE": "/tls/tls.crt",
    "SSL_PRIVATE_KEY_FILE": "/tls/tls.key",
    "SSL_CA_FILE": "/tls/ca.crt",
    "SPILO_CONFIGURATION": json.dumps(
        {
            "postgresql": {},
            "bootstrap": {"initdb": [{"auth-host": "md5"}, {"auth-local": "trust"}], "dcs": {"failsafe_mode": False}},
        }
    ),
}


@pytest.fixture
def configuration(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    installed = tmp_path / "15" / "bin" / "postgres"
    installed.parent.mkdir(parents=True)
    installed.touch()
    script = runpy.run_path(str(SCRIPT))
    script["configuration"].__globals__["INSTALLED"] = tmp_path
    return lambda **changed: script["configuration"]({**POD, **changed})


def test_labels_and_endpoints_are_those_the_operator_looks_for(configuration: Callable[..., dict[str, Any]]) -> None:
    kubernetes = configuration()["kubernetes"]

    assert kubernetes["leader_label_value"] == kubernetes["standby_leader_label_value"] == "master"
    assert (kubernetes["scope_label"], kubernetes["role_label"]) == ("cluster-name", "spilo-role")
    assert kubernetes["bootstrap_labels"] == {"critical-operation": "true"}
    assert (kubernetes["use_endpoints"], kubernetes["ports"]) == (True, [{"name": "postgresql", "port": 5432}])
    assert "use_endpoints" not in configuration(KUBERNETES_USE_CONFIGMAPS="true")["kubernetes"]


def test_the_operators_settings_go_over_the_defaults(configuration: Callable[..., dict[str, Any]]) -> None:
    spilo = {
        "postgresql": {"parameters": {"log_statement": "ddl"}, "pg_hba": ["local all all peer"]},
        "bootstrap": {"initdb": [{"encoding": "LATIN1"}], "dcs": {"ttl": 20, "postgresql": {"parameters": {"a": "b"}}}},
    }

    plain, changed = configuration(), configuration(SPILO_CONFIGURATION=json.dumps(spilo))

    assert plain["bootstrap"]["initdb"] == [
        {"encoding": "UTF8"},
        {"locale": "C.UTF-8"},
        "data-checksums",
        {"auth-host": "md5"},
        {"auth-local": "trust"},
    ]
    assert plain["bootstrap"]["dcs"]["failsafe_mode"] is False
    # The operator reads this mapping without looking whether it is there.
    assert plain["bootstrap"]["dcs"]["postgresql"]["parameters"]["max_connections"] == "100"
    assert changed["bootstrap"]["initdb"] == [{"locale": "C.UTF-8"}, "data-checksums", {"encoding": "LATIN1"}]
    assert (changed["bootstrap"]["dcs"]["ttl"], changed["bootstrap"]["dcs"]["loop_wait"]) == (20, 10)
    assert changed["bootstrap"]["dcs"]["postgresql"]["parameters"]["a"] == "b"
    assert changed["bootstrap"]["dcs"]["postgresql"]["parameters"]["max_connections"] == "100"
    assert changed["postgresql"]["parameters"]["log_statement"] == "ddl"
    assert changed["postgresql"]["parameters"]["ssl"] == "on"
    assert changed["postgresql"]["pg_hba"] == ["local all all peer"]


def test_nobody_gets_in_over_the_network_without_tls(configuration: Callable[..., dict[str, Any]]) -> None:
    postgresql = configuration()["postgresql"]

    assert postgresql["parameters"]["ssl_cert_file"] == "/tls/tls.crt"
    assert postgresql["parameters"]["ssl_ca_file"] == "/tls/ca.crt"
    over_network = [line for line in postgresql["pg_hba"] if not line.startswith("local") and "127." not in line]
    over_network.remove("host all all ::1/128 md5")
    assert over_network == [
        "hostssl replication standby all md5",
        "hostnossl all all all reject",
        "hostssl all all all md5",
    ]


def test_another_version_than_the_images_is_refused(configuration: Callable[..., dict[str, Any]]) -> None:
    with pytest.raises(SystemExit, match=r"no PostgreSQL in .*/17/bin; this image has 15: set spec.postgresql.version"):
        configuration(PGVERSION="17")
