"""A cancellation point that lets nobody else run: what every permit granted at once begins with."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

__all__ = ["CancellationPoint"]


class CancellationPoint:
    """Raises the cancellation of a task that is cancelled, and does nothing else.

    The same as `anyio.lowlevel.checkpoint_if_cancelled`, which finds out anew at each call which event loop runs, and
    so takes a third longer. A semaphore that lets everybody through looks at the same thing and knows its loop.
    """

    __slots__ = ("enter",)

    def __init__(self) -> None:
        self.enter = self._first_time
        """To be awaited. Raises `RuntimeError` in another kind of loop than the last one: `renew`, and await it again."""

    def renew(self) -> None:
        """Belong to the event loop that runs now."""
        self.enter = anyio.Semaphore(sys.maxsize, fast_acquire=True).acquire

    def _first_time(self) -> Coroutine[Any, Any, None]:
        self.renew()
        return self.enter()
