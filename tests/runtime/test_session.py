"""A connector that is connected for a block, and a stream that is closed at the end of one, whatever happens."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import FunctionType
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest
import sources
from doubles import Able, Slow

from connector_kit.capabilities import CLOSING_SECONDS, close_stream
from connector_kit.errors import ConfigError, ConnectionFailedError, RepeatedCursorError, UnknownEntityError
from connector_kit.observers.memory import MemoryObserver
from connector_kit.protocols import Connector
from connector_kit.records.cursor_watch import CursorWatch
from connector_kit.records.page import Page
from connector_kit.runtime.session import DISCONNECT_SECONDS, connected, stream
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.circuit_breaker.policy import Breaker
from connector_kit.wrappers.fault_injection.wrapper import Fail, Faulty, Repeat
from connector_kit.wrappers.observation.wrapper import Observed
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.stack.protect import protect
from connector_kit.wrappers.stack.resilience import Resilience
from connector_kit.wrappers.timeout.wrapper import TimeLimited, Timeouts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from datetime import datetime
    from types import FrameType

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Record

pytestmark = pytest.mark.anyio

SECOND = 1_000_000_000


@contextmanager
def counting(function: Callable[..., object]) -> Iterator[list[object]]:
    """Give a list to which each call of a function in Python adds itself."""
    calls: list[object] = []
    assert isinstance(function, FunctionType)

    def hear(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is function.__code__:
            calls.append(event)

    before = sys.getprofile()
    sys.setprofile(hear)
    try:
        yield calls
    finally:
        sys.setprofile(before)


@attrs.define(eq=False)
class Leaving(Able):
    """Takes its time to disconnect, or cannot."""

    seconds: float = 0.0
    fails: bool = False

    async def disconnect(self) -> None:
        await anyio.sleep(self.seconds)
        if self.fails:
            raise ConnectionFailedError("cannot disconnect")
        await Able.disconnect(self)


class TestConnected:
    async def test_validates_connects_and_disconnects(self) -> None:
        able = Able()
        async with connected(able) as same:
            assert same is able
            assert able.calls == ["validate_config", "connect"]
        assert able.calls == ["validate_config", "connect", "disconnect"]

    async def test_a_wrong_configuration_is_told_before_anything_is_tried(self) -> None:
        able = Able(wrong="no token")
        with pytest.raises(ConfigError, match="no token"):
            async with connected(able):
                raise AssertionError
        assert able.calls == ["validate_config"]

    async def test_a_connect_that_fails_is_followed_by_a_disconnect(self) -> None:
        """It may have opened a half of what it needs."""
        able = Able()
        with pytest.raises(ConnectionFailedError):
            async with connected(Faulty(able, [Fail()])):
                raise AssertionError
        assert able.calls == ["validate_config", "disconnect"]

    async def test_the_blocks_own_error_is_the_one_that_is_told(self) -> None:
        """Not the disconnect's, which comes of it more often than not."""
        with pytest.raises(ZeroDivisionError):
            async with connected(Leaving(fails=True)):
                raise ZeroDivisionError

    async def test_a_disconnect_that_fails_after_a_good_end_is_told(self) -> None:
        with pytest.raises(ConnectionFailedError, match="cannot disconnect"):
            async with connected(Leaving(fails=True)):
                pass

    @pytest.mark.parametrize("fails", [False, True])
    def test_cancelled_it_still_disconnects_and_the_cancellation_goes_on(
        self,
        fails: bool,  # noqa: FBT001 - pytest gives it by name
        anyio_backend: str,
    ) -> None:
        """Also where the disconnect fails: a cancellation that turns into an error is one that is swallowed."""
        clock, leaving = VirtualClock(), Leaving(seconds=3, fails=fails)

        async def test() -> None:
            with anyio.move_on_after(5) as scope:
                async with connected(leaving):
                    await anyio.sleep(60)
            assert scope.cancelled_caught

        clock.run(test, backend=anyio_backend)
        assert leaving.connected == fails
        assert clock.monotonic_ns() == 8 * SECOND

    def test_a_disconnect_that_hangs_is_given_up(self, anyio_backend: str) -> None:
        clock = VirtualClock()

        async def test() -> None:
            async with connected(Leaving(seconds=1e9)):
                pass

        clock.run(test, backend=anyio_backend)
        assert clock.monotonic_ns() == DISCONNECT_SECONDS * SECOND


class TestStream:
    async def test_gives_pages_or_records(self) -> None:
        shop = sources.Shop()
        async with stream(shop, "orders") as orders:
            assert [len(page.records) async for page in orders] == [3, 3, 3, 1]
        async with stream(shop, "orders", cursor={"after": 7}) as orders:
            assert [record["id"] async for record in orders.records()] == [7, 8, 9]
        async with stream(shop, "orders", since=sources.START.replace(minute=8)) as orders:
            assert [record["id"] async for record in orders.records()] == [8, 9]
        assert shop.opened == shop.closed == 3

    async def test_records_go_on_where_pages_left_off(self) -> None:
        async with stream(sources.Shop(), "orders") as orders:
            assert len((await anext(orders)).records) == 3
            records: list[Record] = [record async for record in orders.records()]
        assert [record["id"] for record in records] == [3, 4, 5, 6, 7, 8, 9]

    async def test_empty_pages_have_no_records(self) -> None:
        class Gaps(sources.Shop):
            def change(self, entity: str, page: Page, number: int) -> Page:
                return Page([] if number % 2 else page.records, page.cursor)

        async with stream(Gaps(), "orders") as orders:
            assert [record["id"] async for record in orders.records()] == [0, 1, 2, 6, 7, 8]

    async def test_it_is_closed_when_one_leaves_early(self) -> None:
        shop = sources.Shop()
        async with stream(shop, "orders") as orders:
            async for _ in orders.records():
                break
        assert (shop.opened, shop.closed) == (1, 1)
        with pytest.raises(StopAsyncIteration):
            await anext(orders)

    async def test_it_is_closed_when_the_block_fails(self) -> None:
        shop = sources.Shop()

        async def fail() -> None:
            async with stream(shop, "orders") as orders:
                await anext(orders)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert (shop.opened, shop.closed) == (1, 1)

    async def test_the_blocks_own_error_is_not_hidden_by_that_of_closing(self) -> None:
        """An error of closing alone is told."""

        class Jammed(sources.Shop):
            def fetch_data(
                self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
            ) -> AsyncIterator[Page]:
                return Jam()

        class Jam:
            def __aiter__(self) -> AsyncIterator[Page]:
                return self

            async def __anext__(self) -> Page:
                return Page([])

            async def aclose(self) -> None:
                raise RuntimeError("cannot close")

        with pytest.raises(ZeroDivisionError):
            async with stream(Jammed(), "orders"):
                raise ZeroDivisionError
        with pytest.raises(RuntimeError, match="cannot close"):
            async with stream(Jammed(), "orders"):
                pass

    async def test_after_the_block_nobody_is_asked_for_more(self) -> None:
        slow = Slow(pages=(0, 0, 0))
        async with stream(slow, "orders") as orders:
            await anext(orders)
        with pytest.raises(StopAsyncIteration):
            await anext(orders)
        assert slow.asked == 1

    async def test_a_read_that_goes_round_in_circles_is_refused(self) -> None:
        with pytest.raises(RepeatedCursorError):
            async with stream(Faulty(sources.Shop(), [Repeat()]), "orders") as orders:
                assert [page async for page in orders]

    @pytest.mark.parametrize(
        "stack",
        [
            lambda shop: shop,
            Retrying,
            lambda shop: Observed(TimeLimited(Retrying(shop), Timeouts()), MemoryObserver()),
            lambda shop: protect(shop, Resilience(rate="1000/s", cache="1h", breaker=Breaker())),
            lambda shop: protect(shop, Resilience(retry=None)),
        ],
        ids=["bare", "retrying", "retrying inside", "protected", "protected, not retrying"],
    )
    async def test_each_cursor_is_watched_once(self, stack: Callable[[Connector], Connector]) -> None:
        """By `Retrying` where there is one: each look compares the cursor with two others, however large they are."""
        with counting(CursorWatch.see) as watched:
            async with stream(stack(sources.Shop()), "orders") as orders:
                pages = [page async for page in orders]
        assert (len(watched), len(pages)) == (4, 4)

    async def test_cursors_that_somebody_elses_wrapper_may_have_changed_are_watched_again(self) -> None:
        @attrs.frozen
        class Forgetful:
            """Gives every page the same cursor: what is wrong is not the inner connector's."""

            inner: Connector

            async def connect(self) -> None:
                await self.inner.connect()

            async def disconnect(self) -> None:
                await self.inner.disconnect()

            async def discover_schema(self) -> Catalog:
                return await self.inner.discover_schema()

            async def fetch_data(
                self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
            ) -> AsyncIterator[Page]:
                pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
                try:
                    async for page in pages:
                        yield Page(page.records, {"page": 1})
                finally:
                    await close_stream(pages)

        with counting(CursorWatch.see) as watched, pytest.raises(RepeatedCursorError):
            async with stream(Forgetful(Retrying(sources.Shop())), "orders") as orders:
                assert [page async for page in orders]
        assert len(watched) == 2 * 2

    async def test_the_connectors_errors_come_out(self) -> None:
        catalog = await sources.Shop().discover_schema()
        with pytest.raises(UnknownEntityError):
            catalog["carts"]
        with pytest.raises(ConnectionFailedError):
            async with stream(Faulty(sources.Shop(), [None, Fail()]), "orders") as orders:
                assert [page async for page in orders]

    @pytest.mark.parametrize("waits", [True, False])
    def test_cancelled_it_is_closed_all_the_same(
        self,
        waits: bool,  # noqa: FBT001 - pytest gives it by name
        anyio_backend: str,
    ) -> None:
        """While a page is used, and at the very end of a block that has ended well."""
        clock = VirtualClock()
        slow = Slow(closing=2, clock=clock)

        async def test() -> None:
            with anyio.CancelScope() as scope:
                async with stream(slow, "orders") as orders:
                    await anext(orders)
                    scope.cancel()
                    if waits:
                        await anyio.sleep(60)
                await anyio.sleep(60)
            assert scope.cancelled_caught

        clock.run(test, backend=anyio_backend)
        assert (slow.opened, slow.closed) == (1, 1)
        assert clock.monotonic_ns() == 3 * SECOND

    @pytest.mark.parametrize("fails", [True, False])
    def test_a_stream_that_does_not_close_is_given_up(
        self,
        fails: bool,  # noqa: FBT001 - pytest gives it by name
        anyio_backend: str,
    ) -> None:
        clock = VirtualClock()

        async def test() -> None:
            async with stream(Slow(closing=1e9, clock=clock), "orders"):
                if fails:
                    raise ZeroDivisionError

        if fails:
            with pytest.raises(ZeroDivisionError):
                clock.run(test, backend=anyio_backend)
        else:
            clock.run(test, backend=anyio_backend)
        assert clock.monotonic_ns() == CLOSING_SECONDS * SECOND
