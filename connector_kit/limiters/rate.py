"""Rates as a person writes them: `10/s`, `100/15min`, `100/s burst 10`, `10/s, 10000/day@America/New_York`.

Values only; the limiters act on them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

import attrs

from connector_kit.durations import Duration

from .calendar_rate import CalendarRate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

__all__ = ["DeadRate", "DeadRateWarning", "Rate", "Rates", "RatesLike"]

_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3_600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
}
_RATE = re.compile(r"\s*([0-9]+)\s*/\s*([0-9]+(?:\.[0-9]+)?)?\s*([a-z]+)\s*?(?:\s+burst\s+([0-9]+)\s*)?")
_EXPECTED = 'a rate like "10/s", "100/15min" or "10000/day"'


def _duration(given: str | float | timedelta) -> Duration:
    return Duration.of(given)


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
    per: Duration = attrs.field(converter=_duration)
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
        match = _RATE.fullmatch(text)
        if match is None:
            raise ValueError(f"{_EXPECTED}, not {text!r}")
        limit, count, unit, burst = match.groups()
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
        """Give a bound on the permits in any half-open window of `ns` nanoseconds: what this rate promises for it."""
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
    def of(cls, given: RatesLike) -> Rates:
        """Take rates in whatever form. Raises `ValueError` for text that is no rate and for no rate at all."""
        if isinstance(given, str):
            return cls.parse(given)
        if isinstance(given, Rate | CalendarRate):
            return cls((given,))
        return cls(given)

    @property
    def cost_limit(self) -> int:
        """The most permits that can ever be had at once."""
        return min(rate.cost_limit for rate in self.rates)

    def dead(self) -> tuple[DeadRate, ...]:
        """Give the rates that change nothing beside one of the others.

        >>> [str(dead.rate) for dead in Rates.parse("100/s, 10/min").dead()]
        ['100/s']
        """
        found: list[DeadRate] = []
        for place, rate in enumerate(self.rates):
            for other_place, other in enumerate(self.rates):
                same_and_later = rate == other and other_place < place
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
