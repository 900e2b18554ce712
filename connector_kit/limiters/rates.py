"""Rates as a person writes them: `10/s`, `100/15min`, `100/s burst 10`, `10/s, 10000/day@America/New_York`.

Values and arithmetic only: the limiters act on them, and no clock is read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from connector_kit.durations import Duration, as_duration, whole_ns

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CalendarRate", "CalendarUnit", "DeadRate", "DeadRateWarning", "Rate", "Rates", "RatesLike"]

CalendarUnit: TypeAlias = Literal["hour", "day", "month"]

_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3_600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
}
_CALENDAR_UNITS: dict[str, CalendarUnit] = {
    **dict.fromkeys(("h", "hour"), "hour"),
    **dict.fromkeys(("d", "day"), "day"),
    "month": "month",  # not "m", which might be a minute
}
_RATE = re.compile(
    r"(?P<limit>[0-9]+)\s*/\s*(?:(?P<count>[0-9]+(?:\.[0-9]+)?)\s*)?(?P<unit>[a-z]+)"
    r"(?:\s+burst\s+(?P<burst>[0-9]+)|\s*@\s*(?P<zone>\S+))?"
)
_EXPECTED = 'a rate like "10/s", "100/15min" or "10000/day"'
_EXPECTED_CALENDAR = 'a rate by the calendar like "10000/day@America/New_York" or "500/hour@UTC"'
_HOUR = timedelta(hours=1)
_SHORTEST = {"hour": timedelta(minutes=30), "day": timedelta(hours=22), "month": timedelta(days=27)}
_LONGEST = {"hour": timedelta(minutes=90), "day": timedelta(hours=26), "month": timedelta(days=32)}


@attrs.frozen
class Rate:
    """At most `limit` permits in every window of the length `per` (seconds, to the nanosecond).

    With `burst`, permits are spread evenly instead, one every `per / limit`, and at most `burst` come at once (GCRA).
    A server that counts in windows may then see up to `limit + burst - 1` in one.

    Raises `ValueError` for a limit below 1, a window of less than a nanosecond or a burst that is not from 1 to `limit`.

    >>> Rate.parse("100/15min")
    Rate(limit=100, per=Duration('15m'), burst=None)
    >>> str(Rate(10, Duration.of(1), burst=2))
    '10/s burst 2'
    """

    limit: int
    per: Duration = attrs.field(converter=as_duration)
    burst: int | None = None

    def __attrs_post_init__(self) -> None:
        if self.limit < 1:
            raise ValueError(f"a rate of at least 1 permit, not {self.limit}")
        if self.per.ns < 1:
            raise ValueError(f"a rate over at least one nanosecond, not {float(self.per)} seconds")
        if self.burst is not None and not 1 <= self.burst <= self.limit:
            raise ValueError(f"a burst from 1 to the rate's {self.limit} permits, not {self.burst}")

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Read `10/s`, `100/15min` or `100/s burst 10`; units are s, min, h and day, also written out.

        Raises `ValueError`.
        """
        match = _RATE.fullmatch(text.strip())
        if match is None or match["zone"]:
            raise ValueError(f"{_EXPECTED}, not {text!r}")
        limit, count, unit, burst = match.group("limit", "count", "unit", "burst")
        if unit not in _SECONDS:
            raise ValueError(f"{_EXPECTED}, not {text!r}: the unit {unit!r} is none of s, min, h, day")
        per = float(count or 1) * _SECONDS[unit]
        if not int(limit) or not per:
            raise ValueError(f"{_EXPECTED}, not {text!r}: nothing would ever be let through")
        return cls(int(limit), Duration.of(per), None if burst is None else int(burst))

    @property
    def cost_limit(self) -> int:
        """The most permits that can ever be had at once."""
        return self.limit if self.burst is None else self.burst

    @property
    def interval_ns(self) -> int:
        """The nanoseconds from one permit to the next when they are spread evenly, rounded up: never too many."""
        return -(-self.per.ns // self.limit)

    @property
    def longest_ns(self) -> int:
        """The length of its window."""
        return self.per.ns

    def most_in(self, ns: int) -> int:
        """Return a bound on the permits in any half-open window of `ns` nanoseconds: what this rate promises for it."""
        if self.burst is None:
            return self.limit * -(-ns // self.per.ns)
        return self.burst + (ns - 1) // self.interval_ns

    def __str__(self) -> str:
        for unit in ("day", "h", "min"):
            count = self.per / _SECONDS[unit]
            if count.is_integer() and count * _SECONDS[unit] == self.per:
                break
        else:
            unit, count = "s", float(self.per)
        burst = "" if self.burst is None else f" burst {self.burst}"
        if count == 1:
            return f"{self.limit}/{unit}{burst}"
        number = format(Decimal(repr(count)).normalize(), "f")  # every digit, and no exponent
        return f"{self.limit}/{number}{'days' if unit == 'day' else unit}{burst}"


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
            raise ValueError(
                f"{_EXPECTED_CALENDAR}, not a unit {self.unit!r}: it is none of hour, day, month"
            )
        object.__setattr__(self, "_zone_info", _zone(self.zone))  # frozen, and derived from `zone`

    @classmethod
    def parse(cls, text: str) -> CalendarRate:
        """Read `10000/day@America/New_York`. Raises `ValueError`."""
        match = _RATE.fullmatch(text.strip())
        if match is None or not match["zone"] or match["count"]:
            raise ValueError(f"{_EXPECTED_CALENDAR}, not {text!r}")
        limit, name, zone = match.group("limit", "unit", "zone")
        unit = _CALENDAR_UNITS.get(name)
        if unit is None:
            raise ValueError(
                f"{_EXPECTED_CALENDAR}, not {text!r}: the unit {name!r} is none of hour, day, month"
            )
        return cls(int(limit), unit, zone)

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
        return whole_ns(_SHORTEST[self.unit])

    @property
    def longest_ns(self) -> int:
        """A length that none of its windows goes beyond."""
        return whole_ns(_LONGEST[self.unit])

    def most_in(self, ns: int) -> int:
        """Return a bound on the permits in any half-open window of `ns` nanoseconds: the windows it touches, all full."""
        return self.limit * (-(-ns // self.shortest_ns) + 1)

    def shares_windows(self, other: CalendarRate) -> bool:
        """Whether both count in the same windows."""
        return self.calendar == other.calendar

    def window(self, moment: datetime) -> tuple[datetime, datetime]:
        """Return the start (inclusive) and the end (exclusive), in UTC, of the window that an aware moment is in.

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
        """Return the moment at which a day begins: with fold=0, the jump where there is no midnight."""
        return datetime(day.year, day.month, day.day, tzinfo=self._zone_info).astimezone(UTC)

    def _step(self, first: date, count: int) -> date:
        if self.unit == "day":
            return first + timedelta(days=count)
        return (first + timedelta(days=31 if count > 0 else -1)).replace(day=1)

    def _past_the_hour(self, moment: datetime) -> timedelta:
        local = moment.astimezone(self._zone_info)
        return timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)

    def _whole_hour(self, moment: datetime) -> datetime:
        """Return the last moment, not after this one, at which clocks show a whole hour."""
        while past := self._past_the_hour(moment):
            moment -= past  # once more where clocks were changed by a part of an hour in between
        return moment

    def _next_whole_hour(self, start: datetime) -> datetime:
        later = start + _HOUR
        if (last := self._whole_hour(later)) > start:
            return last
        return later + _HOUR - self._past_the_hour(later)


class DeadRateWarning(UserWarning):
    """One of several rates can never hold anything up, because another one is always reached before it."""


@attrs.frozen
class DeadRate:
    """A rate that changes nothing, and the one that is always reached before it."""

    rate: Rate | CalendarRate
    because: Rate | CalendarRate

    def __str__(self) -> str:
        return (
            f"{self.rate} never holds anything up beside {self.because}, which is always reached first; "
            f"expected rates that each limit something; leave {self.rate} out, or correct one of the two"
        )


@attrs.frozen
class Rates:
    """One or several rates that hold at the same time. Raises `ValueError` where there is none.

    >>> [rate.limit for rate in Rates.parse("10/s, 10000/day")]
    [10, 10000]
    """

    rates: tuple[Rate | CalendarRate, ...] = attrs.field(converter=tuple[Rate | CalendarRate, ...])

    def __attrs_post_init__(self) -> None:
        if not self.rates:
            raise ValueError(f"{_EXPECTED}, not nothing at all")

    @classmethod
    def parse(cls, text: str) -> Rates:
        """Read rates with commas between them. Raises `ValueError` for the first that is none."""
        return cls(CalendarRate.parse(part) if "@" in part else Rate.parse(part) for part in text.split(","))

    @classmethod
    def of(cls, rates: RatesLike) -> Rates:
        """Return rates given in any form. Raises `ValueError` for text that is no rate and for no rate at all."""
        if isinstance(rates, str):
            return cls.parse(rates)
        if isinstance(rates, Rate | CalendarRate):
            return cls((rates,))
        return cls(rates)

    @property
    def cost_limit(self) -> int:
        """The most permits that can ever be had at once."""
        return min(rate.cost_limit for rate in self.rates)

    def dead(self) -> tuple[DeadRate, ...]:
        """Return the rates that change nothing beside one of the others.

        >>> [str(dead.rate) for dead in Rates.parse("100/s, 10/min").dead()]
        ['100/s']
        """
        found: list[DeadRate] = []
        for position, rate in enumerate(self.rates):
            for other_position, other in enumerate(self.rates):
                same_and_later = rate == other and other_position < position
                if (rate != other or same_and_later) and _implies(other, rate):
                    found.append(DeadRate(rate, other))
                    break
        return tuple(found)

    def __iter__(self) -> Iterator[Rate | CalendarRate]:
        return iter(self.rates)

    def __len__(self) -> int:
        return len(self.rates)

    def __str__(self) -> str:
        return ", ".join(map(str, self.rates))


RatesLike: TypeAlias = str | Rate | CalendarRate | Rates | Iterable[Rate | CalendarRate]
"""Whatever `Rates.of` takes."""


def _implies(rate: Rate | CalendarRate, other: Rate | CalendarRate) -> bool:
    """Whether whoever keeps to `rate` keeps to `other` as well."""
    if rate == other:
        return True
    if isinstance(rate, CalendarRate) and isinstance(other, CalendarRate) and rate.shares_windows(other):
        return rate.limit <= other.limit
    if isinstance(other, Rate) and other.burst is not None:
        return False  # it says something of every length, not of one
    return rate.most_in(other.longest_ns) <= other.limit


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"an IANA time zone like Europe/Berlin, not {name!r}; on a system without time zone data: pip install tzdata"
        ) from error
