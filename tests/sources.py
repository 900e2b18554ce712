"""A connector for tests, written as an author would: no base class, nothing of the kit but its values and errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import attrs
import msgspec
from anyio.lowlevel import checkpoint

from connector_kit.errors import RequestRejectedError
from connector_kit.records.catalog import Catalog, Entity, Field, Incremental, Scalar
from connector_kit.records.json_records import JsonRecords
from connector_kit.records.page import Cursor, Page, Record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

FIELDS = (Field("id", Scalar.INTEGER), Field("updated_at", Scalar.DATETIME), Field("title", Scalar.STRING))
START = datetime(2023, 1, 1, tzinfo=UTC)


@attrs.frozen
class Table:
    """What a `Shop` has of one entity. Record i was updated `times[i]` minutes after START, i minutes by default.
    `lazy` says the same of pages that are the JSON a client received, not decoded before somebody looks.

        `cursors` says which pages carry one: page i does where `cursors[i % len(cursors)]` is true.
    """

    size: int = 10
    page_size: int = 3
    times: tuple[int, ...] = ()
    cursors: tuple[bool, ...] = (True,)
    ordered: bool = True
    incremental: Incremental = "since"
    primary_key: str | None = "id"
    lazy: tuple[bool, ...] = (False,)

    def record(self, index: int) -> Record:
        """Make record number `index`."""
        minutes = self.times[index] if self.times else index
        return {
            "id": index,
            "updated_at": (START + timedelta(minutes=minutes)).isoformat(),
            "title": f"no. {index}",
        }

    def page(self, number: int, indices: Sequence[int]) -> Page:
        """Make a page of some records, with the cursor that goes on after them."""
        records = [self.record(index) for index in indices]
        lazy = self.lazy[number % len(self.lazy)]
        resumable = self.cursors[number % len(self.cursors)]
        return Page(
            JsonRecords.of_array(msgspec.json.encode(records)) if lazy else records,
            {"after": indices[-1] + 1} if resumable else None,
        )


@attrs.define(eq=False)
class Shop:
    """Serves tables page by page. The cursor is `{"after": index}`; `opened` and `closed` count streams."""

    tables: dict[str, Table] = attrs.field(factory=lambda: {"orders": Table()})
    connected: bool = False
    opened: int = 0
    closed: int = 0
    asked: list[tuple[str, Cursor]] = attrs.field(factory=list)

    async def connect(self) -> None:
        await checkpoint()
        self.connected = True

    async def disconnect(self) -> None:
        self.connected = False

    async def discover_schema(self) -> Catalog:
        await checkpoint()
        return self.catalog()

    def catalog(self) -> Catalog:
        """Say what there is; for those that do it without `async`, too."""
        return Catalog([self._entity(name, table) for name, table in self.tables.items()])

    def _entity(self, name: str, table: Table) -> Entity:
        return Entity(
            name,
            FIELDS,
            primary_key=table.primary_key or (),
            replication_key="updated_at",
            ordered=table.ordered,
            incremental=table.incremental,
        )

    def start_at(self, cursor: Cursor) -> int:
        """Give the index where a read begins."""
        after = cursor["after"] if isinstance(cursor, dict) else 0
        assert isinstance(after, int)
        return after

    def change(self, entity: str, page: Page, number: int) -> Page:
        """Change page number `number` of a stream; for sources that do something wrong."""
        return page

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        table = self.tables.get(entity)
        if table is None:
            raise RequestRejectedError(f"no table {entity!r}")
        self.opened += 1
        self.asked.append((entity, cursor))
        try:
            await checkpoint()
            start = self.start_at(cursor)
            indices = [
                index
                for index in range(start, table.size)
                if since is None or datetime.fromisoformat(table.record(index)["updated_at"]) >= since
            ]
            for number, first in enumerate(range(0, len(indices), table.page_size)):
                chosen = indices[first : first + table.page_size]
                yield self.change(entity, table.page(number, chosen), number)
                await checkpoint()
        finally:
            self.closed += 1


def as_time(record: Record) -> datetime:
    """Give a record's time of change."""
    return datetime.fromisoformat(record["updated_at"])
