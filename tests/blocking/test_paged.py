"""`Paged`: single records become pages, exactly, whatever breaks between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import attrs
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.blocking.paged import Paged, RecordConnector
from connector_kit.capabilities import close_stream
from connector_kit.errors import ConfigError, ConnectionFailedError, ResumeImpossibleError
from connector_kit.protocols import FullConnector
from connector_kit.records.catalog import Catalog, Entity
from connector_kit.records.page import Cursor, Page, Record
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.retry.wrapper import Retrying

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

backends = st.sampled_from(["asyncio", "trio"])


@attrs.define(eq=False)
class Log:
    """Yields `size` records one by one; before the n-th one that is asked for, it fails if n is in `faults`."""

    size: int = 7
    faults: frozenset[int] = frozenset()
    asked: int = 0
    opened: int = 0
    closed: int = 0
    connected: bool = False

    async def connect(self) -> None:
        self.connected = True

    async def disconnect(self) -> None:
        self.connected = False

    async def discover_schema(self) -> Catalog:
        return Catalog([Entity("lines")])

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Record]:
        self.opened += 1
        try:
            for number in range(cursor if isinstance(cursor, int) else 0, self.size):
                await checkpoint()
                self.asked += 1
                if self.asked in self.faults:
                    raise ConnectionFailedError("the line is broken")
                yield {"number": number}
        finally:
            self.closed += 1


@attrs.define(eq=False)
class AbleLog(Log):
    """A Log with all the optional methods."""

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        return [{"limit": limit}]

    def validate_config(self) -> None:
        raise ConfigError("no file")

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        return [0, target]


def behind(record: Record) -> Cursor:
    """Give the cursor of what follows a record."""
    return int(record["number"]) + 1


def pages(start: int, size: int, page_size: int, *, cursors: bool) -> list[Page]:
    """Give what a read delivers."""
    found = []
    for first in range(start, size, page_size):
        numbers = range(first, min(first + page_size, size))
        found.append(Page([{"number": number} for number in numbers], numbers[-1] + 1 if cursors else None))
    return found


class TestPages:
    @given(st.integers(0, 12), st.integers(1, 5), st.booleans(), backends)
    def test_every_record_is_in_one_page_and_every_page_but_the_last_is_full(
        self,
        size: int,
        page_size: int,
        cursors: bool,  # noqa: FBT001 - drawn
        backend: str,
    ) -> None:
        log = Log(size)

        async def test() -> None:
            paged = Paged(log, page_size, cursor_of=behind if cursors else None)
            expected = pages(0, size, page_size, cursors=cursors)
            assert [page async for page in paged.fetch_data("lines")] == expected
            for number, page in enumerate(expected if cursors else ()):
                rest = [each async for each in paged.fetch_data("lines", cursor=page.cursor)]
                assert rest == expected[number + 1 :]

        VirtualClock().run(test, backend=backend)
        assert log.opened == log.closed

    @given(st.integers(0, 12), st.integers(1, 5), st.frozensets(st.integers(1, 30), max_size=4), backends)
    def test_with_cursors_and_retries_the_pages_are_those_of_a_read_without_faults(
        self, size: int, page_size: int, faults: frozenset[int], backend: str
    ) -> None:
        """Not only the records: an incomplete page is not delivered."""
        log, clock = Log(size, faults), VirtualClock()

        async def test() -> None:
            retrying = Retrying(Paged(log, page_size, cursor_of=behind), Retry(attempts=5), clock=clock)
            assert [page async for page in retrying.fetch_data("lines")] == pages(
                0, size, page_size, cursors=True
            )

        clock.run(test, backend=backend)
        assert log.opened == log.closed

    def test_without_cursors_a_read_that_breaks_in_its_first_page_begins_again(
        self, anyio_backend: str
    ) -> None:
        """Nothing of it was delivered; in the second page it is too late."""
        clock = VirtualClock()

        async def test() -> None:
            early = Retrying(Paged(Log(faults=frozenset({2})), 3), clock=clock)
            assert [page async for page in early.fetch_data("lines")] == pages(0, 7, 3, cursors=False)
            late = Retrying(Paged(Log(faults=frozenset({5})), 3), clock=clock)
            with pytest.raises(ResumeImpossibleError):
                async for _ in late.fetch_data("lines"):
                    pass

        clock.run(test, backend=anyio_backend)


@pytest.mark.anyio
class TestStreams:
    async def test_an_error_ends_the_stream(self) -> None:
        log = Log(faults=frozenset({5}))
        stream = Paged(log, 3).fetch_data("lines")
        assert len((await anext(stream)).records) == 3
        with pytest.raises(ConnectionFailedError):
            await anext(stream)
        assert [page async for page in stream] == []
        assert log.opened == log.closed == 1

    async def test_a_cursor_that_cannot_be_had_is_an_error_that_closes_the_stream(self) -> None:
        log = Log()
        stream = Paged(log, 3, cursor_of=lambda record: record["no such"]).fetch_data("lines")
        with pytest.raises(KeyError):
            await anext(stream)
        assert log.opened == log.closed == 1

    async def test_closing_early_closes_the_inner_stream(self) -> None:
        log = Log()
        stream = Paged(log, 3).fetch_data("lines")
        await anext(stream)
        await close_stream(stream)
        await close_stream(stream)
        assert log.opened == log.closed == 1
        assert [page async for page in stream] == []

    async def test_cancelled_in_the_middle_of_a_page_it_closes_the_inner_stream(self) -> None:
        log = Log()
        stream = Paged(log, 3).fetch_data("lines")
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anext(stream)
        assert scope.cancelled_caught
        assert log.opened == log.closed == 1
        assert [page async for page in stream] == []


@pytest.mark.anyio
class TestMethods:
    async def test_it_is_a_full_connector(self) -> None:
        log = Log()
        paged = Paged(log)
        assert isinstance(log, RecordConnector)
        assert isinstance(paged, FullConnector)
        await paged.connect()
        assert log.connected
        assert await paged.discover_schema() == Catalog([Entity("lines")])
        await paged.disconnect()
        assert not log.connected

    async def test_it_is_shown_with_the_size_of_its_pages(self) -> None:
        assert repr(Paged(Log(), 7)) == "Paged(size=7)\nLog()"

    async def test_optional_methods_reach_a_connector_that_has_them(self) -> None:
        paged = Paged(AbleLog())
        assert await paged.get_sample_data("lines", 4) == [{"limit": 4}]
        assert await paged.get_sample_data("lines", 0) == []
        assert await paged.partition_data("lines", target=3) == [0, 3]
        with pytest.raises(ConfigError, match="no file"):
            paged.validate_config()

    @pytest.mark.parametrize("limit", [0, 1, 3, 5, 100])
    async def test_a_sample_reads_no_more_records_than_it_gives(self, limit: int) -> None:
        log = Log()
        paged = Paged(log, 4)
        paged.validate_config()
        assert len(await paged.get_sample_data("lines", limit)) == min(limit, 7)
        assert log.asked <= (limit + 3 if limit > 4 else limit)
        assert await paged.partition_data("lines", target=3) == [None]

    @pytest.mark.parametrize("size", [0, -1])
    async def test_a_size_that_never_ends_is_refused(self, size: int) -> None:
        with pytest.raises(ConfigError, match="give a size of 1 or more"):
            Paged(Log(), size)
