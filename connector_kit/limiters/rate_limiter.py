"""The limiter: one queue in front of hard windows. What is free is decided in `windows`; here is who gets it."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from connector_kit.clock import AnyioClock, Clock
from connector_kit.durations import Duration
from connector_kit.errors import ConfigError, RateLimitError

from .rate import Rate, Rates
from .windows import SlidingLog

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connector_kit.records.page import Quota

__all__ = ["RateLimiter"]

_SECOND = 1_000_000_000


class RateLimiter:
    """Grants permits under one or more rates: never more than each allows, in any window, and never later than needed.

    Whoever has to wait stands in one queue, cost included: a cheap call does not overtake an expensive one. The first
    in the queue sleeps until its permits are free and takes them at that moment; all others wait for their turn.

    `max_wait` (seconds) and `max_queue` (calls) bound the waiting: who would have to wait longer, or behind more, is
    refused with `RateLimitError` as soon as that is certain, as the queue stands. An instance belongs to one event loop at a time.
    Raises `ConfigError` for rates and bounds that make no sense.

    >>> RateLimiter("10/s, 10000/day", max_wait=30)
    RateLimiter('10/s, 10000/day')
    """

    __slots__ = (
        "_clock",
        "_largest",
        "_logs",
        "_max_queue",
        "_max_wait",
        "_paused_until",
        "_queue",
        "_queued",
        "rates",
    )

    def __init__(
        self,
        rates: str | Rate | Rates | Iterable[Rate],
        *,
        max_wait: float | None = None,
        max_queue: int | None = None,
        clock: Clock = AnyioClock(),  # noqa: B008 - a frozen value without state
    ) -> None:
        try:
            self.rates = Rates.of(rates)
            self._max_wait = None if max_wait is None else Duration.of(max_wait).ns
        except ValueError as error:
            raise ConfigError(
                f"cannot make a limiter of {rates!r} with max_wait={max_wait!r}; expected {error}"
            ) from error
        if max_queue is not None and max_queue < 0:
            raise ConfigError(
                f"cannot make a limiter with max_queue={max_queue}; expected zero calls or more; "
                "leave it out for a queue without bound"
            )
        self._max_queue = max_queue
        self._clock = clock
        self._largest = min(rate.limit for rate in self.rates)
        self._logs = tuple(SlidingLog(rate.limit, rate.per.ns) for rate in self.rates)
        self._paused_until = clock.monotonic_ns()
        self._queue: OrderedDict[anyio.Event, int] = OrderedDict()  # each waiter's turn, and its cost
        self._queued = 0  # the sum of these costs

    def __repr__(self) -> str:
        return f"RateLimiter({str(self.rates)!r})"

    @property
    def waiting(self) -> int:
        """How many calls stand in the queue."""
        return len(self._queue)

    async def acquire(self, cost: int = 1) -> float:
        """Wait for `cost` permits, take them, and give the seconds waited (0.0 where there was no wait).

        Raises `ConfigError` for a cost below 1 or above the smallest limit, and `RateLimitError` with `retry_after`
        where `max_wait` or `max_queue` does not allow the wait. Cancelled, it takes nothing and the next one moves up.
        """
        if not 1 <= cost <= self._largest:
            raise self._impossible(cost)
        # Free permits are taken without a pause: `limit` calls in a row may get theirs before other tasks run.
        await checkpoint_if_cancelled()
        now = self._clock.monotonic_ns()
        if not self._queue and self._take(now, cost):
            return 0.0
        self._refuse_what_cannot_wait(now, cost)
        return await self._stand_in_queue(now, cost)

    def try_acquire(self, cost: int = 1) -> bool:
        """Take `cost` permits if they are free now and nobody waits. Raises `ConfigError` as `acquire` does."""
        if not 1 <= cost <= self._largest:
            raise self._impossible(cost)
        return not self._queue and self._take(self._clock.monotonic_ns(), cost)

    def hear(self, quota: Quota, /) -> None:
        """Take note that the other side has no calls left: nobody gets a permit before they are renewed.

        After that those who wait go on in their order and under the rates. Anything else in `quota` changes nothing.
        """
        if quota.remaining is None or quota.remaining > 0 or quota.reset_after is None:
            return
        pause = quota.reset_after * _SECOND
        if 0 < pause < math.inf:
            self._paused_until = max(self._paused_until, self._clock.monotonic_ns() + math.ceil(pause))

    async def _stand_in_queue(self, arrived: int, cost: int) -> float:
        turn = anyio.Event()
        self._queue[turn] = cost
        self._queued += cost
        try:
            if len(self._queue) > 1:
                await turn.wait()
            # Every round looks at a fresh clock: the sleep may have been short or very long, or a pause was heard of.
            while not self._take(now := self._clock.monotonic_ns(), cost):
                ready = self._ready_at(now, cost)
                if self._max_wait is not None and ready - arrived > self._max_wait:
                    raise self._too_long(ready - arrived, ready - now)
                await self._clock.sleep((ready - now) / _SECOND)
            return (now - arrived) / _SECOND
        finally:
            self._leave_queue(turn)

    def _leave_queue(self, turn: anyio.Event) -> None:
        self._queued -= self._queue.pop(turn)
        if self._queue:
            next(iter(self._queue)).set()  # changes nothing for a first one that was first before

    def _take(self, now: int, cost: int) -> bool:
        """Take permits under all rates or none. No await in here: nobody comes between the look and the taking."""
        if now < self._paused_until:
            return False
        for log in self._logs:
            if log.ready_at(now, cost) > now:
                return False
        for log in self._logs:
            log.commit(now, cost)
        return True

    def _ready_at(self, now: int, cost: int) -> int:
        return max(self._paused_until, *(log.ready_at(now, cost) for log in self._logs))

    def _impossible(self, cost: int) -> ConfigError:
        return ConfigError(
            f"a cost of {cost} permits can never be granted under {self.rates}; expected 1 to {self._largest}; "
            "lower the cost or raise the rate"
        )

    def _refuse_what_cannot_wait(self, now: int, cost: int) -> None:
        """Raise where it is certain by now, as the queue stands: a lower bound of the wait decides, not a guess."""
        if self._max_queue is not None and len(self._queue) >= self._max_queue:
            wait = Duration(self._shortest_wait(now, cost) / _SECOND)
            raise RateLimitError(
                f"{len(self._queue)} calls wait for a permit under {self.rates} already; expected at most "
                f"{self._max_queue} (max_queue); come back in {wait}, or allow a longer queue",
                retry_after=float(wait),
            )
        if self._max_wait is not None and (shortest := self._shortest_wait(now, cost)) > self._max_wait:
            raise self._too_long(shortest, shortest)

    def _shortest_wait(self, now: int, cost: int) -> int:
        """Give the nanoseconds that a new caller has to wait at least, behind the queue as it stands."""
        permits = self._queued + cost
        return max(log.earliest(now, permits, self._paused_until) for log in self._logs) - now

    def _too_long(self, wait: int, left: int) -> RateLimitError:
        longest = Duration((self._max_wait or 0) / _SECOND)
        return RateLimitError(
            f"a permit under {self.rates} takes a wait of {Duration(wait / _SECOND)}; expected at most {longest} "
            f"(max_wait); come back in {Duration(left / _SECOND)}, or allow a longer wait",
            retry_after=left / _SECOND,
        )
