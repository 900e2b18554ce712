"""Blocking work, one piece at a time: off the event loop, or on it where that takes less of everybody's time."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import TypeVar

import anyio.to_thread
import attrs
from anyio.lowlevel import checkpoint

__all__ = ["Worker"]

T = TypeVar("T")

_BRIEF = 0.05
"""Seconds for which a call may hold up the event loop. After one that takes longer, the next ones go to a thread."""
_WARY = 10.0
"""Seconds for which they do."""


@attrs.define(eq=False)
class Worker:
    """Runs what it is given to its end: a caller who is cancelled meanwhile is told after it. `now` is for tests.

    Only what a signal raises ends a call that runs on the event loop.
    """

    _now: Callable[[], float] = monotonic
    _turn: Lock = attrs.field(factory=Lock, init=False)
    _wary_until: float = attrs.field(default=float("-inf"), init=False)

    async def run(self, call: Callable[[], T]) -> T:
        """Run it in a worker thread. Give what the call gives, or raise what it raises."""

        def in_turn() -> T:
            # Cancelling an asyncio task without anyio leaves its thread at work; the next call waits for it here.
            with self._turn:
                return call()

        return await anyio.to_thread.run_sync(in_turn)

    async def run_briefly(self, call: Callable[[], T]) -> T:
        """Run what takes some milliseconds on the event loop; for ten seconds after it took longer, as `run` does.

        A thread that needs the interpreter all the time lets the loop run no sooner, and costs both of them the caches
        of their processors.
        """
        await checkpoint()
        started, mine = self._now(), False
        try:  # a signal may raise between any two lines
            mine = started >= self._wary_until and self._turn.acquire(blocking=False)
            if mine:
                return call()
        finally:
            if mine:
                self._turn.release()
                ended = self._now()
                if ended - started > _BRIEF:
                    self._wary_until = ended + _WARY
        return await self.run(call)
