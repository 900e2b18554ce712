"""`Observed`: an observer hears what happens in the wrappers inside, and how every call and page ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import attrs

from connector_kit.clock import AnyioClock, Clock
from connector_kit.events import CallFinished, Observer, PageDelivered, StreamFinished, observing
from connector_kit.protocols import Connector
from connector_kit.wrappers.wrapper import WrappedPages, Wrapper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import datetime

    from connector_kit.records.page import Cursor, Page

__all__ = ["Observed"]

C = TypeVar("C", bound=Connector)
T = TypeVar("T")


@attrs.frozen(repr=False)
class Observed(Wrapper[C]):
    """Tells `observer` of calls and pages, and of every event of the layers inside. The outermost wrapper."""

    observer: Observer
    clock: Clock = attrs.field(factory=AnyioClock, kw_only=True)

    async def disconnect(self) -> None:
        """Disconnect, observed."""
        await self._call("disconnect", None, self.inner.disconnect)

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read, every page observed."""
        with observing(self.observer):
            return _ObservedPages(self, self.inner.fetch_data(entity, since=since, cursor=cursor), entity)

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


class _ObservedPages(WrappedPages):
    """The inner stream, with an observer in the context of every call."""

    __slots__ = ("_entity", "_now", "_observe", "_observer")

    def __init__(self, wrapper: Observed[C], pages: AsyncIterator[Page], entity: str) -> None:
        super().__init__(pages)
        self._observer = wrapper.observer
        self._observe = wrapper.observer.observe
        self._now = wrapper.clock.monotonic_ns
        self._entity = entity

    async def __anext__(self) -> Page:
        started = self._now()
        try:
            with observing(self._observer):
                page = await self._inner.__anext__()
        except Exception as raised:
            error = None if isinstance(raised, StopAsyncIteration) else raised
            self._observe(StreamFinished(self._entity, (self._now() - started) / 1e9, error))
            raise
        self._observe(PageDelivered(self._entity, len(page.records), (self._now() - started) / 1e9))
        return page

    async def aclose(self) -> None:
        with observing(self._observer):
            await super().aclose()
