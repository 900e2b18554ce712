"""The cancellation point of an acquire that does not wait, in whichever event loop it comes to be."""

from __future__ import annotations

import anyio
import pytest

from connector_kit.limiters.rate_limiter import RateLimiter

LOOPS = ("asyncio", "trio")


@pytest.mark.parametrize("second", LOOPS)
@pytest.mark.parametrize("first", LOOPS)
def test_a_limiter_goes_on_in_another_event_loop(first: str, second: str) -> None:
    """Its permits count in both, and in both a cancelled task takes none."""
    limiter = RateLimiter("4/min")

    async def one_taken_and_one_cancelled() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await limiter.acquire()
            raise AssertionError("not reached: the scope is cancelled")
        assert await limiter.acquire() == 0.0

    anyio.run(one_taken_and_one_cancelled, backend=first)
    anyio.run(one_taken_and_one_cancelled, backend=second)
    assert limiter.try_acquire(2)
    assert not limiter.try_acquire()


@pytest.mark.anyio
async def test_nobody_else_runs_while_permits_are_free() -> None:
    limiter = RateLimiter("3/min")
    ran: list[str] = []

    async def other() -> None:
        ran.append("other")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        for _ in range(3):
            await limiter.acquire()
        ran.append("three permits")
    assert ran == ["three permits", "other"]


def test_outside_of_an_event_loop_it_says_so() -> None:
    """Nothing is taken where no loop runs."""
    limiter = RateLimiter("1/min")
    coroutine = limiter.acquire()
    with pytest.raises(anyio.NoEventLoopError):
        coroutine.send(None)
    assert limiter.try_acquire()
