"""`Faulty`: fails on a schedule, for tests of whatever stands around a connector."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

import attrs

from connector_kit.capabilities import (
    close_broken_stream,
    close_stream,
    first_records,
    partitions,
    sample,
    validate,
)
from connector_kit.clock import AnyioClock, Clock
from connector_kit.durations import Duration, as_duration
from connector_kit.errors import ConnectionFailedError, RateLimitError
from connector_kit.protocols import Connector, SupportsPartitions, SupportsSample
from connector_kit.wrappers.stack.layers import asks_for, outline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Page, Record

__all__ = ["Cut", "Fail", "Fault", "Faulty", "Refuse", "Repeat", "Schedule", "Stall"]

C = TypeVar("C", bound=Connector)
T = TypeVar("T")


@attrs.frozen
class Fail:
    """The request fails before the inner connector hears of it. `error` makes the exception from a message."""

    error: Callable[[str], Exception] = ConnectionFailedError


@attrs.frozen
class Cut:
    """The inner connector answers, and the answer is lost. `error` makes the exception from a message."""

    error: Callable[[str], Exception] = ConnectionFailedError


@attrs.frozen
class Refuse:
    """The request is refused with a `RateLimitError` that asks to wait for `retry_after` seconds."""

    retry_after: float | None = None


@attrs.frozen
class Stall:
    """The request takes `seconds` longer."""

    seconds: Duration = attrs.field(converter=as_duration)


@attrs.frozen
class Repeat:
    """The page is delivered, and once more by the stream's next request: what no source should do."""


Fault: TypeAlias = Fail | Cut | Refuse | Stall | Repeat

Schedule: TypeAlias = tuple[Fault | None, ...]
"""One fault, or None, for each request in the order of the requests; none after the last."""


@attrs.define(eq=False)
class Faulty(Generic[C]):
    """Lets requests to `inner` fail as the `schedule` says.

    Requests are the calls of connect, discover_schema, get_sample_data and partition_data, and every page asked for,
    the one that turns out to be the end included. All streams draw from the one schedule; `requests` counts.
    disconnect and validate_config never fail. A stream ends with its first error, as a generator does.

    >>> from connector_kit.connectors.mock import MockConnector
    >>> faulty = Faulty(MockConnector(), [None, Fail(), Stall("30s"), Refuse(retry_after=2)])
    """

    inner: C
    schedule: Schedule = attrs.field(default=(), converter=tuple[Fault | None, ...])
    clock: Clock = attrs.field(factory=AnyioClock, kw_only=True)
    requests: int = attrs.field(default=0, init=False)

    def __repr__(self) -> str:
        return outline(self)

    async def connect(self) -> None:
        """Connect, unless the schedule has a fault."""
        await self._answer(self._draw(), "connect", self.inner.connect)

    async def disconnect(self) -> None:
        """Disconnect; this never fails."""
        await self.inner.disconnect()

    async def discover_schema(self) -> Catalog:
        """Give the catalog, unless the schedule has a fault."""
        return await self._answer(self._draw(), "discover_schema", self.inner.discover_schema)

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read page by page, with the faults of the schedule."""
        return _FaultyPages(self, self.inner.fetch_data(entity, since=since, cursor=cursor))

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Give a sample, unless the schedule has a fault; page by page where it comes from a read."""
        if not asks_for(self.inner, SupportsSample):
            return await first_records(self, entity, limit)
        return await self._answer(self._draw(), "get_sample_data", lambda: sample(self.inner, entity, limit))

    def validate_config(self) -> None:
        """Let the inner connector look at its configuration."""
        validate(self.inner)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Give the partitions, unless the inner connector is asked for them and the schedule has a fault."""
        inner: Connector = self.inner
        if not isinstance(inner, SupportsPartitions):
            return await partitions(inner, entity, since=since, target=target)
        return await self._answer(
            self._draw(), "partition_data", lambda: inner.partition_data(entity, since=since, target=target)
        )

    def _draw(self) -> Fault | None:
        self.requests += 1
        return self.schedule[self.requests - 1] if self.requests <= len(self.schedule) else None

    async def _answer(self, fault: Fault | None, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        what = f"request {self.requests} ({operation}) fails on purpose, as its schedule says; try it again"
        match fault:
            case Fail(error):
                raise error(what)
            case Refuse(retry_after):
                raise RateLimitError(what, retry_after=retry_after)
            case Cut(error):
                with suppress(StopAsyncIteration):  # the news that there is no further page is lost as well
                    await call()
                raise error(what)
            case Stall(seconds):
                await self.clock.sleep(seconds)
                return await call()
            case _:
                return await call()


class _FaultyPages:
    """The inner stream, with the faults of the wrapper's schedule."""

    __slots__ = ("_again", "_over", "_pages", "_wrapper")

    def __init__(self, wrapper: Faulty[C], pages: AsyncIterator[Page]) -> None:
        self._wrapper = wrapper
        self._pages = pages
        self._again: Page | None = None
        self._over = False

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        if self._over:
            raise StopAsyncIteration
        self._over = True  # whatever comes but a page ends the stream: an error, a cancellation, the end
        try:
            fault = self._wrapper._draw()  # noqa: SLF001 - one class in two parts
            page = await self._wrapper._answer(fault, "fetch_data", self._next)  # noqa: SLF001 - as above
            self._over = False
        finally:
            if self._over:
                await close_broken_stream(self._pages)
        self._again = page if isinstance(fault, Repeat) else None
        return page

    async def _next(self) -> Page:
        return await self._pages.__anext__() if self._again is None else self._again

    async def aclose(self) -> None:
        self._over = True
        await close_stream(self._pages)
