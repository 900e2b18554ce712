"""`TimeLimited`: nothing takes longer than allowed, and a stall is an error instead of a silence."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio
import attrs

from connector_kit.clock import AnyioClock, Clock
from connector_kit.durations import Duration, as_duration
from connector_kit.errors import TimedOutError
from connector_kit.events import TimeLimitPassed, emit
from connector_kit.protocols import Connector
from connector_kit.wrappers.wrapper import WrappedPages, Wrapper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator

    from connector_kit.records.page import Page

__all__ = ["TimeLimited", "Timeouts"]


@attrs.frozen
class Timeouts:
    """Limits of time; None is no limit.

    `call` bounds a call that is no stream (connect, discover_schema, ...), `page` the wait for one page of a stream,
    `total` a whole read, from its first page asked for to its last one delivered.
    """

    call: Duration | None = attrs.field(default=None, converter=attrs.converters.optional(as_duration))
    page: Duration | None = attrs.field(default=None, converter=attrs.converters.optional(as_duration))
    total: Duration | None = attrs.field(default=None, converter=attrs.converters.optional(as_duration))

    @property
    def unlimited(self) -> bool:
        """Whether there is nothing to limit."""
        return self.call is None and self.page is None and self.total is None


C = TypeVar("C", bound=Connector)
T = TypeVar("T")


@attrs.frozen(repr=False)
class TimeLimited(Wrapper[C]):
    """Raises `TimedOutError` where a limit passes; what was going on is cancelled and closed first.

    Inside Retrying and RateLimited it bounds one attempt, without the queueing for a permit. Outside Retrying it
    bounds a call or a page with all its attempts and waits. The time a consumer takes over a page never counts,
    but for `total`; nor does what a stream does before it first waits for something. Where nothing is limited no cancel
    scope is opened.
    """

    timeouts: Timeouts
    clock: Clock = attrs.field(factory=AnyioClock, kw_only=True)

    async def disconnect(self) -> None:
        """Disconnect within the `call` limit."""
        await self._call("disconnect", None, self.inner.disconnect)

    def _stream(self, pages: AsyncIterator[Page], entity: str) -> AsyncIterator[Page]:
        if self.timeouts.page is None and self.timeouts.total is None:
            return pages
        return _TimedPages(pages, self.timeouts, self.clock, entity)

    async def _call(self, operation: str, entity: str | None, call: Callable[[], Awaitable[T]]) -> T:
        limit = self.timeouts.call
        if limit is None:
            return await call()
        with anyio.move_on_after(limit):
            return await call()
        raise _timed_out(operation, entity, limit, f"{operation} took longer than {limit}")


def _timed_out(operation: str, entity: str | None, limit: float, what: str) -> TimedOutError:
    emit(TimeLimitPassed(operation, entity, limit))
    message = f"{what} and was given up; allow more time, or look at why the other side is slow"
    return TimedOutError(message).locate(operation=operation, entity=entity)


class _TimedPages(WrappedPages):
    """The inner stream; each wait for a page has an end."""

    __slots__ = ("_allowed", "_clock", "_ends_ns", "_entity", "_scope", "_timeouts")

    def __init__(self, pages: AsyncIterator[Page], timeouts: Timeouts, clock: Clock, entity: str) -> None:
        super().__init__(pages)
        self._timeouts = timeouts
        self._clock = clock
        self._entity = entity
        self._ends_ns: int | None = None
        self._allowed = 0.0
        self._scope: type[anyio.CancelScope] | None = None

    async def __anext__(self) -> Page:
        if self._ended:
            raise StopAsyncIteration
        if self._ends_ns is None and self._timeouts.total is not None:
            self._ends_ns = self._clock.monotonic_ns() + self._timeouts.total.ns
        if self._scope is None:
            # The class that the running event loop has for them: to ask for it takes as long as a scope itself.
            self._scope = type(anyio.CancelScope())
        with self._scope() as scope:
            return await _Waiting(self._inner.__anext__(), self._begin, scope)
        await self._break()
        raise _timed_out("fetch_data", self._entity, self._allowed, self._what_took_longer())

    def _begin(self, scope: anyio.CancelScope) -> None:
        """Let the time run: a page is waited for. One that is there costs no look at the clock."""
        self._allowed = self._limit()
        scope.deadline = anyio.current_time() + self._allowed

    def _limit(self) -> float:
        """Return the seconds until the earlier end."""
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
        result: T
        try:
            awaited = next(steps)
        except StopIteration as delivered:
            result = delivered.value
            return result
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
                result = delivered.value
                return result
            finally:
                del resume  # an exception that comes out of here would hold what it is held by
