"""`Watched`: the connector under examination, with every request counted and none waited for without end."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from connector_kit.capabilities import close_stream, first_records, partitions, sample, validate
from connector_kit.errors import RateLimitError
from connector_kit.protocols import Connector, SupportsPartitions, SupportsSample
from connector_kit.wrappers.stack.layers import asks_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Page, Record

    from .bounds import Meter

__all__ = ["NoAnswerError", "Watched", "WatchedPages"]


class NoAnswerError(Exception):
    """A call that did not come back in time. Never leaves the conformance kit."""


class Watched:
    """Counts requests as `Faulty` does (calls, and every page asked for) and gives up on one after `seconds`.

    Raises `EnoughError` before a request that the bounds do not allow, `NoAnswerError` after one without an answer.
    """

    def __init__(self, inner: Connector, meter: Meter, seconds: float) -> None:
        self.inner = inner
        self._meter = meter
        self._seconds = seconds

    async def connect(self) -> None:
        """Connect."""
        await self.request()
        with self.answering("connect"):
            await self.inner.connect()

    async def disconnect(self) -> None:
        """Disconnect; this is not counted, so that it can be done at the bounds."""
        with self.answering("disconnect"):
            await self.inner.disconnect()

    async def discover_schema(self) -> Catalog:
        """Give the catalog."""
        await self.request()
        with self.answering("discover_schema"):
            return await self.inner.discover_schema()

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> WatchedPages:
        """Read page by page."""
        return WatchedPages(self, self.inner.fetch_data(entity, since=since, cursor=cursor), entity)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Give a sample; page by page where it comes from a read."""
        if not asks_for(self.inner, SupportsSample):
            return await first_records(self, entity, limit)
        await self.request()
        with self.answering("get_sample_data"):
            return await sample(self.inner, entity, limit)

    def validate_config(self) -> None:
        """Let the connector look at its configuration."""
        validate(self.inner)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Give the partitions."""
        if isinstance(self.inner, SupportsPartitions):
            await self.request()
        with self.answering("partition_data"):
            return await partitions(self.inner, entity, since=since, target=target)

    async def request(self) -> None:
        """Count a request and wait for its permit.

        Lets the event loop's other tasks go on first, as a connector without any I/O does not.
        """
        self._meter.count()
        await anyio.lowlevel.checkpoint()
        if self._meter.limiter is not None:
            await self._meter.limiter.acquire()

    @contextmanager
    def answering(self, operation: str) -> Iterator[None]:
        """Wait for an answer no longer than allowed. No page is handed over inside."""
        with self._meter.under_way(operation, self._seconds), anyio.move_on_after(self._seconds) as scope:
            try:
                yield
            except RateLimitError:
                self._meter.refusals += 1
                raise
        if scope.cancelled_caught:
            raise NoAnswerError(f"{operation} did not come back within {self._seconds:g} s")


class WatchedPages:
    """The connector's stream, watched."""

    __slots__ = ("_connector", "_entity", "_number", "_pages")

    def __init__(self, connector: Watched, pages: AsyncIterator[Page], entity: str) -> None:
        self._connector = connector
        self._pages = pages
        self._entity = entity
        self._number = 0

    @property
    def closable(self) -> bool:
        """Whether the connector's stream can be closed; one that cannot holds nothing, and may go on."""
        return hasattr(self._pages, "aclose")

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        await self._connector.request()
        self._number += 1
        with self._connector.answering(f"page {self._number} of fetch_data({self._entity!r})"):
            return await self._pages.__anext__()

    async def skip(self, pages: int) -> None:
        """Read so many pages, or to the end where that comes before."""
        with suppress(StopAsyncIteration):
            for _ in range(pages):
                await self.__anext__()

    async def aclose(self) -> None:
        """Close it."""
        with self._connector.answering(f"closing fetch_data({self._entity!r})"):
            await close_stream(self._pages)
