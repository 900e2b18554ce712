"""A store that may be out of reach, and the share of the limit that this process keeps to meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.to_thread

from connector_kit.errors import ConnectionFailedError
from connector_kit.events import LimiterDegraded, LimiterRestored, emit

if TYPE_CHECKING:
    from connector_kit.clock import Clock

    from .books import Book

__all__ = ["DistantStore", "Fallback"]

_SECOND = 1_000_000_000
_RARELY = 10  # of the time that a failing try takes: so much passes until the next one


class DistantStore(Protocol):
    """A store whose calls block, and which may be out of reach: both then raise `ConnectionFailedError`."""

    def take(self, cost: int, /) -> int:
        """Take `cost` permits if they are free and give 0, else the nanoseconds after which they may be."""
        ...

    def pause(self, ns: int, /) -> None:
        """Let nobody have a permit for so long."""
        ...


class Fallback:
    """A `Store`: asks the distant one, in a worker thread; while that is out of reach, the book of this process.

    It is tried again every `probe_ns`, and less often where a try takes long. What it grants is taken from the own book
    as well, as far as that has it: who has just had a share of the permits there does not get it here again. A cost
    that the book can never grant waits for the store. Without a book, the error is raised.
    """

    __slots__ = ("_book", "_clock", "_distant", "_lost_at", "_next_try", "_probe_ns", "pause")

    def __init__(self, distant: DistantStore, book: Book | None, probe_ns: int, clock: Clock) -> None:
        self._distant = distant
        self._book = book
        self._probe_ns = probe_ns
        self._clock = clock
        self._lost_at: int | None = None
        self._next_try = clock.monotonic_ns()
        self.pause = distant.pause

    @property
    def degraded(self) -> bool:
        """Whether the store was out of reach when it was last tried."""
        return self._lost_at is not None

    async def ask(self, cost: int, /) -> int:
        """Take `cost` permits, there or here, and give 0, else the nanoseconds after which they may be free."""
        began = self._clock.monotonic_ns()
        if self._lost_at is not None and began < self._next_try:
            return self._ask_here(began, cost)
        try:
            # A thread beyond the loop's usual number: those may all be at work for calls that wait for this permit.
            wait = await anyio.to_thread.run_sync(self._distant.take, cost, limiter=anyio.CapacityLimiter(1))
        except ConnectionFailedError as error:
            if self._book is None:
                raise
            now = self._clock.monotonic_ns()
            self._next_try = now + max(self._probe_ns, _RARELY * (now - began))
            if self._lost_at is None:
                self._lost_at = now
                emit(LimiterDegraded(error.message))
            return self._ask_here(now, cost)
        now = self._clock.monotonic_ns()
        if self._lost_at is not None:
            emit(LimiterRestored((now - self._lost_at) / _SECOND))
            self._lost_at = None
        if wait == 0 and self._book is not None and cost <= self._book.cost_limit:
            self._book.take(now, cost)
        return wait

    def _ask_here(self, now: int, cost: int) -> int:
        assert self._book is not None, "nothing is lost without a book: the error is raised"
        if cost > self._book.cost_limit:
            return self._next_try - now
        ready = self._book.ready_at(now, cost)
        if ready > now:
            return min(ready, self._next_try) - now
        self._book.commit(now, cost)
        return 0
