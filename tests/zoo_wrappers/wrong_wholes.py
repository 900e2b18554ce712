"""Methods, errors and closings that are not handed on, and work that grows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from connector_kit.capabilities import close_stream, first_records, sample
from connector_kit.errors import ConfigError, ConnectionFailedError, ConnectorError, TransientError
from connector_kit.protocols import Connector, SupportsPartitions, SupportsSample
from connector_kit.records.page import Page

from .right import Again, Plain, Timed, TimedPages, Worded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Record


class LooksIntoEachRecord(Plain):
    """Counts what is not None, for a metric that nobody reads."""

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        return self.counted(Plain.fetch_data(self, entity, since=since, cursor=cursor))

    async def counted(self, pages: AsyncIterator[Page]) -> AsyncIterator[Page]:
        try:
            async for page in pages:
                sum(value is not None for record in page.records for value in record.values())
                yield page
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)


class KeepsWhatWasRead(Plain):
    """Keeps the pages of a read to look for repeated ones, and goes through them for each page."""

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        return self.watched(Plain.fetch_data(self, entity, since=since, cursor=cursor))

    async def watched(self, pages: AsyncIterator[Page]) -> AsyncIterator[Page]:
        seen: list[Page] = []
        try:
            async for page in pages:
                assert not any(page is each for each in seen)
                seen.append(page)
                yield page
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)


@attrs.define(eq=False)
class KeepsAReport(Plain):
    """Notes every page for a report at the end, with its records."""

    notes: list[Page] = attrs.field(factory=list)

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        return self.noted(Plain.fetch_data(self, entity, since=since, cursor=cursor))

    async def noted(self, pages: AsyncIterator[Page]) -> AsyncIterator[Page]:
        try:
            async for page in pages:
                self.notes.append(page)
                yield page
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)


class LeavesTheInnerOpen(Plain):
    """Takes it that `async for` closes what it goes through."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        async for page in self.inner.fetch_data(entity, since=since, cursor=cursor):
            yield page


class LosesPartitions(Plain):
    """Cannot divide a read that its inner connector could."""

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        return [None]


class LosesTheSample(Plain):
    """Reads for a sample that the inner connector has a cheaper way to."""

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        return await first_records(self, entity, limit)


class LosesValidation(Plain):
    """Says nothing of a configuration that is wrong."""

    def validate_config(self) -> None: ...


class SamplesWithoutRetries(Again):
    """A sample that comes from a read goes past the retries."""

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        if not isinstance(self.inner, SupportsSample):
            return await first_records(self.inner, entity, limit)
        return await Again.get_sample_data(self, entity, limit)


class LeavesTheSampleOpen(Plain):
    """Breaks out of a read and leaves its stream to the garbage collector."""

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        found: list[Record] = []
        async for page in self.inner.fetch_data(entity):
            found += page.records
            if len(found) >= limit:
                break
        return found[:limit]


class StaysConnected(Plain):
    """Is at home for the inner connector: what it takes for a second connect does not arrive."""

    connected = False

    async def connect(self) -> None:
        if not self.connected:
            await self.inner.connect()
        self.connected = True


class ThrownInIsRetried(Again):
    """The `yield` stands in the `try`: an error of the consumer's looks like one of the source's."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        failures = 0
        while True:
            pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
            try:
                async for page in pages:
                    cursor = page.cursor
                    failures = 0
                    yield page
            except TransientError:
                failures += 1
                if failures == 3:
                    raise
                await anyio.sleep(1)
            else:
                return
            finally:
                with anyio.CancelScope(shield=True):
                    await close_stream(pages)


class TranslatesWithoutTheCause(Worded):
    """`from None`: nobody will know what the client said."""

    async def worded(self, call: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await call()
        except (ConnectorError, StopAsyncIteration):
            raise
        except Exception as error:  # noqa: BLE001 - it is told, without its cause
            raise ConnectionFailedError(f"the client failed: {error}") from None


class TranslatesToItsOwn(Worded):
    """A class that the kit does not know cannot be decided by."""

    async def worded(self, call: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await call()
        except (ConnectorError, StopAsyncIteration):
            raise
        except Exception as error:
            raise RuntimeError("the client failed") from error


class SaysItIsEmpty(Plain):
    """A catalog that cannot be had is taken for an empty one."""

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        try:
            return await Plain.partition_data(self, entity, since=since, target=target)
        except ConnectorError:
            return [None]


class RaisesGroups(Plain):
    """Runs the call in a task group, which wraps its error."""

    async def discover_schema(self) -> Catalog:
        found: list[Catalog] = []

        async def ask() -> None:
            found.append(await self.inner.discover_schema())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
        return found[0]


@attrs.define(eq=False)
class DeliversAfterItsClose(Timed):
    """Closes the inner stream, and hands over what it had fetched before."""

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        return AheadPages(self.inner.fetch_data(entity, since=since, cursor=cursor))


@attrs.define(eq=False)
class AheadPages:
    pages: AsyncIterator[Page]
    ready: list[Page] = attrs.field(factory=list)

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        if not self.ready:
            self.ready = [page async for page in self.pages]
        if not self.ready:
            raise StopAsyncIteration
        return self.ready.pop(0)

    async def aclose(self) -> None:
        await close_stream(self.pages)


class LosesSince(Plain):
    """Divides a read that begins at a time as if it began at the start."""

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        return await Plain.partition_data(self, entity, target=target)


class DividesWhatCannotBe(Plain):
    """Gives no part of a read where the inner connector cannot divide it."""

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        if not isinstance(self.inner, SupportsPartitions):
            return []
        return await Plain.partition_data(self, entity, since=since, target=target)


class SamplesAPage(Plain):
    """Gives the first page for a sample, however many records were asked for."""

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        if isinstance(self.inner, SupportsSample):
            return await sample(self.inner, entity, limit)
        return await first_records(self, entity, 3)


class StaysOpenWhereAnErrorIsThrownIn(Plain):
    """Leaves the stream open where an error is thrown in at a page."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
        async for page in pages:
            try:
                yield page
            except GeneratorExit:
                await close_stream(pages)
                raise


class HasNoClose(Timed):
    """A stream that is no generator and has no `aclose`."""

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        return Unclosable(TimedPages(self.inner.fetch_data(entity, since=since, cursor=cursor)))


@attrs.define(eq=False)
class Unclosable:
    pages: TimedPages

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        return await self.pages.__anext__()


class ClosesOnce(Timed):
    """The second time finds nothing to close, and says so."""

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        return OncePages(self.inner.fetch_data(entity, since=since, cursor=cursor))


@attrs.define(eq=False)
class OncePages:
    pages: AsyncIterator[Page] | None

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        if self.pages is None:
            raise StopAsyncIteration
        return await self.pages.__anext__()

    async def aclose(self) -> None:
        if self.pages is None:
            raise ConfigError("the stream is closed already")
        pages, self.pages = self.pages, None
        await close_stream(pages)


class ForwardsByName:
    """`__getattr__` has what the inner connector has, and no more."""

    def __init__(self, inner: Connector) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def forwards_by_name(inner: Connector) -> Any:
    """Give one; no type checker takes it for a wrapper."""
    return ForwardsByName(inner)
