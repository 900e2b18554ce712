"""`Inner`: the connector that the kit puts inside a wrapper, which keeps note of all that reaches it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

import anyio
import attrs
from anyio.lowlevel import checkpoint

from connector_kit.errors import ConfigError, ConnectionFailedError, CursorExpiredError
from connector_kit.records.page import Cursor, Page, Record
from connector_kit.testing.conformance.reading import text_of
from connector_kit.testing.virtual_clock import VirtualClock

from .content import Content

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connector_kit.records.catalog import Catalog

__all__ = ["AbleInner", "Fails", "Inner", "InnerRequest", "fails_once", "no_fault"]

_MOST_REQUESTS = 10_000
"""Whoever asks more often asks forever: no further request is answered, so that a busy loop comes to rest."""


@attrs.define(eq=False)
class InnerRequest:
    """A request that reached the inner connector: what was asked, when (nanoseconds), and what became of it.

    `number` counts the pages asked for in one read, from 1; 0 for any other call.
    """

    operation: str
    entity: str | None = None
    since: datetime | None = None
    cursor: Cursor = None
    number: int = 0
    at_ns: int = 0
    ended: Literal["", "answered", "failed", "cancelled"] = ""

    def __str__(self) -> str:
        return f"page {self.number}" if self.number else self.operation


Fails: TypeAlias = Callable[[InnerRequest], Exception | None]
"""Returns the error with which a request fails, or None."""


def no_fault(_: InnerRequest) -> None:
    """Let every request be answered."""


def fails_once(concerned: Callable[[InnerRequest], bool]) -> Fails:
    """Let the first request that is concerned fail with an error that passes."""
    left = [ConnectionFailedError("the connection broke, on purpose")]
    return lambda request: left.pop() if left and concerned(request) else None


@attrs.define(eq=False)
class Inner:
    """Delivers `content`, each request after `wait` seconds (after a checkpoint where 0), or fails as `fails` says.

    It has the four methods and no other. `requests` are those that reached it; `opened` and `closed` count its
    streams, which open with the first page asked for and close as a generator's do, with a cancellation point.
    """

    content: Content
    clock: VirtualClock
    wait: float = 0.0
    fails: Fails = no_fault
    requests: list[InnerRequest] = attrs.field(factory=list[InnerRequest])
    delivered: list[Page] = attrs.field(factory=list[Page])
    opened: int = 0
    closed: int = 0
    pages: Mapping[str, Sequence[Page]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.pages = self.content.fresh()

    async def connect(self) -> None:
        """Connect."""
        await self.request(InnerRequest("connect"))

    async def disconnect(self) -> None:
        """Disconnect."""
        await self.request(InnerRequest("disconnect"))

    async def discover_schema(self) -> Catalog:
        """Return the content's catalog."""
        await self.request(InnerRequest("discover_schema"))
        return self.content.catalog

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Deliver the pages of an entity: those behind the cursor's, from the first with a record at `since` or after."""
        return _InnerPages(self, entity, since, cursor)

    def read_pages(self, entity: str, since: datetime | None, cursor: Cursor) -> Iterator[Page]:
        """Return the pages of a read."""
        key = self.content.catalog[entity].replication_key
        pages = list(self.pages[entity])
        if cursor is not None:
            known = [text_of(page.cursor) for page in pages]
            if text_of(cursor) not in known:
                raise CursorExpiredError(f"no page of {entity!r} has the cursor {cursor!r}; start again")
            pages = pages[known.index(text_of(cursor)) + 1 :]
        while since is not None and pages and not _reaches(pages[0], since, key):
            del pages[0]
        return iter(pages)

    async def request(self, request: InnerRequest) -> None:
        """Take note of a request, let its time pass, and fail where it is to fail."""
        request.at_ns = self.clock.monotonic_ns()
        self.requests.append(request)
        if len(self.requests) > _MOST_REQUESTS:
            await anyio.sleep_forever()
        request.ended = "cancelled"
        await self.clock.sleep(self.wait)
        error = self.fails(request)
        request.ended = "answered" if error is None else "failed"
        if error is not None:
            raise error

    @property
    def open_streams(self) -> int:
        """How many streams were opened and are not closed."""
        return self.opened - self.closed


def _reaches(page: Page, since: datetime, key: str | None) -> bool:
    return key is None or any(datetime.fromisoformat(record[key]) >= since for record in page.records)


class _InnerPages:
    """A stream of an `Inner`. As with a generator, its first error, a cancellation and its end close it."""

    __slots__ = ("_asked", "_begun", "_busy", "_cursor", "_entity", "_inner", "_over", "_pages", "_since")

    def __init__(self, inner: Inner, entity: str, since: datetime | None, cursor: Cursor) -> None:
        self._inner = inner
        self._entity = entity
        self._since = since
        self._cursor = cursor
        self._pages: Iterator[Page] | None = None
        self._asked = 0
        self._begun = self._busy = self._over = False

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        if self._busy:
            raise RuntimeError("a page was asked for while another one was under way in the same stream")
        if self._over:
            raise StopAsyncIteration
        if not self._begun:
            self._begun = True
            self._inner.opened += 1
        self._busy = self._over = True  # over, unless a page comes of it
        try:
            page = await self._next()
            self._over = False
        finally:
            self._busy = False
            if self._over:
                self._inner.closed += 1
        self._inner.delivered.append(page)
        return page

    async def _next(self) -> Page:
        self._asked += 1
        await self._inner.request(
            InnerRequest("fetch_data", self._entity, self._since, self._cursor, number=self._asked)
        )
        if self._pages is None:
            self._pages = self._inner.read_pages(self._entity, self._since, self._cursor)
        for page in self._pages:
            return page
        raise StopAsyncIteration

    async def aclose(self) -> None:
        if self._busy:
            raise RuntimeError("a stream was closed while a page of it was under way")
        if self._begun and not self._over:
            # Releasing a connection takes an await, which a cancellation without a shield cuts off.
            await checkpoint()
            self._inner.closed += 1
        self._over = True


@attrs.define(eq=False)
class AbleInner(Inner):
    """An `Inner` with the three optional methods. `wrong` is what `validate_config` complains of."""

    wrong: str = attrs.field(default="", kw_only=True)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Return the last records, which are not those a read begins with."""
        await self.request(InnerRequest("get_sample_data", entity))
        found = [record for page in self.pages[entity] for record in page.records]
        return found[::-1][: max(0, limit)]

    def validate_config(self) -> None:
        """Raise `ConfigError` with what is wrong."""
        if self.wrong:
            raise ConfigError(self.wrong)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Return the cursors of the first pages, at most `target` of them."""
        await self.request(InnerRequest("partition_data", entity, since))
        cursors = [page.cursor for page in self.pages[entity] if page.cursor is not None]
        return [None, *cursors][:target]
