"""`Faulty`: fails on a schedule, for tests of whatever stands around a connector."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import attrs

from connector_kit.clock import AnyioClock, Clock
from connector_kit.durations import Duration, as_duration
from connector_kit.errors import ConnectionFailedError, RateLimitError
from connector_kit.protocols import Connector
from connector_kit.wrappers.wrapper import WrappedPages, Wrapper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from connector_kit.records.page import Page

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
class _Count:
    """How many requests were made."""

    requests: int = 0


@attrs.frozen(eq=False, repr=False)
class Faulty(Wrapper[C]):
    """Lets requests to `inner` fail as the `schedule` says.

    Requests are the calls of connect, discover_schema, get_sample_data and partition_data that reach the inner
    connector, and every page asked for, the one that turns out to be the end included. All streams draw from the one
    schedule; `requests` counts. disconnect and validate_config never fail. A stream ends with its first error, as a
    generator does.

    >>> from connector_kit.connectors.mock import MockConnector
    >>> faulty = Faulty(MockConnector(), [None, Fail(), Stall("30s"), Refuse(retry_after=2)])
    """

    schedule: Schedule = attrs.field(default=(), converter=tuple[Fault | None, ...])
    clock: Clock = attrs.field(factory=AnyioClock, kw_only=True)
    _count: _Count = attrs.field(factory=_Count, init=False)

    @property
    def requests(self) -> int:
        """How many requests were made so far."""
        return self._count.requests

    async def _call(self, operation: str, entity: str | None, call: Callable[[], Awaitable[T]]) -> T:
        del entity
        return await self.answer(self.next_fault(), operation, call)

    def _stream(self, pages: AsyncIterator[Page], entity: str) -> AsyncIterator[Page]:
        del entity
        return _FaultyPages(pages, self)

    def next_fault(self) -> Fault | None:
        """Count a request, and return its fault."""
        number = self._count.requests
        self._count.requests += 1
        return self.schedule[number] if number < len(self.schedule) else None

    async def answer(self, fault: Fault | None, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        """Return what `call` returns, or raise, as the fault says."""
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


class _FaultyPages(WrappedPages):
    """The inner stream, with the faults of the wrapper's schedule."""

    __slots__ = ("_again", "_wrapper")

    def __init__(self, pages: AsyncIterator[Page], wrapper: Faulty[C]) -> None:
        super().__init__(pages)
        self._wrapper = wrapper
        self._again: Page | None = None

    async def __anext__(self) -> Page:
        if self._ended:
            raise StopAsyncIteration
        try:
            fault = self._wrapper.next_fault()
            page = await self._wrapper.answer(fault, "fetch_data", self._next)
        except BaseException:  # an error, a cancellation and the end all end the stream
            await self._break()
            raise
        self._again = page if isinstance(fault, Repeat) else None
        return page

    async def _next(self) -> Page:
        return await self._inner.__anext__() if self._again is None else self._again
