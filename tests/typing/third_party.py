"""Third-party clients in connectors, and what stays known of them through stacks. Never run: type checkers read it."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, assert_type

import httpx2

from connector_kit import (
    Bulkhead,
    Bulkheaded,
    Cached,
    Catalog,
    CircuitBreaking,
    Connector,
    Entity,
    Faulty,
    FullConnector,
    Hedge,
    Hedged,
    Page,
    Paged,
    RecordConnector,
    Recording,
    Resilience,
    Retry,
    Retrying,
    SyncConnector,
    Threaded,
    Translating,
    Validating,
    connected,
    protect,
    unwrap,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from datetime import datetime

    from connector_kit import Cursor, Record


class Planes:
    """An asynchronous client, wrapped."""

    def __init__(self, url: str) -> None:
        self.client = httpx2.AsyncClient(base_url=url)

    async def connect(self) -> None: ...

    async def disconnect(self) -> None:
        await self.client.aclose()

    async def discover_schema(self) -> Catalog:
        return Catalog([Entity("planes", primary_key="id", incremental="cursor")])

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        body = (await self.client.get(f"/{entity}", params={"after": str(cursor)})).json()
        yield Page(body["records"], cursor=body["next"])


class Table:
    """A client that blocks: a connector without `async`, for `Threaded`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.database: sqlite3.Connection | None = None

    def connect(self) -> None:
        self.database = sqlite3.connect(self.path, check_same_thread=False)

    def disconnect(self) -> None:
        if self.database is not None:
            self.database.close()

    def discover_schema(self) -> Catalog:
        return Catalog([Entity("orders", primary_key="id")])

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> Iterator[Page]:
        assert self.database is not None
        rows = self.database.execute("SELECT id FROM orders WHERE id > ?", (cursor or 0,))
        while found := rows.fetchmany(100):
            yield Page([{"id": number} for (number,) in found], cursor=found[-1][0])


class Events:
    """A client that gives single records, for `Paged`."""

    async def connect(self) -> None: ...

    async def disconnect(self) -> None: ...

    async def discover_schema(self) -> Catalog:
        return Catalog([Entity("events")])

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Record]:
        yield {"id": 1}


def shapes() -> None:
    """Each of the three is what its adapter takes; the adapter is a connector with all capabilities."""
    planes: Connector = Planes("https://example.org")
    table: SyncConnector = Table("shop.sqlite")
    events: RecordConnector = Events()
    adapted: list[FullConnector] = [Threaded(Table("shop.sqlite")), Paged(Events(), 100)]
    del planes, table, events, adapted


def through_adapters() -> None:
    """What stands inside an adapter is still known, so that its own methods can be reached."""
    table = Retrying(Threaded(Table("shop.sqlite")))
    assert_type(table, Retrying[Threaded[Table]])
    assert_type(table.inner.inner.path, str)
    events = Translating(Paged(Events(), 100))
    assert_type(events, Translating[Paged[Events]])
    assert_type(events.inner.inner, Events)


def through_every_wrapper(circuit: Any) -> None:
    """However deep, a stack says what it is made of."""
    stack = Cached(
        Retrying(Hedged(CircuitBreaking(Bulkheaded(Planes(""), Bulkhead(4)), circuit), Hedge())), "1m"
    )
    assert_type(stack, Cached[Retrying[Hedged[CircuitBreaking[Bulkheaded[Planes]]]]])
    assert_type(stack.inner.inner.inner.inner.inner.client, httpx2.AsyncClient)
    assert_type(Recording(Faulty(Planes("")), "tape.jsonl").inner.inner, Planes)
    assert_type(Validating(Planes("")).inner, Planes)


def found_again(stack: Connector) -> None:
    """`unwrap` gives the class it is asked for, wrappers included; what `protect` builds is a connector with everything."""
    assert_type(unwrap(stack, Planes), Planes)
    assert_type(unwrap(stack, Retrying).retry, Retry)
    assert_type(protect(Planes(""), Resilience(rate="5/s")), FullConnector)
    assert_type(unwrap(protect(Planes("")), Planes).client, httpx2.AsyncClient)


async def at_work() -> None:
    """A connector comes out of `connected` as what it was."""
    async with connected(Threaded(Table("shop.sqlite"))) as table:
        assert_type(table, Threaded[Table])
        assert_type(await table.discover_schema(), Catalog)


class Pinned:
    """An author's way to have a class checked where it is written: see docs/how-to/write-a-connector.md."""

    async def connect(self) -> None: ...

    async def disconnect(self) -> None: ...

    async def discover_schema(self) -> Catalog:
        return Catalog()

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        yield Page(())


if TYPE_CHECKING:
    _: type[Connector] = Pinned
