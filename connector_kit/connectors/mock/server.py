"""What a server does besides answering, as the mock does it: faults now and then, and a rate limit."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from connector_kit.errors import (
    ConnectionFailedError,
    RateLimitError,
    ServiceUnavailableError,
    TimedOutError,
    TransientError,
)
from connector_kit.limiters.rates import Rate
from connector_kit.records.page import Quota

from .entities import mix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_kit.limiters.rates import Rates

__all__ = ["ServedRequests", "drawn_faults"]


_KINDS: tuple[tuple[type[TransientError], str], ...] = (
    (ConnectionFailedError, "the connection broke"),
    (ServiceUnavailableError, "the service answered that it is not available"),
    (TimedOutError, "no answer came in time"),
)


def drawn_faults(key: int, share: float, max_in_a_row: int) -> Iterator[TransientError | None]:
    """Yield, for one request after the other, the error it fails with, or None; without end."""
    number = row = 0
    while True:
        number += 1
        bits = mix(key, -number)  # negative: records have the other indexes
        if row < max_in_a_row and bits < share * 2**64:
            row += 1
            kind, what = _KINDS[bits % len(_KINDS)]
            yield kind(f"{what}: request {number} of the mock connector fails on purpose; try it again")
        else:
            row = 0
            yield None


class ServedRequests:
    """The times of the requests served, under each rate no more than its limit. A refused request does not count."""

    def __init__(self, rates: Rates) -> None:
        # MockConfig takes no other kind of rate
        self._served: list[tuple[Rate, deque[int]]] = [
            (rate, deque()) for rate in rates if isinstance(rate, Rate)
        ]

    def serve(self, now_ns: int) -> Quota:
        """Count one request and say what is left under the rate that has least left; raises `RateLimitError`."""
        for rate, times in self._served:
            while times and times[0] + rate.per.ns <= now_ns:
                times.popleft()
            if len(times) >= rate.limit:
                wait = (times[0] + rate.per.ns - now_ns) / 1e9
                raise RateLimitError(
                    f"more requests than {rate}; the mock connector allows no more; wait {wait:g} s",
                    retry_after=wait,
                )
        for _, times in self._served:
            times.append(now_ns)
        rate, times = min(self._served, key=lambda served: served[0].limit - len(served[1]))
        return Quota(rate.limit, rate.limit - len(times), (times[0] + rate.per.ns - now_ns) / 1e9)
