"""The law of closing: what is held, shared, blocked or swallowed is found; streams of any right kind are not."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import pytest
import sources
from anyio.lowlevel import checkpoint

from connector_kit.blocking.threaded import Threaded
from connector_kit.capabilities import close_stream
from connector_kit.connectors.mock import MockConfig, MockConnector
from connector_kit.errors import ConnectionFailedError, RateLimitError, TimedOutError
from connector_kit.records.page import Page
from connector_kit.testing.conformance.bounds import Bounds
from connector_kit.testing.conformance.connector.closing import Interrupted, closing
from connector_kit.testing.conformance.subject import Subject

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from datetime import datetime

    from connector_kit.protocols import Connector
    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Record
    from connector_kit.testing.conformance.law import Verdict

pytestmark = pytest.mark.anyio

TABLES = {"orders": sources.Table(size=10), "stores": sources.Table(size=4)}
IMPATIENT = Bounds(call_seconds=0.4)


class Rows:
    """The pages of an entity, one after a turn of the loop each. It holds nothing and cannot be closed."""

    def __init__(self, table: sources.Table) -> None:
        self._table = table
        self._starts = iter(range(0, table.size, table.page_size))

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        await checkpoint()
        await checkpoint()
        first = next(self._starts, None)
        if first is None:
            raise StopAsyncIteration
        return self._table.page(0, range(first, min(first + self._table.page_size, self._table.size)))


class Shop(sources.Shop):
    """The right one, with two entities. Others do something wrong around its `pages`."""

    def __init__(self) -> None:
        super().__init__(dict(TABLES))

    def pages(self, entity: str) -> AsyncIterator[Page]:
        """Read as the right one does."""
        return Rows(self.tables[entity])


class Holding(Shop):
    """Takes a pipe for each read; `gives_back` says when it is given back."""

    gives_back = "always"

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pipe = os.pipe()
        PIPES.append(pipe)
        try:
            async for page in self.pages(entity):
                yield page
        except GeneratorExit:
            if self.gives_back != "not when closed":
                give_back(pipe)
            raise
        except Exception:
            raise
        except BaseException:
            if self.gives_back != "not when cancelled":
                give_back(pipe)
            raise
        else:
            give_back(pipe)


PIPES: list[tuple[int, int]] = []


def give_back(pipe: tuple[int, int]) -> None:
    PIPES.remove(pipe)
    for end in pipe:
        os.close(end)


@pytest.fixture(autouse=True)
def _close_pipes() -> Iterator[None]:
    yield
    while PIPES:
        give_back(PIPES[0])


class HoldingWhenClosed(Holding):
    gives_back = "not when closed"


class HoldingWhenCancelled(Holding):
    gives_back = "not when cancelled"


class DryPool(Shop):
    """Has ten connections, and one less after each read that is closed early."""

    def __init__(self) -> None:
        super().__init__()
        self.free = 10

    async def dry(self) -> None:
        """Do what is done where none is free."""
        raise TimedOutError("no connection is free; expected one soon; wait")

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        if not self.free:
            await self.dry()
        self.free -= 1
        async for page in self.pages(entity):
            yield page
        self.free += 1


class WaitsForThePool(DryPool):
    """Waits for a connection for ever."""

    async def dry(self) -> None:
        await anyio.sleep_forever()


class SharedPosition(Shop):
    """Two reads share a place to put records in."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer: list[Record] = []

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        async for page in self.pages(entity):
            self.buffer[:] = page.records
            yield Page(self.buffer, page.cursor)


class NotAtTheSameTime(Shop):
    """Refuses a request while another one is under way, as a client for one task does."""

    busy = False

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        async for page in self.pages(entity):
            if self.busy:
                raise ConnectionFailedError("another operation is in progress; expected none; wait for it")
            self.busy = True
            try:
                await checkpoint()
                await checkpoint()
            finally:
                self.busy = False
            yield page


class ClosingOneClosesAll(Shop):
    """Counts on being read once at a time: closing a read ends all others."""

    generation = 0

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        generation = self.generation
        try:
            async for page in self.pages(entity):
                if generation != self.generation:
                    return
                yield page
        except GeneratorExit:
            self.generation += 1
            raise


class Swallowing(Shop):
    """Answers a cancellation with the end of the read."""

    def answer(self) -> list[Page]:
        """Give what is answered."""
        return []

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = self.pages(entity)
        while True:
            try:
                page = await anext(pages)
            except StopAsyncIteration:
                return
            except Exception:
                raise
            except BaseException:  # noqa: BLE001 - what is wrong with it
                for each in self.answer():
                    yield each
                return
            yield page


class SwallowingWithAPage(Swallowing):
    def answer(self) -> list[Page]:
        return [Page([])]


class SwallowingWithAnError(Swallowing):
    def answer(self) -> list[Page]:
        raise ConnectionFailedError("the connection broke; expected an answer; try again")


class CancelledForGood(Shop):
    """A request that is cancelled leaves the connector unable to answer another one."""

    broken = False

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        if self.broken:
            return
        try:
            async for page in self.pages(entity):
                yield page
        except GeneratorExit:
            raise
        except BaseException:
            self.broken = True
            raise


class GoesOnWhenClosed(Shop):
    """Its streams can be closed, and take no notice of it."""

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        return Deaf(self.pages(entity))


class Deaf:
    """A stream that cannot be closed, whatever it says."""

    def __init__(self, pages: AsyncIterator[Page]) -> None:
        self._pages = pages

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        return await self._pages.__anext__()

    async def aclose(self) -> None:
        await checkpoint()


class ClosedOnce(Shop):
    """A second closing fails."""

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        return OnceOnly(self.pages(entity))


class OnceOnly(Deaf):
    """Raises when it is closed again."""

    closed = False

    async def aclose(self) -> None:
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True
        await close_stream(self._pages)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param(HoldingWhenClosed, "more and more open files", id="holds what it took when closed"),
        pytest.param(
            HoldingWhenCancelled, "more and more open files", id="holds what it took when cancelled"
        ),
        pytest.param(DryPool, "TimedOutError: no connection is free", id="its pool runs dry"),
        pytest.param(WaitsForThePool, "did not come back", id="waits for its dry pool"),
        pytest.param(SharedPosition, "changed afterwards", id="shares records between reads"),
        pytest.param(NotAtTheSameTime, "another operation", id="one request at a time, by an error"),
        pytest.param(ClosingOneClosesAll, "while another was closed", id="closing one ends all"),
        pytest.param(Swallowing, "answers with the end", id="takes a cancellation for the end"),
        pytest.param(SwallowingWithAPage, "answers with a page", id="answers a cancellation with a page"),
        pytest.param(
            SwallowingWithAnError, "ConnectionFailedError", id="answers a cancellation with an error"
        ),
        pytest.param(CancelledForGood, "that were cancelled, the next one", id="unusable when cancelled"),
        pytest.param(GoesOnWhenClosed, "is closed goes on", id="goes on when closed"),
        pytest.param(ClosedOnce, "closed already", id="cannot be closed twice"),
    ],
)
async def test_what_breaks_the_law_is_found(wrong: Callable[[], Connector], words: str) -> None:
    verdict = await closing(Subject(wrong, bounds=IMPATIENT))

    assert verdict.outcome == "broken"
    assert any(words in each.what and each.entity in {"orders", "stores"} for each in verdict.evidence), told(
        verdict
    )
    assert all(each.mend for each in verdict.evidence)


def told(verdict: Verdict) -> str:
    return "\n".join(map(str, verdict.evidence))


class Plain(Shop):
    """Its streams hold nothing and cannot be closed."""

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        return self.pages(entity)


class WithoutAwaits(Shop):
    """Has everything in memory, and never waits."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        table = TABLES[entity]
        for first in range(0, table.size, table.page_size):
            yield table.page(0, range(first, min(first + table.page_size, table.size)))


class Shielded(Shop):
    """Cannot be interrupted while it asks, as a client in a thread cannot: a page comes although it is cancelled."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = self.pages(entity)
        page: Page | None = Page([])
        while page is not None:
            with anyio.CancelScope(shield=True):
                page = await anext(pages, None)
            if page is not None:
                yield page


class CleansUpWhenCancelled(Shop):
    """Gives back behind a shield, and lets the cancellation out."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        try:
            async for page in self.pages(entity):
                yield page
        finally:
            with anyio.CancelScope(shield=True):
                await checkpoint()


class Grouping(Shop):
    """Asks in a task group of its own, none of which is open at a yield."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        pages = self.pages(entity)
        found: list[Page] = []

        async def ask() -> None:
            with suppress(StopAsyncIteration):
                found.append(await anext(pages))

        while True:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
            if not found:
                return
            yield found.pop()


class InAThread:
    """A client that blocks."""

    def connect(self) -> None: ...

    def disconnect(self) -> None: ...

    def discover_schema(self) -> Catalog:
        return Shop().catalog()

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> Iterator[Page]:
        table = TABLES[entity]
        for first in range(0, table.size, table.page_size):
            yield table.page(0, range(first, min(first + table.page_size, table.size)))


@pytest.mark.parametrize(
    "right",
    [
        Shop,
        Holding,
        Plain,
        WithoutAwaits,
        Shielded,
        CleansUpWhenCancelled,
        Grouping,
        pytest.param(lambda: Threaded(InAThread()), id="Threaded"),
        pytest.param(lambda: MockConnector(MockConfig(size=60, page_size=20)), id="MockConnector"),
    ],
)
async def test_what_keeps_the_law_passes(right: Callable[[], Connector]) -> None:
    verdict = await closing(right)

    assert verdict.outcome == "held", told(verdict)
    assert verdict.unchecked == ()


async def test_a_source_that_changes_by_itself_is_no_fault_of_the_connector() -> None:
    count = iter(range(1_000_000))

    class Changing(Shop):
        async def fetch_data(
            self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
        ) -> AsyncIterator[Page]:
            async for page in self.pages(entity):
                yield Page([{**record, "seen": next(count)} for record in page.records], page.cursor)

    verdict = await closing(Changing)

    assert verdict.evidence == ()
    assert "two reads of orders in turn: the source changed meanwhile" in verdict.unchecked


async def test_a_quota_that_runs_out_in_the_middle_leaves_the_rest_unchecked() -> None:
    left = iter(range(30))

    class Limited(Shop):
        async def fetch_data(
            self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
        ) -> AsyncIterator[Page]:
            async for page in self.pages(entity):
                if next(left, None) is None:
                    raise RateLimitError("429; expected less; wait", retry_after=3600)
                yield page

    verdict = await closing(Limited)

    assert verdict.evidence == ()
    assert any("RateLimitError" in each for each in verdict.unchecked)


async def test_the_requests_allowed_are_kept() -> None:
    verdict = await closing(Subject(Shop, bounds=Bounds(requests=25)))

    assert verdict.requests == 25
    assert verdict.evidence == ()
    assert any("25 requests" in each for each in verdict.unchecked)


async def test_an_entity_without_records_is_told() -> None:
    class Empty(Shop):
        def __init__(self) -> None:
            super().__init__()
            self.tables = {"orders": sources.Table(size=0)}

    verdict = await closing(Empty)

    assert verdict.outcome == "unchecked"
    assert verdict.unchecked == ("orders: it has no records",)


class TestInterrupted:
    async def test_an_answer_before_the_cancellation_is_none_of_it(self) -> None:
        pages = WithoutAwaits().fetch_data("orders")
        interrupted = Interrupted(pages)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(interrupted.ask)
            assert not await interrupted.cancel(turns=3)
        await close_stream(pages)

        assert (interrupted.answer, interrupted.cancelled, interrupted.delivered) == ("page", False, False)

    async def test_a_cancellation_that_comes_out_is_known(self) -> None:
        interrupted = await self.interrupted(waits_for_ever())

        assert (interrupted.answer, interrupted.delivered) == ("cancelled", True)

    async def test_a_page_that_could_not_be_interrupted_is_no_answer_to_the_cancellation(self) -> None:
        interrupted = await self.interrupted(waits_behind_a_shield())

        assert (interrupted.answer, interrupted.delivered) == ("page", False)

    async def test_an_error_in_place_of_the_cancellation_is_known(self) -> None:
        interrupted = await self.interrupted(fails_when_cancelled())

        assert (interrupted.answer, interrupted.delivered) == ("error", True)

    async def interrupted(self, pages: AsyncIterator[Page]) -> Interrupted:
        interrupted = Interrupted(pages)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(interrupted.ask)
            assert await interrupted.cancel(turns=3)
            await interrupted.over.wait()
        await close_stream(pages)
        return interrupted


async def waits_for_ever() -> AsyncIterator[Page]:
    await anyio.sleep_forever()
    yield Page([])


async def waits_behind_a_shield() -> AsyncIterator[Page]:
    with anyio.CancelScope(shield=True):
        for _ in range(10):
            await checkpoint()
    yield Page([])


async def fails_when_cancelled() -> AsyncIterator[Page]:
    try:
        await anyio.sleep_forever()
    except BaseException as error:
        raise RuntimeError("no") from error
    yield Page([])
