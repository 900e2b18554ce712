"""The right connectors: `Ledger`, from which each wrong one differs in a method or two, and two that can do more."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio

from connector_kit.errors import (
    AuthenticationError,
    ConnectionFailedError,
    ConnectorError,
    CursorExpiredError,
    PermissionDeniedError,
    RateLimitError,
    RequestRejectedError,
    ServiceUnavailableError,
    TimedOutError,
)
from connector_kit.records.catalog import Catalog, Entity, Field, Scalar
from connector_kit.records.fitting import is_datetime
from connector_kit.records.page import Page
from connector_kit.redaction import Secret

from .source import TOKEN, Client, ClosedError, Row, Source, StatusError, updated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from connector_kit.records.page import Cursor, Record

    from .source import Connection

Key: TypeAlias = tuple[datetime, int]

FIELDS = (
    Field("id", Scalar.INTEGER, nullable=False),
    Field("customer", Scalar.STRING, nullable=False),
    Field("paid", Scalar.BOOLEAN, nullable=False),
    Field("total", Scalar.NUMBER),
    Field("created_at", Scalar.DATETIME),
    Field("updated_at", Scalar.DATETIME, nullable=False),
)
ORDERS = Entity(
    "orders",
    FIELDS,
    primary_key="id",
    replication_key="updated_at",
    ordered=True,
    incremental="since",
)
STORES = Entity("stores", FIELDS, primary_key="id", incremental="cursor")


def key(row: Row) -> Key:
    """Give what rows are read in the order of, which no two share."""
    return updated(row), row["id"]


class Ledger:
    """Reads orders and stores by keyset: what follows the last row delivered, page after page.

    The cursor is that row's key: `["2024-03-01T12:00:00.250000+00:00", 2]`.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.token = Secret(TOKEN)
        self.client: Client | None = None

    async def connect(self) -> None:
        if self.client is None:
            self.client = Client(self.source, self.token.reveal())

    async def disconnect(self) -> None:
        client, self.client = self.client, None
        if client is not None:
            await client.close()

    async def discover_schema(self) -> Catalog:
        connection = await self.take()
        try:
            await connection.ask()
        except Exception as error:
            raise self.translated(error) from error
        finally:
            self.give_back(connection)
        return self.catalog()

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        table = self.table_of(entity)
        size = self.source.page_size
        connection = await self.take()
        try:
            while rows := self.rest(await self.ask(connection, table), since, cursor):
                chosen = rows[:size]
                cursor = self.cursor_after(chosen, since, cursor)
                yield self.page(chosen, cursor)
                if len(rows) <= size:
                    break
        finally:
            self.give_back(connection)

    def catalog(self) -> Catalog:
        """Say what there is."""
        return Catalog([ORDERS, STORES])

    def table_of(self, entity: str) -> str:
        """Give the table of an entity. Raises `UnknownEntityError`."""
        return Catalog([ORDERS, STORES])[entity].name

    async def take(self) -> Connection:
        """Take a connection out of the pool."""
        if self.client is None:
            raise RequestRejectedError("the ledger is not connected; expected connect() first; call it")
        try:
            return await self.client.take()
        except Exception as error:
            raise self.translated(error) from error

    def give_back(self, connection: Connection) -> None:
        """Put a connection back into the pool."""
        if self.client is not None:
            self.client.give_back(connection)

    async def ask(self, connection: Connection, table: str) -> list[Row]:
        """Ask for the rows of a table, in the order of their keys."""
        try:
            return await connection.rows(table)
        except Exception as error:
            raise self.translated(error) from error

    def rest(self, rows: list[Row], since: datetime | None, cursor: Cursor) -> list[Row]:
        """Choose what is still to be delivered."""
        return [row for row in rows if self.wants(row, since) and self.follows(row, cursor)]

    def wants(self, row: Row, since: datetime | None) -> bool:
        """Whether a row is recent enough."""
        return since is None or updated(row) >= since

    def follows(self, row: Row, cursor: Cursor) -> bool:
        """Whether a row comes after a cursor."""
        return cursor is None or key(row) > self.key_of(cursor)

    def key_of(self, cursor: Cursor) -> Key:
        """Read a cursor."""
        match cursor:
            case [str(moment), int(number)] if is_datetime(moment):
                return datetime.fromisoformat(moment), number
        raise CursorExpiredError(f"the cursor is {cursor!r}; expected a time and an id; start again")

    def cursor_after(self, chosen: list[Row], since: datetime | None, cursor: Cursor) -> Cursor:
        """Write the cursor of what follows a page."""
        return [chosen[-1]["updated_at"], chosen[-1]["id"]]

    def page(self, chosen: list[Row], cursor: Cursor) -> Page:
        """Put a page together."""
        return Page([self.record(row) for row in chosen], cursor)

    def record(self, row: Row) -> dict[str, Any]:
        """Make a record of a row."""
        return row

    def translated(self, error: Exception) -> ConnectorError:  # noqa: PLR0911 - one for each kind
        """Give the client's error its class."""
        match error:
            case ConnectorError():
                return error
            case StatusError(status=429):
                return RateLimitError("the source refused: too many requests; wait", error.retry_after)
            case StatusError(status=401):
                return AuthenticationError("the source refused the token; expected a valid one; renew it")
            case StatusError(status=403):
                return PermissionDeniedError("the token may not read this; expected one that may; ask for it")
            case StatusError(status=status) if status >= 500:
                return ServiceUnavailableError(f"the source answered {status}; try later", error.retry_after)
            case StatusError(status=status):
                return RequestRejectedError(
                    f"the source answered {status}; expected 200; look at the request"
                )
            case ClosedError():
                return RequestRejectedError("the client is closed; expected connect() before a read; call it")
            case TimeoutError():
                return TimedOutError("the source did not answer in time; try again")
            case _:
                return ConnectionFailedError(f"no answer from the source ({type(error).__name__}); try again")


class GreetingLedger(Ledger):
    """Asks the source for something when it connects, so that a wrong token is refused there."""

    async def connect(self) -> None:
        await super().connect()
        try:
            await self.greet()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.disconnect()
            raise

    async def greet(self) -> None:
        """Make a request for nothing."""
        connection = await self.take()
        try:
            await connection.ask()
        except Exception as error:
            raise self.translated(error) from error
        finally:
            self.give_back(connection)


class SamplingLedger(Ledger):
    """Has its own way to a sample: one request, and as many rows as were asked for."""

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        table = self.table_of(entity)
        connection = await self.take()
        try:
            rows = await self.ask(connection, table)
        finally:
            self.give_back(connection)
        return [self.record(row) for row in self.sampled(rows, limit)]

    def sampled(self, rows: list[Row], limit: int) -> list[Row]:
        """Choose the sample."""
        return rows[: max(0, limit)]


class PartedLedger(Ledger):
    """Divides a read by id: a partition's cursor is `[time, id, first id, first id of the next]`."""

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        table = self.table_of(entity)
        connection = await self.take()
        try:
            rows = await self.ask(connection, table)
        finally:
            self.give_back(connection)
        ids = sorted(row["id"] for row in rows)
        borders = [*ids[:: -(-len(ids) // max(1, target))], ids[-1] + 1]
        return [["", 0, *self.part(begin, end)] for begin, end in pairwise(borders)]

    def part(self, begin: int, end: int) -> tuple[int, int]:
        """Say which ids are in a part: from the first on, below the second."""
        return begin, end

    def follows(self, row: Row, cursor: Cursor) -> bool:
        match cursor:
            case [str(moment), int(number), int(begin), int(end)]:
                return begin <= row["id"] < end and (not moment or super().follows(row, [moment, number]))
        return super().follows(row, cursor)

    def cursor_after(self, chosen: list[Row], since: datetime | None, cursor: Cursor) -> Cursor:
        after = [chosen[-1]["updated_at"], chosen[-1]["id"]]
        match cursor:
            case [_, _, int(begin), int(end)]:
                return [*after, begin, end]
        return after
