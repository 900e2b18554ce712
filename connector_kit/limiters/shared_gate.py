"""One queue in front of a store that other processes use as well: what all shared limiters are made of.

The store decides what is free; the queue decides who of this process asks it next.
"""

from __future__ import annotations

import math
from contextlib import AsyncExitStack, suppress
from random import Random
from threading import Thread
from typing import TYPE_CHECKING, Protocol

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from connector_kit.errors import ConfigError, ConnectorError

from .queue import Queue

if TYPE_CHECKING:
    from connector_kit.clock import Clock
    from connector_kit.records.page import Quota

    from .shared_terms import SharedTerms

__all__ = ["SharedGate", "Store"]

_SECOND = 1_000_000_000
_LONGEST_SLEEP_NS = 60 * _SECOND  # what another process did to the store meanwhile is seen after so long
_JITTER_NS = 1_000_000


class Store(Protocol):
    """Where processes keep count together."""

    async def ask(self, cost: int, /) -> int:
        """Take `cost` permits if they are free and give 0, else nanoseconds (above 0) after which they may be.

        Taking is one step for all processes. Cancelled, it ends first: no caller is cancelled who has a permit.
        """
        ...

    def pause(self, ns: int, /) -> None:
        """Let no process have a permit for so long. Blocks. Raises `ConnectorError` where the store cannot be reached."""
        ...


class SharedGate:
    """Lets callers of this process through in their order, each when the store has given it its permits.

    Only the first in the queue asks the store, and sleeps for as long as it is told (with up to a millisecond more,
    since the first ones of other processes are told the same); all others wait for their turn.
    """

    __slots__ = (
        "_clock",
        "_now",
        "_paused_until",
        "_queue",
        "_random",
        "_ready",
        "_store",
        "_tellers",
        "_terms",
    )

    def __init__(self, store: Store, terms: SharedTerms, clock: Clock) -> None:
        self._store = store
        self._terms = terms
        self._clock = clock
        self._now = clock.monotonic_ns
        self._paused_until = clock.monotonic_ns()
        self._ready = self._paused_until  # what the first one was told last
        self._queue = Queue()
        self._random = Random()  # noqa: S311 - spreads processes, guards nothing
        self._tellers: list[Thread] = []

    @property
    def waiting(self) -> int:
        """How many calls stand in the queue."""
        return len(self._queue)

    async def acquire(self, cost: int) -> float:
        """Wait for `cost` permits, take them, and give the seconds waited (0.0 where the store had them at once).

        Raises `ConfigError` for a cost that can never be granted, `RateLimitError` where the wait is not allowed.
        """
        self._refuse_impossible(cost)
        await checkpoint_if_cancelled()
        arrived, ahead = self._now(), len(self._queue)
        if ahead and self._ready > arrived:
            self._refuse_what_cannot_wait(ahead, 0, self._ready - arrived)
        longest = self._terms.patience.max_wait_ns
        async with AsyncExitStack() as stack:
            if longest is None:
                await stack.enter_async_context(self._queue.turn(cost))
            else:
                with anyio.move_on_after(longest / _SECOND) as scope:
                    await stack.enter_async_context(self._queue.turn(cost))
                if scope.cancelled_caught:
                    now = self._now()
                    left = max(1, self._ready - now)
                    raise self._terms.patience.wait_too_long(self._terms.rates, now - arrived + left, left)
            return await self._take_when_free(arrived, ahead, cost)

    async def try_acquire(self, cost: int) -> bool:
        """Take `cost` permits if they are free now and nobody waits here. Raises `ConfigError` as `acquire` does."""
        self._refuse_impossible(cost)
        await checkpoint_if_cancelled()
        if not self._queue.empty or self._now() < self._paused_until:
            return False
        async with self._queue.turn(cost):
            return await self._store.ask(cost) == 0

    def hear(self, quota: Quota) -> None:
        """Pause all processes where the other side has no calls left; anything else changes nothing.

        Here the pause holds at once. The others are told in a thread: nobody waits for that, and where the store
        cannot be reached they hear of the quota themselves.
        """
        if quota.remaining is None or quota.remaining > 0 or quota.reset_after is None:
            return
        pause = quota.reset_after * _SECOND
        if not 0 < pause < math.inf:
            return
        ns = math.ceil(pause)
        self._paused_until = max(self._paused_until, self._now() + ns)
        self._tellers = [teller for teller in self._tellers if teller.is_alive()]
        teller = Thread(target=self._tell, args=(ns,), daemon=True)
        self._tellers.append(teller)
        teller.start()

    def close(self) -> None:
        """Wait until the others are told of every pause that was heard of."""
        while self._tellers:
            self._tellers.pop().join()

    def _tell(self, ns: int) -> None:
        with suppress(ConnectorError):
            self._store.pause(ns)

    async def _take_when_free(self, arrived: int, ahead: int, cost: int) -> float:
        waited = ahead > 0
        while True:
            now = self._now()
            wait = self._paused_until - now
            if wait <= 0:
                wait = await self._store.ask(cost)
                now = self._now()
                if wait == 0:
                    return (now - arrived) / _SECOND if waited else 0.0
            self._ready = now + wait
            self._refuse_what_cannot_wait(ahead, now - arrived, wait)
            spread = self._random.randrange(1 + min(_JITTER_NS, wait // 100))
            await self._clock.sleep((min(wait, _LONGEST_SLEEP_NS) + spread) / _SECOND)
            waited = True

    def _refuse_what_cannot_wait(self, ahead: int, waited: int, left: int) -> None:
        """Raise where it is certain by now, with `ahead` callers before and `left` nanoseconds at least to come."""
        patience = self._terms.patience
        if not patience.allows_behind(ahead):
            raise patience.queue_too_long(self._terms.rates, ahead, left)
        if patience.ends_before(waited + left):
            raise patience.wait_too_long(self._terms.rates, waited + left, left)

    def _refuse_impossible(self, cost: int) -> None:
        if not 1 <= cost <= self._terms.cost_limit:
            raise ConfigError(
                f"a cost of {cost} permits can never be granted under {self._terms.rates}; expected 1 to "
                f"{self._terms.cost_limit}; lower the cost or raise the rate"
            )
