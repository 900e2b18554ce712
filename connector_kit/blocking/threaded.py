"""`Threaded`: a connector whose client blocks, made one that does not, by worker threads."""

from __future__ import annotations

import inspect
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, runtime_checkable

import attrs

from connector_kit.capabilities import CLOSING_SECONDS, first_records
from connector_kit.durations import Duration, as_duration
from connector_kit.errors import ConfigError, ConnectionFailedError, TimedOutError
from connector_kit.protocols import SupportsValidation, SyncConnector
from connector_kit.wrappers.stack.layers import outline

from .threads import Threads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Page, Record

__all__ = ["Threaded"]

S = TypeVar("S", bound=SyncConnector)

_METHODS = (
    "connect",
    "disconnect",
    "discover_schema",
    "fetch_data",
    "get_sample_data",
    "validate_config",
    "partition_data",
)


@runtime_checkable
class _Samples(Protocol):
    def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]: ...


@runtime_checkable
class _Partitions(Protocol):
    def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]: ...


@attrs.frozen
class Threaded(Generic[S]):
    """A connector from a `SyncConnector`: its calls and pages are made in at most `threads` worker threads.

    With `same_thread`, all of them are made one after the other in one thread, which lives from the first call to
    `disconnect`: for clients that belong to the thread that made them, such as sqlite3's. The optional methods are
    used where the connector has them, without `async`; `validate_config` does no I/O and gets no thread.

    Of one stream there is never more than one page under way, and none while the consumer has one. A thread cannot be
    interrupted: who is cancelled while it is at work waits for it, for at most `grace_period`; so does whoever closes a
    stream or disconnects. After that the thread is left to itself: it closes its stream when it is done, and counts as
    busy until then. Give the client time limits.

    Raises `ConfigError` for a connector that is asynchronous already.
    """

    inner: S
    threads: int = attrs.field(default=8, kw_only=True, validator=attrs.validators.ge(1))
    same_thread: bool = attrs.field(default=False, kw_only=True)
    grace_period: Duration = attrs.field(
        default=Duration(CLOSING_SECONDS), converter=as_duration, kw_only=True, repr=False
    )
    _threads: Threads = attrs.field(
        default=attrs.Factory(
            lambda self: Threads(self.threads, same=self.same_thread, grace_period=self.grace_period),
            takes_self=True,
        ),
        init=False,
        repr=False,
        eq=False,
    )
    _open: set[_ThreadedPages] = attrs.field(factory=set["_ThreadedPages"], init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        for name in _METHODS:
            method = getattr(self.inner, name, None)
            if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
                raise ConfigError(
                    f"{type(self.inner).__name__}.{name} is async; Threaded is for connectors whose methods are not; "
                    "leave it out, or write the method without async"
                )

    def __repr__(self) -> str:
        return outline(self)

    async def connect(self) -> None:
        """Connect, in a thread."""
        await self._threads.run(self.inner.connect)

    async def disconnect(self) -> None:
        """Close what is still read, and disconnect, in a thread. Raises `TimedOutError` where that does not end."""
        for pages in list(self._open):
            await pages.cut()
        if not await self._threads.end(self.inner.disconnect):
            raise TimedOutError(
                f"disconnect took longer than {self.grace_period} and was left to its thread; expected the client "
                "to let go; give it time limits, so that none of its calls lasts forever"
            )

    async def discover_schema(self) -> Catalog:
        """Return the catalog, asked for in a thread."""
        return await self._threads.run(self.inner.discover_schema)

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read page by page, each in a thread."""
        begin = partial(self.inner.fetch_data, entity, since=since, cursor=cursor)
        return _ThreadedPages(self._threads, self._open, begin)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Return a sample, asked for in a thread; from the first pages where the connector has none."""
        inner: SyncConnector = self.inner
        if not isinstance(inner, _Samples):
            return await first_records(self, entity, limit)
        return await self._threads.run(partial(inner.get_sample_data, entity, limit)) if limit > 0 else []

    def validate_config(self) -> None:
        """Let the inner connector look at its configuration."""
        inner: object = self.inner
        if isinstance(inner, SupportsValidation):
            inner.validate_config()

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Return the partitions, asked for in a thread; `[None]` where the connector has none."""
        inner: SyncConnector = self.inner
        if not isinstance(inner, _Partitions):
            return [None]
        return await self._threads.run(partial(inner.partition_data, entity, since=since, target=target))


class _Reading:
    """A synchronous read, as its threads see it: one of them at a time, and whoever is last closes it."""

    __slots__ = ("_begin", "_busy", "_iterator", "_lock", "_wanted")

    def __init__(self, begin: Callable[[], Iterator[Page]]) -> None:
        self._begin = begin
        self._iterator: Iterator[Page] | None = None
        self._lock = Lock()
        self._busy = False
        self._wanted = True

    def next(self) -> Page | None:
        """Return the next page; None, and close, where there is none or nobody wants it any more."""
        with self._lock:
            if not self._wanted:
                return None
            self._busy = True
        page = None
        try:
            if self._iterator is None:
                self._iterator = iter(self._begin())
            page = next(self._iterator, None)
        finally:
            with self._lock:
                self._busy = False
                if page is None:
                    self._wanted = False
                wanted = self._wanted  # somebody may have given the stream up meanwhile
            if not wanted:
                self.close()
        return page if wanted else None

    def forget(self) -> bool:
        """Want no more pages. Return whether there is something to close, and no thread at work that will."""
        with self._lock:
            self._wanted = False
            return not self._busy and self._iterator is not None

    def close(self) -> None:
        """Release what the iterator holds; one that cannot be closed holds nothing."""
        iterator, self._iterator = self._iterator, None
        close = getattr(iterator, "close", None)
        if close is not None:
            close()


class _ThreadedPages:
    """The synchronous iterator, asked for each page in a thread."""

    __slots__ = ("_cut", "_ended", "_open", "_reading", "_threads")

    def __init__(
        self, threads: Threads, others: set[_ThreadedPages], begin: Callable[[], Iterator[Page]]
    ) -> None:
        self._threads = threads
        self._open = others
        self._reading = _Reading(begin)
        self._ended = False
        self._cut = False

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        if not self._ended:
            self._open.add(self)
            try:
                page = await self._threads.run(self._reading.next)
            except BaseException:
                with suppress(Exception):  # the fault is on its way; another one adds nothing
                    await self.aclose()
                raise
            if page is not None:
                return page
            await self.aclose()
        if self._cut:
            raise ConnectionFailedError(
                "the connector was disconnected before this read was complete; expected it to stay connected; "
                "connect and read on from the last cursor"
            )
        raise StopAsyncIteration

    async def cut(self) -> None:
        """Close the stream before its end, so that whoever goes on reading is told."""
        self._cut = True
        await self.aclose()

    async def aclose(self) -> None:
        self._ended = True
        self._open.discard(self)
        if self._reading.forget():
            await self._threads.finish(self._reading.close)
