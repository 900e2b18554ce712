"""The limiter that learns from answers: below its rates where the other side allows less, and never above them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from connector_kit.clock import AnyioClock, Clock
from connector_kit.durations import Duration
from connector_kit.errors import ConfigError

from .books import book_of
from .gate import Gate
from .pace import Pace
from .terms import Terms

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path
    from typing import Any

    from connector_kit.records.page import Quota

    from .rate import RatesLike

__all__ = ["AdaptiveLimiter"]


class AdaptiveLimiter:
    """Grants permits under its rates, and under what it hears of the other side's quota.

    What an answer says is left is spread evenly until the reset. A refusal pauses everybody, for as long as it says (or
    for the shortest window of the rates, at most a minute); those who wait then go on in their order, spread, at
    `decrease` times the rate that was refused, which recovers within `recovery` seconds (or two of those windows, where
    they are longer) and from then on looks for more.

    `max_wait`, `max_queue`, `state` and `clock` are as for a `RateLimiter`, and so is what it raises and warns of.

    >>> AdaptiveLimiter("100/s, 100000/day@UTC")
    AdaptiveLimiter('100/s, 100000/day@UTC')
    """

    __slots__ = ("_file", "_gate", "_pace", "rates")

    def __init__(
        self,
        rates: RatesLike,
        *,
        decrease: float = 0.7,
        recovery: float = 30.0,
        max_wait: float | None = None,
        max_queue: int | None = None,
        state: str | Path | None = None,
        clock: Clock = AnyioClock(),  # noqa: B008 - a frozen value without state
    ) -> None:
        if not 0 < decrease < 1 or not 0 < recovery < math.inf:
            raise ConfigError(
                f"cannot adapt with decrease={decrease!r} and recovery={recovery!r}; expected a factor between 0 and 1, "
                "and a number of seconds above 0; leave them out for 0.7 and 30"
            )
        terms = Terms.of(rates, max_wait=max_wait, max_queue=max_queue, state=state)
        self.rates = terms.rates
        self._file = terms.file
        self._pace = Pace(self.rates, decrease, max(1, Duration(recovery).ns))
        book = book_of(self.rates, clock, self._file, extra=(self._pace,))
        self._gate = Gate(book, self.rates, terms.patience, clock)

    def __repr__(self) -> str:
        return f"AdaptiveLimiter({str(self.rates)!r})"

    @property
    def waiting(self) -> int:
        """How many calls stand in the queue."""
        return self._gate.waiting

    @property
    def granted(self) -> int:
        """The permits granted so far. Read right after `acquire`, it tells that grant from others."""
        return self._pace.granted

    @property
    def rate(self) -> float:
        """The permits per second to which refusals have lowered it by now; `math.inf` where only the rates hold."""
        return self._pace.throttle.rate(self._gate.now())

    def acquire(self, cost: int = 1) -> Coroutine[Any, Any, float]:
        """Wait for `cost` permits, take them, and give the seconds waited: as `RateLimiter.acquire`."""
        return self._gate.acquire(cost)

    def try_acquire(self, cost: int = 1) -> bool:
        """Take `cost` permits if they are free now and nobody waits."""
        return self._gate.try_acquire(cost)

    def hear(self, quota: Quota, /) -> None:
        """Take note of what the other side says of its quota, as of the newest request."""
        self.answered(quota, self.granted)

    def answered(self, quota: Quota, grant: int, /) -> None:
        """Take note of what the answer to the request of `grant` says of the quota.

        Ignored if the answer to a later request was heard before.
        """
        self._pace.answered(self._gate.now(), quota, grant)

    def refused(self, retry_after: float | None, grant: int, /) -> None:
        """Take note that the request of `grant` was refused because of a quota, for `retry_after` seconds if it said so."""
        self._gate.pause(self._pace.refused(self._gate.now(), retry_after, grant))

    def idle(self) -> bool:
        """Whether a new limiter in place of this one would make no difference: nobody waits and nothing counts."""
        return self._gate.idle()

    def close(self) -> None:
        """Let go of the `state` file, so that another limiter may have it. Safe twice; no permit may follow."""
        if self._file is not None:
            self._file.close()
