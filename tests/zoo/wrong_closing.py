"""Connectors that break the law of closing early: it releases everything, and reads do not disturb each other."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint

from connector_kit.records.page import Page

from .ledger import Ledger
from .specimen import PATIENT, Specimen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from connector_kit.records.page import Cursor

    from .source import Connection, Row, Source


class HoldsItsConnection(Ledger):
    """A read gives its connection back at its end, and not where it is closed before."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        size = self.source.page_size
        table = self.table_of(entity)
        connection = await self.take()
        while rows := self.rest(await self.ask(connection, table), since, cursor):
            cursor = self.cursor_after(rows[:size], since, cursor)
            yield self.page(rows[:size], cursor)
        self.give_back(connection)


class FetchesShareAPosition(Ledger):
    """The position is an attribute of the connector: of two reads at once, each moves the other's on."""

    position: Cursor = None

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        self.position = cursor
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            self.position = page.cursor
            yield page

    def rest(self, rows: list[Row], since: datetime | None, cursor: Cursor) -> list[Row]:
        return super().rest(rows, since, self.position)


class FetchWorksOnce(Ledger):
    """A read of an entity is begun once and used up: the next one of the same connector is empty."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.begun: set[str] = set()

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        if (what := f"{entity} {since} {cursor}") in self.begun:
            return
        self.begun.add(what)
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            yield page


class ClosingClosesTheClient(Ledger):
    """A read that is closed early closes the client, and with it what all others read."""

    def give_back(self, connection: Connection) -> None:
        if self.client is not None:
            self.client.closed = True
            for each in list(self.client.taken):
                self.client.give_back(each)


class HoldsALockOverTheRead(Ledger):
    """A lock is held for as long as a read is open: a second one waits for the first, for ever."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.turn = anyio.Semaphore(1)

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        async with self.turn:
            async for page in super().fetch_data(entity, since=since, cursor=cursor):
                yield page


class LeavesATaskRunning(Ledger):
    """A task that keeps the connection alive is started with each read, and ended by none."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        self.pinging = asyncio.create_task(self.ping())
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            yield page

    async def ping(self) -> None:
        """Keep the connection alive."""
        while True:  # noqa: ASYNC110 - there is nothing else to wait for
            await asyncio.sleep(1)


class BlocksTheLoop(Ledger):
    """The client blocks while it waits for an answer: nothing else runs meanwhile."""

    async def ask(self, connection: Connection, table: str) -> list[Row]:
        if self.source.wire.requests == 1:  # the catalog has been asked for: this is the first page of all
            time.sleep(1.3)  # noqa: ASYNC251 - this is what is wrong with it
        return await super().ask(connection, table)


class HangsInTheMiddle(Ledger):
    """The second page never comes: no time limit in the client, and none around it."""

    async def ask(self, connection: Connection, table: str) -> list[Row]:
        if connection.asked:
            await anyio.sleep_forever()
        return await super().ask(connection, table)


class ClosingHangs(Ledger):
    """A read that is closed early waits for an acknowledgement that never comes."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        ended = False
        try:
            async for page in super().fetch_data(entity, since=since, cursor=cursor):
                yield page
            ended = True
        finally:
            if not ended:
                await anyio.sleep_forever()


class YieldsWhileItIsClosed(Ledger):
    """Whatever ends a read, it hands over one more page: RuntimeError, the generator ignored GeneratorExit."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        ended = False
        try:
            async for page in super().fetch_data(entity, since=since, cursor=cursor):
                cursor = page.cursor
                yield page
            ended = True
        finally:
            if not ended:
                yield Page([], cursor)


class SwallowsCancellation(Ledger):
    """`except BaseException` takes a cancellation for the end of the read."""

    async def ask(self, connection: Connection, table: str) -> list[Row]:
        try:
            return await super().ask(connection, table)
        except Exception:
            raise
        except BaseException:  # noqa: BLE001 - this is what is wrong with it
            return []


class ScopeOverAYield(Ledger):
    """A task group is open while a page is handed over: closed by another task, it breaks both."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        async with anyio.create_task_group() as group:
            group.start_soon(checkpoint)
            async for page in super().fetch_data(entity, since=since, cursor=cursor):
                yield page


SPECIMENS = (
    *map(
        partial(Specimen, "closing"),
        (
            HoldsItsConnection,
            FetchesShareAPosition,
            FetchWorksOnce,
            ClosingClosesTheClient,
            HoldsALockOverTheRead,
            LeavesATaskRunning,
            HangsInTheMiddle,
            ClosingHangs,
            YieldsWhileItIsClosed,
            SwallowsCancellation,
            ScopeOverAYield,
        ),
    ),
    Specimen("closing", BlocksTheLoop, bounds=PATIENT),
)
