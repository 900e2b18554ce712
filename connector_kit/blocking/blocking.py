"""`blocking`: a connector for scripts and notebooks, whose calls simply return. Its event loop runs in another thread."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Generic, Literal, Self, TypeVar

import anyio
from anyio.from_thread import start_blocking_portal

from connector_kit.capabilities import CLOSING_SECONDS, partitions, sample, validate
from connector_kit.errors import ConfigError, ConnectionFailedError, TimedOutError
from connector_kit.protocols import Connector
from connector_kit.runtime.session import Stream, connected, stream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from datetime import datetime
    from types import TracebackType

    from anyio.from_thread import BlockingPortal

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Page, Record

__all__ = ["Blocking", "blocking"]

C = TypeVar("C", bound=Connector)
T = TypeVar("T")


def blocking(connector: C, /, *, backend: Literal["asyncio", "trio"] = "asyncio") -> Blocking[C]:
    """Return a connector whose methods are not async; it may be used where an event loop runs, as in a notebook.

    >>> with blocking(connector) as source:  # doctest: +SKIP
    ...     for page in source.fetch_data("orders"):
    ...         print(len(page.records))
    """
    return Blocking(connector, backend)


class Blocking(Generic[C]):
    """A `SyncConnector` with all the optional methods; use it in a `with` block, or connect and disconnect.

    Ctrl-C while a call waits cancels the call before KeyboardInterrupt comes out. A read that is left early is closed
    with its generator, the others when the block ends. Raises `ConfigError` where it is used without being connected.
    """

    def __init__(self, inner: C, backend: str) -> None:
        self.inner = inner
        self._backend = backend
        self._portal: BlockingPortal | None = None
        self._stack = ExitStack()
        self._streams: set[Stream] = set()

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave(kind, error, traceback)

    def connect(self) -> None:
        """Start the event loop, validate the configuration and connect. Connected already, it does nothing."""
        if self._portal is not None:
            return
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal(self._backend, name="connector-kit"))
            # One task connects and disconnects, as in any other program: a client may insist on it.
            stack.enter_context(portal.wrap_async_context_manager(connected(self.inner)))
            self._portal = portal
            self._stack = stack.pop_all()

    def disconnect(self) -> None:
        """Close what is still read, disconnect and end the event loop."""
        self._leave(None, None, None)

    def discover_schema(self) -> Catalog:
        """Return the catalog."""
        return self._call(self.inner.discover_schema)

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> Iterator[Page]:
        """Read page by page. Closing the generator, or dropping it, closes the stream."""
        pages = stream(self.inner, entity, since=since, cursor=cursor)
        self._require_portal()
        self._streams.add(pages)
        try:
            while True:
                if pages not in self._streams:
                    raise ConnectionFailedError(
                        "the connector was disconnected before this read was complete; expected it to stay connected; "
                        "read inside of its block"
                    )
                page = self._call(lambda: _next(pages))
                if page is None:
                    return
                yield page
        finally:
            self._close(pages)

    def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Return at most `limit` records."""
        return self._call(lambda: sample(self.inner, entity, limit))

    def validate_config(self) -> None:
        """Raise `ConfigError` where the connector can tell that its configuration is wrong; it need not be connected."""
        validate(self.inner)

    def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Return starting cursors for about `target` parts of a read."""
        return self._call(lambda: partitions(self.inner, entity, since=since, target=target))

    def _leave(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            with ExitStack() as stack:
                stack.push(self._stack.pop_all())
                for pages in list(self._streams):
                    self._close(pages)
                if error is not None:  # so that the connector's own block hears of it
                    stack.__exit__(kind, error, traceback)
        finally:
            self._portal = None

    def _close(self, pages: Stream) -> None:
        if pages in self._streams:
            self._streams.discard(pages)
            self._call(lambda: pages.__aexit__(None, None, None))

    def _require_portal(self) -> BlockingPortal:
        if self._portal is None:
            raise ConfigError(
                "this connector is not connected; expected a call inside of its block; write: "
                "with blocking(connector) as source: ..."
            )
        return self._portal

    def _call(self, function: Callable[[], Awaitable[T]]) -> T:
        portal = self._require_portal()
        call = _LoopCall(function)
        try:
            return portal.start_task_soon(call.run).result()
        except BaseException:
            if (
                not call.ended.is_set()
            ):  # interrupted: what goes on is cancelled, and has ended before this raises
                portal.start_task_soon(call.give_up)
                call.ended.wait(CLOSING_SECONDS)
            raise


class _LoopCall(Generic[T]):
    """A call in the event loop. Ctrl-C may come before the loop has heard of it: then it is given up at its beginning."""

    __slots__ = ("_function", "_given_up", "_scope", "ended")

    def __init__(self, function: Callable[[], Awaitable[T]]) -> None:
        self._function = function
        self._given_up = False
        self._scope: anyio.CancelScope | None = None
        self.ended = threading.Event()

    async def run(self) -> T:
        try:
            with anyio.CancelScope() as self._scope:
                if not self._given_up:
                    return await self._function()
            raise TimedOutError("the call was given up; nobody waits for its answer; call again")
        finally:
            self.ended.set()

    def give_up(self) -> None:
        self._given_up = True
        if self._scope is not None:
            self._scope.cancel()


async def _next(pages: Stream) -> Page | None:
    """Return the next page. StopAsyncIteration would look like the end of something else on its way."""
    return await anext(pages, None)
