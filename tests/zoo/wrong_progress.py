"""Connectors that break the law of progress: cursors move on, within a read and to the next one."""

from __future__ import annotations

from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING

from anyio.lowlevel import checkpoint

from connector_kit.records.page import Page

from .ledger import Ledger
from .specimen import Specimen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from connector_kit.records.page import Cursor

    from .source import Row


class EndlessLastPage(Ledger):
    """The last page comes again and again: the source clamps an offset beyond the end."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        last = Page([])
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            yield (last := page)
        while last.records:
            await checkpoint()
            yield last


class CursorsInACircle(Ledger):
    """After the last page comes the second one again, with its cursor: a link to the next page that leads back."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages: list[Page] = []
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            pages.append(page)
            yield page
        for page in cycle(pages[1:]):
            await checkpoint()
            yield page


class EndlessWithoutCursors(Ledger):
    """The last page comes again and again, and no page carries a cursor by which one could see it."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        last = Page([])
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            yield (last := Page(page.records))
        while last.records:
            await checkpoint()
            yield last


class TwoPagesWithOneCursor(Ledger):
    """Where the last page is full, an empty one follows, with its cursor again."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        last = Page([])
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            yield (last := page)
        if len(last.records) == self.source.page_size:
            yield Page([], last.cursor)


class EndlessPolling(Ledger):
    """At the end it waits for what is new, and says so with empty pages and the same cursor, for ever."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            cursor = page.cursor
            yield page
        while True:
            await checkpoint()
            yield Page([], cursor)


class CursorOfTheJob(Ledger):
    """Every page carries the id of the export job as its cursor, from which the export can be read: all of it."""

    def page(self, chosen: list[Row], cursor: Cursor) -> Page:
        return super().page(chosen, "job-17")

    def follows(self, row: Row, cursor: Cursor) -> bool:
        return super().follows(row, None if cursor == "job-17" else cursor)


class NoCursorForTheNextRun(Ledger):
    """An entity is read by cursor, and its last page carries none: the next run reads everything again."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        waiting: Page | None = None
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            if waiting is not None:
                yield waiting
            waiting = page
        if waiting is not None:
            yield Page(waiting.records)


SPECIMENS = tuple(
    map(
        partial(Specimen, "progress"),
        (
            EndlessLastPage,
            EndlessWithoutCursors,
            CursorsInACircle,
            TwoPagesWithOneCursor,
            EndlessPolling,
            CursorOfTheJob,
            NoCursorForTheNextRun,
        ),
    )
)
