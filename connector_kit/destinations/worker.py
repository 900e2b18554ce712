"""Blocking work off the event loop, one piece at a time."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, TypeVar

import anyio.to_thread
import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Worker"]

T = TypeVar("T")


@attrs.define(eq=False)
class Worker:
    """Runs what it is given in a worker thread, to its end: a caller who is cancelled meanwhile is told after it."""

    _turn: Lock = attrs.field(factory=Lock, init=False)

    async def run(self, call: Callable[[], T]) -> T:
        """Give what the call gives, or raise what it raises."""

        def in_turn() -> T:
            # Cancelling an asyncio task without anyio leaves its thread at work; the next call waits for it here.
            with self._turn:
                return call()

        return await anyio.to_thread.run_sync(in_turn)
