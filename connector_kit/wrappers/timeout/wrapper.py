"""`TimeLimited`: nothing takes longer than allowed, and a stall is an error instead of a silence."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio
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
from connector_kit.errors import TimedOutError
from connector_kit.events import TimeLimitPassed, emit
from connector_kit.protocols import Connector, SupportsSample
from connector_kit.wrappers.stack.layers import asks_for, outline

from .policy import Timeouts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Page, Record

__all__ = ["TimeLimited"]

C = TypeVar("C", bound=Connector)
T = TypeVar("T")


@attrs.frozen
class TimeLimited(Generic[C]):
    """Raises `TimedOutError` where a limit passes; what was going on is cancelled and closed first.

    Inside Retrying and RateLimited it bounds one attempt, without the queueing for a permit. Outside Retrying it
    bounds a call or a page with all its attempts and waits. The time a consumer takes over a page never counts,
    but for `total`; nor does what a stream does before it first waits for something. Where nothing is limited no cancel
    scope is opened.
    """

    inner: C
    timeouts: Timeouts
    clock: Clock = attrs.field(factory=AnyioClock, kw_only=True)

    def __repr__(self) -> str:
        return outline(self)

    async def connect(self) -> None:
        """Connect within the `call` limit."""
        await self._call("connect", None, self.inner.connect)

    async def disconnect(self) -> None:
        """Disconnect within the `call` limit."""
        await self._call("disconnect", None, self.inner.disconnect)

    async def discover_schema(self) -> Catalog:
        """Give the catalog within the `call` limit."""
        return await self._call("discover_schema", None, self.inner.discover_schema)

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read with each page within the `page` limit and all of them within the `total`."""
        pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
        if self.timeouts.page is None and self.timeouts.total is None:
            return pages
        return _TimedPages(pages, self.timeouts, self.clock, entity)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Give a sample within the `call` limit; page by page where it comes from a read."""
        if not asks_for(self.inner, SupportsSample):
            return await first_records(self, entity, limit)
        return await self._call("get_sample_data", entity, lambda: sample(self.inner, entity, limit))

    def validate_config(self) -> None:
        """Let the inner connector look at its configuration."""
        validate(self.inner)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Give the partitions within the `call` limit."""
        return await self._call(
            "partition_data", entity, lambda: partitions(self.inner, entity, since=since, target=target)
        )

    async def _call(self, operation: str, entity: str | None, call: Callable[[], Awaitable[T]]) -> T:
        limit = self.timeouts.call
        if limit is None:
            return await call()
        with anyio.move_on_after(limit):
            return await call()
        raise _timed_out(operation, entity, limit, f"{operation} took longer than {limit}")


def _timed_out(operation: str, entity: str | None, limit: float, what: str) -> TimedOutError:
    emit(TimeLimitPassed(operation, entity, limit))
    error = TimedOutError(f"{what} and was given up; allow more time, or look at why the other side is slow")
    error.locate(operation=operation, entity=entity)
    return error


class _TimedPages:
    """The inner stream; each wait for a page has an end."""

    __slots__ = ("_allowed", "_clock", "_ended", "_ends_ns", "_entity", "_pages", "_scope", "_timeouts")

    def __init__(self, pages: AsyncIterator[Page], timeouts: Timeouts, clock: Clock, entity: str) -> None:
        self._pages = pages
        self._timeouts = timeouts
        self._clock = clock
        self._entity = entity
        self._ends_ns: int | None = None
        self._allowed = 0.0
        self._ended = False
        self._scope: type[anyio.CancelScope] | None = None

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        if self._ended:
            raise StopAsyncIteration
        if self._ends_ns is None and self._timeouts.total is not None:
            self._ends_ns = self._clock.monotonic_ns() + self._timeouts.total.ns
        if self._scope is None:
            # The class that the running event loop has for them: to ask for it takes as long as a scope itself.
            self._scope = type(anyio.CancelScope())
        with self._scope() as scope:
            return await _Waiting(self._pages.__anext__(), self._begin, scope)
        self._ended = True
        await close_broken_stream(self._pages)
        raise _timed_out("fetch_data", self._entity, self._allowed, self._what_took_longer())

    def _begin(self, scope: anyio.CancelScope) -> None:
        """Let the time run: a page is waited for. One that is there costs no look at the clock."""
        self._allowed = self._limit()
        scope.deadline = anyio.current_time() + self._allowed

    def _limit(self) -> float:
        """Give the seconds until the earlier end."""
        page = self._timeouts.page
        if self._ends_ns is None:
            return page or 0.0
        left = max(0.0, (self._ends_ns - self._clock.monotonic_ns()) / 1e9)
        return left if page is None else min(page, left)

    def _what_took_longer(self) -> str:
        page = self._timeouts.page
        if self._allowed == page:
            return f"the wait for a page took longer than {page}"
        return f"the read took longer than {self._timeouts.total}"

    async def aclose(self) -> None:
        self._ended = True
        await close_stream(self._pages)


class _Waiting(Generic[T]):
    """An awaitable that is another one, but calls `begin` when that comes to its first wait, if it does.

    What comes of a wait is passed on as `yield from` would (PEP 380), an exception too.
    """

    __slots__ = ("_awaitable", "_begin", "_scope")

    def __init__(
        self,
        awaitable: Awaitable[T],
        begin: Callable[[anyio.CancelScope], None],
        scope: anyio.CancelScope,
    ) -> None:
        self._awaitable = awaitable
        self._begin = begin
        self._scope = scope

    def __await__(self) -> Generator[Any, Any, T]:
        # A generator-based coroutine has no `__await__`: it is its own iterator.
        steps: Any = self._awaitable.__await__() if hasattr(self._awaitable, "__await__") else self._awaitable
        given: T
        try:
            awaited = next(steps)
        except StopIteration as delivered:
            given = delivered.value
            return given
        begun = False
        while True:
            try:
                if not begun:
                    self._begin(self._scope)
                    begun = True
                answer = yield awaited
            except BaseException as error:
                if not hasattr(steps, "throw"):
                    raise
                resume: Callable[[], Any] = partial(steps.throw, error)
            else:
                resume = partial(next, steps) if answer is None else partial(steps.send, answer)
                del answer
            del awaited
            try:
                awaited = resume()
            except StopIteration as delivered:
                given = delivered.value
                return given
            finally:
                del resume  # an exception that comes out of here would hold what it is held by
