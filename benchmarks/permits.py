"""What an acquire costs a limiter that has a permit at once."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING

import anyio
import attrs

from connector_kit.limiters.rate_limiter import RateLimiter
from connector_kit.limiters.rates import Rate, Rates

if TYPE_CHECKING:
    from rounds import Measure

    from connector_kit.protocols import Limiter

__all__ = ["contestants"]

ACQUIRES = 20_000
# So short a window that there is always a permit, and so large a limit that its log has as many entries as a busy one.
AMPLE = Rate(10_000, 0.001)
DAILY = Rate(1_000_000_000, 86_400)


@attrs.frozen
class Unlimited:
    """What a limiter cannot be faster than."""

    async def acquire(self, cost: int = 1) -> float:
        del cost
        return 0.0


async def take(limiter: Limiter) -> float:
    """Take many permits, one after the other, and give the seconds of processor time for one."""
    started = process_time()
    for _ in range(ACQUIRES):
        await limiter.acquire()
    return (process_time() - started) / ACQUIRES


def taking(limiter: Limiter) -> Measure:
    return lambda: anyio.run(take, limiter)


def contestants() -> dict[str, Measure]:
    """One rate, and two at once."""
    return {
        "acquire: no limiter": taking(Unlimited()),
        "acquire: RateLimiter, one rate": taking(RateLimiter(Rates((AMPLE,)))),
        "acquire: RateLimiter, two rates": taking(RateLimiter(Rates((AMPLE, DAILY)))),
    }
