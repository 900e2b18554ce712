"""The defaults of the optional methods, and the closing of streams: also broken, hanging and cancelled ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import anyio
import anyio.lowlevel
import attrs
import pytest
import sources

from connector_kit.capabilities import (
    CLOSING_SECONDS,
    close_broken_stream,
    close_stream,
    partitions,
    sample,
    validate,
)
from connector_kit.errors import ConfigError, ConnectionFailedError
from connector_kit.records.page import Page
from connector_kit.testing.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from connector_kit.records.page import Cursor, Record

pytestmark = pytest.mark.anyio

Closing = Literal["well", "slowly", "never", "wrongly"]


@attrs.define(eq=False)
class Pages:
    """A stream that is no generator: `then` comes after its pages, and `closing` says how it closes."""

    pages: int = 2
    closing: Closing = "well"
    then: Literal["end", "error", "silence"] = "end"
    asked: int = 0
    closed: bool = False

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        await anyio.lowlevel.checkpoint()
        self.asked += 1
        if self.asked <= self.pages:
            return Page([{"id": 2 * self.asked - 1}, {"id": 2 * self.asked}], self.asked)
        if self.then == "error":
            raise ConnectionFailedError("the line broke")
        if self.then == "silence":
            await anyio.sleep_forever()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        if self.closing == "wrongly":
            raise RuntimeError("closing failed")
        if self.closing != "well":
            await anyio.sleep(1 if self.closing == "slowly" else 1e9)
        self.closed = True


@attrs.define(eq=False)
class Reader(sources.Shop):
    """A connector whose one stream can be looked at."""

    stream: Pages = attrs.field(factory=Pages)

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        self.asked.append((entity, cursor))
        return self.stream


class Able(sources.Shop):
    """Has all three optional methods."""

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        return [{"entity": entity, "limit": limit}]

    def validate_config(self) -> None:
        raise ConfigError("no token")

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        return [entity, target]


class TestDefaults:
    @pytest.mark.parametrize("limit", [1, 2, 3, 4, 9, 10, 11, 1000])
    async def test_a_sample_is_the_first_records_and_no_more_pages_than_needed(self, limit: int) -> None:
        shop = sources.Shop()
        records = await sample(shop, "orders", limit)
        assert [record["id"] for record in records] == list(range(min(limit, 10)))
        assert (shop.opened, shop.closed) == (1, 1)
        reader = Reader()
        await sample(reader, "orders", limit)
        assert reader.stream.asked == min(3, (limit + 1) // 2)
        assert reader.stream.closed

    @pytest.mark.parametrize("limit", [0, -1])
    async def test_a_sample_of_nothing_asks_nobody(self, limit: int) -> None:
        shop = sources.Shop()
        assert await sample(shop, "orders", limit) == []
        assert await sample(Able(), "orders", limit) == []
        assert shop.opened == 0

    async def test_the_connectors_own_methods_come_first(self) -> None:
        able = Able()
        for limit in (1, 3):
            expected = [{"entity": "orders", "limit": limit}]
            assert await sample(able, "orders", limit) == expected
        assert await sample(able, "orders") == [{"entity": "orders", "limit": 10}]
        assert await partitions(able, "orders", target=5) == ["orders", 5]
        with pytest.raises(ConfigError, match="no token"):
            validate(able)
        assert able.opened == 0

    async def test_without_them_there_is_one_partition_and_nothing_to_complain_about(self) -> None:
        shop = sources.Shop()
        assert await partitions(shop, "orders", target=8) == [None]
        validate(shop)

    async def test_a_sample_that_fails_closes_the_stream_and_keeps_its_error(self) -> None:
        """The error of closing would hide the one that tells what happened."""
        reader = Reader(stream=Pages(then="error", closing="wrongly"))
        with pytest.raises(ConnectionFailedError, match="the line broke"):
            await sample(reader, "orders")
        reader = Reader(stream=Pages(then="error"))
        with pytest.raises(ConnectionFailedError):
            await sample(reader, "orders")
        assert reader.stream.closed

    async def test_a_sample_whose_stream_does_not_close_says_so(self) -> None:
        with pytest.raises(RuntimeError, match="closing failed"):
            await sample(Reader(stream=Pages(closing="wrongly")), "orders")


def test_a_cancelled_sample_closes_its_stream(anyio_backend: str) -> None:
    """Even where closing needs to wait."""
    clock = VirtualClock()
    reader = Reader(stream=Pages(then="silence", closing="slowly"))

    async def test() -> None:
        with anyio.move_on_after(10) as scope:
            await sample(reader, "orders")
        assert scope.cancelled_caught

    clock.run(test, backend=anyio_backend)
    assert reader.stream.closed


class TestClosing:
    async def test_an_iterator_that_cannot_be_closed_holds_nothing(self) -> None:
        class Plain:
            def __aiter__(self) -> AsyncIterator[Page]:
                return self

            async def __anext__(self) -> Page:
                raise StopAsyncIteration

        await close_stream(Plain())
        await close_broken_stream(Plain())

    async def test_the_error_of_closing_is_told_unless_the_stream_was_broken(self) -> None:
        with pytest.raises(RuntimeError, match="closing failed"):
            await close_stream(Pages(closing="wrongly"))
        await close_broken_stream(Pages(closing="wrongly"))

    def test_closing_a_broken_stream_takes_a_bounded_time(self, anyio_backend: str) -> None:
        clock = VirtualClock()
        clock.run(close_broken_stream, Pages(closing="never"), backend=anyio_backend)
        assert clock.monotonic_ns() == CLOSING_SECONDS * 1_000_000_000

    @pytest.mark.parametrize(("closing", "seconds"), [("slowly", 1), ("never", CLOSING_SECONDS)])
    def test_a_broken_stream_is_closed_under_cancellation(
        self, closing: Closing, seconds: float, anyio_backend: str
    ) -> None:
        """And the cancellation goes on afterwards."""
        clock, pages = VirtualClock(), Pages(closing=closing)

        async def test() -> None:
            with anyio.CancelScope() as scope:
                scope.cancel()
                await close_broken_stream(pages)
                await anyio.lowlevel.checkpoint()
            assert scope.cancelled_caught

        clock.run(test, backend=anyio_backend)
        assert pages.closed == (closing == "slowly")
        assert clock.monotonic_ns() == seconds * 1_000_000_000
