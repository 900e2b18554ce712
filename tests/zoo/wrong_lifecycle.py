"""Connectors that break the law of the lifecycle: disconnect at any time and twice, connect again."""

from __future__ import annotations

import asyncio
import logging
import threading
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import anyio
from anyio.lowlevel import checkpoint

from connector_kit.errors import ConnectorError

from .ledger import GreetingLedger, Ledger
from .source import Client, ClosedError, Source
from .specimen import Specimen

if TYPE_CHECKING:
    from datetime import datetime

    from connector_kit.records.page import Cursor

    from .source import Row


_LOG = logging.getLogger(__name__)

CLIENTS: WeakKeyDictionary[Source, Client] = WeakKeyDictionary()


class DisconnectTwiceRaises(Ledger):
    """The second `disconnect` raises: the client minds being closed twice."""

    async def connect(self) -> None:
        self.client = Client(self.source, self.token.reveal())

    async def disconnect(self) -> None:
        if self.client is not None:
            if self.client.closed:
                raise ClosedError("the client is closed already")
            await self.client.close()


class DisconnectBeforeConnectRaises(Ledger):
    """`disconnect` before `connect` raises AttributeError: what it closes is made by `connect`."""

    http: Client

    async def connect(self) -> None:
        self.http = self.client = Client(self.source, self.token.reveal())

    async def disconnect(self) -> None:
        await self.http.close()


class ReconnectKeepsTheClosedClient(Ledger):
    """`connect` makes a client only where there is none, and `disconnect` leaves the closed one in its place."""

    async def disconnect(self) -> None:
        if self.client is not None:
            await self.client.close()


class ReconnectGoesOnWhereItStopped(Ledger):
    """Where the last read stopped is kept over `disconnect`: after a new `connect`, reads begin there."""

    stopped: Cursor = None
    begin: Cursor = None

    def rest(self, rows: list[Row], since: datetime | None, cursor: Cursor) -> list[Row]:
        return super().rest(rows, since, self.begin if cursor is None else cursor)

    def cursor_after(self, chosen: list[Row], since: datetime | None, cursor: Cursor) -> Cursor:
        self.stopped = super().cursor_after(chosen, since, cursor)
        return self.stopped

    async def disconnect(self) -> None:
        await super().disconnect()
        self.begin = self.stopped


class DisconnectForgetsTheClient(Ledger):
    """`disconnect` drops the client without closing it, and the connection it keeps open stays open."""

    async def connect(self) -> None:
        await super().connect()
        await self.take()

    async def disconnect(self) -> None:
        await checkpoint()
        self.client = None


class DisconnectWaitsForStreams(Ledger):
    """`disconnect` waits until every stream has given its connection back, as some pools do: for ever."""

    async def disconnect(self) -> None:
        while self.client is not None and self.client.taken:  # noqa: ASYNC110 - the client tells nobody
            await anyio.sleep(0.05)
        await super().disconnect()


class ConnectorsShareAClient(Ledger):
    """The client is a global of the module: who disconnects takes it from everybody else."""

    async def connect(self) -> None:
        client = CLIENTS.get(self.source)
        if client is None or client.closed:
            client = CLIENTS[self.source] = Client(self.source, self.token.reveal())
        self.client = client


class KeepaliveOutlivesTheConnection(Ledger):
    """A task that keeps the connection alive is started by `connect`, and ended by nobody."""

    async def connect(self) -> None:
        await super().connect()
        self.pinging = asyncio.create_task(self.ping())

    async def ping(self) -> None:
        """Keep the connection alive."""
        while True:  # noqa: ASYNC110 - there is nothing else to wait for
            await asyncio.sleep(1)


class TimerOutlivesTheConnection(Ledger):
    """A timer that renews the token is started by `connect`, and stopped by nobody: a thread for each connector."""

    async def connect(self) -> None:
        await super().connect()
        timer = threading.Timer(3600, self.token.reveal)  # it ends in no other examination
        timer.daemon = True
        timer.start()


class ConnectHidesItsFailure(GreetingLedger):
    """A `connect` that fails is logged, and returns as if all were well."""

    async def connect(self) -> None:
        try:
            await super().connect()
        except ConnectorError:
            _LOG.warning("could not connect")


SPECIMENS = tuple(
    map(
        partial(Specimen, "lifecycle"),
        (
            DisconnectTwiceRaises,
            DisconnectBeforeConnectRaises,
            ReconnectKeepsTheClosedClient,
            ReconnectGoesOnWhereItStopped,
            DisconnectForgetsTheClient,
            DisconnectWaitsForStreams,
            ConnectorsShareAClient,
            KeepaliveOutlivesTheConnection,
            TimerOutlivesTheConnection,
            ConnectHidesItsFailure,
        ),
    )
)
