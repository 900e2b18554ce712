"""`Threaded`: a connector whose client blocks, made one that does not, by worker threads."""

from __future__ import annotations

import inspect
import math
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, runtime_checkable

import anyio
import anyio.to_thread
import attrs

from connector_kit.capabilities import CLOSING_SECONDS, first_records
from connector_kit.durations import Duration, as_duration
from connector_kit.errors import ConfigError, ConnectionFailedError, ServiceUnavailableError, TimedOutError
from connector_kit.protocols import SupportsValidation, SyncConnector
from connector_kit.wrappers.stack.layers import outline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Page, Record

__all__ = ["Threaded", "WorkerThreads"]


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
    _threads: WorkerThreads = attrs.field(
        default=attrs.Factory(
            lambda self: WorkerThreads(self.threads, same=self.same_thread, grace_period=self.grace_period),
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


class _SyncRead:
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
        self, threads: WorkerThreads, others: set[_ThreadedPages], begin: Callable[[], Iterator[Page]]
    ) -> None:
        self._threads = threads
        self._open = others
        self._reading = _SyncRead(begin)
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


T = TypeVar("T")


class WorkerThreads:
    """Runs calls in at most `most` worker threads, or all of them in one thread of its own (`same`).

    Nothing can interrupt a thread. A call that is cancelled waits until its thread is back, for `grace_period` seconds at
    most; then the thread is left to itself, what it brings is discarded, and it counts as busy until it ends.
    """

    __slots__ = ("_busy", "_capacity", "_grace_period", "_most", "_own", "_same", "_unbounded")

    def __init__(self, most: int, *, same: bool, grace_period: float) -> None:
        self._most = 1 if same else most
        self._same = same
        self._grace_period = grace_period
        self._capacity = anyio.CapacityLimiter(self._most)
        # anyio's default limit is shared with the rest of the program, and releases a thread that is left to itself.
        self._unbounded = anyio.CapacityLimiter(math.inf)
        self._busy: set[Future[None]] = set()
        self._own: ThreadPoolExecutor | None = None

    async def run(self, call: Callable[[], T]) -> T:
        """Return what the call returns, or raise what it raises. It sees the caller's context variables.

        Raises `ServiceUnavailableError` where no thread is free but for calls that were given up and still go on.
        """
        answer: Future[T] = Future()
        async with self._capacity:
            self._refuse_where_all_are_stuck()
            job: Future[None] = Future()
            self._busy.add(job)
            try:
                await self._in_thread(self._job(job, answer, call))
            except BaseException:
                if not job.cancel():  # it has begun
                    with anyio.CancelScope(shield=True):
                        await self._wait_for({job})
                raise
            finally:
                if job.done():
                    self._busy.discard(job)
        return answer.result()

    async def finish(self, call: Callable[[], None]) -> bool:
        """Run a call that releases something, even when cancelled and beyond the bound; say whether it has ended.

        After `grace_period` it is left to itself: the thread does it as soon as it can.
        """
        with anyio.move_on_after(self._grace_period, shield=True) as scope:
            await self._in_thread(self._placed(call))
        return not scope.cancelled_caught

    async def end(self, last: Callable[[], None]) -> bool:
        """Run the last call once no thread is busy, and end the thread that all calls shared; a next call begins anew.

        Even when cancelled; each step has `grace_period` seconds. Return whether the last call has ended.
        """
        borrower = object()
        ended = False
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(self._grace_period):  # calls that came before have their turn before
                await self._capacity.acquire_on_behalf_of(borrower)
            await self._wait_for(self._busy)
            try:
                ended = await self.finish(last)
            finally:
                own, self._own = self._own, None
                if own is not None:
                    with anyio.move_on_after(self._grace_period):
                        await self._in_thread(own.shutdown)
                with suppress(RuntimeError):  # its turn has not come
                    self._capacity.release_on_behalf_of(borrower)
        return ended

    def _refuse_where_all_are_stuck(self) -> None:
        self._busy = {job for job in self._busy if not job.done()}
        if len(self._busy) >= self._most:
            raise ServiceUnavailableError(
                f"the client is stuck: {len(self._busy)} of {self._most} threads are in calls that were given up and have "
                "not returned; expected a free one; try again later, and give the client time limits of its own"
            )

    def _job(self, job: Future[None], answer: Future[T], call: Callable[[], T]) -> Callable[[], None]:
        placed = self._placed(call)

        def work() -> None:
            if not job.set_running_or_notify_cancel():
                return
            try:
                answer.set_result(placed())
            except BaseException as error:  # noqa: BLE001 - raised again where the answer is waited for
                answer.set_exception(error)
            finally:
                job.set_result(None)

        return work

    def _placed(self, call: Callable[[], T]) -> Callable[[], T]:
        """Return the call, or one that has it made by the one thread."""
        if not self._same:
            return call
        own = self._own = self._own or ThreadPoolExecutor(1, thread_name_prefix="connector-kit")
        # The thread in between has the caller's context without its event loop, which the client must not find.
        return lambda: own.submit(copy_context().run, call).result()

    async def _in_thread(self, call: Callable[[], object]) -> None:
        await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._unbounded)

    async def _wait_for(self, jobs: set[Future[None]]) -> None:
        if jobs:
            await anyio.to_thread.run_sync(wait_for, set(jobs), self._grace_period, limiter=self._unbounded)
