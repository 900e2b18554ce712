"""The connectors of one factory: each call counted and bounded, each page kept as it came."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Final, Self, TypeAlias, TypeVar

import anyio
import anyio.lowlevel
import attrs

from connector_kit.capabilities import (
    close_broken_stream,
    close_stream,
)
from connector_kit.errors import ConfigError, RateLimitError, UnknownEntityError
from connector_kit.protocols import Connector
from connector_kit.records.catalog import Catalog
from connector_kit.redaction import without_secrets
from connector_kit.runtime.session import disconnect_surely
from connector_kit.structure.explain import explain
from connector_kit.wrappers.stack.layers import innermost
from connector_kit.wrappers.wrapper import Wrapper

from .bounds import EnoughError, Meter
from .examination import IsolatedSubject, Ready
from .law import Findings, Laws
from .reading import Reading, SeenPage
from .telling import tell
from .wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connector_kit.records.catalog import Entity
    from connector_kit.records.page import Cursor, Page


T = TypeVar("T")

__all__ = ["CONNECTOR_LAWS", "Factory", "Subject", "Watched", "WatchedPages"]


@attrs.frozen(repr=False, eq=False)
class Watched(Wrapper[Connector]):
    """Counts requests as `Faulty` does (calls, and every page asked for) and waits for none of them without end.

    Raises `EnoughError` before a request that the bounds do not allow, `NoAnswerError` after one without an answer.
    """

    _meter: Meter

    def __attrs_post_init__(self) -> None:
        """Take what the factory gives; whether its order of wrappers can work is for the preparation to say."""

    async def disconnect(self) -> None:
        """Disconnect; this is not counted, so that it can be done at the bounds."""
        with self.answering("disconnect"):
            await self.inner.disconnect()

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> WatchedPages:
        """Read page by page."""
        return WatchedPages(self, self.inner.fetch_data(entity, since=since, cursor=cursor), entity)

    async def _call(self, operation: str, entity: str | None, call: Callable[[], Awaitable[T]], /) -> T:
        del entity
        await self.request()
        with self.answering(operation):
            return await call()

    async def request(self) -> None:
        """Count a request and wait for its permit.

        Lets the event loop's other tasks go on first, as a connector without any I/O does not.
        """
        self._meter.count()
        await anyio.lowlevel.checkpoint()
        if self._meter.limiter is not None:
            await self._meter.limiter.acquire()

    def answering(self, call: str) -> AbstractContextManager[None]:
        """Wait for an answer no longer than allowed."""
        return self._meter.answering(call)


class WatchedPages:
    """The connector's stream, watched."""

    __slots__ = ("_connector", "_entity", "_number", "_pages")

    def __init__(self, connector: Watched, pages: AsyncIterator[Page], entity: str) -> None:
        self._connector = connector
        self._pages = pages
        self._entity = entity
        self._number = 0

    @property
    def closable(self) -> bool:
        """Whether the connector's stream can be closed; one that cannot holds nothing, and may go on."""
        return hasattr(self._pages, "aclose")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page:
        await self._connector.request()
        self._number += 1
        with self._connector.answering(f"page {self._number} of fetch_data({self._entity!r})"):
            return await self._pages.__anext__()

    async def skip(self, pages: int) -> None:
        """Read so many pages, or to the end where that comes before."""
        with suppress(StopAsyncIteration):
            for _ in range(pages):
                await self.__anext__()

    async def aclose(self) -> None:
        """Close it."""
        with self._connector.answering(f"closing fetch_data({self._entity!r})"):
            await close_stream(self._pages)


Factory: TypeAlias = Callable[[], Connector]
"""Makes a new connector each time, as a new process would: no argument, not yet connected."""


@attrs.define(eq=False)
class Subject(IsolatedSubject):
    """The connectors of one factory, and what an examination of them shares: bounds, the catalog, full reads.

    wire: what lets requests fail between the connector and its source, if there is such a thing.
    change: changes the source as others would while a read goes on (a new row, a deleted one), if it can be done.
    secrets: what must not appear in any message; taken out of every verdict, too.
    limiter: keeps all requests together to a rate, so that the quota of a real source is kept.

    Nothing of it belongs to an event loop: the same one serves laws that run in loops of their own.
    """

    kind = "connector"
    unblock = "use the client's asynchronous twin, or write a SyncConnector and put it into `Threaded`"
    let_cancel = "let cancellation pass: no `except BaseException` and no bare `except` around an await"
    disturbed = "closing"  # no two fetches go on at once there

    factory: Factory
    wire: Wire | None = attrs.field(default=None, kw_only=True)
    change: Callable[[], None] | None = attrs.field(default=None, kw_only=True)
    _catalog: Catalog | None = attrs.field(default=None, init=False)
    _full: dict[tuple[str, datetime | None], Reading] = attrs.field(
        factory=dict[tuple[str, datetime | None], Reading], init=False
    )

    @classmethod
    def of(cls, subject: Factory | Subject) -> Subject:
        """Return a subject for what a law was called with."""
        return subject if isinstance(subject, Subject) else cls(subject)

    def tell(self, error: Exception, findings: Findings, /) -> None:
        """Turn an error that came out of a law into a part of the verdict."""
        tell(error, findings)

    async def prepare(self) -> Ready:
        """Make a connector, connect it and ask for its catalog, which is kept for the laws."""
        try:
            connector = self.make()
        except Exception as error:  # noqa: BLE001 - whatever an author's factory raises is told, not passed on
            return self._failed("", "the factory raised", error, "expected a new connector; mend the factory")
        explanation = explain(connector.inner)
        if not explanation.ok:
            return Ready(explanation.name, f"the factory gave no connector: {explanation}")
        return await self._look_at_catalog(connector, type(innermost(connector.inner)).__name__)

    async def _look_at_catalog(self, connector: Watched, name: str) -> Ready:
        step = "connect"
        try:
            await connector.connect()
            step = "discover_schema"
            catalog = await connector.discover_schema()
        except EnoughError as error:
            return Ready(name, str(error), ConfigError(str(error)))
        except Exception as error:  # noqa: BLE001 - whatever an author's connector raises is told, not passed on
            return self._failed(name, f"{step} failed:", error, "nothing can be looked at before it works")
        finally:
            with suppress(Exception):  # what is wrong with disconnecting is the lifecycle law's to say
                await disconnect_surely(connector)
        return await self._judge_catalog(name, catalog)

    async def _judge_catalog(self, name: str, catalog: object) -> Ready:
        if not isinstance(catalog, Catalog):
            return Ready(
                name,
                f"discover_schema gave a {type(catalog).__name__}; expected a Catalog; "
                "write `return Catalog([Entity(name, fields, …), …])`",
            )
        self._catalog = catalog
        try:
            entities = await self.entities()
        except UnknownEntityError as error:
            return Ready(name, str(error), error)
        empty = "the catalog has no entities; expected at least one; there is nothing to look at"
        return Ready(name, "" if entities else empty)

    def _failed(self, name: str, what: str, error: Exception, then: str) -> Ready:
        return Ready(
            name, without_secrets(f"{what} {type(error).__name__}: {error}; {then}", self.secrets), error
        )

    async def refusal(self) -> str:
        """Ask for one page and return what refuses it; empty where nothing does, or where nothing more may be asked."""
        try:
            async with self.connector() as connector:
                entity = (await self.entities())[0]
                await self.read(connector, entity.name, pages=1)
        except RateLimitError as error:
            return f"{type(error).__name__}: {error}"
        except Exception:  # noqa: BLE001 - what else is wrong is for the laws to tell
            return ""
        return ""

    def make(self) -> Watched:
        """Return a new connector, not yet connected."""
        return Watched(self.factory(), self.meter)

    @asynccontextmanager
    async def connector(self) -> AsyncGenerator[Watched]:
        """Return a new connector that is connected for the length of a block."""
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
        """Return the catalog, asked for once."""
        if self._catalog is None:
            async with self.connector() as connector:
                self._catalog = await connector.discover_schema()
        return self._catalog

    async def entities(self) -> list[Entity]:
        """Return the entities that are to be looked at. Raises `UnknownEntityError` for a bound that names another one."""
        catalog = await self.catalog()
        return [catalog[name] for name in self.bounds.entities or catalog.names]

    def forget(self) -> None:
        """Forget the reads made so far: the source has been changed."""
        self._full.clear()

    async def full_read(self, entity: str, since: datetime | None = None) -> Reading:
        """Return an undisturbed read of an entity by a connector of its own; made once.

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
                try:
                    page = await stream.__anext__()
                except StopAsyncIteration:
                    ended = True
                else:
                    seen.append(SeenPage.of(len(seen) + 1, page))
        except BaseException:
            await close_broken_stream(stream)
            raise
        with anyio.fail_after(self.bounds.call_seconds):
            await close_stream(stream)
        return ended


CONNECTOR_LAWS: Final[Laws[Subject, Factory]] = Laws(
    "a connector",
    Subject.of,
    "connector_kit.testing.conformance.connector",
    "catalog closing cursors errors lifecycle progress resume sample shape since",
)
