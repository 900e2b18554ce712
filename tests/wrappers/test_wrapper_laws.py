"""The laws every wrapper keeps, and the whole stack with them: transparent, complete, cancellable, no scope left open."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import anyio
import pytest
import sources
from anyio.lowlevel import checkpoint
from doubles import Able, Ear, Slow, Turnstile
from hypothesis import given
from hypothesis import strategies as st
from stacks import WRAPPERS, Bench, Wrapper

from connector_kit.blocking.paged import Paged
from connector_kit.capabilities import close_stream
from connector_kit.cassettes.recording import Recording
from connector_kit.errors import ConfigError, RequestRejectedError
from connector_kit.protocols import Connector, FullConnector
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.prefetch.wrapper import Prefetching
from connector_kit.wrappers.stack.protect import protect
from connector_kit.wrappers.stack.resilience import Resilience
from connector_kit.wrappers.timeout.wrapper import TimeLimited, Timeouts
from connector_kit.wrappers.validation.wrapper import Validating

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from connector_kit.records.page import Cursor, Page

    Wrap = Callable[[Connector, VirtualClock], FullConnector]

LONG = Timeouts(call="1h", page="1h", total="1d")
NOT_FOR_ALL = {
    Paged: "delivers pages of its own",
    Prefetching: "wants a task group",
    Recording: "writes files",
    Validating: "wants records that fit the catalog",
}
"""Those that the tests here are not made for, and why. They are in test_matrix.py and test_shipped_wrappers.py as all are."""


def on_a_bench(wrapper: Wrapper) -> Wrap:
    def wrap(inner: Connector, clock: VirtualClock) -> FullConnector:
        return wrapper.around(inner, Bench(Path(), clock, anyio.create_task_group(), rate="1000/s"))

    return wrap


WRAPS: dict[str, Wrap] = {
    **{each.cls.__name__: on_a_bench(each) for each in WRAPPERS if each.cls not in NOT_FOR_ALL},
    "TimeLimited without limits": lambda inner, clock: TimeLimited(inner, Timeouts(), clock=clock),
    "protect": lambda inner, clock: protect(
        inner,
        Resilience(attempt=LONG, deadline=LONG),
        limiter=Turnstile(clock=clock),
        observer=Ear(),
        clock=clock,
        random=Random(1),
    ),
}
every_wrapper = pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS.keys())
wraps = st.sampled_from(list(WRAPS.values()))
backends = st.sampled_from(["asyncio", "trio"])
tables = st.builds(sources.Table, size=st.integers(0, 12), page_size=st.integers(1, 5))


async def pages_of(connector: Connector, since: datetime | None = None, cursor: Cursor = None) -> list[Page]:
    """Read to the end."""
    return [page async for page in connector.fetch_data("orders", since=since, cursor=cursor)]


class TestTransparent:
    @given(wraps, tables, backends)
    def test_a_read_without_faults_gives_the_same_pages(
        self, wrap: Wrap, table: sources.Table, backend: str
    ) -> None:
        """From the start, from every cursor and from every time, and every stream is closed after it."""
        bare, shop, clock = (sources.Shop({"orders": table}), sources.Shop({"orders": table}), VirtualClock())

        async def test() -> None:
            wrapped = wrap(shop, clock)
            whole = await pages_of(bare)
            assert await pages_of(wrapped) == whole
            for number, page in enumerate(whole):
                assert await pages_of(wrapped, cursor=page.cursor) == whole[number + 1 :]
                since = sources.as_time(page.records[-1])
                assert await pages_of(wrapped, since=since) == await pages_of(bare, since=since)

        clock.run(test, backend=backend)
        assert shop.opened == shop.closed

    @every_wrapper
    def test_all_seven_methods_reach_a_connector_that_has_them(self, wrap: Wrap, anyio_backend: str) -> None:
        able, clock = Able(), VirtualClock()

        async def test() -> None:
            wrapped = wrap(able, clock)
            assert isinstance(wrapped, FullConnector)
            wrapped.validate_config()
            await wrapped.connect()
            assert await wrapped.discover_schema() == await sources.Shop().discover_schema()
            assert await wrapped.get_sample_data("orders", 3) == [{"entity": "orders", "limit": 3}]
            assert await wrapped.get_sample_data("orders") == [{"entity": "orders", "limit": 10}]
            assert await wrapped.partition_data("orders", target=5) == [{"after": 0}, {"after": 5}]
            assert len(await pages_of(wrapped)) == 4
            await wrapped.disconnect()

        clock.run(test, backend=anyio_backend)
        assert able.calls == [
            "validate_config",
            "connect",
            "discover_schema",
            "get_sample_data",
            "get_sample_data",
            "partition_data",
            "disconnect",
        ]

    @every_wrapper
    def test_what_a_connector_lacks_is_made_up_for(self, wrap: Wrap, anyio_backend: str) -> None:
        shop, clock = sources.Shop(), VirtualClock()

        async def test() -> None:
            wrapped = wrap(shop, clock)
            assert isinstance(wrapped, FullConnector)
            wrapped.validate_config()
            assert [record["id"] for record in await wrapped.get_sample_data("orders", 4)] == [0, 1, 2, 3]
            assert await wrapped.get_sample_data("orders", 0) == []
            assert await wrapped.partition_data("orders", target=5) == [None]

        clock.run(test, backend=anyio_backend)
        assert (shop.opened, shop.closed) == (1, 1)

    @every_wrapper
    def test_a_connectors_errors_come_out_as_they_are(self, wrap: Wrap, anyio_backend: str) -> None:
        clock = VirtualClock()

        async def test() -> None:
            with pytest.raises(RequestRejectedError, match="no table 'carts'"):
                await anext(wrap(sources.Shop(), clock).fetch_data("carts"))
            with pytest.raises(ConfigError, match="no token"):
                wrap(Able(wrong="no token"), clock).validate_config()

        clock.run(test, backend=anyio_backend)

    @every_wrapper
    def test_two_reads_at_once_do_not_disturb_each_other(self, wrap: Wrap, anyio_backend: str) -> None:
        clock = VirtualClock()

        async def test() -> None:
            wrapped = wrap(sources.Shop(), clock)
            one, other = wrapped.fetch_data("orders"), wrapped.fetch_data("orders")
            pages = [(await anext(one), await anext(other)) for _ in range(2)]
            await close_stream(one)
            assert [page async for page in other] == (await pages_of(sources.Shop()))[2:]
            assert all(first == second for first, second in pages)

        clock.run(test, backend=anyio_backend)


def test_a_read_that_cannot_even_begin_is_tried_again(anyio_backend: str) -> None:
    """A fetch_data that is no generator may raise at once."""
    clock = VirtualClock()
    shop = sources.Shop()
    refusals = [ConnectionResetError("reset"), TimeoutError("slow")]

    class Plain:
        connect, disconnect, discover_schema = shop.connect, shop.disconnect, shop.discover_schema

        def fetch_data(
            self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
        ) -> AsyncIterator[Page]:
            if refusals:
                raise refusals.pop()
            return shop.fetch_data(entity, since=since, cursor=cursor)

    async def test() -> None:
        assert await pages_of(protect(Plain(), clock=clock)) == await pages_of(sources.Shop())

    clock.run(test, backend=anyio_backend)
    assert (shop.opened, shop.closed) == (1, 1)


class TestCancellable:
    @given(wraps, st.floats(0, 12), st.sampled_from([sources.Shop, Slow]), backends)
    def test_cancelled_at_any_time_it_leaves_no_stream_open(
        self, wrap: Wrap, after: float, kind: type[sources.Shop | Slow], backend: str
    ) -> None:
        """Wherever it hits: while a page is waited for, while one is used, while the stream is closed."""
        clock = VirtualClock()
        source = Slow(clock=clock) if kind is Slow else sources.Shop()

        async def test() -> None:
            whole = False
            stream = wrap(source, clock).fetch_data("orders")
            with anyio.move_on_after(after) as scope:
                try:
                    async for _ in stream:
                        await clock.sleep(2)
                    whole = True
                finally:
                    with anyio.CancelScope(shield=True):
                        await close_stream(stream)
            assert whole != scope.cancelled_caught

        clock.run(test, backend=backend)
        assert source.opened == source.closed

    @every_wrapper
    def test_a_call_is_cancelled_and_never_swallows_it(self, wrap: Wrap, anyio_backend: str) -> None:
        clock = VirtualClock()

        async def test() -> None:
            wrapped = wrap(Slow(call=100, clock=clock), clock)
            for call in (
                wrapped.connect,
                wrapped.disconnect,
                wrapped.discover_schema,
                partial(wrapped.get_sample_data, "orders"),
                partial(wrapped.partition_data, "orders", target=2),
            ):
                with anyio.move_on_after(10) as scope:
                    await call()
                assert scope.cancelled_caught

        clock.run(test, backend=anyio_backend)
        assert clock.monotonic_ns() == 50_000_000_000

    @every_wrapper
    def test_closing_early_releases_the_inner_stream(self, wrap: Wrap, anyio_backend: str) -> None:
        """Before the first page, between two pages, twice; after that there are no more pages."""
        clock = VirtualClock()

        async def test() -> None:
            for read in range(3):
                for source in (sources.Shop(), Slow(clock=clock)):
                    stream = wrap(source, clock).fetch_data("orders")
                    for _ in range(read):
                        await anext(stream)
                    await close_stream(stream)
                    await close_stream(stream)
                    assert source.opened == source.closed

        clock.run(test, backend=anyio_backend)


class TestNoScopeAcrossAYield:
    @every_wrapper
    def test_a_consumers_own_scope_may_end_between_pages(self, wrap: Wrap, anyio_backend: str) -> None:
        """Its cancellation hits the consumer's code alone: the stream goes on afterwards."""
        clock = VirtualClock()

        async def test() -> None:
            stream = wrap(sources.Shop(), clock).fetch_data("orders")
            pages = []
            with anyio.CancelScope() as scope:
                pages.append(await anext(stream))
                scope.cancel()
                await checkpoint()
            assert scope.cancelled_caught
            with anyio.CancelScope():
                pages.append(await anext(stream))
            pages += [page async for page in stream]
            assert pages == await pages_of(sources.Shop())

        clock.run(test, backend=anyio_backend)

    @every_wrapper
    def test_every_page_may_be_asked_for_by_another_task(self, wrap: Wrap, anyio_backend: str) -> None:
        """An open scope would belong to the task that opened it, and fail in the next."""
        clock = VirtualClock()
        pages: list[Page] = []

        async def ask(stream: AsyncIterator[Page]) -> None:
            pages.append(await anext(stream))

        async def close(stream: AsyncIterator[Page]) -> None:
            await close_stream(stream)

        async def test() -> None:
            stream = wrap(Slow(clock=clock), clock).fetch_data("orders")
            for work in (ask, ask, close):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(work, stream)
            await checkpoint()

        clock.run(test, backend=anyio_backend)
        assert [page.cursor for page in pages] == [1, 2]

    @every_wrapper
    def test_a_time_limit_of_the_consumer_is_not_moved(self, wrap: Wrap, anyio_backend: str) -> None:
        """Between pages the consumer's deadline is the one it set itself."""
        clock = VirtualClock()

        async def test() -> None:
            with anyio.fail_after(1000):
                deadline = anyio.current_effective_deadline()
                stream = wrap(sources.Shop(), clock).fetch_data("orders")
                async for _ in stream:
                    assert anyio.current_effective_deadline() == deadline

        clock.run(test, backend=anyio_backend)
