"""What the other side has said is left until it renews its quota. Pure: time is an argument, in nanoseconds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector_kit.records.page import Quota

__all__ = ["Allowance"]

_SECOND = 1_000_000_000


class Allowance:
    """The permits left by the newest answer, spread until the reset. Without an answer, or after it, there is no bound."""

    __slots__ = ("_interval_ns", "_left", "_newest", "_reset")

    def __init__(self) -> None:
        self._newest = 0  # the grant of the newest answer
        self._reset: int | None = None
        self._left = 0
        self._interval_ns = 0

    def hear(self, now: int, quota: Quota, grant: int, granted: int) -> None:
        """Take the answer to the request of `grant` (permits granted up to it), while `granted` are by now.

        Answers may come in another order than that of their requests; one to an older request than the newest that was
        heard is ignored. Those granted since count as used.
        """
        if grant < self._newest:
            return
        self._newest = grant
        after = quota.reset_after
        if quota.remaining is None or after is None or not 0 < after < math.inf:
            return
        wait = math.ceil(after * _SECOND)
        self._reset = now + wait
        self._left = max(0, quota.remaining - (granted - grant))
        self._interval_ns = -(
            -wait // (self._left + 1)
        )  # the last one is granted before the reset, not at it

    def supersede(self, grant: int) -> None:
        """Ignore from now on what answers to requests before `grant` say."""
        self._newest = max(self._newest, grant)

    def holds(self, now: int) -> bool:
        """Whether an answer bounds anything at this moment."""
        return self._reset is not None and now < self._reset

    def ready_at(self, now: int, cost: int, due: int, owed: int) -> int:
        """Give the moment for the next permits, where the last grant was due at `due` and took `owed` permits."""
        if self._reset is None or now >= self._reset:
            return now
        return self._reset if self._left < cost else min(due + owed * self._interval_ns, self._reset)

    def interval_ns(self, now: int) -> int:
        """Give the time from one permit to the next; 0 where there is no bound."""
        return self._interval_ns if self.holds(now) else 0

    def spend(self, cost: int) -> None:
        """Count permits that were granted."""
        self._left = max(0, self._left - cost)
