"""The mock's own rate limit, as a server has one: it counts what it served, refuses what is beyond, and says so."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from connector_kit.errors import RateLimitError
from connector_kit.limiters.rates import Rate
from connector_kit.records.page import Quota

if TYPE_CHECKING:
    from connector_kit.limiters.rates import Rates

__all__ = ["ServedRequests"]


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
