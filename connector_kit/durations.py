"""Lengths of time as a person writes them: `30s`, `1m30s`, `250ms`, `2h`, `1d`."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from decimal import Decimal

__all__ = ["Duration", "as_duration", "rounded_duration", "whole_ns"]

_SECOND = 1_000_000_000
_TWO_DIGITS = 10
_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 0.000_001}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|us|[dhms])")
_DURATION = re.compile(r"\s*(?:\d+(?:\.\d+)?\s*(?:ms|us|[dhms])\s*)+")


class Duration(float):
    """A length of time in seconds, zero or more: a float that is read from and shown as text.

    >>> Duration.parse("1m30s")
    Duration('1m30s')
    >>> Duration.of(0.25) + 1
    1.25
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read `30s`, `1m30s`, `1.5h`. Raises `ValueError` with what is expected."""
        if not _DURATION.fullmatch(text):
            raise ValueError('a duration like "30s", "1m30s", "250ms", "2h" or "1d"')
        return cls.of(sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text)))

    @classmethod
    def of(cls, length: str | float | timedelta) -> Duration:
        """Convert text, a number of seconds or a timedelta to a duration.

        Raises `ValueError` for a negative or endless one.
        """
        if isinstance(length, str):
            return cls.parse(length)
        try:
            seconds = length.total_seconds() if isinstance(length, timedelta) else float(length)
        except OverflowError:
            seconds = math.inf
        if not 0 <= seconds < math.inf:
            raise ValueError(f"a duration of zero or more seconds, not {seconds}")
        return cls(seconds)

    @property
    def ns(self) -> int:
        """The same in nanoseconds, rounded."""
        return round(self * _SECOND)

    @property
    def timedelta(self) -> timedelta:
        """The same as a timedelta."""
        return timedelta(seconds=self)

    def __str__(self) -> str:
        # In whole nanoseconds, so that no part is rounded up to 60s and none is written with an exponent.
        rest, parts = self.ns, list[str]()
        if rest < _SECOND:
            return f"{Decimal(rest) / 1_000_000:f}ms" if rest else "0s"
        for unit in ("d", "h", "m"):
            count, rest = divmod(rest, int(_UNITS[unit]) * _SECOND)
            if count:
                parts.append(f"{count}{unit}")
        if rest:
            parts.append(f"{Decimal(rest) / _SECOND:f}s")
        return "".join(parts)

    def __repr__(self) -> str:
        return f"Duration({str(self)!r})"


def as_duration(length: str | float | timedelta) -> Duration:
    """Return `Duration.of(length)`. A plain function: mypy's attrs plugin takes no other converter."""
    return Duration.of(length)


def whole_ns(length: timedelta) -> int:
    """Return a timedelta in nanoseconds, without a float in between."""
    return length // timedelta(microseconds=1) * 1000


def rounded_duration(seconds: float) -> str:
    """Return a length of time as text with about two digits: `0.12s`, `3.4s`, `1m12s`."""
    if seconds < 1:
        return f"{seconds:.2f}s"
    return str(Duration(round(seconds, 1) if seconds < _TWO_DIGITS else round(seconds)))
