"""`Prefetching`: the next pages are fetched while this one is used, by tasks of a task group that somebody holds open."""

from __future__ import annotations

from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import anyio
import attrs
from anyio.abc import TaskGroup

from connector_kit.capabilities import close_broken_stream, sample
from connector_kit.errors import ConfigError
from connector_kit.protocols import Connector
from connector_kit.tasks import task_group
from connector_kit.wrappers.wrapper import WrappedPages, Wrapper

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from connector_kit.records.page import Page, Record


__all__ = ["Prefetching", "prefetching"]


C = TypeVar("C", bound=Connector)


@attrs.frozen(repr=False)
class Prefetching(Wrapper[C]):
    """Fetches up to `pages` pages ahead of the consumer, each stream in a task of its own.

    The tasks belong to `tasks`, which stays open for as long as streams are read: `prefetching`
    opens one for a block. An error comes after the pages that were fetched before it. Whoever stops early closes the
    stream, which ends its task and closes the inner stream first; what was fetched and not used is dropped.

    It stands outside everything but Observed. Retrying inside it is exact, and its waits overlap with the consumer's
    work; around it, every fault would throw away what was fetched ahead, and a limiter or a time limit there would see
    the hand-over of a page and not the request. Retrying and RateLimited refuse that, and this one another of its kind.
    """

    tasks: TaskGroup = attrs.field(repr=False, eq=False)
    pages: int = attrs.field(default=1, validator=attrs.validators.ge(1))

    def _stream(self, pages: AsyncIterator[Page], entity: str) -> AsyncIterator[Page]:
        del entity
        return _FetchedPages(pages, self.tasks, self.pages)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Return a sample, with nothing fetched ahead."""
        return await sample(self.inner, entity, limit)


class _FetchedPages(WrappedPages):
    """The inner stream, read ahead by a task. The task alone touches the inner stream, and closes it."""

    __slots__ = (
        "_ahead",
        "_begun",
        "_complete",
        "_done",
        "_fault",
        "_news",
        "_ready",
        "_room",
        "_scope",
        "_tasks",
    )

    def __init__(self, pages: AsyncIterator[Page], tasks: TaskGroup, ahead: int) -> None:
        super().__init__(pages)
        self._tasks = tasks
        self._ahead = ahead
        self._ready: deque[Page] = deque()
        self._news = anyio.Event()  # there is a page, or the task is done
        self._room = anyio.Event()  # a page was taken
        self._done = anyio.Event()
        self._scope = anyio.CancelScope()
        self._begun = False
        self._complete = False
        self._fault: Exception | None = None

    async def __anext__(self) -> Page:
        if self._ended:
            raise StopAsyncIteration
        if not self._begun:
            self._begin()
        while not self._ready:
            if self._done.is_set():
                self._ended = True
                raise self._outcome()
            self._news = anyio.Event()
            try:
                await self._news.wait()
            except BaseException:
                await close_broken_stream(self)
                raise
        self._room.set()
        return self._ready.popleft()

    def _begin(self) -> None:
        try:
            self._tasks.start_soon(self._fetch)
        except RuntimeError as error:
            raise ConfigError(
                "the task group that would fetch the pages is not open; expected one that lasts as long as the read; "
                "read inside of its block: async with prefetching(connector) as source: ..."
            ) from error
        self._begun = True

    def _outcome(self) -> Exception:
        if self._complete:
            return StopAsyncIteration()
        return self._fault or ConfigError(
            "the task group that fetches the pages was cancelled before the read was complete; expected it to last as "
            "long as the read; read inside of its block"
        )

    async def _fetch(self) -> None:
        try:
            with self._scope:
                async for page in self._inner:
                    self._ready.append(page)
                    self._news.set()
                    while len(self._ready) >= self._ahead:
                        self._room = anyio.Event()
                        await self._room.wait()
                self._complete = True
        except Exception as error:  # noqa: BLE001 - the consumer gets it after the pages before it
            self._fault = error
        finally:
            await close_broken_stream(self._inner)
            self._done.set()
            self._news.set()

    async def aclose(self) -> None:
        self._ended = True
        self._ready.clear()
        if self._begun:
            self._scope.cancel()
            await self._done.wait()
        else:
            await super().aclose()


@asynccontextmanager
async def prefetching(connector: C, /, *, pages: int = 1) -> AsyncGenerator[Prefetching[C]]:
    """Fetch up to `pages` pages ahead of whoever reads from the connector that this yields.

    At the end of the block all reads that are left end, their streams closed. What the block raises comes out as it is.

    >>> async with prefetching(connector) as source:  # doctest: +SKIP
    ...     async for page in source.fetch_data("orders"):
    ...         await write(page)
    """
    async with task_group() as tasks:
        yield Prefetching(connector, tasks, pages)
        tasks.cancel_scope.cancel()
