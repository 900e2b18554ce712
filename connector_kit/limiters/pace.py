"""How fast an adaptive limiter goes: what it has heard, as one more book beside those of the configured rates."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

from .allowance import Allowance
from .throttle import Throttle
from .windows import SlidingLog

if TYPE_CHECKING:
    from connector_kit.records.page import Quota

    from .rate import Rates

__all__ = ["Pace"]

_SECOND = 1_000_000_000
_SHORTEST_NS, _LONGEST_NS = _SECOND, 60 * _SECOND
_GRAINS = 50


class Pace:
    """Spreads permits by what the other side says of its quota and by what it refuses. A `Book` (see `books`).

    Nothing is spread before there is something to go by. A grant is known by the permits granted up to it, `granted`
    right after it was made: whatever comes of a request is told with that number, so that old answers are known as such.
    """

    __slots__ = (
        "_allowance",
        "_due",
        "_horizon_ns",
        "_owed",
        "_recent",
        "_settled",
        "_slowest",
        "cost_limit",
        "granted",
        "throttle",
    )

    def __init__(self, rates: Rates, decrease: float, recovery_ns: int) -> None:
        self.cost_limit = rates.cost_limit
        self.granted = 0
        # Over what time "the rate" of a burst is meant: the shortest window, within reason.
        shortest = min(rate.longest_ns for rate in rates)
        self._horizon_ns = min(max(shortest, _SHORTEST_NS), _LONGEST_NS)
        highest = min(rate.most_in(self._horizon_ns) for rate in rates) * _SECOND / self._horizon_ns
        self._slowest = min(rate.limit * _SECOND / rate.longest_ns for rate in rates)
        # News of a refusal is as old as a window: what recovers faster than that swings.
        recovery_ns = max(recovery_ns, 2 * self._horizon_ns)
        self.throttle = Throttle(min(self._slowest, _SECOND / _LONGEST_NS), highest, decrease, recovery_ns)
        self._allowance = Allowance()
        self._recent = SlidingLog(sys.maxsize, self._horizon_ns, self._horizon_ns // _GRAINS)
        self._settled = -1  # refusals of grants up to this one have had their effect
        self._due = 0  # when the last grant was due, and how much it took
        self._owed = 0

    def ready_at(self, now: int, cost: int, /) -> int:
        """Give the moment at which the next permits are due, by what is known now."""
        spread = self._allowance.ready_at(now, cost, self._due, self._owed)
        return max(now, self._due + self._owed * self._throttled_ns(now), spread)

    def commit(self, now: int, cost: int, /) -> None:
        """Take permits."""
        interval = self._interval_ns(now)
        # Up to one interval that was missed is made up for: event loops are late, and would make every rate too low.
        self._due = max(self._due + self._owed * interval, now - interval)
        self._owed = cost
        self.granted += cost
        self._allowance.spend(cost)
        self._recent.commit(now, cost)

    def take(self, now: int, cost: int, /) -> bool:
        """Take permits if they are due."""
        if self.ready_at(now, cost) > now:
            return False
        self.commit(now, cost)
        return True

    def in_use(self, now: int, /) -> bool:
        """Whether anything that was heard still matters."""
        return self._interval_ns(now) > 0

    def earliest(self, now: int, permits: int, not_before: int, /) -> int:
        """Give a moment before which permits cannot be had: the next ones, since the pace of later ones may change."""
        del permits
        return max(not_before, self.ready_at(now, 1))

    def answered(self, now: int, quota: Quota, grant: int) -> None:
        """Take note of what the answer to a request says of the quota."""
        self._allowance.hear(now, quota, min(grant, self.granted), self.granted)

    def refused(self, now: int, retry_after: float | None, grant: int) -> float:
        """Take note of a refusal, and give the seconds to pause.

        Requests that were under way when the rate was lowered are refused as well: that is the same news, and lowers
        nothing once more.
        """
        pause = retry_after if retry_after is not None and 0 < retry_after < math.inf else None
        if pause is None:
            pause = self._horizon_ns / _SECOND
        grant = min(grant, self.granted)  # whoever counts from before a restart is told to count from now
        self._allowance.supersede(grant)
        if grant > self._settled:
            observed = self._recent.taken(now) * _SECOND / self._horizon_ns
            self.throttle.lower(now, now + math.ceil(pause * _SECOND), max(observed, self._slowest))
            self._settled = self.granted
        return pause

    def _interval_ns(self, now: int) -> int:
        return max(self._throttled_ns(now), self._allowance.interval_ns(now))

    def _throttled_ns(self, now: int) -> int:
        return math.ceil(_SECOND / self.throttle.rate(now))
