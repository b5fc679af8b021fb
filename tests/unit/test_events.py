"""Which event tells what goes on now: the one that was seen last, whichever recorder wrote it."""

from __future__ import annotations

from events import last_seen

OLD_RECORDER = {"eventTime": None, "lastTimestamp": "2026-01-01T00:05:00Z", "series": None}
ONCE = {"eventTime": "2026-01-01T00:00:00.000000Z", "lastTimestamp": None}
AGAIN = {**ONCE, "series": {"count": 9, "lastObservedTime": "2026-01-01T00:09:00.000000Z"}}


def test_an_event_that_was_seen_again_is_newer_than_one_that_came_after_its_beginning() -> None:
    assert sorted([AGAIN, OLD_RECORDER, ONCE, {}], key=last_seen) == [{}, ONCE, OLD_RECORDER, AGAIN]
