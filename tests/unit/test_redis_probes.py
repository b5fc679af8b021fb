"""What is asked of Redis' servers and of the Sentinels: whether they are ready, and whether they live."""

from __future__ import annotations

import pytest

from tests.unit.harness import platform


def test_a_server_is_ready_once_a_fail_over_could_choose_it() -> None:
    """The operator's own probe asks for PONG, and a roll replaced the master while nobody followed it."""
    command = platform()["platform-kv-replication"]["spec", "readinessProbe", "exec", "command"]
    assert command[:2] == ["sh", "-ec"]
    assert "master_link_status:up" in command[2]
    assert "REDIS_PASSWORD" in command[2], "by the environment of the pod, and not by a command line"


def test_a_server_whose_master_is_gone_asks_a_sentinel() -> None:
    """Redis without a master had waited for a person to delete the pod that follows an address that is no more."""
    command = platform()["platform-kv-replication"]["spec", "readinessProbe", "exec", "command"]
    assert "REPLICAOF NO ONE" in command[2]
    assert command[-3:] == ["90", "platform-kv-sentinel-sentinel", "26379"]


@pytest.mark.parametrize("name", ["platform-kv-replication", "RedisSentinel/platform-kv-sentinel"])
def test_a_busy_node_kills_no_server(name: str) -> None:
    """The operator's probe gives up after 1 s, three times: Sentinels that were well have been killed."""
    spec = platform()[name]["spec"]
    alive, ready = spec["livenessProbe"], spec["readinessProbe"]
    assert alive["timeoutSeconds"] * alive["failureThreshold"] >= 60
    assert ready["timeoutSeconds"] >= 5


def test_no_password_is_on_a_command_line_of_a_probe() -> None:
    spec = platform()["platform-kv-replication"]["spec"]
    for probe in ("livenessProbe", "readinessProbe"):
        assert " -a " not in spec[probe]["exec"]["command"][2]
