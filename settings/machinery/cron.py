"""When a CronJob runs. Kubernetes reads a schedule with robfig/cron v3, which knows no weekday 7."""

from __future__ import annotations

import re
from collections.abc import Set
from datetime import date, timedelta
from itertools import pairwise

FIELDS = 'Write five fields, as in "*/15 * * * *": minute, hour, day, month and weekday'
_PART = "Write each field as *, a number, a range, or a list of them. Each may end with a step, as in */15"
_RANGE = "A field is out of its range: minute 0-59, hour 0-23, day 1-31, month 1-12, weekday 0-6 (0 is Sunday)"
_NEVER = "This schedule never runs, because no month that it names has a day that it names"
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
# Nine years have a 29 February in any case, and a Job that waits for longer than that is of no use here.
_DAYS = [date(2024, 1, 1) + timedelta(days=day) for day in range(9 * 365)]


def checked(schedule: str) -> str:
    """Return a schedule that Kubernetes accepts and that runs at some time. Raise ValueError otherwise."""
    minutes, hours, days = _times(schedule)
    if not (minutes and hours and days):
        raise ValueError(_NEVER)
    return schedule


def longest_pause(schedule: str) -> timedelta:
    """Return the longest time between two runs of a checked schedule."""
    minutes, hours, days = _times(schedule)
    clock = sorted(60 * hour + minute for hour in hours for minute in minutes)
    within = [later - earlier for earlier, later in pairwise(clock)]
    over_night = 24 * 60 - clock[-1] + clock[0]
    nights = [(later - earlier).days - 1 for earlier, later in pairwise(days)]
    return timedelta(minutes=max([*within, over_night + 24 * 60 * max(nights)]))


def _times(schedule: str) -> tuple[Set[int], Set[int], list[date]]:
    fields = schedule.split(" ")
    if len(fields) != len(_RANGES):
        raise ValueError(FIELDS)
    minutes, hours, days, months, weekdays = (
        _numbers(field, *bounds) for field, bounds in zip(fields, _RANGES, strict=True)
    )
    # When both the day and the weekday are restricted, either is enough.
    either = not (_is_open(fields[2]) or _is_open(fields[4]))

    def runs(day: date) -> bool:
        in_month, in_week = day.day in days, day.isoweekday() % 7 in weekdays
        return day.month in months and (in_month or in_week if either else in_month and in_week)

    return minutes, hours, [day for day in _DAYS if runs(day)]


def _is_open(field: str) -> bool:
    return any(part in ("*", "*/1") for part in field.split(","))


def _numbers(field: str, low: int, high: int) -> Set[int]:
    found: set[int] = set()
    for part in field.split(","):
        match = re.fullmatch(r"(\*|(?P<from>\d{1,2})(-(?P<to>\d{1,2}))?)(/(?P<step>\d{1,2}))?", part, re.ASCII)
        if not match:
            raise ValueError(_PART)
        first = int(match["from"] or low)
        alone = match["from"] and not match["to"] and not match["step"]
        last = first if alone else int(match["to"] or high)
        if not low <= first <= last <= high or match["step"] == "0":
            raise ValueError(_RANGE)
        found |= set(range(first, last + 1, int(match["step"] or 1)))
    return found
