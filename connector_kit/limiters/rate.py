"""Rates as a person writes them: `10/s`, `100/15min`, `10/s, 10000/day`. Values only; the limiters act on them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

import attrs

from connector_kit.durations import Duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import timedelta

__all__ = ["Rate", "Rates"]

_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3_600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
}
_RATE = re.compile(r"\s*([0-9]+)\s*/\s*([0-9]+(?:\.[0-9]+)?)?\s*([a-z]+)\s*")
_EXPECTED = 'a rate like "10/s", "100/15min" or "10000/day"'


def _duration(given: str | float | timedelta) -> Duration:
    return Duration.of(given)


@attrs.frozen
class Rate:
    """At most `limit` permits in every window of the length `per` (seconds, to the nanosecond).

    Raises `ValueError` for a limit below 1 or a window of less than a nanosecond.

    >>> Rate.parse("100/15min")
    Rate(limit=100, per=Duration('15m'))
    >>> str(Rate(10, Duration.of(1)))
    '10/s'
    """

    limit: int
    per: Duration = attrs.field(converter=_duration)

    def __attrs_post_init__(self) -> None:
        if self.limit < 1:
            raise ValueError(f"a rate of at least 1 permit, not {self.limit}")
        if self.per.ns < 1:
            raise ValueError(f"a rate over at least one nanosecond, not {float(self.per)} seconds")

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Read `10/s` or `100/15min`; units are s, min, h and day, also written out. Raises `ValueError`."""
        match = _RATE.fullmatch(text)
        if match is None:
            raise ValueError(f"{_EXPECTED}, not {text!r}")
        limit, count, unit = match.groups()
        if unit not in _SECONDS:
            raise ValueError(f"{_EXPECTED}, not {text!r}: the unit {unit!r} is none of s, min, h, day")
        per = float(count or 1) * _SECONDS[unit]
        if not int(limit) or not per:
            raise ValueError(f"{_EXPECTED}, not {text!r}: nothing would ever be let through")
        return cls(int(limit), Duration.of(per))

    def __str__(self) -> str:
        for unit in ("day", "h", "min"):
            count = self.per / _SECONDS[unit]
            if count.is_integer() and count * _SECONDS[unit] == self.per:
                break
        else:
            unit, count = "s", float(self.per)
        if count == 1:
            return f"{self.limit}/{unit}"
        number = format(Decimal(repr(count)).normalize(), "f")  # every digit, and no exponent
        return f"{self.limit}/{number}{'days' if unit == 'day' else unit}"


@attrs.frozen
class Rates:
    """One or several rates that hold at the same time. Raises `ValueError` where there is none.

    >>> [rate.limit for rate in Rates.parse("10/s, 10000/day")]
    [10, 10000]
    """

    rates: tuple[Rate, ...] = attrs.field(converter=tuple[Rate, ...])

    def __attrs_post_init__(self) -> None:
        if not self.rates:
            raise ValueError(f"{_EXPECTED}, not nothing at all")

    @classmethod
    def parse(cls, text: str) -> Rates:
        """Read rates with commas between them. Raises `ValueError` for the first that is none."""
        return cls(Rate.parse(part) for part in text.split(","))

    @classmethod
    def of(cls, given: str | Rate | Rates | Iterable[Rate]) -> Rates:
        """Take rates in whatever form. Raises `ValueError` for text that is no rate and for no rate at all."""
        if isinstance(given, str):
            return cls.parse(given)
        if isinstance(given, Rate):
            return cls((given,))
        return cls(given)

    def __iter__(self) -> Iterator[Rate]:
        return iter(self.rates)

    def __len__(self) -> int:
        return len(self.rates)

    def __str__(self) -> str:
        return ", ".join(map(str, self.rates))
