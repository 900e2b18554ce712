"""A run that a person or a scheduler can end: the first SIGINT or SIGTERM asks it to stop, the second one ends it now."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["until_signalled"]

T = TypeVar("T")


async def until_signalled(
    body: Callable[[anyio.Event], Awaitable[T]], *, heard: Callable[[], None] = lambda: None
) -> T:
    """Run `body(stop)`; the first SIGINT or SIGTERM calls `heard` and sets `stop`, the second cancels `body`.

    Only in the main thread, which is where Python takes signals. Raises `KeyboardInterrupt` after a second signal,
    once everything is closed.
    """
    stop = anyio.Event()
    results: list[T] = []
    failure: Exception | None = None

    async def listen() -> None:
        async for _ in signals:
            if stop.is_set():
                tasks.cancel_scope.cancel()
                return
            heard()
            stop.set()

    # The signals are taken before the body begins, so that none of them ends the program half-way.
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            try:
                results.append(await body(stop))
            except Exception as error:  # noqa: BLE001 - raised below, outside the task group, which would wrap it
                failure = error
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if not results:
        raise KeyboardInterrupt
    return results[0]
