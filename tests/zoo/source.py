"""The other side of the zoo: tables in memory, a client with a small pool of real connections, a wire that can fail."""

from __future__ import annotations

import socket
from collections import deque
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
import attrs
from anyio.lowlevel import checkpoint

from connector_kit.testing.conformance.wire import Answer, CutOff, Hold, Reset, Trickle, WireFault

if TYPE_CHECKING:
    from collections.abc import Sequence

Row: TypeAlias = dict[str, Any]

TOKEN = "tok-4f81c29ee0a7"
START = datetime(2024, 3, 1, 12, tzinfo=UTC)
PARIS = timezone(timedelta(hours=2))


def order(number: int) -> Row:
    """Make order `number`, from 1: two share a time, every other one is written with another offset."""
    updated = START + timedelta(minutes=(number - 1) // 2, milliseconds=250)
    zone = PARIS if number % 2 else UTC
    return {
        "id": number,
        "customer": f"C{number % 4}",
        "paid": number % 3 == 0,
        "total": number * 2.5,
        "created_at": (START - timedelta(days=number)).isoformat(),
        "updated_at": updated.astimezone(zone).isoformat(),
    }


def updated(row: Row) -> datetime:
    """Give the moment at which a row was changed."""
    return datetime.fromisoformat(row["updated_at"])


class StatusError(Exception):
    """The client's: the other side answered with a status that is no success."""

    def __init__(self, status: int, retry_after: float | None = None) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.retry_after = retry_after


class BodyError(ValueError):
    """The client's: the body ended in the middle. As a JSON parser says it."""


class ClosedError(RuntimeError):
    """The client's: it is used after it was closed."""


@attrs.define(eq=False)
class Line:
    """The wire: lets requests through, or fails as it was told."""

    requests: int = 0
    _plan: deque[WireFault | None] = attrs.field(factory=deque)

    def fail(self, faults: Sequence[WireFault | None], /) -> None:
        self._plan = deque(faults)

    async def cross(self) -> None:
        """Let one request and its answer pass."""
        self.requests += 1
        fault = self._plan.popleft() if self._plan else None
        match fault:
            case Answer():
                raise StatusError(fault.status, fault.retry_after)
            case CutOff():
                raise BodyError("Unterminated string starting at: line 1 column 68 (char 67)")
            case Reset():
                raise ConnectionResetError(104, "Connection reset by peer")
            case Hold():
                await anyio.sleep(fault.seconds)
            case Trickle() | None:
                await checkpoint()


@attrs.define(eq=False)
class Source:
    """The other side. `change` is somebody else at work: the oldest order appears, and with the next call it is gone.

    `sockets` are those of all clients there ever were, so that a test can close what a wrong connector left open.
    """

    wire: Line = attrs.field(factory=Line)
    tables: dict[str, list[Row]] = attrs.field(
        factory=lambda: {
            "orders": [order(number) for number in range(1, 11)],
            "stores": [{**order(number), "total": 0.0} for number in range(1, 7)],
        }
    )
    page_size: int = 3
    used_cursors: set[str] = attrs.field(factory=set)
    sockets: list[socket.socket] = attrs.field(factory=list)

    def change(self) -> None:
        orders = self.tables["orders"]
        if orders[0]["id"] == 0:
            del orders[0]
        else:
            orders.insert(0, order(0))

    def close(self) -> None:
        """Close what is still open."""
        while self.sockets:
            self.sockets.pop().close()


@attrs.define(eq=False)
class Connection:
    """One connection of a client: a real pair of sockets, so that whoever counts descriptors sees it."""

    source: Source
    ends: tuple[socket.socket, socket.socket] = attrs.field(factory=socket.socketpair)
    asked: int = 0

    def __attrs_post_init__(self) -> None:
        self.source.sockets += self.ends

    def close(self) -> None:
        for end in self.ends:
            end.close()

    async def rows(self, table: str) -> list[Row]:
        """Ask for a table, in the order of its changes; 404 where there is none."""
        await self.ask()
        if table not in self.source.tables:
            raise StatusError(404)
        rows = sorted(self.source.tables[table], key=lambda row: (updated(row), row["id"]))
        return [dict(row) for row in rows]

    async def ask(self) -> None:
        """Ask for something. Raises `TimeoutError` where no answer comes in time."""
        if self.ends[0].fileno() < 0:
            raise ClosedError("Cannot send a request, as the client has been closed.")
        self.asked += 1
        with anyio.fail_after(CLIENT_SECONDS):
            await self.source.wire.cross()


CLIENT_SECONDS = 0.25
POOL_SIZE = 4


@attrs.define(eq=False)
class Client:
    """Somebody's client: a pool of at most `POOL_SIZE` connections, each opened when it is needed."""

    source: Source
    token: str
    closed: bool = False
    taken: set[Connection] = attrs.field(factory=set)

    async def take(self) -> Connection:
        """Give a connection, as soon as there is one. Raises `TimeoutError` where all are taken for too long."""
        if self.closed:
            raise ClosedError("Cannot send a request, as the client has been closed.")
        with anyio.fail_after(CLIENT_SECONDS):
            while len(self.taken) >= POOL_SIZE:  # noqa: ASYNC110 - a client serves several event loops
                await anyio.sleep(CLIENT_SECONDS / 10)
        connection = Connection(self.source)
        self.taken.add(connection)
        return connection

    def give_back(self, connection: Connection) -> None:
        """Put a connection back; closes it."""
        self.taken.discard(connection)
        connection.close()

    async def close(self) -> None:
        """Close all connections."""
        await checkpoint()
        self.closed = True
        for connection in list(self.taken):
            self.give_back(connection)


def empty() -> Source:
    """Make a source without a row."""
    return Source(tables={"orders": [], "stores": []})


def single() -> Source:
    """Make a source with a row in each table."""
    return Source(tables={"orders": [order(1)], "stores": [order(1)]})


def one_time() -> Source:
    """Make a source all of whose rows were changed at the same moment."""
    rows = [{**order(number), "updated_at": order(1)["updated_at"]} for number in range(1, 9)]
    return Source(tables={"orders": rows, "stores": rows})


def one_by_one() -> Source:
    """Make a source with one row on a page."""
    return Source(page_size=1)


def all_at_once() -> Source:
    """Make a source with all rows on one page."""
    return Source(page_size=1000)
