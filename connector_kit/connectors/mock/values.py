"""Values drawn from numbers, fast: mixed bits, and times as text.

Everything is a pure function of its arguments, so that any record can be made without those before it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

__all__ = ["PER_MINUTE", "first_index_since", "mix", "moment"]

_MASK = (1 << 64) - 1
_GAMMA = 0x9E37_79B9_7F4A_7C15

_START = datetime(2024, 1, 1, tzinfo=UTC)
_MINUTES_A_DAY = 24 * 60
_MINUTE = timedelta(minutes=1)

PER_MINUTE = 3
"""So many records in a row share one time, so that a bound on it falls between records that are equal to it."""


def mix(key: int, index: int = 0) -> int:
    """Give 64 well-mixed bits for number `index` of the sequence that `key` starts.

    This is SplitMix64 with its state computed in one step (Steele, Lea, Flood: Fast splittable pseudorandom number
    generators, 2014).
    """
    bits = (key + (index + 1) * _GAMMA) & _MASK
    bits = (bits ^ (bits >> 30)) * 0xBF58_476D_1CE4_E5B9 & _MASK
    bits = (bits ^ (bits >> 27)) * 0x94D0_49BB_1331_11EB & _MASK
    return bits ^ (bits >> 31)


_TIMES = [f"T{minute // 60:02}:{minute % 60:02}:00+00:00" for minute in range(_MINUTES_A_DAY)]


@lru_cache(maxsize=64)
def _day(number: int) -> str:
    return (_START + timedelta(days=number)).date().isoformat()


@lru_cache(maxsize=64)
def _minute(number: int) -> str:
    day, minute = divmod(number, _MINUTES_A_DAY)
    return _day(day) + _TIMES[minute]


def moment(index: int) -> str:
    """Give the time of record number `index` as ISO text; times never decrease with the index."""
    return _minute(index // PER_MINUTE)


def first_index_since(since: datetime) -> int:
    """Give the lowest index whose `moment` is not before `since`, which must be aware."""
    minutes = -((_START - since) // _MINUTE)
    return max(0, minutes) * PER_MINUTE
