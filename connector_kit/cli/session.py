"""How verbs run a connector: connected for a block, or until a person or a scheduler ends it."""

from __future__ import annotations

import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import anyio

from connector_kit.runtime.session import connected
from connector_kit.tasks import task_group
from connector_kit.wrappers.stack.protect import protect

from .event_log import log_observer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from connector_kit.protocols import FullConnector
    from connector_kit.registry.connectors import Located

    from .options import Diagnostics

__all__ = ["opened", "until_signalled"]


@asynccontextmanager
async def opened(located: Located, diagnostics: Diagnostics) -> AsyncGenerator[FullConnector]:
    """Yield the connector, protected as its file says and connected for the length of the block."""
    stack = protect(located.make(), located.resilience, observer=log_observer(diagnostics))
    async with connected(stack) as connector:
        yield connector


T = TypeVar("T")


async def until_signalled(
    body: Callable[[anyio.Event], Awaitable[T]], *, on_first: Callable[[], None] = lambda: None
) -> T:
    """Run `body(stop)`; the first SIGINT or SIGTERM calls `on_first` and sets `stop`, the second cancels `body`.

    Only in the main thread, which is where Python takes signals. Raises `KeyboardInterrupt` after a second signal,
    once everything is closed.
    """
    stop = anyio.Event()
    results: list[T] = []

    async def listen() -> None:
        async for _ in signals:
            if stop.is_set():
                tasks.cancel_scope.cancel()
                return
            on_first()
            stop.set()

    # The signals are taken before the body begins, so that none of them ends the program half-way.
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with task_group() as tasks:
            tasks.start_soon(listen)
            results.append(await body(stop))
            tasks.cancel_scope.cancel()
    if not results:
        raise KeyboardInterrupt
    return results[0]
