"""The limiter that the processes of one machine share through a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from connector_kit.clock import AnyioClock, Clock

from .shared_gate import SharedGate
from .shared_terms import SharedTerms
from .sqlite_log import SQLiteLog
from .terms import Terms

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path
    from typing import Any

    from connector_kit.records.page import Quota

    from .rate import RatesLike

__all__ = ["SQLiteLimiter"]


class SQLiteLimiter:
    """Grants permits under rates that hold for all processes of this machine which name the same file and `name`.

    A permit is a short transaction in a worker thread. Within a process the order is that of a `RateLimiter`; between
    processes there is none, but none is left out for long. A process that is killed takes with it no more than the
    permits it had, until their window is over. The file must be on a disk of the machine (not on a network), and all
    must name the same `rates`: hard windows, such as "10/s, 10000/day".

    `max_wait` (seconds) and `max_queue` (calls of this process) bound the waiting, as for a `RateLimiter`; what other
    processes take meanwhile is not foreseen. `clock` must be one that all processes share, as the machine's is. An
    instance belongs to one event loop at a time; it may be taken through a fork before its first use.

    Raises `ConfigError` for rates, bounds and files that make no sense; warns (`DeadRateWarning`) of a rate that
    another one makes superfluous.
    """

    __slots__ = ("_gate", "_log", "name", "rates")

    def __init__(
        self,
        path: str | Path,
        rates: RatesLike,
        *,
        name: str = "default",
        max_wait: float | None = None,
        max_queue: int | None = None,
        clock: Clock = AnyioClock(),  # noqa: B008 - a frozen value without state
    ) -> None:
        terms = SharedTerms.of(name, Terms.of(rates, max_wait=max_wait, max_queue=max_queue, state=None))
        self.name = name
        self.rates = terms.rates
        self._log = SQLiteLog(path, terms, clock.monotonic_ns)
        self._gate = SharedGate(_Asked(self._log), terms, clock)

    def __repr__(self) -> str:
        return f"SQLiteLimiter({str(self._log.path)!r}, {str(self.rates)!r}, name={self.name!r})"

    @property
    def waiting(self) -> int:
        """How many calls stand in the queue of this process."""
        return self._gate.waiting

    def acquire(self, cost: int = 1) -> Coroutine[Any, Any, float]:
        """Wait for `cost` permits, take them, and give the seconds waited (0.0 where they were free).

        Raises `ConfigError` for a cost below 1 or above the smallest limit, and where others keep to other rates;
        `RateLimitError` with `retry_after` where `max_wait` or `max_queue` does not allow the wait; `ConnectorError`
        where the file cannot be written. Cancelled, it takes nothing and the next one moves up.
        """
        return self._gate.acquire(cost)

    def try_acquire(self, cost: int = 1) -> Coroutine[Any, Any, bool]:
        """Take `cost` permits if they are free now and nobody waits in this process. Raises as `acquire` does."""
        return self._gate.try_acquire(cost)

    def hear(self, quota: Quota, /) -> None:
        """Take note that the other side has no calls left: no process gets a permit before they are renewed.

        Here that holds at once, for the others a moment later. Anything else in `quota` changes nothing.
        """
        self._gate.hear(quota)

    def close(self) -> None:
        """Let go of the file, once the others are told of every pause. Safe twice; a later permit opens it again."""
        self._gate.close()
        self._log.close()


class _Asked:
    """The log as a `Store`: each call in a worker thread, to its end."""

    __slots__ = ("_log", "pause")

    def __init__(self, log: SQLiteLog) -> None:
        self._log = log
        self.pause = log.pause

    async def ask(self, cost: int, /) -> int:
        # A thread beyond the loop's usual number: those may all be at work for calls that wait for this permit.
        return await anyio.to_thread.run_sync(self._log.take, cost, limiter=anyio.CapacityLimiter(1))
