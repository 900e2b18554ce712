"""`Observed`: an observer hears what happens in the wrappers inside, and how every call and page ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from connector_kit.capabilities import close_stream, first_records, partitions, sample, validate
from connector_kit.clock import AnyioClock, Clock
from connector_kit.events import CallFinished, Observer, PageDelivered, StreamFinished, observing
from connector_kit.protocols import Connector, SupportsSample
from connector_kit.wrappers.stack.layers import asks_for, outline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Page, Record

__all__ = ["Observed"]

C = TypeVar("C", bound=Connector)
T = TypeVar("T")


@attrs.frozen
class Observed(Generic[C]):
    """Tells `observer` of calls and pages, and of every event of the layers inside. The outermost wrapper."""

    inner: C
    observer: Observer
    clock: Clock = attrs.field(factory=AnyioClock, kw_only=True)

    def __repr__(self) -> str:
        return outline(self)

    async def connect(self) -> None:
        """Connect, observed."""
        await self._call("connect", None, self.inner.connect)

    async def disconnect(self) -> None:
        """Disconnect, observed."""
        await self._call("disconnect", None, self.inner.disconnect)

    async def discover_schema(self) -> Catalog:
        """Give the catalog, observed."""
        return await self._call("discover_schema", None, self.inner.discover_schema)

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read, every page observed."""
        with observing(self.observer):
            return _ObservedPages(self, self.inner.fetch_data(entity, since=since, cursor=cursor), entity)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Give a sample, observed; page by page where it comes from a read."""
        if not asks_for(self.inner, SupportsSample):
            return await first_records(self, entity, limit)
        return await self._call("get_sample_data", entity, lambda: sample(self.inner, entity, limit))

    def validate_config(self) -> None:
        """Let the inner connector look at its configuration."""
        validate(self.inner)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Give the partitions, observed."""
        return await self._call(
            "partition_data", entity, lambda: partitions(self.inner, entity, since=since, target=target)
        )

    async def _call(self, operation: str, entity: str | None, call: Callable[[], Awaitable[T]]) -> T:
        started = self.clock.monotonic_ns()
        try:
            with observing(self.observer):
                result = await call()
        except Exception as error:
            self._finished(operation, entity, started, error)
            raise
        self._finished(operation, entity, started)
        return result

    def _finished(
        self, operation: str, entity: str | None, started: int, error: Exception | None = None
    ) -> None:
        seconds = (self.clock.monotonic_ns() - started) / 1e9
        self.observer.observe(CallFinished(operation, entity, seconds, error))


class _ObservedPages:
    """The inner stream, with an observer in the context of every call."""

    __slots__ = ("_entity", "_now", "_observe", "_observer", "_pages")

    def __init__(self, wrapper: Observed[C], pages: AsyncIterator[Page], entity: str) -> None:
        self._observer = wrapper.observer
        self._observe = wrapper.observer.observe
        self._now = wrapper.clock.monotonic_ns
        self._pages = pages
        self._entity = entity

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        started = self._now()
        try:
            with observing(self._observer):
                page = await self._pages.__anext__()
        except Exception as raised:
            error = None if isinstance(raised, StopAsyncIteration) else raised
            self._observe(StreamFinished(self._entity, (self._now() - started) / 1e9, error))
            raise
        self._observe(PageDelivered(self._entity, len(page.records), (self._now() - started) / 1e9))
        return page

    async def aclose(self) -> None:
        with observing(self._observer):
            await close_stream(self._pages)
