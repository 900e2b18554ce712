"""Rates by the calendar: `10000/day@America/New_York`. Values and the arithmetic of dates; no clock is read here."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Literal, TypeAlias, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

__all__ = ["CalendarRate", "CalendarUnit"]

CalendarUnit: TypeAlias = Literal["hour", "day", "month"]

_RATE = re.compile(r"\s*([0-9]+)\s*/\s*([a-z]+)\s*@\s*(\S+)\s*")
_EXPECTED = 'a rate by the calendar like "10000/day@America/New_York" or "500/hour@UTC"'
_HOUR = timedelta(hours=1)
_SHORTEST = {"hour": timedelta(minutes=30), "day": timedelta(hours=22), "month": timedelta(days=27)}
_LONGEST = {"hour": timedelta(minutes=90), "day": timedelta(hours=26), "month": timedelta(days=32)}


@attrs.frozen
class CalendarRate:
    """At most `limit` permits in every `unit` of the calendar, as clocks in `zone` (an IANA name) show it.

    A day lasts from midnight to midnight, be that 23 or 25 hours; where clocks jump over midnight it begins at the
    jump, and where they show it twice, the first time. A month begins with its first day. An hour begins whenever
    clocks show a whole one.

    Raises `ValueError` for a limit below 1 and for a unit or a zone that there is not.

    >>> str(CalendarRate(10_000, "day", "America/New_York"))
    '10000/day@America/New_York'
    """

    limit: int
    unit: CalendarUnit
    zone: str = "UTC"
    _zone_info: ZoneInfo = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.limit < 1:
            raise ValueError(f"a rate of at least 1 permit, not {self.limit}")
        if self.unit not in get_args(CalendarUnit):
            raise ValueError(f"{_EXPECTED}, not a unit {self.unit!r}: it is none of hour, day, month")
        object.__setattr__(self, "_zone_info", _zone(self.zone))  # frozen, and derived from `zone`

    @classmethod
    def parse(cls, text: str) -> CalendarRate:
        """Read `10000/day@America/New_York`. Raises `ValueError`."""
        match = _RATE.fullmatch(text)
        if match is None:
            raise ValueError(f"{_EXPECTED}, not {text!r}")
        limit, word, zone = match.groups()
        for unit in get_args(CalendarUnit):
            if word in {unit, unit[0]} and word != "m":  # which might be a minute
                return cls(int(limit), unit, zone)
        raise ValueError(f"{_EXPECTED}, not {text!r}: the unit {word!r} is none of hour, day, month")

    @property
    def calendar(self) -> str:
        """What its windows depend on, as text: `day@America/New_York`."""
        return f"{self.unit}@{self.zone}"

    @property
    def cost_limit(self) -> int:
        """The most permits that can ever be had at once."""
        return self.limit

    @property
    def shortest_ns(self) -> int:
        """A length that none of its windows goes below."""
        return _nanoseconds(_SHORTEST[self.unit])

    @property
    def longest_ns(self) -> int:
        """A length that none of its windows goes beyond."""
        return _nanoseconds(_LONGEST[self.unit])

    def most_in(self, ns: int) -> int:
        """Give a bound on the permits in any half-open window of `ns` nanoseconds: the windows it touches, all full."""
        return self.limit * (-(-ns // self.shortest_ns) + 1)

    def shares_windows(self, other: CalendarRate) -> bool:
        """Whether both count in the same windows."""
        return self.calendar == other.calendar

    def window(self, moment: datetime) -> tuple[datetime, datetime]:
        """Give the start (inclusive) and the end (exclusive), in UTC, of the window that an aware moment is in.

        Windows touch and never overlap, also where clocks are put back across midnight.
        """
        moment = moment.astimezone(UTC)
        if self.unit == "hour":
            start = self._whole_hour(moment)
            return start, self._next_whole_hour(start)
        first = moment.astimezone(self._zone_info).date()
        if self.unit == "month":
            first = first.replace(day=1)
        while moment < self._midnight(first):
            first = self._step(first, -1)
        while moment >= self._midnight(self._step(first, 1)):
            first = self._step(first, 1)
        return self._midnight(first), self._midnight(self._step(first, 1))

    def __str__(self) -> str:
        return f"{self.limit}/{self.calendar}"

    def _midnight(self, day: date) -> datetime:
        """Give the moment at which a day begins. Where there is no midnight, Python's fold=0 gives that of the jump."""
        return datetime(day.year, day.month, day.day, tzinfo=self._zone_info).astimezone(UTC)

    def _step(self, first: date, count: int) -> date:
        if self.unit == "day":
            return first + timedelta(days=count)
        return (first + timedelta(days=31 if count > 0 else -1)).replace(day=1)

    def _past_the_hour(self, moment: datetime) -> timedelta:
        local = moment.astimezone(self._zone_info)
        return timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)

    def _whole_hour(self, moment: datetime) -> datetime:
        """Give the last moment, not after this one, at which clocks show a whole hour."""
        while past := self._past_the_hour(moment):
            moment -= past  # once more where clocks were changed by a part of an hour in between
        return moment

    def _next_whole_hour(self, start: datetime) -> datetime:
        later = start + _HOUR
        if (last := self._whole_hour(later)) > start:
            return last
        return later + _HOUR - self._past_the_hour(later)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"an IANA time zone like Europe/Berlin, not {name!r}; on a system without time zone data: pip install tzdata"
        ) from error


def _nanoseconds(length: timedelta) -> int:
    return length // timedelta(microseconds=1) * 1000
