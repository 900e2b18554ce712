"""One queue in front of a store that other processes use as well: what all shared limiters are made of.

The store decides what is free; the `queue` decides who of this process asks it next. `Fallback` stands in for a store
that is out of reach.
"""

from __future__ import annotations

from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.to_thread

from connector_kit.errors import ConnectionFailedError, ConnectorError
from connector_kit.events import LimiterDegraded, LimiterRestored, emit

from .queue import Gate

if TYPE_CHECKING:
    from connector_kit.clock import Clock
    from connector_kit.records.page import Quota

    from .settings import SharedSettings
    from .windows import BudgetWindow

__all__ = ["BlockingStore", "Fallback", "SharedGate", "Store", "ThreadedStore"]

_SECOND = 1_000_000_000
_RARELY = 10  # of the time that a failing try takes: so much passes until the next one


class Store(Protocol):
    """Where processes keep count together."""

    async def ask(self, cost: int, /) -> int:
        """Take `cost` permits if they are free and return 0, else nanoseconds (above 0) after which they may be.

        Taking is one step for all processes. Cancelled, it ends first: no caller is cancelled who has a permit.
        """
        ...

    def pause(self, ns: int, /) -> None:
        """Let no process have a permit for so long. Blocks. Raises `ConnectorError` where the store cannot be reached."""
        ...


class BlockingStore(Protocol):
    """A store whose calls block. Where it is out of reach, both raise `ConnectionFailedError`."""

    def take(self, cost: int, /) -> int:
        """Take `cost` permits if they are free and return 0, else the nanoseconds after which they may be."""
        ...

    def pause(self, ns: int, /) -> None:
        """Let nobody have a permit for so long."""
        ...


class SharedGate:
    """Lets callers of this process through in their order, each when the store has given it its permits."""

    __slots__ = ("_gate", "_pausing", "_store", "acquire", "try_acquire")

    def __init__(self, store: Store, settings: SharedSettings, clock: Clock) -> None:
        self._store = store
        source = _StorePermits(store, settings.cost_limit)
        self._gate = Gate(source, settings.rates, settings.bounds, clock, shared=True)
        self._pausing: list[Thread] = []
        self.acquire = self._gate.acquire
        self.try_acquire = self._gate.ask

    @property
    def waiting(self) -> int:
        """How many calls stand in the queue."""
        return self._gate.waiting

    def hear(self, quota: Quota) -> None:
        """Pause all processes where the other side has no calls left; anything else changes nothing.

        Here the pause holds at once. The others are told in a thread: nobody waits for that, and where the store
        cannot be reached they hear of the quota themselves.
        """
        if quota.remaining is None or quota.remaining > 0 or quota.reset_after is None:
            return
        ns = self._gate.pause(quota.reset_after)
        if not ns:
            return
        self._pausing = [thread for thread in self._pausing if thread.is_alive()]
        thread = Thread(target=self._pause_others, args=(ns,), daemon=True)
        self._pausing.append(thread)
        thread.start()

    def close(self) -> None:
        """Wait until the others are told of every pause that was heard of."""
        while self._pausing:
            self._pausing.pop().join()

    def _pause_others(self, ns: int) -> None:
        with suppress(ConnectorError):
            self._store.pause(ns)


class _StorePermits:
    """The permits of a store, as a gate takes them (see `queue.PermitSource`)."""

    __slots__ = ("_store", "cost_limit")

    def __init__(self, store: Store, cost_limit: int) -> None:
        self._store = store
        self.cost_limit = cost_limit

    def take(self, now: int, cost: int, /) -> bool:
        del now, cost
        return False

    async def ask(self, now: int, cost: int, /) -> int:
        del now
        return await self._store.ask(cost)

    def earliest(self, now: int, permits: int, not_before: int, /) -> None:
        del now, permits, not_before


class ThreadedStore:
    """A blocking store as a `Store`: each call in a worker thread, to its end."""

    __slots__ = ("_store", "pause")

    def __init__(self, store: BlockingStore) -> None:
        self._store = store
        self.pause = store.pause

    async def ask(self, cost: int, /) -> int:
        """Take `cost` permits if they are free and return 0, else the nanoseconds after which they may be."""
        # A thread beyond the loop's usual number: those may all be at work for calls that wait for this permit.
        return await anyio.to_thread.run_sync(self._store.take, cost, limiter=anyio.CapacityLimiter(1))


class Fallback:
    """A `Store` that may be out of reach, and the share of the limit that this process keeps to meanwhile.

    The store is tried again every `probe_ns`, and less often where a try takes long. What it grants is taken from the
    window of this process as well, as far as that has it: who has just had a share of the permits there does not get
    it here again. A cost that the window can never grant waits for the store. Without a window, the error is raised.
    """

    __slots__ = ("_clock", "_lost_at", "_next_try", "_probe_ns", "_store", "_window", "pause")

    def __init__(
        self, store: BlockingStore, window: BudgetWindow | None, probe_ns: int, clock: Clock
    ) -> None:
        self._store = ThreadedStore(store)
        self._window = window
        self._probe_ns = probe_ns
        self._clock = clock
        self._lost_at: int | None = None
        self._next_try = clock.monotonic_ns()
        self.pause = store.pause

    @property
    def degraded(self) -> bool:
        """Whether the store was out of reach when it was last tried."""
        return self._lost_at is not None

    async def ask(self, cost: int, /) -> int:
        """Take `cost` permits, there or here, and return 0, else the nanoseconds after which they may be free."""
        began = self._clock.monotonic_ns()
        window = self._window
        if window is not None and self._lost_at is not None and began < self._next_try:
            return self._take_own_share(window, began, cost)
        try:
            wait = await self._store.ask(cost)
        except ConnectionFailedError as error:
            if window is None:
                raise
            now = self._clock.monotonic_ns()
            self._next_try = now + max(self._probe_ns, _RARELY * (now - began))
            if self._lost_at is None:
                self._lost_at = now
                emit(LimiterDegraded(error.message))
            return self._take_own_share(window, now, cost)
        now = self._clock.monotonic_ns()
        if self._lost_at is not None:
            emit(LimiterRestored((now - self._lost_at) / _SECOND))
            self._lost_at = None
        if wait == 0 and window is not None and cost <= window.cost_limit:
            window.take(now, cost)
        return wait

    def _take_own_share(self, window: BudgetWindow, now: int, cost: int) -> int:
        if cost > window.cost_limit:
            return self._next_try - now
        ready = window.ready_at(now, cost)
        if ready > now:
            return min(ready, self._next_try) - now
        window.commit(now, cost)
        return 0
