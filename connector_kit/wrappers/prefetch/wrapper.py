"""`Prefetching`: the next pages are fetched while this one is used, by tasks of a task group that somebody holds open."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio
import attrs
from anyio.abc import TaskGroup

from connector_kit.capabilities import close_broken_stream, close_stream, partitions, sample, validate
from connector_kit.errors import ConfigError
from connector_kit.protocols import Connector
from connector_kit.wrappers.stack.layers import layers, outline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Page, Record

__all__ = ["Prefetching"]

C = TypeVar("C", bound=Connector)


@attrs.frozen
class Prefetching(Generic[C]):
    """Fetches up to `pages` pages ahead of the consumer, each stream in a task of its own.

    The tasks belong to `tasks`, which stays open for as long as streams are read: `connector_kit.wrappers.prefetch.block`
    opens one for a block. An error comes after the pages that were fetched before it. Whoever stops early closes the
    stream, which ends its task and closes the inner stream first; what was fetched and not used is dropped.

    It stands outside everything but Observed. Retrying inside it is exact, and its waits overlap with the consumer's
    work; around it, every fault would throw away what was fetched ahead, and a limiter or a time limit there would see
    the hand-over of a page and not the request. Retrying and RateLimited refuse that, and this one another of its kind.
    """

    inner: C
    tasks: TaskGroup = attrs.field(repr=False, eq=False)
    pages: int = attrs.field(default=1, validator=attrs.validators.ge(1))

    def __attrs_post_init__(self) -> None:
        if any(isinstance(layer, Prefetching) for layer in layers(self.inner)):
            raise ConfigError(
                "there is a Prefetching inside this Prefetching, which would only copy pages from buffer to buffer; "
                "leave one out and give the other more pages="
            )

    def __repr__(self) -> str:
        return outline(self)

    async def connect(self) -> None:
        """Connect."""
        await self.inner.connect()

    async def disconnect(self) -> None:
        """Disconnect."""
        await self.inner.disconnect()

    async def discover_schema(self) -> Catalog:
        """Give the catalog."""
        return await self.inner.discover_schema()

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read page by page, ahead from the first one asked for."""
        return _FetchedPages(
            self.inner.fetch_data(entity, since=since, cursor=cursor), self.tasks, self.pages
        )

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Give a sample, with nothing fetched ahead."""
        return await sample(self.inner, entity, limit)

    def validate_config(self) -> None:
        """Let the inner connector look at its configuration."""
        validate(self.inner)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Give the partitions."""
        return await partitions(self.inner, entity, since=since, target=target)


class _FetchedPages:
    """The inner stream, read ahead by a task. The task alone touches the inner stream, and closes it."""

    __slots__ = (
        "_ahead",
        "_begun",
        "_complete",
        "_done",
        "_ended",
        "_fault",
        "_news",
        "_pages",
        "_ready",
        "_room",
        "_scope",
        "_tasks",
    )

    def __init__(self, pages: AsyncIterator[Page], tasks: TaskGroup, ahead: int) -> None:
        self._pages = pages
        self._tasks = tasks
        self._ahead = ahead
        self._ready: deque[Page] = deque()
        self._news = anyio.Event()  # there is a page, or the task is done
        self._room = anyio.Event()  # a page was taken
        self._done = anyio.Event()
        self._scope = anyio.CancelScope()
        self._begun = False
        self._complete = False
        self._ended = False
        self._fault: Exception | None = None

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

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
                async for page in self._pages:
                    self._ready.append(page)
                    self._news.set()
                    while len(self._ready) >= self._ahead:
                        self._room = anyio.Event()
                        await self._room.wait()
                self._complete = True
        except Exception as error:  # noqa: BLE001 - the consumer gets it after the pages before it
            self._fault = error
        finally:
            await close_broken_stream(self._pages)
            self._done.set()
            self._news.set()

    async def aclose(self) -> None:
        self._ended = True
        self._ready.clear()
        if self._begun:
            self._scope.cancel()
            await self._done.wait()
        else:
            await close_stream(self._pages)
