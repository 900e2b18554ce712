"""Connectors that break the law of resuming: from a cursor comes exactly what followed its page."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from connector_kit.errors import CursorExpiredError

from .ledger import Ledger
from .specimen import Specimen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from connector_kit.records.page import Cursor, Page

    from .source import Row, Source


def place(cursor: Cursor) -> int:
    """Read a cursor that is a number of rows."""
    return cursor if isinstance(cursor, int) else 0


class OffsetOverChangingData(Ledger):
    """The cursor is an offset: a row that appears or disappears before it shifts what follows."""

    def rest(self, rows: list[Row], since: datetime | None, cursor: Cursor) -> list[Row]:
        return super().rest(rows, since, None)[place(cursor) :]

    def cursor_after(self, chosen: list[Row], since: datetime | None, cursor: Cursor) -> Cursor:
        return place(cursor) + len(chosen)


class CursorRepeatsOne(Ledger):
    """Going on at a cursor is inclusive: the last record of the page comes again."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        if cursor is not None:
            moment, number = self.key_of(cursor)
            cursor = [moment.isoformat(), number - 1]
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            yield page


class CursorSkipsOne(Ledger):
    """Going on at a cursor leaves out the first record that followed: an offset taken for an index."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        skip = 0 if cursor is None else 1
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            yield self.page([dict(record) for record in page.records[skip:]], page.cursor)
            skip = 0


class CursorOfThisPage(Ledger):
    """A page carries the cursor it was asked for with: going on there gives the page again."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            yield self.page([dict(record) for record in page.records], cursor)
            cursor = page.cursor


class CursorOfThePageAfter(Ledger):
    """A page is handed over when the next one has been fetched, and carries that one's cursor."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        waiting: Page | None = None
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            if waiting is not None:
                yield self.page([dict(record) for record in waiting.records], page.cursor)
            waiting = page
        if waiting is not None:
            yield self.page([dict(record) for record in waiting.records], None)


class CursorIsIgnored(Ledger):
    """A read begins at the start whatever cursor it is given."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        async for page in super().fetch_data(entity, since=since):
            yield page


class CursorWithoutItsSince(Ledger):
    """The cursor is an offset within what `since` left, and with a cursor `since` is ignored."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        table = self.table_of(entity)
        connection = await self.take()
        try:
            rows = self.rest(await self.ask(connection, table), None if cursor else since, None)
            for first in range(place(cursor), len(rows), self.source.page_size):
                yield self.page(rows[first : first + self.source.page_size], first + self.source.page_size)
        finally:
            self.give_back(connection)


class CursorCountsFromTheResume(Ledger):
    """The cursor counts the records of this read: a read that went on writes cursors that are too low."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        table = self.table_of(entity)
        connection = await self.take()
        try:
            rows = self.rest(await self.ask(connection, table), since, None)[place(cursor) :]
            for first in range(0, len(rows), self.source.page_size):
                yield self.page(rows[first : first + self.source.page_size], first + self.source.page_size)
        finally:
            self.give_back(connection)


class CursorOfThisProcess(Ledger):
    """The cursor is a handle into a dict in memory: a later run, in another process, does not find it."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.handles: dict[str, Cursor] = {}

    def cursor_after(self, chosen: list[Row], since: datetime | None, cursor: Cursor) -> Cursor:
        handle = f"handle-{len(self.handles)}"
        self.handles[handle] = super().cursor_after(chosen, since, cursor)
        return handle

    def follows(self, row: Row, cursor: Cursor) -> bool:
        if isinstance(cursor, str):
            if cursor not in self.handles:
                raise CursorExpiredError(f"no handle {cursor}; expected one of this session; start again")
            cursor = self.handles[cursor]
        return super().follows(row, cursor)


class CursorServesOnce(Ledger):
    """A cursor can be used once: the second attempt at the same place is refused."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        token = f"{entity} {since} {cursor}"
        if cursor is not None and token in self.source.used_cursors:
            raise CursorExpiredError("the cursor has been used already; expected a new one; start again")
        self.source.used_cursors.add(token)
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            yield page


class EqualKeysAreSkippedOnResume(Ledger):
    """The cursor is a time, and going on delivers what is later: records with the same time are lost."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        if cursor is not None:
            moment, _ = self.key_of(cursor)
            cursor = [moment.isoformat(), 1_000_000]
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            yield page


class LastPartialPageIsLostOnResume(Ledger):
    """A read that goes on takes a page that is not full for one that is not ready, and stops before it."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            if cursor is not None and len(page.records) < self.source.page_size:
                return
            yield page


class EndStartsOver(Ledger):
    """From the last page's cursor the whole comes again: an empty page token means the first page."""

    def rest(self, rows: list[Row], since: datetime | None, cursor: Cursor) -> list[Row]:
        return super().rest(rows, since, cursor) or super().rest(rows, since, None)


class EndRaises(Ledger):
    """From the last page's cursor comes IndexError: nobody thought of a page with nothing on it."""

    def rest(self, rows: list[Row], since: datetime | None, cursor: Cursor) -> list[Row]:
        rest = super().rest(rows, since, cursor)
        return [rest[0], *rest[1:]]


SPECIMENS = tuple(
    map(
        partial(Specimen, "resume"),
        (
            OffsetOverChangingData,
            CursorRepeatsOne,
            CursorSkipsOne,
            CursorOfThisPage,
            CursorOfThePageAfter,
            CursorIsIgnored,
            CursorWithoutItsSince,
            CursorCountsFromTheResume,
            CursorOfThisProcess,
            CursorServesOnce,
            EqualKeysAreSkippedOnResume,
            LastPartialPageIsLostOnResume,
            EndStartsOver,
            EndRaises,
        ),
    )
)
