"""Scopes, tasks and cancellations that go wrong, and limits that are not kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import attrs
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from connector_kit.capabilities import close_stream, sample
from connector_kit.errors import ConnectionFailedError, RequestRejectedError, TransientError
from connector_kit.records.page import Cursor, Page

from .right import Again, Paced, Plain, Timed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime
    from typing import Any

    from connector_kit.protocols import Connector, FullConnector
    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Record


class LimitsTheWholeReadInOneScope(Plain):
    """`fail_after` around a loop that yields: the consumer's own work is cancelled by it."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
        try:
            with anyio.fail_after(3600):
                async for page in pages:
                    yield page
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)


class PrefetchesInsideTheGenerator(Plain):
    """A task group in a generator: it belongs to whoever asked for the first page."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        send, receive = anyio.create_memory_object_stream[Page](2)

        async def fetch() -> None:
            pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
            async with send:
                try:
                    async for page in pages:
                        await send.send(page)
                finally:
                    with anyio.CancelScope(shield=True):
                        await close_stream(pages)

        async with anyio.create_task_group() as tasks, receive:
            tasks.start_soon(fetch)
            async for page in receive:
                yield page


class SwallowsCancellation(Plain):
    """`except BaseException` around a page: a cancellation is taken for the end."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
        try:
            while True:
                try:
                    page = await anext(pages)
                except Exception:
                    raise
                except BaseException:  # noqa: BLE001 - what is wrong with it
                    return
                yield page
        except StopAsyncIteration:
            return
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)


class TranslatesCancellation(Plain):
    """A cancellation becomes an error of the connection, which a retry would try again."""

    async def discover_schema(self) -> Catalog:
        try:
            return await self.inner.discover_schema()
        except BaseException as error:
            raise ConnectionFailedError("the call was interrupted") from error


class ShieldsThePage(Plain):
    """Shields the request, so that it is not cut off in the middle."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
        page: Page | None = None
        try:
            while True:
                with anyio.CancelScope(shield=True):
                    page = await anext(pages, None)
                if page is None:
                    return
                yield page
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)


class ClosesWithoutAShield(Plain):
    """The `await` in the `finally` is cancelled like any other one."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
        try:
            async for page in pages:
                yield page
                await checkpoint()  # tells somebody of the page
        finally:
            await close_stream(pages)


@attrs.define(eq=False)
class KeepsItsSlot(Plain):
    """Asks for one page at a time, and gives the slot back where no cancellation comes."""

    slot: anyio.Semaphore = attrs.field(factory=lambda: anyio.Semaphore(1))

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = Plain.fetch_data(self, entity, since=since, cursor=cursor)
        while True:
            await self.slot.acquire()
            try:
                page = await anext(pages)
            except StopAsyncIteration:
                self.slot.release()
                return
            except Exception:
                self.slot.release()
                raise
            self.slot.release()
            yield page


class ShieldsTheStream(Timed):
    """A time limit that no cancellation gets past."""

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        return ShieldedPages(self.inner.fetch_data(entity, since=since, cursor=cursor))


@attrs.define(eq=False)
class ShieldedPages:
    pages: AsyncIterator[Page]

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        with anyio.fail_after(60, shield=True):
            return await self.pages.__anext__()

    async def aclose(self) -> None:
        await close_stream(self.pages)


class TakesOnePermitForARead(Paced):
    """A permit for the stream, none for its pages, each of which is a request."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        await self.permit()
        pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
        try:
            async for page in pages:
                yield page
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)


class SamplesPastItsLimit(Paced):
    """Asks the inner connector for a sample, which has none, and reads it without a permit."""

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        await self.permit()
        return await sample(self.inner, entity, limit)


class LooksWithoutALock(Paced):
    """Looks whether there is room, waits, and takes the permit without looking again."""

    async def permit(self) -> None:
        if len(self.taken) == 2:
            await anyio.sleep_until(self.taken[0] + 1.001)
            if len(self.taken) == 2:
                self.taken.popleft()
        self.taken.append(anyio.current_time())
        while len(self.taken) > 2:
            self.taken.popleft()


class WaitsUnderAShield(Again):
    """The wait before another attempt is not to be disturbed."""

    async def again(self, call: Callable[[], Awaitable[Any]]) -> Any:
        for _ in range(2):
            try:
                return await call()
            except TransientError:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(1)
        return await call()


@asynccontextmanager
async def leaves_tasks(inner: Connector) -> AsyncIterator[FullConnector]:
    """Give one, whose tasks end with the block."""
    async with anyio.create_task_group() as tasks:
        yield LeavesTasks(inner, tasks)
        tasks.cancel_scope.cancel()


@attrs.define(eq=False)
class LeavesTasks(Plain):
    """Starts a task for a read, and does not end it with the read."""

    tasks: TaskGroup

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        self.tasks.start_soon(self.report)
        pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
        try:
            async for page in pages:
                yield page
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)

    async def report(self) -> None:
        await anyio.sleep_forever()


@attrs.define(eq=False)
class StaysBusy(Plain):
    """Says that it is busy, and says so for ever where a cancellation comes."""

    busy: bool = False

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        if self.busy:
            raise RequestRejectedError("busy")
        pages = Plain.fetch_data(self, entity, since=since, cursor=cursor)
        while True:
            self.busy = True
            try:
                page = await anext(pages)
            except StopAsyncIteration:
                self.busy = False
                return
            except Exception:
                self.busy = False
                raise
            self.busy = False
            yield page


@attrs.define(eq=False)
class GoesOnWhereItWas(Plain):
    """Takes a read that was cut off for one to go on with."""

    place: dict[str, Cursor] = attrs.field(factory=dict)

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = self.inner.fetch_data(entity, since=since, cursor=cursor or self.place.get(entity))
        try:
            async for page in pages:
                self.place[entity] = page.cursor
                yield page
            self.place.pop(entity, None)
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)
