"""One queue in front of one book, in one process: what all limiters that keep their own count are made of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from connector_kit.errors import ConfigError

from .cancellation import CancellationPoint
from .queue import Queue

if TYPE_CHECKING:
    from connector_kit.clock import Clock

    from .books import Book
    from .patience import Patience

__all__ = ["Gate"]

_SECOND = 1_000_000_000
_LONGEST_SLEEP_NS = 60 * _SECOND  # the time of day may be set, and a machine may sleep: look again


class Gate:
    """Lets callers through in their order, each at the first moment at which the book has its permits and no pause holds.

    The first in the queue sleeps until its permits are free and takes them at that moment; all others wait for their
    turn. `rates` is what messages call the limit.
    """

    __slots__ = (
        "_book",
        "_clock",
        "_cost_limit",
        "_now",
        "_patience",
        "_paused_until",
        "_point",
        "_queue",
        "_rates",
        "_take",
    )

    def __init__(self, book: Book, rates: object, patience: Patience, clock: Clock) -> None:
        self._book = book
        self._take = book.take
        self._rates = rates
        self._patience = patience
        self._clock = clock
        self._now = clock.monotonic_ns
        self._cost_limit = book.cost_limit
        self._paused_until = clock.monotonic_ns()
        self._queue = Queue()
        self._point = CancellationPoint()

    @property
    def waiting(self) -> int:
        """How many calls stand in the queue."""
        return len(self._queue)

    def now(self) -> int:
        """Give the moment by the gate's clock, in nanoseconds."""
        return self._now()

    def idle(self) -> bool:
        """Whether a new gate in place of this one would make no difference: nobody waits and nothing counts."""
        now = self._now()
        return self._queue.empty and now >= self._paused_until and not self._book.in_use(now)

    async def acquire(self, cost: int = 1) -> float:
        """Wait for `cost` permits, take them, and give the seconds waited.

        Raises `ConfigError` for a cost that can never be granted, `RateLimitError` where the wait is not allowed.
        """
        if not 1 <= cost <= self._cost_limit:
            raise self._impossible(cost)
        # Free permits are taken without a pause: `limit` calls in a row may get theirs before other tasks run.
        try:
            await self._point.enter()
        except RuntimeError:  # the limiter has come into another event loop
            self._point.renew()
            await self._point.enter()
        now = self._now()
        if self._queue.empty and now >= self._paused_until and self._take(now, cost):
            return 0.0
        if self._patience.bounded:
            self._refuse_what_cannot_wait(now, cost)
        async with self._queue.turn(cost):
            return await self._take_when_free(now, cost)

    def try_acquire(self, cost: int) -> bool:
        """Take `cost` permits if they are free now and nobody waits. Raises `ConfigError` as `acquire` does."""
        if not 1 <= cost <= self._cost_limit:
            raise self._impossible(cost)
        now = self._now()
        return self._queue.empty and now >= self._paused_until and self._take(now, cost)

    def pause(self, seconds: float) -> None:
        """Let nobody through for so long; then those who wait go on in order. An endless time, and none, say nothing."""
        pause = seconds * _SECOND
        if 0 < pause < math.inf:
            self._paused_until = max(self._paused_until, self._now() + math.ceil(pause))

    async def _take_when_free(self, arrived: int, cost: int) -> float:
        while True:
            # Every round looks at a fresh clock: the sleep may have been short or very long, or a pause was heard of.
            now = self._now()
            ready = max(self._paused_until, self._book.ready_at(now, cost))
            if ready <= now:
                self._book.commit(now, cost)
                return (now - arrived) / _SECOND
            if self._patience.ends_before(ready - arrived):
                raise self._patience.wait_too_long(self._rates, ready - arrived, ready - now)
            await self._clock.sleep(min(ready - now, _LONGEST_SLEEP_NS) / _SECOND)

    def _refuse_what_cannot_wait(self, now: int, cost: int) -> None:
        """Raise where it is certain by now, as the queue stands: a lower bound of the wait decides, not a guess."""
        wait = self._book.earliest(now, self._queue.cost + cost, self._paused_until) - now
        if not self._patience.allows_behind(len(self._queue)):
            raise self._patience.queue_too_long(self._rates, len(self._queue), wait)
        if self._patience.ends_before(wait):
            raise self._patience.wait_too_long(self._rates, wait, wait)

    def _impossible(self, cost: int) -> ConfigError:
        return ConfigError(
            f"a cost of {cost} permits can never be granted under {self._rates}; expected 1 to {self._cost_limit}; "
            "lower the cost or raise the rate"
        )
