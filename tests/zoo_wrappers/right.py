"""The right wrappers, from which each wrong one differs in a method or two: written as an author would, with generators."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, TypeVar

import anyio
import attrs

from connector_kit.capabilities import close_stream, first_records, partitions, sample, validate
from connector_kit.errors import ConnectionFailedError, ConnectorError, ResumeImpossibleError, TransientError
from connector_kit.protocols import Connector, SupportsSample
from connector_kit.records.page import Page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Record

T = TypeVar("T")


@attrs.define(eq=False)
class Plain:
    """Hands everything on."""

    inner: Connector

    async def connect(self) -> None:
        await self.inner.connect()

    async def disconnect(self) -> None:
        await self.inner.disconnect()

    async def discover_schema(self) -> Catalog:
        return await self.inner.discover_schema()

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
        try:
            async for page in pages:
                yield page
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        return await sample(self.inner, entity, limit)

    def validate_config(self) -> None:
        validate(self.inner)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        return await partitions(self.inner, entity, since=since, target=target)


@attrs.define(eq=False)
class Again:
    """Tries three times, a second apart; a read goes on behind the last page that was handed over."""

    inner: Connector

    async def connect(self) -> None:
        await self.again(self.inner.connect)

    async def disconnect(self) -> None:
        await self.inner.disconnect()

    async def discover_schema(self) -> Catalog:
        return await self.again(self.inner.discover_schema)

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        failures, delivered = 0, False
        pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
        try:
            while True:
                try:
                    page = await anext(pages)
                except StopAsyncIteration:
                    return
                except TransientError as error:
                    failures += 1
                    if failures == 3:
                        raise
                    if delivered and cursor is None:
                        raise ResumeImpossibleError("the read broke after a page without a cursor") from error
                    await anyio.sleep(1)
                    pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
                    continue
                failures, delivered, cursor = 0, True, page.cursor
                yield page
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        if not isinstance(self.inner, SupportsSample):
            return await first_records(self, entity, limit)
        return await self.again(lambda: sample(self.inner, entity, limit))

    def validate_config(self) -> None:
        validate(self.inner)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        return await self.again(lambda: partitions(self.inner, entity, since=since, target=target))

    async def again(self, call: Callable[[], Awaitable[T]]) -> T:
        for _ in range(2):
            try:
                return await call()
            except TransientError:
                await anyio.sleep(1)
        return await call()


@attrs.define(eq=False)
class Paced:
    """At most two requests in any second."""

    inner: Connector
    turn: anyio.Lock = attrs.field(factory=anyio.Lock)
    taken: deque[float] = attrs.field(factory=deque)

    async def permit(self) -> None:
        async with self.turn:
            if len(self.taken) == 2:
                await anyio.sleep_until(self.taken[0] + 1.001)
                self.taken.popleft()
            self.taken.append(anyio.current_time())

    async def connect(self) -> None:
        await self.permit()
        await self.inner.connect()

    async def disconnect(self) -> None:
        await self.inner.disconnect()

    async def discover_schema(self) -> Catalog:
        await self.permit()
        return await self.inner.discover_schema()

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
        try:
            while True:
                await self.permit()
                try:
                    page = await anext(pages)
                except StopAsyncIteration:
                    return
                yield page
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        if not isinstance(self.inner, SupportsSample):
            return await first_records(self, entity, limit)
        await self.permit()
        return await sample(self.inner, entity, limit)

    def validate_config(self) -> None:
        validate(self.inner)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        await self.permit()
        return await partitions(self.inner, entity, since=since, target=target)


@attrs.define(eq=False)
class Worded:
    """Gives a client's errors the class that the kit has for a connection that failed."""

    inner: Connector

    async def connect(self) -> None:
        await self.worded(self.inner.connect)

    async def disconnect(self) -> None:
        await self.worded(self.inner.disconnect)

    async def discover_schema(self) -> Catalog:
        return await self.worded(self.inner.discover_schema)

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
        try:
            while True:
                try:
                    page = await self.worded(pages.__anext__)
                except StopAsyncIteration:
                    return
                yield page
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        return await self.worded(lambda: sample(self.inner, entity, limit))

    def validate_config(self) -> None:
        validate(self.inner)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        return await self.worded(lambda: partitions(self.inner, entity, since=since, target=target))

    async def worded(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            return await call()
        except (ConnectorError, StopAsyncIteration):
            raise
        except Exception as error:
            raise ConnectionFailedError(f"the client failed: {error}") from error


@attrs.define(eq=False)
class Timed:
    """Waits a minute for each page."""

    inner: Connector

    async def connect(self) -> None:
        await self.inner.connect()

    async def disconnect(self) -> None:
        await self.inner.disconnect()

    async def discover_schema(self) -> Catalog:
        return await self.inner.discover_schema()

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        return TimedPages(self.inner.fetch_data(entity, since=since, cursor=cursor))

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        if isinstance(self.inner, SupportsSample):
            return await sample(self.inner, entity, limit)
        return await first_records(self, entity, limit)

    def validate_config(self) -> None:
        validate(self.inner)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        return await partitions(self.inner, entity, since=since, target=target)


@attrs.define(eq=False)
class TimedPages:
    """A stream that is no generator."""

    pages: AsyncIterator[Page]

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        with anyio.fail_after(60):
            return await self.pages.__anext__()

    async def aclose(self) -> None:
        await close_stream(self.pages)
