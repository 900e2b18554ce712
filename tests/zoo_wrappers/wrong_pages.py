"""What is delivered is not what the inner connector delivered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import anyio
import attrs

from connector_kit.capabilities import close_stream
from connector_kit.errors import RequestRejectedError, TransientError
from connector_kit.records.page import Page

from .right import Again, Plain

if TYPE_CHECKING:
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor


class DropsTheCursor(Plain):
    """A read always begins at the start."""

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        return Plain.fetch_data(self, entity, since=since)


class DropsACursorThatIsFalse(Plain):
    """`if cursor:` takes the cursor 0 for none."""

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        return Plain.fetch_data(self, entity, since=since, cursor=cursor or None)


class DropsSinceWithACursor(Plain):
    """Takes a cursor to say it all."""

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        return Plain.fetch_data(self, entity, since=None if cursor is not None else since, cursor=cursor)


class SkipsEmptyPages(Plain):
    """A page without records has a cursor, too."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = Plain.fetch_data(self, entity, since=since, cursor=cursor)
        try:
            async for page in pages:
                if page.records:
                    yield page
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)


class CopiesRecords(Plain):
    """Decodes every record of a lazy page, to hand on a list."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = Plain.fetch_data(self, entity, since=since, cursor=cursor)
        try:
            async for page in pages:
                yield attrs.evolve(page, records=list(page.records))
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)


class LosesTheQuota(Plain):
    """Builds a page anew, from what its author knew of."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = Plain.fetch_data(self, entity, since=since, cursor=cursor)
        try:
            async for page in pages:
                yield Page(page.records, page.cursor)
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)


class NamesEntitiesAnew(Plain):
    """The catalog loses what is not read most often."""

    async def discover_schema(self) -> Catalog:
        catalog = await self.inner.discover_schema()
        return attrs.evolve(catalog, entities=catalog.entities[:1])


class RetriesFromTheStart(Again):
    """Opens the stream again as it was opened first: what was delivered comes once more."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        for attempt in range(3):
            pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
            try:
                async for page in pages:
                    yield page
            except TransientError:
                if attempt == 2:
                    raise
                await anyio.sleep(1)
            else:
                return
            finally:
                with anyio.CancelScope(shield=True):
                    await close_stream(pages)


class SkipsTheFailedPage(Again):
    """Asks the stream that broke for its next page, and takes its end for the end of the read."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
        try:
            while True:
                try:
                    page = await anext(pages)
                except StopAsyncIteration:
                    return
                except TransientError:
                    await anyio.sleep(1)
                    continue
                yield page
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)


class EndsWithAnError(Plain):
    """Logs the error, and ends: half a table looks like a whole one."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
        try:
            async for page in pages:
                yield page
        except TransientError:
            return
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)


class GivesUpTooEarly(Again):
    """Counts its attempts for the whole read, not for a page."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        failures = 0
        while True:
            pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
            try:
                while True:
                    try:
                        page = await anext(pages)
                    except StopAsyncIteration:
                        return
                    except TransientError:
                        failures += 1
                        if failures == 2:
                            raise
                        await anyio.sleep(1)
                        break
                    cursor = page.cursor
                    yield page
            finally:
                with anyio.CancelScope(shield=True):
                    await close_stream(pages)


@attrs.define(eq=False)
class KeepsPages(Plain):
    """Caches what a read delivered, under the entity's name."""

    kept: dict[str, list[Page]] = attrs.field(factory=dict)

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        key = repr((entity, since, cursor))
        if key not in self.kept:
            self.kept[key] = [
                page async for page in Plain.fetch_data(self, entity, since=since, cursor=cursor)
            ]
        for page in self.kept[key]:
            yield page


@attrs.define(eq=False)
class KeepsTheStream(Plain):
    """Has one stream for all reads, as an attribute of the wrapper."""

    pages: AsyncIterator[Page] | None = None

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        self.pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
        try:
            while True:
                try:
                    page = await anext(self.pages)
                except StopAsyncIteration:
                    return
                yield page
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(self.pages)


class LosesTheLastPage(Plain):
    """Holds a page back until the next one comes, to tell which is the last, and forgets the last."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        held: Page | None = None
        pages = Plain.fetch_data(self, entity, since=since, cursor=cursor)
        try:
            async for page in pages:
                if held is not None:
                    yield held
                held = page
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)


class TakesCursorsForTexts(Plain):
    """Hands a cursor over as text, which the inner connector does not know."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = Plain.fetch_data(self, entity, since=since, cursor=cursor)
        try:
            async for page in pages:
                yield page if page.cursor is None else attrs.evolve(page, cursor=str(page.cursor))
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)


class WantsRecords(Plain):
    """Takes it that a page has a first record."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = Plain.fetch_data(self, entity, since=since, cursor=cursor)
        try:
            async for page in pages:
                assert page.records[0]
                yield page
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)


@attrs.define(eq=False)
class AnswersFromMemory(Plain):
    """Reads an entity once, and finds the page of a cursor in what it kept."""

    kept: dict[str, list[Page]] = attrs.field(factory=dict)

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        if entity not in self.kept:
            self.kept[entity] = [page async for page in Plain.fetch_data(self, entity)]
        known = [page.cursor for page in self.kept[entity]]
        for page in self.kept[entity][known.index(cursor) + 1 if cursor is not None else 0 :]:
            yield page


@attrs.define(eq=False)
class ReadsOneAtATime(Plain):
    """Refuses a read while another one is under way, anywhere."""

    reading: bool = False

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        if self.reading:
            raise RequestRejectedError("a read is under way already")
        self.reading = True
        pages = Plain.fetch_data(self, entity, since=since, cursor=cursor)
        try:
            async for page in pages:
                yield page
        finally:
            self.reading = False
            with anyio.CancelScope(shield=True):
                await close_stream(pages)
