"""A connector that is connected for the length of a block, and a stream that is closed at the end of one."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self, TypeVar

import anyio

from connector_kit.capabilities import CLOSING_SECONDS, close_broken_stream, close_stream, validate
from connector_kit.protocols import Connector
from connector_kit.records.cursor_watch import CursorWatch
from connector_kit.structure.explain import require
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.stack.layers import layers
from connector_kit.wrappers.wrapper import Wrapper

from .bad_records import BadRecords

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator
    from datetime import datetime
    from types import TracebackType

    from connector_kit.records.page import Cursor, Page, Record

__all__ = ["Stream", "connected", "disconnect_surely", "stream"]

C = TypeVar("C", bound=Connector)

DISCONNECT_SECONDS = 10.0
"""How long a disconnect may hold up the end of a block."""


@asynccontextmanager
async def connected(connector: C, /) -> AsyncGenerator[C]:
    """Validate the configuration, connect, and disconnect at the end, whatever happens.

    Raises `ConfigError` for an object that is no connector, with what `explain` says of it.

    >>> async with connected(connector):  # doctest: +SKIP
    ...     catalog = await connector.discover_schema()
    """
    require(connector, "connected() was given")
    validate(connector)
    try:
        await connector.connect()
        yield connector
    except BaseException:
        with suppress(Exception):  # an error or a cancellation is on its way; it must not be replaced
            await disconnect_surely(connector)
        raise
    await disconnect_surely(connector)


async def disconnect_surely(connector: Connector, /) -> None:
    """Disconnect even when cancelled, for at most ten seconds."""
    with anyio.move_on_after(DISCONNECT_SECONDS, shield=True):
        await connector.disconnect()


class Stream:
    """One read of an entity: an async context manager over which one iterates by page or by record.

    Raises `RepeatedCursorError` where a page carries the cursor of an earlier one, by `watch`; None where a layer of the
    stack looks for that already. Raises `SchemaMismatchError` for records that are none, unless `bad_records` lets the others
    through.
    """

    def __init__(
        self, pages: AsyncIterator[Page], watch: CursorWatch | None, bad_records: BadRecords
    ) -> None:
        self._pages = pages
        self._watch = watch
        self._bad_records = bad_records
        self._ended = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            await self.aclose()
        else:
            self._ended = True
            await close_broken_stream(self._pages)

    async def aclose(self) -> None:
        """Close the read. There are no more pages."""
        self._ended = True
        with anyio.move_on_after(CLOSING_SECONDS, shield=True):
            await close_stream(self._pages)

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        if self._ended:
            raise StopAsyncIteration
        page = await self._pages.__anext__()
        if self._watch is not None:
            self._watch.see(page.cursor)
        bad = self._bad_records.found_in(page)
        return await self._bad_records.without(page, bad) if bad else page

    def records(self) -> AsyncIterator[Record]:
        """Iterate by record instead of by page."""
        return _Records(self)


class _Records:
    """The records of a stream, one by one."""

    def __init__(self, pages: Stream) -> None:
        self._pages = pages
        self._rest: Iterator[Record] = iter(())

    def __aiter__(self) -> AsyncIterator[Record]:
        return self

    async def __anext__(self) -> Record:
        while True:
            for record in self._rest:
                return record
            self._rest = iter((await self._pages.__anext__()).records)


def stream(
    connector: Connector,
    entity: str,
    /,
    *,
    since: datetime | None = None,
    cursor: Cursor = None,
    bad_records: BadRecords | None = None,
) -> Stream:
    """Read an entity of a connected connector. A record that cannot be used is an error, unless `bad_records` says otherwise.

    >>> async with stream(connector, "orders") as orders:  # doctest: +SKIP
    ...     async for record in orders.records():
    ...         print(record["id"])
    """
    watch = None if _watches_cursors(connector) else CursorWatch()
    pages = connector.fetch_data(entity, since=since, cursor=cursor)
    return Stream(pages, watch, bad_records or BadRecords(entity))


def _watches_cursors(connector: Connector) -> bool:
    """Return whether a `Retrying` sees the same pages: only wrappers of the kit, which change no cursor, are around it."""
    for layer in layers(connector):
        if isinstance(layer, Retrying):
            return True
        if not isinstance(layer, Wrapper):
            return False
    return False
