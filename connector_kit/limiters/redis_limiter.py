"""The limiter that machines share through a Redis server."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from connector_kit.clock import AnyioClock, Clock
from connector_kit.durations import Duration
from connector_kit.errors import ConfigError

from .books import book_of
from .fallback import Fallback
from .redis_store import RedisStore
from .shared_gate import SharedGate
from .shared_terms import SharedTerms
from .terms import Terms

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from connector_kit.records.page import Quota

    from .rate import RatesLike

__all__ = ["RedisLimiter"]


class RedisLimiter:
    """Grants permits under rates that hold for all processes which name the same Redis and the same `name`.

    A permit is one call of a script, in a worker thread and by the server's clock. Within a process the order is that
    of a `RateLimiter`; between processes there is none, but none is left out for long. A process that is killed takes
    with it no more than the permits it had, until their window is over. All must name the same `rates`: hard windows,
    such as "10/s, 10000/day".

    When Redis is out of reach (no answer within `timeout` seconds counts), each process keeps to `fallback_share` of
    the rates on its own and tries Redis again every `probe` seconds; events tell (`LimiterDegraded`,
    `LimiterRestored`). The share should be one by the number of processes. With `None`, `ConnectionFailedError` is
    raised instead.

    `max_wait` (seconds) and `max_queue` (calls of this process) bound the waiting, as for a `RateLimiter`; what other
    processes take meanwhile is not foreseen. An instance belongs to one event loop at a time.

    Raises `ConfigError` for rates, bounds and URLs that make no sense, and without the extra `redis`; warns
    (`DeadRateWarning`) of a rate that another one makes superfluous. Connects with the first permit.
    """

    __slots__ = ("_fallback", "_gate", "_store", "name", "rates")

    def __init__(  # noqa: PLR0913 - all but two have defaults and are named
        self,
        url: str,
        rates: RatesLike,
        *,
        name: str = "default",
        max_wait: float | None = None,
        max_queue: int | None = None,
        fallback_share: float | None = 0.5,
        timeout: float = 0.5,
        probe: float = 1.0,
        clock: Clock = AnyioClock(),  # noqa: B008 - a frozen value without state
    ) -> None:
        share = fallback_share
        if (
            (share is not None and not 0 < share <= 1)
            or not 0 < timeout < math.inf
            or not 0 < probe < math.inf
        ):
            raise ConfigError(
                f"cannot make a limiter with fallback_share={share!r}, timeout={timeout!r} and probe={probe!r}; expected "
                "a share above 0, at most 1 (or None for an error instead), and seconds above 0; leave them out for 0.5, "
                "0.5 and 1"
            )
        terms = SharedTerms.of(name, Terms.of(rates, max_wait=max_wait, max_queue=max_queue, state=None))
        self.name = name
        self.rates = terms.rates
        self._store = RedisStore(url, terms, timeout)
        book = None if share is None else book_of(terms.share(share), clock)
        self._fallback = Fallback(self._store, book, Duration(probe).ns, clock)
        self._gate = SharedGate(self._fallback, terms, clock)

    def __repr__(self) -> str:
        return f"RedisLimiter({self._store.address!r}, {str(self.rates)!r}, name={self.name!r})"

    @property
    def waiting(self) -> int:
        """How many calls stand in the queue of this process."""
        return self._gate.waiting

    @property
    def degraded(self) -> bool:
        """Whether Redis was out of reach when it was last tried, so that a share of the rates holds here."""
        return self._fallback.degraded

    def acquire(self, cost: int = 1) -> Coroutine[Any, Any, float]:
        """Wait for `cost` permits, take them, and give the seconds waited (0.0 where they were free).

        Raises `ConfigError` for a cost below 1 or above the smallest limit, where others keep to other rates, and where
        the server is no Redis; `RateLimitError` with `retry_after` where `max_wait` or `max_queue` does not allow the
        wait; `AuthenticationError` and `PermissionDeniedError` where Redis refuses. Cancelled, it takes nothing and the
        next one moves up; within `timeout`, if Redis is being asked.
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
        """Let go of the connections, once the others are told of every pause. Safe twice; a later permit connects again."""
        self._gate.close()
        self._store.close()
