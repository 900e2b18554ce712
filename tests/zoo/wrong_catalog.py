"""Connectors that break the law of the catalog: all it names can be fetched, nothing else, and in parts as in one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs

from connector_kit.errors import RequestRejectedError
from connector_kit.records.catalog import Catalog

from .ledger import ORDERS, STORES, Ledger, PartedLedger
from .specimen import Specimen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from connector_kit.records.page import Cursor, Page

    from .source import Row


class UnknownEntityIsAKeyError(Ledger):
    """A name that is not in the catalog raises KeyError, out of a dict of tables."""

    def table_of(self, entity: str) -> str:
        return {"orders": "orders", "stores": "stores"}[entity]


class UnknownEntityIsEmpty(Ledger):
    """A name that is not in the catalog is read as an entity without records: a typing error loses all rows."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        if entity not in self.catalog().names:
            return
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            yield page


class UnknownEntityIsRejected(Ledger):
    """A name that is not in the catalog is asked for, and the 404 passed on as any other rejected request."""

    def table_of(self, entity: str) -> str:
        return entity


class UnknownEntityIsForgiven(Ledger):
    """Names are taken in any case and with spaces around: one table is read as several entities."""

    def table_of(self, entity: str) -> str:
        return super().table_of(entity.strip().lower())


class CatalogNamesWhatCannotBeFetched(Ledger):
    """The catalog names a view for which there is nothing to read from."""

    def catalog(self) -> Catalog:
        return Catalog([ORDERS, STORES, attrs.evolve(STORES, name="returns")])


class CatalogHasLabels(Ledger):
    """The catalog gives the labels people see, and `fetch_data` takes the technical names."""

    def catalog(self) -> Catalog:
        return Catalog([attrs.evolve(ORDERS, name="Orders"), attrs.evolve(STORES, name="Stores")])


class CatalogNeedsARight(Ledger):
    """The catalog names everything there is, also what these credentials may not read."""

    def table_of(self, entity: str) -> str:
        if entity == "stores":
            raise RequestRejectedError(
                "stores cannot be read by this user; expected an administrator; ask one"
            )
        return super().table_of(entity)


class FetchNeedsTheCatalogFirst(Ledger):
    """Only who has asked for the catalog can read: the read takes from it what it needs."""

    tables: Catalog | None = None

    async def discover_schema(self) -> Catalog:
        self.tables = await super().discover_schema()
        return self.tables

    def table_of(self, entity: str) -> str:
        name = super().table_of(entity)
        if self.tables is None:
            raise RequestRejectedError(
                f"nothing is known of {name!r}; expected the catalog; ask for it first"
            )
        return name


class CatalogChanges(Ledger):
    """Every other call of `discover_schema` leaves an entity out."""

    calls = 0

    async def discover_schema(self) -> Catalog:
        self.calls += 1
        catalog = await super().discover_schema()
        return catalog if self.calls % 2 else Catalog(catalog.entities[:1])


class PartitionsOverlap(PartedLedger):
    """The parts of a read share the record at their border."""

    def part(self, begin: int, end: int) -> tuple[int, int]:
        return begin, end + 1


class PartitionsLeaveAGap(PartedLedger):
    """The parts of a read leave out the record at their border."""

    def part(self, begin: int, end: int) -> tuple[int, int]:
        return begin + 1, end


class PartitionForgetsItsEnd(PartedLedger):
    """The pages of a part carry cursors without its end: who goes on there reads to the end of the table."""

    def page(self, chosen: list[Row], cursor: Cursor) -> Page:
        return super().page(chosen, [chosen[-1]["updated_at"], chosen[-1]["id"]])


SPECIMENS = tuple(
    map(
        partial(Specimen, "catalog"),
        (
            UnknownEntityIsAKeyError,
            UnknownEntityIsEmpty,
            UnknownEntityIsRejected,
            UnknownEntityIsForgiven,
            CatalogNamesWhatCannotBeFetched,
            CatalogHasLabels,
            CatalogNeedsARight,
            FetchNeedsTheCatalogFirst,
            CatalogChanges,
            PartitionsOverlap,
            PartitionsLeaveAGap,
            PartitionForgetsItsEnd,
        ),
    )
)
