"""The limiters that are compared, each used as its documentation shows for asyncio, all set to the same rate."""

# pyright: reportMissingModuleSource=false
# The other libraries are in .venv-peers alone; what is used of them is declared in typings/.

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import process_time
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

import anyio
from aiolimiter import AsyncLimiter
from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from pyrate_limiter import BucketAsyncWrapper, InMemoryBucket, Limiter, Rate
from throttled.asyncio import MemoryStore, Throttled, per_sec

from connector_kit.limiters.rate_limiter import RateLimiter
from connector_kit.limiters.rates import Rate as OurRate
from connector_kit.limiters.rates import Rates

if TYPE_CHECKING:
    from rounds import Measure

__all__ = ["LIMITERS", "OURS", "contestants"]

Acquire: TypeAlias = Callable[[], Awaitable[object]]
"""Comes back when there is a permit."""

OURS = "RateLimiter"
ACQUIRES = 2_000
POLL = 0.01
"""Seconds between two looks at a limiter that cannot wait."""


def ours(per_second: int) -> Acquire:
    return RateLimiter(Rates((OurRate(per_second, 1),))).acquire


def aiolimiter(per_second: int) -> Acquire:
    return AsyncLimiter(per_second, 1).acquire


def pyrate(per_second: int) -> Acquire:
    bucket = InMemoryBucket([Rate(per_second, 1_000)])  # milliseconds
    return Limiter(BucketAsyncWrapper(bucket)).try_acquire_async


def limits(per_second: int) -> Acquire:
    limiter, item = MovingWindowRateLimiter(MemoryStorage()), RateLimitItemPerSecond(per_second)

    async def acquire() -> None:
        while not await limiter.hit(item, "benchmark"):  # noqa: ASYNC110 - it has no way to wait but this
            await asyncio.sleep(POLL)

    return acquire


def throttled(per_second: int) -> Acquire:
    limiter = Throttled("benchmark", 60, quota=per_sec(per_second), store=MemoryStore())

    async def acquire() -> None:
        while (await limiter.limit()).limited:
            pass  # its `timeout` has passed

    return acquire


LIMITERS: Mapping[str, Callable[[int], Acquire]] = MappingProxyType(
    {
        OURS: ours,
        "aiolimiter": aiolimiter,
        "pyrate-limiter": pyrate,
        "limits": limits,
        "throttled-py": throttled,
    }
)
"""Each makes a fresh limiter for so many permits a second. It is called inside the event loop."""


async def take(make: Callable[[int], Acquire]) -> float:
    """Take permits one after the other, of which there are enough, and give the seconds of processor time for one."""
    acquire = make(5 * ACQUIRES)
    started = process_time()
    for _ in range(ACQUIRES):
        await acquire()
    return (process_time() - started) / ACQUIRES


def taking(make: Callable[[int], Acquire]) -> Measure:
    return lambda: anyio.run(take, make)


def contestants() -> dict[str, Measure]:
    """An acquire of each that need not wait."""
    return {name: taking(make) for name, make in LIMITERS.items()}
