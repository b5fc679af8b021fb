"""Redis is emptied after the data are restored, when giving up would leave Infisical stopped."""

import pytest
import queues
from job import Pending, Report


def test_a_fail_over_of_redis_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Sentinels take up to a minute, and Redis is asked again after it."""
    now = 0.0

    def slept(seconds: float) -> None:
        nonlocal now
        now += seconds

    def master(_config: queues.QueuesConfig) -> tuple[str, int]:
        if now < 100:
            raise Pending("Redis 10.0.0.1:6379 is slave")
        raise Emptied

    monkeypatch.setattr("job.time.monotonic", lambda: now)
    monkeypatch.setattr("job.time.sleep", slept)
    monkeypatch.setattr(queues, "master", master)
    with pytest.raises(Emptied):
        queues.empty(queues.QueuesConfig(), Report("test"))


class Emptied(Exception):
    """The master is there and would be emptied."""
