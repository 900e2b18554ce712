"""What is examined: connectors of one factory, each call of theirs counted and bounded, each page kept as it came."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

import anyio
import attrs

from connector_kit.capabilities import close_broken_stream, close_stream
from connector_kit.protocols import Connector, Limiter
from connector_kit.records.catalog import Catalog, Entity
from connector_kit.runtime.session import disconnect_surely

from .bounds import Bounds, EnoughError, Meter
from .reading import Reading, SeenPage
from .verdict import Findings
from .watched import Watched
from .wire import Wire

if TYPE_CHECKING:
    from connector_kit.records.page import Cursor, Page

__all__ = ["Factory", "Subject"]

Factory: TypeAlias = Callable[[], Connector]
"""Makes a new connector each time, as a new process would: no argument, not yet connected."""


@attrs.define(eq=False)
class Subject:
    """The connectors of one factory, and what an examination of them shares: bounds, the catalog, full reads.

    wire: what lets requests fail between the connector and its source, if there is such a thing.
    change: changes the source as others would while a read goes on (a new row, a deleted one), if it can be done.
    secrets: what must not appear in any message; taken out of every verdict, too.
    limiter: keeps all requests together to a rate, so that the quota of a real source is kept.

    Nothing of it belongs to an event loop: the same one serves laws that run in loops of their own.
    """

    factory: Factory
    bounds: Bounds = attrs.field(factory=Bounds, kw_only=True)
    wire: Wire | None = attrs.field(default=None, kw_only=True)
    change: Callable[[], None] | None = attrs.field(default=None, kw_only=True)
    secrets: tuple[str, ...] = attrs.field(default=(), kw_only=True)
    limiter: Limiter | None = attrs.field(default=None, kw_only=True)
    meter: Meter = attrs.field(init=False)
    findings: Findings | None = attrs.field(default=None, init=False)
    """What the law that is looked at has found so far; it is there also where the law never ends."""
    _catalog: Catalog | None = attrs.field(default=None, init=False)
    _full: dict[tuple[str, datetime | None], Reading] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.meter = Meter(self.bounds, limiter=self.limiter)

    @classmethod
    def of(cls, subject: Factory | Subject) -> Subject:
        """Give a subject for what a law was called with."""
        return subject if isinstance(subject, Subject) else cls(subject)

    def make(self) -> Watched:
        """Give a new connector, not yet connected."""
        return Watched(self.factory(), self.meter, self.bounds.call_seconds)

    @asynccontextmanager
    async def connector(self) -> AsyncIterator[Watched]:
        """Give a new connector that is connected for the length of a block."""
        connector = self.make()
        try:
            await connector.connect()
            yield connector
        except BaseException:
            with suppress(Exception):  # an error or a cancellation is on its way; it must not be replaced
                await disconnect_surely(connector)
            raise
        await disconnect_surely(connector)

    async def catalog(self) -> Catalog:
        """Give the catalog, asked for once."""
        if self._catalog is None:
            async with self.connector() as connector:
                self._catalog = await connector.discover_schema()
        return self._catalog

    def keep(self, catalog: Catalog) -> None:
        """Take a catalog that has been asked for already."""
        self._catalog = catalog

    async def entities(self) -> list[Entity]:
        """Give the entities that are to be looked at. Raises `UnknownEntityError` for a bound that names another one."""
        catalog = await self.catalog()
        return [catalog[name] for name in self.bounds.entities or catalog.names]

    def forget(self) -> None:
        """Forget the reads made so far: the source has been changed."""
        self._full.clear()

    async def full_read(self, entity: str, since: datetime | None = None) -> Reading:
        """Give an undisturbed read of an entity by a connector of its own; made once.

        It has not ended where the pages allowed are too few, or the requests allowed are used up on the way.
        """
        if (entity, since) not in self._full:
            seen: list[SeenPage] = []
            ended = False
            try:
                async with self.connector() as connector:
                    ended = await self.read_into(seen, connector.fetch_data(entity, since=since), None)
            except EnoughError:
                if not seen:
                    raise
            self._full[entity, since] = Reading(tuple(seen), ended)
        return self._full[entity, since]

    async def read(
        self,
        connector: Connector,
        entity: str,
        *,
        since: datetime | None = None,
        cursor: Cursor = None,
        pages: int | None = None,
    ) -> Reading:
        """Read to the end, or for so many pages (those the bounds allow where None), and close the stream."""
        seen: list[SeenPage] = []
        stream = connector.fetch_data(entity, since=since, cursor=cursor)
        ended = await self.read_into(seen, stream, pages)
        return Reading(tuple(seen), ended)

    async def read_into(self, seen: list[SeenPage], stream: AsyncIterator[Page], pages: int | None) -> bool:
        """Add the pages to `seen` as they come; tell whether the stream came to its end."""
        most = self.bounds.pages if pages is None else min(pages, self.bounds.pages)
        ended = False
        try:
            while not ended and len(seen) < most:
                page = await _next(stream)
                if page is None:
                    ended = True
                else:
                    seen.append(SeenPage.of(len(seen) + 1, page))
        except BaseException:
            await close_broken_stream(stream)
            raise
        with anyio.fail_after(self.bounds.call_seconds):
            await close_stream(stream)
        return ended


async def _next(stream: AsyncIterator[Page]) -> Page | None:
    """Give the next page, None at the end."""
    try:
        return await stream.__anext__()
    except StopAsyncIteration:
        return None
