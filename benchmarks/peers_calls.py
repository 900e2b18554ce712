"""A call that succeeds at once, through a retry of each library that is set to the same policy."""

# pyright: reportMissingModuleSource=false
# The other libraries are in .venv-peers alone; what is used of them is declared in typings/.

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING, TypeAlias

import anyio
import backoff
import stamina
import tenacity
from pages import Ready

from connector_kit.errors import TransientError
from connector_kit.wrappers.retry.wrapper import Retrying

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rounds import Measure

    Call: TypeAlias = Callable[[], Awaitable[object]]

__all__ = ["BARE", "OURS", "contestants"]

BARE, OURS = "no retry", "Retrying"
CALLS = 2_000
ATTEMPTS = 5
MAX_WAIT = 30


async def call(function: Call) -> float:
    """Call many times and give the seconds of processor time for one."""
    started = process_time()
    for _ in range(CALLS):
        await function()
    return (process_time() - started) / CALLS


def calling(function: Call) -> Measure:
    return lambda: anyio.run(call, function)


def contestants() -> dict[str, Measure]:
    """The bare call first; tenacity in both its forms."""
    bare = Ready().connect
    retry = tenacity.retry_if_exception_type(TransientError)
    stop = tenacity.stop_after_attempt(ATTEMPTS)
    wait = tenacity.wait_random_exponential(0.5, MAX_WAIT)

    async def attempting() -> None:
        async for attempt in tenacity.AsyncRetrying(retry=retry, stop=stop, wait=wait):
            with attempt:
                await bare()

    return {
        BARE: calling(bare),
        OURS: calling(Retrying(Ready()).connect),
        "backoff, decorator": calling(
            backoff.on_exception(backoff.expo, TransientError, max_tries=ATTEMPTS, max_value=MAX_WAIT)(bare)
        ),
        "tenacity, decorator": calling(tenacity.retry(retry=retry, stop=stop, wait=wait)(bare)),
        "tenacity, AsyncRetrying": calling(attempting),
        "stamina, decorator": calling(stamina.retry(on=TransientError, attempts=ATTEMPTS)(bare)),
    }
