"""Connectors that break the law of the shape: records fit their fields, keys are there and unique."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.records.catalog import Catalog
from connector_kit.records.page import Page

from .ledger import ORDERS, STORES, Ledger
from .source import updated
from .specimen import Specimen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from connector_kit.records.page import Cursor

    from .source import Row, Source


class IntegerIsText(Ledger):
    """A number comes as text, as out of CSV."""

    def record(self, row: Row) -> dict[str, Any]:
        return {**row, "id": str(row["id"])}


class BooleanIsAnInteger(Ledger):
    """A boolean comes as 0 or 1, as databases without that type have it."""

    def record(self, row: Row) -> dict[str, Any]:
        return {**row, "paid": int(row["paid"])}


class TimeIsANumber(Ledger):
    """A time comes as seconds since 1970."""

    def record(self, row: Row) -> dict[str, Any]:
        return {**row, "created_at": updated(row).timestamp()}


class NullWhereNoneMayBe(Ledger):
    """A field that is announced as never null is null in a record far behind."""

    def record(self, row: Row) -> dict[str, Any]:
        return {**row, "customer": None if row["id"] == 8 else row["customer"]}


class FieldHasAnotherName(Ledger):
    """A field comes under another name than announced: `customerId` for `customer`."""

    def record(self, row: Row) -> dict[str, Any]:
        return {("customerId" if name == "customer" else name): value for name, value in row.items()}


class KeyIsMissing(Ledger):
    """Records lack their primary key: it was not among the fields asked for."""

    def record(self, row: Row) -> dict[str, Any]:
        return {name: value for name, value in row.items() if name != "id"}


class KeyIsNull(Ledger):
    """One record's primary key is null: a draft without a number."""

    def record(self, row: Row) -> dict[str, Any]:
        return {**row, "id": None if row["id"] == 5 else row["id"]}


class KeyIsNotUnique(Ledger):
    """What is announced as the primary key is shared by several records."""

    def catalog(self) -> Catalog:
        return Catalog([attrs.evolve(each, primary_key="customer") for each in (ORDERS, STORES)])


class RecordComesTwice(Ledger):
    """A record comes once more for each of its lines: a join without `distinct`."""

    def page(self, chosen: list[Row], cursor: Cursor) -> Page:
        lines = [row for row in chosen for _ in range(2 if row["id"] == 6 else 1)]
        return super().page(lines, cursor)


class TiesComeInAnyOrder(Ledger):
    """Rows are sorted by time alone, and numbered by offset: of equal times, another one comes first each time."""

    def rest(self, rows: list[Row], since: datetime | None, cursor: Cursor) -> list[Row]:
        sign = 1 if self.source.wire.requests % 2 else -1
        wanted = sorted(super().rest(rows, since, None), key=lambda row: (updated(row), sign * row["id"]))
        return wanted[cursor if isinstance(cursor, int) else 0 :]

    def cursor_after(self, chosen: list[Row], since: datetime | None, cursor: Cursor) -> Cursor:
        return len(chosen) + (cursor if isinstance(cursor, int) else 0)


class OneDictForAllRecords(Ledger):
    """One dict is filled anew for each record: a page has the last one three times."""

    def page(self, chosen: list[Row], cursor: Cursor) -> Page:
        record: dict[str, Any] = {}
        records = []
        for row in chosen:
            record.update(row)
            records.append(record)
        return Page(records, cursor)


class OneShotRecords(Ledger):
    """Records are a generator: the second who looks at the page finds it empty."""

    def page(self, chosen: list[Row], cursor: Cursor) -> Page:
        def records() -> Iterator[Row]:
            yield from chosen

        return Page(records(), cursor)  # type: ignore[arg-type]  # this is what is wrong with it


class OneListForAllPages(Ledger):
    """One list is filled anew for each page: who still holds an earlier one has the last one's records."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.records: list[Row] = []

    def page(self, chosen: list[Row], cursor: Cursor) -> Page:
        self.records[:] = chosen
        return Page(self.records, cursor)


class DatetimeWithoutAZone(Ledger):
    """A time is a naive datetime, as databases and spreadsheets have it: nobody knows which moment it is."""

    def record(self, row: Row) -> dict[str, Any]:
        return {**row, "created_at": updated(row).replace(tzinfo=None)}


SPECIMENS = tuple(
    map(
        partial(Specimen, "shape"),
        (
            IntegerIsText,
            BooleanIsAnInteger,
            TimeIsANumber,
            NullWhereNoneMayBe,
            FieldHasAnotherName,
            KeyIsMissing,
            KeyIsNull,
            KeyIsNotUnique,
            RecordComesTwice,
            TiesComeInAnyOrder,
            OneDictForAllRecords,
            OneShotRecords,
            OneListForAllPages,
            DatetimeWithoutAZone,
        ),
    )
)
