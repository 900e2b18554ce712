"""Right connectors that look odd. A law that alarms at one of them is wrong."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import attrs
import msgspec

from connector_kit.capabilities import close_stream
from connector_kit.errors import CursorExpiredError
from connector_kit.records.catalog import Catalog
from connector_kit.records.page import Page, Quota

from .ledger import ORDERS, STORES, Key, Ledger, SamplingLedger
from .source import (
    PARIS,
    Client,
    Connection,
    Source,
    all_at_once,
    empty,
    one_by_one,
    one_time,
    single,
    updated,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from connector_kit.records.page import Cursor, Record

    from .source import Row

__all__ = ["TAME", "Tame"]

STORES_IN_FULL = attrs.evolve(STORES, incremental=None)

Tame: TypeAlias = tuple[type[Ledger], Callable[[], Source]]


class NoCursors(Ledger):
    """Its pages carry no cursors: every read is a full one."""

    def catalog(self) -> Catalog:
        return Catalog([attrs.evolve(ORDERS, incremental=None), STORES_IN_FULL])

    def page(self, chosen: list[Row], cursor: Cursor) -> Page:
        return super().page(chosen, None)


class SomeCursors(Ledger):
    """Only some of its pages carry a cursor."""

    def catalog(self) -> Catalog:
        return Catalog([ORDERS, STORES_IN_FULL])

    def page(self, chosen: list[Row], cursor: Cursor) -> Page:
        return super().page(chosen, cursor if chosen[-1]["id"] % 2 else None)


class NoCursorAtTheEnd(Ledger):
    """Its last page carries no cursor: nothing follows."""

    def catalog(self) -> Catalog:
        return Catalog([ORDERS, STORES_IN_FULL])

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        waiting: Page | None = None
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            if waiting is not None:
                yield waiting
            waiting = page
        if waiting is not None:
            yield attrs.evolve(waiting, cursor=None)


class OpaqueCursors(Ledger):
    """Its cursors are text that nobody can read."""

    def cursor_after(self, chosen: list[Row], since: datetime | None, cursor: Cursor) -> Cursor:
        return b64encode(msgspec.json.encode(super().cursor_after(chosen, since, cursor))).decode()

    def key_of(self, cursor: Cursor) -> Key:
        try:
            return super().key_of(msgspec.json.decode(b64decode(str(cursor))))
        except (ValueError, msgspec.DecodeError) as error:
            raise CursorExpiredError(
                f"the cursor is {cursor!r}; expected one of a page; start again"
            ) from error


class EmptyPages(Ledger):
    """A filter on the other side leaves some pages empty; they carry no cursor."""

    def catalog(self) -> Catalog:
        return Catalog([ORDERS, STORES_IN_FULL])

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        self.table_of(entity)
        yield Page([])
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            yield page
            yield Page([], quota=Quota(limit=100, remaining=7))


class NewestFirstAndSaysSo(Ledger):
    """It delivers the newest first, and does not call that ordered."""

    def catalog(self) -> Catalog:
        return Catalog([attrs.evolve(ORDERS, ordered=False), STORES])

    def rest(self, rows: list[Row], since: datetime | None, cursor: Cursor) -> list[Row]:
        return [
            row
            for row in reversed(rows)
            if self.wants(row, since) and (cursor is None or (updated(row), row["id"]) < self.key_of(cursor))
        ]


class TimesAreDatetimes(Ledger):
    """Its times are datetimes, with an offset that is not UTC."""

    def record(self, row: Row) -> dict[str, Any]:
        return {**row, "updated_at": updated(row).astimezone(PARIS)}


class SinceIsIgnored(Ledger):
    """It delivers everything whatever `since` is: more than was asked for does no harm."""

    def wants(self, row: Row, since: datetime | None) -> bool:
        return True


class NothingIsAnnounced(Ledger):
    """Its catalog knows names, and neither fields nor keys."""

    def catalog(self) -> Catalog:
        return Catalog([attrs.evolve(each, fields=(), primary_key=()) for each in (ORDERS, STORES)])


class RowsWithoutAKey(Ledger):
    """Its records have no key, and some of them are equal."""

    def catalog(self) -> Catalog:
        return Catalog(
            [attrs.evolve(each, fields=each.fields[1:], primary_key=()) for each in (ORDERS, STORES)]
        )

    def record(self, row: Row) -> dict[str, Any]:
        return {"customer": "C", "paid": True, "updated_at": row["updated_at"]}


class KeyOfTwoFields(Ledger):
    """Its primary key is made of two fields, neither of which is unique alone."""

    def catalog(self) -> Catalog:
        return Catalog([attrs.evolve(each, primary_key=("customer", "id")) for each in (ORDERS, STORES)])

    def record(self, row: Row) -> dict[str, Any]:
        return {**row, "id": row["id"] // 4}


class _Lazy(Sequence["Record"]):
    """Makes a record when somebody looks at it."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Record]: ...
    def __getitem__(self, place: int | slice) -> Record | Sequence[Record]:
        return _Lazy(self._rows[place]) if isinstance(place, slice) else dict(self._rows[place])


class LazyRecords(Ledger):
    """Its records are made when somebody looks at them."""

    def page(self, chosen: list[Row], cursor: Cursor) -> Page:
        return Page(_Lazy(chosen), cursor)


class KeepsItsConnections(Ledger):
    """Connections stay open after a read, for the next one, until it disconnects."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.idle: list[Connection] = []

    async def take(self) -> Connection:
        return self.idle.pop() if self.idle else await super().take()

    def give_back(self, connection: Connection) -> None:
        if self.client is not None:
            self.idle.append(connection)

    async def disconnect(self) -> None:
        self.idle.clear()
        await super().disconnect()


class _Pages:
    """An iterator of pages that is no generator and cannot be closed."""

    def __init__(self, ledger: PlainIterators, entity: str, since: datetime | None, cursor: Cursor) -> None:
        self._ledger, self._entity, self._since, self._cursor = ledger, entity, since, cursor

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        page = await self._ledger.next_page(self._entity, self._since, self._cursor)
        self._cursor = page.cursor
        return page


class PlainIterators(Ledger):
    """Its streams are iterators without `aclose`, and hold nothing."""

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        return _Pages(self, entity, since, cursor)

    async def next_page(self, entity: str, since: datetime | None, cursor: Cursor) -> Page:
        """Give the next page alone."""
        pages = super().fetch_data(entity, since=since, cursor=cursor)
        try:
            return await anext(pages)
        finally:
            await close_stream(pages)


class SamplesTheNewest(SamplingLedger):
    """Its sample is made of the newest records."""

    def sampled(self, rows: list[Row], limit: int) -> list[Row]:
        return rows[::-1][: max(0, limit)]


class ConnectsWhenNeeded(Ledger):
    """It needs no `connect`: the first request makes the client."""

    async def take(self) -> Connection:
        if self.client is None:
            self.client = Client(self.source, self.token.reveal())
        return await super().take()


TAME: tuple[Tame, ...] = (
    *(
        (right, Source)
        for right in (
            NoCursors,
            SomeCursors,
            NoCursorAtTheEnd,
            OpaqueCursors,
            EmptyPages,
            NewestFirstAndSaysSo,
            TimesAreDatetimes,
            SinceIsIgnored,
            NothingIsAnnounced,
            RowsWithoutAKey,
            KeyOfTwoFields,
            LazyRecords,
            KeepsItsConnections,
            PlainIterators,
            SamplesTheNewest,
            ConnectsWhenNeeded,
        )
    ),
    (Ledger, single),
    (Ledger, one_time),
    (Ledger, one_by_one),
    (Ledger, all_at_once),
    (Ledger, empty),
)
"""Connectors that keep all laws; of some there is little to look at."""
