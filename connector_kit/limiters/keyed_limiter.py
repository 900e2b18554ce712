"""One limiter for each key (an entity, an operation, a tenant), made when it is needed and forgotten when it is idle."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Hashable
from typing import TYPE_CHECKING, TypeAlias

import attrs

from connector_kit.clock import AnyioClock, Clock
from connector_kit.records.page import Quota

from .adaptive_limiter import AdaptiveLimiter
from .rate_limiter import RateLimiter
from .rates import DeadRateWarning

if TYPE_CHECKING:
    from collections.abc import Callable

    from .rates import RatesLike

__all__ = ["KeyLimiter", "KeyedLimiter"]

_Limiter: TypeAlias = RateLimiter | AdaptiveLimiter


class KeyedLimiter:
    """Grants permits to each key on its own: `keyed.for_key("orders")` is the limiter of one of them.

    `rates` are those of every key, or a function that makes the limiter of one, where they differ or adapt;
    `max_wait`, `max_queue` and `clock` are then that function's matter.

    A key is forgotten when nobody waits for it and nothing it was granted counts any more, never before. With each new
    key two others are looked at, so that there are hardly more than twice as many limiters as keys that count.

    >>> KeyedLimiter("10/s").for_key("orders").try_acquire(10)
    True
    """

    __slots__ = ("_limiters", "_make")

    def __init__(
        self,
        rates: RatesLike | Callable[[Hashable], _Limiter],
        *,
        max_wait: float | None = None,
        max_queue: int | None = None,
        clock: Clock = AnyioClock(),
    ) -> None:
        self._limiters = OrderedDict[Hashable, _Limiter]()  # in the order in which they are looked at
        if callable(rates):
            self._make = rates
            return
        every = RateLimiter(rates, max_wait=max_wait, max_queue=max_queue, clock=clock).rates

        def make(_: Hashable) -> RateLimiter:
            with warnings.catch_warnings():  # of the same dead rates for every key
                warnings.simplefilter("ignore", DeadRateWarning)
                return RateLimiter(every, max_wait=max_wait, max_queue=max_queue, clock=clock)

        self._make = make

    def __len__(self) -> int:
        return len(self._limiters)

    def for_key(self, key: Hashable, /) -> KeyLimiter:
        """Return the limiter of one key. Nothing is kept for it before it is used."""
        return KeyLimiter(self, key)

    def of(self, key: Hashable) -> _Limiter:
        """Return the limiter that counts for a key now. Use it at once and do not keep it: an idle one is forgotten."""
        limiter = self._limiters.get(key)
        if limiter is None:
            self._forget_idle()
            limiter = self._limiters[key] = self._make(key)
        return limiter

    def _forget_idle(self) -> None:
        for _ in range(min(2, len(self._limiters))):
            key, limiter = next(iter(self._limiters.items()))
            if limiter.idle():
                del self._limiters[key]
                limiter.close()
            else:
                self._limiters.move_to_end(key)


@attrs.frozen
class KeyLimiter:
    """The limiter of one key: what a `KeyedLimiter` returns. It may be kept."""

    _keyed: KeyedLimiter = attrs.field(repr=False)
    key: Hashable

    @property
    def waiting(self) -> int:
        """How many calls of this key stand in its queue."""
        return self._keyed.of(self.key).waiting

    @property
    def granted(self) -> int:
        """The permits granted so far, where the limiter adapts; else 0."""
        limiter = self._keyed.of(self.key)
        return limiter.granted if isinstance(limiter, AdaptiveLimiter) else 0

    async def acquire(self, cost: int = 1) -> float:
        """Wait for `cost` permits of this key, take them, and return the seconds waited."""
        return await self._keyed.of(self.key).acquire(cost)

    def try_acquire(self, cost: int = 1) -> bool:
        """Take `cost` permits of this key if they are free now and nobody waits for them."""
        return self._keyed.of(self.key).try_acquire(cost)

    def hear(self, quota: Quota, /) -> None:
        """Take note of what the other side says of this key's quota."""
        self._keyed.of(self.key).hear(quota)

    def answered(self, quota: Quota, grant: int, /) -> None:
        """Take note of what an answer says of this key's quota; which one counts only where the limiter adapts."""
        limiter = self._keyed.of(self.key)
        if isinstance(limiter, AdaptiveLimiter):
            limiter.answered(quota, grant)
        else:
            limiter.hear(quota)

    def refused(self, retry_after: float | None, grant: int, /) -> None:
        """Take note that a request of this key was refused because of a quota."""
        limiter = self._keyed.of(self.key)
        if isinstance(limiter, AdaptiveLimiter):
            limiter.refused(retry_after, grant)
        else:
            limiter.hear(Quota(remaining=0, reset_after=retry_after))
