"""CONFIG, waiting, the last line and the termination message: what all scripts share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from job import ConfigError, Failed, Pending, Report, parse, wait

CONFIG = {
    "namespace": "platform-kv-redis-cluster",
    "workloads": [{"statefulset": "x", "replicas": 1, "image": "x", "memory_limit": "x"}],
    "sentinels_host": "sentinels.test",
    "sentinel_port": 26379,
    "sentinels": 3,
    "master_name": "platform-kv-master",
    "replicas": 2,
    "operator_patience_seconds": 60,
    "deadline_seconds": 240,
}


@dataclass(frozen=True)
class Inner:
    role: Literal["primary", "pooler"]


@dataclass(frozen=True)
class Outer:
    name: str
    count: int
    seconds: float
    inner: tuple[Inner, ...]
    note: str | None = None


GOOD: dict[str, Any] = {"name": "a", "count": 1, "seconds": 2, "inner": [{"role": "primary"}]}


def test_document() -> None:
    assert parse(Outer, GOOD) == Outer("a", 1, 2, (Inner("primary"),))
    assert parse(Outer, GOOD | {"note": None}).note is None


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"nmae": "a"}, "CONFIG has unknown keys: nmae"),
        ({"name": 5}, "CONFIG.name must be of type str"),
        ({"name": ""}, "CONFIG.name must not be empty"),
        ({"count": True}, "CONFIG.count must be of type int"),
        ({"count": 1.5}, "CONFIG.count must be of type int"),
        ({"count": -1}, "CONFIG.count must not be negative"),
        ({"seconds": "5"}, "CONFIG.seconds must be of type float"),
        ({"inner": {}}, "CONFIG.inner must be a list with at least one item"),
        ({"inner": []}, "CONFIG.inner must be a list with at least one item"),
        ({"inner": ["primary"]}, "CONFIG.inner[0] must be an object"),
        ({"inner": [{"role": "replica"}]}, "CONFIG.inner[0].role must be one of primary, pooler"),
        ({"inner": [{}]}, "CONFIG.inner[0] lacks keys: role"),
    ],
)
def test_document_which_does_not_fit(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse(Outer, GOOD | change)
    assert str(refusal.value) == complaint


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (None, "the environment variable CONFIG is not set"),
        ({key: value for key, value in CONFIG.items() if key != "sentinels"}, "CONFIG lacks keys: sentinels"),
        (CONFIG, "the environment variable REDIS_PASSWORD is not set"),
    ],
)
def test_misconfigured_script(run_job: Callable[..., Any], config: object, complaint: str) -> None:
    outcome = run_job("redis_ready.py", config)
    assert outcome.status == 2
    assert outcome.output == f"redis gate: misconfigured: {complaint}\n"
    assert outcome.termination_message == outcome.output.rstrip("\n")


def test_config_which_is_no_json(run_job: Callable[..., Any]) -> None:
    outcome = run_job("redis_ready.py", CONFIG="{")
    assert outcome.status == 2
    assert "CONFIG is not JSON" in outcome.last_line


@pytest.mark.parametrize("script", ["database_ready.py", "rollout.py", "cert_sync.py"])
def test_no_service_account(run_job: Callable[..., Any], script: str) -> None:
    named = {"namespace": "n", "name": "x"}
    config = {
        "database_ready.py": {
            "namespace": "n",
            "cluster": "c",
            "database": "d",
            "owner": "o",
            "version": "15",
            "size": {"instances": 1, "cpu_limit": "1", "memory_limit": "1", "storage": "1Gi", "pooler_instances": 1},
            "operator_patience_seconds": 1,
            "deadline_seconds": 1,
        },
        "rollout.py": {
            "namespace": "n",
            "deployment": "d",
            "url": "http://x/",
            "login_url": "http://x/login",
            "deadline_seconds": 1,
        },
        "cert_sync.py": {
            "authority": {"secret": "s", "folder": "/nowhere"},
            "leaf": {"secret": "s", "folder": "/nowhere"},
            "target": {**named, "key": "K"},
            "services": [{"name": "n", "role": "primary", "host": "h"}],
            "database": named,
            "deployment": named,
            "deadline_seconds": 1,
        },
    }[script]
    outcome = run_job(script, config)
    assert outcome.status == 2
    assert "no service account at /var/run/secrets/kubernetes.io/serviceaccount" in outcome.last_line


def test_wait_ends_with_the_last_cause(capsys: pytest.CaptureFixture[str]) -> None:
    seen = iter(["a", "a", "b", "b", "b"])

    def check() -> None:
        raise Pending(next(seen, "c"))

    with pytest.raises(Failed, match=r"^c$"):
        wait(check, Report("gate"), deadline_seconds=0.5, interval=0.01)
    assert capsys.readouterr().out == "gate: 0 s: a\ngate: 0 s: b\ngate: 0 s: c\n"


def test_wait_gives_the_answer() -> None:
    answers = iter([Pending("not yet"), Pending("not yet")])

    def check() -> str:
        for pending in answers:
            raise pending
        return "there"

    assert wait(check, Report("gate"), deadline_seconds=5, interval=0.01) == "there"


def test_long_cause_fits_the_termination_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    log.write_text("earlier, longer" * 1000)
    monkeypatch.setenv("TERMINATION_LOG", str(log))
    with pytest.raises(SystemExit) as end:
        Report("gate").failure("x\n" * 5000, status=1)
    assert end.value.code == 1
    assert len(log.read_bytes()) == 4096
    assert log.read_text().startswith("gate: x x x ")


def test_no_termination_log_is_made_where_none_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERMINATION_LOG", str(tmp_path / "absent"))
    with pytest.raises(SystemExit):
        Report("gate").failure("cause", status=1)
    assert not (tmp_path / "absent").exists()
