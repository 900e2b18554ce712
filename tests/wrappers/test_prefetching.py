"""Prefetching: pages ahead, in their order, errors in their place, and nothing left when a read is given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import attrs
import pytest
import sources
from anyio.lowlevel import checkpoint
from doubles import Able, Slow, Turnstile
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.capabilities import close_stream
from connector_kit.errors import ConfigError, ConnectionFailedError, RetriesExhaustedError
from connector_kit.protocols import FullConnector
from connector_kit.testing.strategies import schedules
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.fault_injection.wrapper import Fail, Faulty
from connector_kit.wrappers.prefetch.wrapper import Prefetching, prefetching
from connector_kit.wrappers.rate_limit.wrapper import RateLimited
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.retry.wrapper import Retrying

if TYPE_CHECKING:
    from connector_kit.protocols import Connector
    from connector_kit.records.page import Cursor, Page
    from connector_kit.wrappers.fault_injection.wrapper import Schedule

SECOND = 1_000_000_000
backends = st.sampled_from(["asyncio", "trio"])
tables = st.builds(sources.Table, size=st.integers(0, 12), page_size=st.integers(1, 5))


async def pages_of(connector: Connector, cursor: Cursor = None) -> list[Page]:
    return [page async for page in connector.fetch_data("orders", cursor=cursor)]


@attrs.define(eq=False)
class Ahead(sources.Shop):
    """Counts the pages that were made and not used yet."""

    used: int = 0
    made: int = 0
    most: int = 0

    def change(self, entity: str, page: Page, number: int) -> Page:
        self.made += 1
        self.most = max(self.most, self.made - self.used)
        return page


class TestTransparent:
    @given(tables, st.integers(1, 4), backends)
    def test_gives_the_same_pages_from_every_cursor(
        self, table: sources.Table, ahead: int, backend: str
    ) -> None:
        shop = sources.Shop({"orders": table})

        async def test() -> None:
            whole = await pages_of(sources.Shop({"orders": table}))
            async with prefetching(shop, pages=ahead) as source:
                assert await pages_of(source) == whole
                for number, page in enumerate(whole):
                    assert await pages_of(source, page.cursor) == whole[number + 1 :]

        VirtualClock().run(test, backend=backend)
        assert shop.opened == shop.closed

    @pytest.mark.anyio
    async def test_the_other_methods_reach_the_connector(self) -> None:
        able = Able()
        async with prefetching(able) as source:
            assert isinstance(source, FullConnector)
            source.validate_config()
            await source.connect()
            assert (await source.discover_schema()).names == ("orders",)
            assert await source.get_sample_data("orders", 3) == [{"entity": "orders", "limit": 3}]
            assert await source.partition_data("orders", target=5) == [{"after": 0}, {"after": 5}]
            await source.disconnect()
        assert len(able.calls) == 6

    @pytest.mark.anyio
    async def test_two_reads_at_once_do_not_disturb_each_other(self) -> None:
        async with prefetching(sources.Shop()) as source:
            one, other = source.fetch_data("orders"), source.fetch_data("orders")
            pages = [(await anext(one), await anext(other)) for _ in range(2)]
            await close_stream(one)
            assert [page async for page in other] == (await pages_of(sources.Shop()))[2:]
            assert all(first == second for first, second in pages)


class TestExact:
    @given(tables, schedules(max_in_a_row=3), st.integers(1, 3), backends)
    def test_with_retries_inside_under_every_schedule(
        self, table: sources.Table, schedule: Schedule, ahead: int, backend: str
    ) -> None:
        clock, shop = VirtualClock(), sources.Shop({"orders": table})

        async def test() -> None:
            retry = Retry(attempts=4, deadline=100_000)
            retrying = Retrying(Faulty(shop, schedule, clock=clock), retry, clock=clock)
            async with prefetching(retrying, pages=ahead) as source:
                assert await pages_of(source) == await pages_of(sources.Shop({"orders": table}))

        clock.run(test, backend=backend)
        assert shop.opened == shop.closed

    @given(st.integers(0, 4), st.integers(1, 6), backends)
    def test_an_error_comes_after_the_pages_before_it(self, before: int, ahead: int, backend: str) -> None:
        shop = sources.Shop()
        faulty = Faulty(shop, [*[None] * before, Fail()])

        async def test() -> None:
            async with prefetching(faulty, pages=ahead) as source:
                pages = source.fetch_data("orders")
                assert [await anext(pages) for _ in range(before)] == (await pages_of(shop))[:before]
                with pytest.raises(ConnectionFailedError):
                    await anext(pages)
                with pytest.raises(StopAsyncIteration):
                    await anext(pages)

        VirtualClock().run(test, backend=backend)
        assert shop.opened == shop.closed


class TestBounded:
    @given(st.integers(1, 5), st.integers(0, 20), backends)
    def test_never_more_pages_ahead_than_allowed(self, ahead: int, size: int, backend: str) -> None:
        shop = Ahead({"orders": sources.Table(size=size, page_size=1)})

        async def test() -> None:
            async with prefetching(shop, pages=ahead) as source:
                async for _ in source.fetch_data("orders"):
                    shop.used += 1
                    await anyio.wait_all_tasks_blocked()

        VirtualClock().run(test, backend=backend)
        assert shop.most <= ahead
        assert size <= ahead or shop.most == ahead, "as many as allowed where there are so many"

    def test_fetching_and_using_overlap(self, anyio_backend: str) -> None:
        """Ten pages of one second each way take eleven seconds and not twenty."""
        clock = VirtualClock()

        async def test() -> None:
            async with prefetching(Slow([1.0] * 10 + [0.0], clock=clock)) as source:
                async for _ in source.fetch_data("orders"):
                    await clock.sleep(1)

        clock.run(test, backend=anyio_backend)
        assert clock.monotonic_ns() == 11 * SECOND

    @pytest.mark.anyio
    async def test_nothing_is_fetched_before_the_first_page_is_asked_for(self) -> None:
        shop = sources.Shop()
        async with prefetching(shop) as source:
            pages = source.fetch_data("orders")
            await anyio.wait_all_tasks_blocked()
            assert shop.opened == 0
            await close_stream(pages)
            await close_stream(pages)
            with pytest.raises(StopAsyncIteration):
                await anext(pages)


class TestGivenUp:
    @given(st.integers(1, 4), st.integers(0, 4), backends)
    def test_closing_ends_the_task_and_closes_the_inner_stream_first(
        self, ahead: int, read: int, backend: str
    ) -> None:
        clock = VirtualClock()

        async def test() -> None:
            for source in (sources.Shop(), Slow([1.0] * 6, closing=1, clock=clock)):
                async with anyio.create_task_group() as tasks:
                    stream = Prefetching(source, tasks, ahead).fetch_data("orders")
                    for _ in range(read):
                        await anext(stream)
                    await close_stream(stream)
                    assert source.opened == source.closed
                    await close_stream(stream)
                    with pytest.raises(StopAsyncIteration):
                        await anext(stream)

        clock.run(test, backend=backend)

    @given(st.floats(0, 12), st.integers(1, 3), backends)
    def test_cancelled_at_any_time_it_leaves_no_stream_open(
        self, after: float, ahead: int, backend: str
    ) -> None:
        """The consumer alone, whose task group goes on."""
        clock = VirtualClock()
        slow = Slow([1.0] * 4, closing=0.5, clock=clock)

        async def test() -> None:
            async with prefetching(slow, pages=ahead) as source:
                stream = source.fetch_data("orders")
                whole = False
                with anyio.move_on_after(after) as scope:
                    try:
                        async for _ in stream:
                            await clock.sleep(2)
                        whole = True
                    finally:
                        with anyio.CancelScope(shield=True):
                            await close_stream(stream)
                assert whole != scope.cancelled_caught
                assert slow.opened == slow.closed

        clock.run(test, backend=backend)

    def test_who_is_cancelled_while_waiting_has_closed_the_stream(self, anyio_backend: str) -> None:
        clock = VirtualClock()
        slow = Slow([10.0, 10.0], clock=clock)

        async def test() -> None:
            async with prefetching(slow) as source:
                stream = source.fetch_data("orders")
                with anyio.move_on_after(1):
                    await anext(stream)
                assert (slow.opened, slow.closed) == (1, 1)
                with pytest.raises(StopAsyncIteration):
                    await anext(stream)

        clock.run(test, backend=anyio_backend)

    def test_a_stream_nobody_closes_ends_with_the_block(self, anyio_backend: str) -> None:
        clock = VirtualClock()
        slow = Slow([1.0] * 6, clock=clock)

        async def test() -> None:
            async with prefetching(slow) as source:
                await anext(source.fetch_data("orders"))
            assert slow.opened == slow.closed

        clock.run(test, backend=anyio_backend)

    @pytest.mark.anyio
    async def test_what_the_block_raises_comes_out_as_it_is(self) -> None:
        shop = sources.Shop()

        async def fail() -> None:
            async with prefetching(shop) as source:
                await anext(source.fetch_data("orders"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert shop.opened == shop.closed

    @pytest.mark.anyio
    async def test_what_retries_give_up_comes_out_as_it_is(self) -> None:
        retrying = Retrying(Faulty(sources.Shop(), [Fail()] * 2), Retry(attempts=2, first_wait="1us"))
        with pytest.raises(RetriesExhaustedError):
            async with prefetching(retrying) as source:
                await pages_of(source)


class TestTheTaskGroup:
    @pytest.mark.anyio
    async def test_one_that_is_closed_is_refused(self) -> None:
        async with prefetching(sources.Shop()) as source:
            pass
        pages = source.fetch_data("orders")
        with pytest.raises(ConfigError) as raised:
            await anext(pages)
        await close_stream(pages)
        assert raised.value.message == (
            "the task group that would fetch the pages is not open; expected one that lasts as long as the read; read "
            "inside of its block: async with prefetching(connector) as source: ..."
        )

    def test_one_that_is_cancelled_is_no_end_of_the_read(self, anyio_backend: str) -> None:
        """The pages before it would look like all there are."""
        clock = VirtualClock()

        async def own(task_status: anyio.abc.TaskStatus[anyio.abc.TaskGroup]) -> None:
            async with anyio.create_task_group() as tasks:
                task_status.started(tasks)
                await clock.sleep(1.5)
                tasks.cancel_scope.cancel()

        async def test() -> None:
            async with anyio.create_task_group() as outer:
                tasks = await outer.start(own)
                pages = Prefetching(Slow(clock=clock), tasks).fetch_data("orders")
                assert (await anext(pages)).cursor == 1
                with pytest.raises(ConfigError) as raised:
                    await anext(pages)
                assert raised.value.message == (
                    "the task group that fetches the pages was cancelled before the read was complete; expected it to "
                    "last as long as the read; read inside of its block"
                )

        clock.run(test, backend=anyio_backend)

    @pytest.mark.anyio
    async def test_a_page_may_be_asked_for_by_another_task(self) -> None:
        got: list[Page] = []

        async with prefetching(sources.Shop()) as source:
            stream = source.fetch_data("orders")

            async def ask() -> None:
                got.append(await anext(stream))

            for _ in range(2):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(ask)
            with anyio.CancelScope() as scope:
                scope.cancel()
                await checkpoint()
            got += [page async for page in stream]
        assert got == await pages_of(sources.Shop())


class TestOrder:
    @pytest.mark.anyio
    async def test_wrong_ones_are_refused_with_the_reason(self) -> None:
        async with prefetching(sources.Shop()) as source:
            async with anyio.create_task_group() as tasks:
                with pytest.raises(ConfigError, match="leave one out and give the other more pages="):
                    Prefetching(source, tasks)
            with pytest.raises(ConfigError, match=r"put it outside: Prefetching\(Retrying"):
                Retrying(source)
            with pytest.raises(ConfigError, match=r"put it outside: Prefetching\(RateLimited"):
                RateLimited(source, Turnstile())

    @pytest.mark.anyio
    async def test_fewer_than_one_page_ahead_is_refused(self) -> None:
        with pytest.raises(ValueError, match="'pages' must be >= 1"):
            async with prefetching(sources.Shop(), pages=0):
                raise AssertionError("it was let in")
