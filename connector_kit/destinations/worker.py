"""Blocking calls, one at a time: in a worker thread, or on the event loop where that costs less."""

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

_MAX_BLOCKING = 0.05
"""Seconds for which a call may hold up the event loop. After one that takes longer, the next ones go to a thread."""
_THREAD_SECONDS = 10.0
"""Seconds for which they do."""


@attrs.define(eq=False)
class Worker:
    """Runs each call to its end: a caller who is cancelled meanwhile hears of it afterwards. `now` is for tests.

    Only what a signal raises ends a call that runs on the event loop.
    """

    _now: Callable[[], float] = monotonic
    _lock: Lock = attrs.field(factory=Lock, init=False)
    _use_threads_until: float = attrs.field(default=float("-inf"), init=False)

    async def run(self, call: Callable[[], T]) -> T:
        """Run it in a worker thread. Return what the call returns, or raise what it raises."""

        def locked_call() -> T:
            # Cancelling an asyncio task without anyio leaves its thread at work; the next call waits for it here.
            with self._lock:
                return call()

        return await anyio.to_thread.run_sync(locked_call)

    async def run_briefly(self, call: Callable[[], T]) -> T:
        """Run what takes some milliseconds on the event loop; for ten seconds after it took longer, as `run` does.

        A thread that needs the interpreter all the time lets the loop run no sooner, and costs both of them the caches
        of their processors.
        """
        await checkpoint()
        started, locked = self._now(), False
        try:  # a signal may raise between any two lines
            locked = started >= self._use_threads_until and self._lock.acquire(blocking=False)
            if locked:
                return call()
        finally:
            if locked:
                self._lock.release()
                ended = self._now()
                if ended - started > _MAX_BLOCKING:
                    self._use_threads_until = ended + _THREAD_SECONDS
        return await self.run(call)
