"""The limiter under fixed rates. What is free is decided by `windows`, who gets it by the `queue`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.clock import AnyioClock, Clock

from .queue import Gate
from .settings import LimiterSettings
from .windows import LocalPermits, window_of

if TYPE_CHECKING:
    from pathlib import Path

    from connector_kit.records.page import Quota

    from .rates import RatesLike

__all__ = ["RateLimiter"]


class RateLimiter:
    """Grants permits under one or more rates: never more than each allows, in any window, and never later than needed.

    Whoever has to wait stands in one queue, cost included: a cheap call does not overtake an expensive one. The first
    in the queue sleeps until its permits are free and takes them at that moment; all others wait for their turn.

    `max_wait` (seconds) and `max_queue` (calls) bound the waiting: who would have to wait longer, or behind more, is
    refused with `RateLimitError` as soon as that is certain, as the queue stands. `state` is a file in which the counts
    of calendar rates survive a restart; without one they begin at zero. An instance belongs to one event loop at a time.

    Raises `ConfigError` for rates and bounds that make no sense; warns (`DeadRateWarning`) of a rate that another one
    makes superfluous.

    >>> RateLimiter("10/s, 10000/day", max_wait=30)
    RateLimiter('10/s, 10000/day')
    """

    __slots__ = ("_file", "_gate", "_window", "acquire", "rates")

    def __init__(
        self,
        rates: RatesLike,
        *,
        max_wait: float | None = None,
        max_queue: int | None = None,
        state: str | Path | None = None,
        clock: Clock = AnyioClock(),
    ) -> None:
        settings = LimiterSettings.of(rates, max_wait=max_wait, max_queue=max_queue, state=state)
        self.rates = settings.rates
        self._file = settings.file
        self._window = window_of(self.rates, clock, self._file)
        self._gate = Gate(LocalPermits(self._window), self.rates, settings.bounds, clock)
        self.acquire = self._gate.acquire  # the very method: one call less for every permit
        """Wait for `cost` permits, take them, and return the seconds waited (0.0 where there was no wait).

        Raises `ConfigError` for a cost below 1 or above the smallest limit, and `RateLimitError` with `retry_after`
        where `max_wait` or `max_queue` does not allow the wait. Cancelled, it takes nothing and the next one moves up.
        """

    def __repr__(self) -> str:
        return f"RateLimiter({str(self.rates)!r})"

    @property
    def waiting(self) -> int:
        """How many calls stand in the queue."""
        return self._gate.waiting

    def try_acquire(self, cost: int = 1) -> bool:
        """Take `cost` permits if they are free now and nobody waits. Raises `ConfigError` as `acquire` does."""
        return self._gate.try_acquire(cost)

    def hear(self, quota: Quota, /) -> None:
        """Take note that the other side has no calls left: nobody gets a permit before they are renewed.

        After that those who wait go on in their order and under the rates. Anything else in `quota` changes nothing.
        """
        if quota.remaining is not None and quota.remaining <= 0 and quota.reset_after is not None:
            self._gate.pause(quota.reset_after)

    def idle(self) -> bool:
        """Whether a new limiter in place of this one would make no difference: nobody waits and nothing counts."""
        return self._gate.idle() and not self._window.in_use(self._gate.now())

    def close(self) -> None:
        """Let go of the `state` file, so that another limiter may have it. Safe twice; no permit may follow."""
        if self._file is not None:
            self._file.close()
