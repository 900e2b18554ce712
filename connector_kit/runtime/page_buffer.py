"""Pages on their way from the task that reads them to the one that writes them: bounded in bytes, taken all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from connector_kit.records.json_lines import json_size

if TYPE_CHECKING:
    from connector_kit.records.page import Page

__all__ = ["PAGE_BYTES", "PageBuffer"]

PAGE_BYTES = 1024
"""What a page counts besides its records: one without any takes memory, too, and a source may have no end of them."""


class PageBuffer:
    """Between two tasks of one event loop: one calls `put` and then `end`, the other `take` and `enough`.

    `room` is how many bytes of JSON may wait to be taken, to which each page adds a kilobyte; a page that is alone always
    fits. Cancelled, `put` leaves its page out, and `take` takes none.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._pages: list[Page] = []
        self._bytes = 0
        self._half_full = False
        self._ended = False
        self._changed, self._reached_half, self._taken = _Signal(), _Signal(), _Signal()

    async def put(self, page: Page) -> None:
        """Add a page behind the others, once there is room for it. Other tasks run meanwhile only where there is none."""
        size = PAGE_BYTES + json_size(page.records)
        while self._pages and self._bytes + size > self._room:
            self._signal_half_full()
            await self._taken.wait()
        self._pages.append(page)
        self._bytes += size
        self._changed.send()
        if 2 * self._bytes >= self._room:  # the other half is for what is read while these are written
            self._signal_half_full()

    def end(self) -> None:
        """Say that no page follows."""
        self._ended = True
        self._changed.send()
        self._reached_half.send()

    async def take(self) -> list[Page]:
        """Return all waiting pages, at least one; none once no page follows."""
        while not self._pages and not self._ended:
            await self._changed.wait()
        pages, self._pages = self._pages, []
        self._bytes, self._half_full = 0, False
        self._taken.send()
        return pages

    async def enough(self) -> None:
        """Wait until half of the room is taken, or no page follows."""
        while not self._half_full and not self._ended:
            await self._reached_half.wait()

    def _signal_half_full(self) -> None:
        self._half_full = True
        self._reached_half.send()


class _Signal:
    """Wakes the one task that waits for it, if one does; nothing is made where none does."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event: anyio.Event | None = None

    async def wait(self) -> None:
        # On asyncio a task that is awake each time the loop looks would never hear that it was cancelled.
        await checkpoint_if_cancelled()
        self._event = anyio.Event()
        await self._event.wait()

    def send(self) -> None:
        event, self._event = self._event, None
        if event is not None:
            event.set()
