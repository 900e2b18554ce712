"""Who gets the next permit, and who may wait for it: first come, first served, within the bounds of the queue.

The `Gate` grants, refuses or lets wait, in front of permits that this process counts (`windows`) or a store that
others share (`shared_gate`). What is free is decided there.
"""

from __future__ import annotations

import math
import random
import sys
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

import anyio
import attrs
from anyio.lowlevel import checkpoint_if_cancelled

from connector_kit.durations import Duration
from connector_kit.errors import ConfigError, RateLimitError

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from connector_kit.clock import Clock

__all__ = ["Gate", "PermitSource", "Queue", "QueueBounds", "Waiter"]

_SECOND = 1_000_000_000
_LONGEST_SLEEP_NS = (
    60 * _SECOND
)  # the time of day may be set, a machine may sleep, another process may act: look again
_JITTER_NS = 1_000_000


class PermitSource(Protocol):
    """Where a gate takes permits from. Moments are integer nanoseconds of the gate's clock."""

    @property
    def cost_limit(self) -> int:
        """The most permits that can ever be had at once; no cost above it is asked for."""
        ...

    def take(self, now: int, cost: int, /) -> bool:
        """Take `cost` permits if they are free; False as well where that cannot be told at once."""
        ...

    async def ask(self, now: int, cost: int, /) -> int:
        """Take `cost` permits if they are free and return 0, else the nanoseconds (above 0) after which they may be.

        No caller is cancelled who has a permit.
        """
        ...

    def earliest(self, now: int, permits: int, not_before: int, /) -> int | None:
        """Return a moment before which the last of `permits` permits, taken in turn from `not_before` on, cannot be had.

        None where nothing is certain.
        """
        ...


class Gate:
    """Lets callers through in their order, each at the first moment at which its permits are free and no pause holds.

    The first in the queue asks the source, sleeps for as long as it is told, and asks again; all others wait until they
    are first. `rates` is what messages call the limit.

    Where other processes take from the source too (`shared`), nothing is certain: sleeps are up to a millisecond
    longer, since the first ones of other processes are told the same, and `max_wait` also ends the wait in the queue.
    """

    __slots__ = (
        "_bounds",
        "_clock",
        "_cost_limit",
        "_now",
        "_paused_until",
        "_point",
        "_queue",
        "_rates",
        "_ready",
        "_shared",
        "_source",
        "_take",
    )

    def __init__(
        self, source: PermitSource, rates: object, bounds: QueueBounds, clock: Clock, *, shared: bool = False
    ) -> None:
        self._source = source
        self._take = source.take
        self._rates = rates
        self._bounds = bounds
        self._clock = clock
        self._now = clock.monotonic_ns
        self._cost_limit = source.cost_limit
        self._shared = shared
        self._paused_until = clock.monotonic_ns()
        self._ready = (
            self._paused_until
        )  # when the first in the queue may have its permits, as it was last told
        self._queue = Queue()
        self._point = CancellationPoint()

    @property
    def waiting(self) -> int:
        """How many calls stand in the queue."""
        return len(self._queue)

    def now(self) -> int:
        """Return the moment by the gate's clock, in nanoseconds."""
        return self._now()

    def idle(self) -> bool:
        """Whether nobody waits and no pause holds."""
        return self._queue.empty and self._now() >= self._paused_until

    async def acquire(self, cost: int = 1) -> float:
        """Wait for `cost` permits, take them, and return the seconds waited (0.0 where there was no wait).

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
        ahead = len(self._queue)
        if self._bounds.bounded:
            earliest = self._source.earliest(now, self._queue.cost + cost, self._paused_until)
            if earliest is None and ahead and self._ready > now:
                earliest = self._ready
            if earliest is not None:
                self._refuse_what_cannot_wait(ahead, now, now, earliest)
        waiter = Waiter(self._queue, cost)
        if not self._shared:
            await waiter.join()
        elif not await waiter.join_within(self._bounds.max_wait_seconds):
            now, arrived = self._now(), now
            ready = max(now + 1, self._ready)
            raise self._bounds.wait_too_long(self._rates, ready - arrived, ready - now)
        try:
            return await self._take_when_free(now, ahead, cost)
        finally:
            self._queue.leave(waiter)

    def try_acquire(self, cost: int) -> bool:
        """Take `cost` permits if they are free now and nobody waits. Raises `ConfigError` as `acquire` does."""
        if not 1 <= cost <= self._cost_limit:
            raise self._impossible(cost)
        now = self._now()
        return self._queue.empty and now >= self._paused_until and self._take(now, cost)

    async def ask(self, cost: int) -> bool:
        """Do what `try_acquire` does, where the source has to be asked. Callers who come meanwhile queue up."""
        if not 1 <= cost <= self._cost_limit:
            raise self._impossible(cost)
        await checkpoint_if_cancelled()
        now = self._now()
        if not self._queue.empty or now < self._paused_until:
            return False
        waiter = Waiter(self._queue, cost)
        await waiter.join()  # first at once
        try:
            return await self._source.ask(now, cost) == 0
        finally:
            self._queue.leave(waiter)

    def pause(self, seconds: float) -> int:
        """Let nobody through for so long; then those who wait go on in order.

        Returns the nanoseconds of the pause: 0 for no time and for an endless one, which change nothing.
        """
        pause = seconds * _SECOND
        if not 0 < pause < math.inf:
            return 0
        self._paused_until = max(self._paused_until, self._now() + math.ceil(pause))
        return math.ceil(pause)

    async def _take_when_free(self, arrived: int, ahead: int, cost: int) -> float:
        waited = ahead > 0
        while True:
            # Every round looks at a fresh clock: the sleep may have been short or very long, or a pause was heard of.
            now = self._now()
            if now < self._paused_until:
                wait = (self._source.earliest(now, cost, self._paused_until) or self._paused_until) - now
            else:
                wait = await self._source.ask(now, cost)
                if self._shared:  # asking may have taken a while
                    now = self._now()
                if wait == 0:
                    return (now - arrived) / _SECOND if waited else 0.0
            self._ready = now + wait
            self._refuse_what_cannot_wait(ahead, arrived, now, self._ready)
            sleep = min(wait, _LONGEST_SLEEP_NS)
            if self._shared:
                sleep += random.randrange(1 + min(_JITTER_NS, wait // 100))  # noqa: S311 - spreads processes, guards nothing
            await self._clock.sleep(sleep / _SECOND)
            waited = True

    def _refuse_what_cannot_wait(self, ahead: int, arrived: int, now: int, ready: int) -> None:
        """Raise where it is certain by now: `ahead` callers were there before, and `ready` is the earliest moment."""
        if not self._bounds.allows_behind(ahead):
            raise self._bounds.queue_too_long(self._rates, ahead, ready - now)
        if self._bounds.ends_before(ready - arrived):
            raise self._bounds.wait_too_long(self._rates, ready - arrived, ready - now)

    def _impossible(self, cost: int) -> ConfigError:
        return ConfigError(
            f"a cost of {cost} permits can never be granted under {self._rates}; expected 1 to {self._cost_limit}; "
            "lower the cost or raise the rate"
        )


class Queue:
    """Callers in the order in which they came; one at a time is first. Whoever is cancelled leaves, wherever it stands.

    `empty` is false while anybody stands in the queue, the first one included. An instance belongs to one event loop
    at a time.
    """

    __slots__ = ("_waiters", "cost", "empty")

    def __init__(self) -> None:
        self._waiters: OrderedDict[Waiter, None] = OrderedDict()
        self.cost = 0
        """The sum of the costs of those who stand in the queue."""
        self.empty = True

    def __len__(self) -> int:
        return len(self._waiters)

    def append(self, waiter: Waiter) -> bool:
        """Put a caller at the end; return whether it is the first as well."""
        alone = self.empty
        self._waiters[waiter] = None
        self.cost += waiter.cost
        self.empty = False
        return alone

    def leave(self, waiter: Waiter) -> None:
        """Let a caller go, and wake the one that is first now."""
        del self._waiters[waiter]
        self.cost -= waiter.cost
        self.empty = not self._waiters
        if self._waiters:
            next(iter(self._waiters)).first.set()  # changes nothing for one that was first before


class Waiter:
    """One caller in a queue. Once it has joined, it is first until somebody calls `leave`."""

    __slots__ = ("_queue", "cost", "first")

    def __init__(self, queue: Queue, cost: int) -> None:
        self._queue = queue
        self.cost = cost
        self.first = anyio.Event()

    async def join(self) -> None:
        """Stand in the queue until it is first; cancelled, it has left."""
        if self._queue.append(self):
            return
        try:
            await self.first.wait()
        except BaseException:
            self._queue.leave(self)
            raise

    async def join_within(self, seconds: float | None) -> bool:
        """Join; return False, having left, where that takes longer. None is no bound."""
        if seconds is None:
            await self.join()
            return True
        with anyio.move_on_after(seconds) as scope:
            await self.join()
        return not scope.cancelled_caught


@attrs.frozen
class QueueBounds:
    """Bounds on waiting: `max_wait_ns` from the call to the permit, `max_queue` callers ahead. None is no bound.

    It makes the errors; the gate raises them.
    """

    max_wait_ns: int | None = None
    max_queue: int | None = None

    @classmethod
    def of(cls, max_wait: float | None, max_queue: int | None) -> QueueBounds:
        """Return the bounds for `max_wait` in seconds.

        Raises `ValueError` for one below zero, `ConfigError` for such a `max_queue`.
        """
        if max_queue is not None and max_queue < 0:
            raise ConfigError(
                f"cannot make a limiter with max_queue={max_queue}; expected zero calls or more; "
                "leave it out for a queue without bound"
            )
        return cls(None if max_wait is None else Duration.of(max_wait).ns, max_queue)

    @property
    def bounded(self) -> bool:
        """Whether there is any bound."""
        return self.max_wait_ns is not None or self.max_queue is not None

    @property
    def max_wait_seconds(self) -> float | None:
        """The longest wait in seconds."""
        return None if self.max_wait_ns is None else self.max_wait_ns / _SECOND

    def ends_before(self, wait_ns: int) -> bool:
        """Whether a wait of this length is too long."""
        return self.max_wait_ns is not None and wait_ns > self.max_wait_ns

    def allows_behind(self, length: int) -> bool:
        """Whether a caller may join a queue of this length."""
        return self.max_queue is None or length < self.max_queue

    def queue_too_long(self, rates: object, length: int, wait_ns: int) -> RateLimitError:
        """Return the error for a queue of `length` calls, behind which the wait would be `wait_ns` at least."""
        wait = Duration(wait_ns / _SECOND)
        return RateLimitError(
            f"{length} calls wait for a permit under {rates} already; expected at most {self.max_queue} (max_queue); "
            f"come back in {wait}, or allow a longer queue",
            retry_after=float(wait),
        )

    def wait_too_long(self, rates: object, wait_ns: int, left_ns: int) -> RateLimitError:
        """Return the error for a wait of `wait_ns` at least, of which `left_ns` are still to come."""
        longest = Duration((self.max_wait_ns or 0) / _SECOND)
        return RateLimitError(
            f"a permit under {rates} takes a wait of {Duration(wait_ns / _SECOND)}; expected at most {longest} "
            f"(max_wait); come back in {Duration(left_ns / _SECOND)}, or allow a longer wait",
            retry_after=left_ns / _SECOND,
        )


class CancellationPoint:
    """Raises the cancellation of a task that is cancelled, and does nothing else: no other task runs.

    The same as `checkpoint_if_cancelled`, which finds out anew at each call which event loop runs, and
    so takes a third longer. A semaphore that lets everybody through looks at the same thing and knows its loop.
    """

    __slots__ = ("enter",)

    def __init__(self) -> None:
        self.enter = self._first_time
        """To be awaited. Raises `RuntimeError` in another kind of loop than the last one: `renew`, and await it again."""

    def renew(self) -> None:
        """Belong to the event loop that runs now."""
        self.enter = anyio.Semaphore(sys.maxsize, fast_acquire=True).acquire

    def _first_time(self) -> Coroutine[Any, Any, None]:
        self.renew()
        return self.enter()
