"""TimeLimited: nothing takes longer than allowed, and what is given up is closed."""

from __future__ import annotations

import asyncio
import gc
import types
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import attrs
import pytest
import sources
from doubles import Ear, Slow

from connector_kit.capabilities import CLOSING_SECONDS, close_stream
from connector_kit.durations import Duration
from connector_kit.errors import ConfigError, RetriesExhaustedError, TimedOutError
from connector_kit.events import TimeLimitPassed, observing
from connector_kit.records.page import Page
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.fault_injection.wrapper import Fail, Faulty, Stall
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.timeout.wrapper import TimeLimited, Timeouts

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from datetime import datetime

    from connector_kit.protocols import Connector
    from connector_kit.records.page import Cursor

SECOND = 1_000_000_000


async def read(connector: Connector, clock: VirtualClock, using: float = 0.0) -> int:
    """Read to the end, using every page for some seconds, and count the pages."""
    pages = 0
    async for _ in connector.fetch_data("orders"):
        pages += 1
        await clock.sleep(using)
    return pages


class TestCalls:
    def test_each_ends_with_its_limit(self, anyio_backend: str) -> None:
        clock, ear = VirtualClock(), Ear()

        async def test() -> None:
            timed = TimeLimited(Slow(call=100, clock=clock), Timeouts(call=10), clock=clock)
            for call, operation, entity in (
                (timed.connect, "connect", None),
                (timed.disconnect, "disconnect", None),
                (timed.discover_schema, "discover_schema", None),
                (partial(timed.get_sample_data, "orders"), "get_sample_data", "orders"),
                (partial(timed.partition_data, "orders", target=2), "partition_data", "orders"),
            ):
                with observing(ear), pytest.raises(TimedOutError) as caught:
                    await call()
                assert f"{operation} took longer than 10s and was given up; allow more" in str(caught.value)
                assert (caught.value.operation, caught.value.entity) == (operation, entity)
                assert ear.heard.pop() == TimeLimitPassed(operation, entity, 10)

        clock.run(test, backend=anyio_backend)
        assert clock.monotonic_ns() == 50 * SECOND
        assert ear.heard == []

    def test_one_in_time_is_let_through(self, anyio_backend: str) -> None:
        clock = VirtualClock()

        async def test() -> None:
            timed = TimeLimited(Slow(call=9, clock=clock), Timeouts(call=10), clock=clock)
            await timed.connect()
            assert (await timed.discover_schema()).names == ("orders",)
            assert await timed.partition_data("orders", target=2) == [None]
            assert await timed.get_sample_data("orders") == []
            await timed.disconnect()

        clock.run(test, backend=anyio_backend)
        assert clock.monotonic_ns() == 45 * SECOND

    def test_a_sample_made_of_pages_goes_by_their_limit(self, anyio_backend: str) -> None:
        """Where the connector has no way of its own to a sample."""
        clock = VirtualClock()

        async def test() -> None:
            slow = Faulty(sources.Shop(), [None, Stall(20)], clock=clock)
            timed = TimeLimited(Plain(slow), Timeouts(call=1, page=10), clock=clock)
            with pytest.raises(TimedOutError, match="a page took longer than 10s"):
                await timed.get_sample_data("orders")

        clock.run(test, backend=anyio_backend)

    def test_a_timeout_of_the_connectors_own_is_not_ours(self, anyio_backend: str) -> None:
        clock = VirtualClock()

        async def test() -> None:
            faulty = Faulty(sources.Shop(), [Fail(TimeoutError), Fail(TimeoutError)], clock=clock)
            timed = TimeLimited(faulty, Timeouts(call=10, page=10), clock=clock)
            with pytest.raises(TimeoutError, match="on purpose"):
                await timed.connect()
            with pytest.raises(TimeoutError, match="on purpose"):
                await anext(timed.fetch_data("orders"))

        clock.run(test, backend=anyio_backend)


class Plain:
    """Has the four methods of a connector and no more."""

    def __init__(self, connector: Connector) -> None:
        self.connect = connector.connect
        self.disconnect = connector.disconnect
        self.discover_schema = connector.discover_schema
        self.fetch_data = connector.fetch_data


class TestPages:
    def test_a_stall_is_an_error_and_the_stream_is_closed(self, anyio_backend: str) -> None:
        """It is told, the inner stream is closed before, and nothing comes after it."""
        clock, ear = VirtualClock(), Ear()
        slow = Slow(pages=(1, 60, 1), closing=2, clock=clock)

        async def test() -> None:
            stream = TimeLimited(slow, Timeouts(page=10), clock=clock).fetch_data("orders")
            assert (await anext(stream)).cursor == 1
            with observing(ear), pytest.raises(TimedOutError) as caught:
                await anext(stream)
            assert str(caught.value).startswith(
                "the wait for a page took longer than 10s and was given up; allow"
            )
            assert (caught.value.operation, caught.value.entity) == ("fetch_data", "orders")
            assert slow.closed == 1
            with pytest.raises(StopAsyncIteration):
                await anext(stream)

        clock.run(test, backend=anyio_backend)
        assert ear.heard == [TimeLimitPassed("fetch_data", "orders", 10)]
        assert clock.monotonic_ns() == 13 * SECOND
        assert slow.asked == 2

    def test_a_stream_that_does_not_close_holds_nothing_up_for_long(self, anyio_backend: str) -> None:
        clock = VirtualClock()

        async def test() -> None:
            slow = Slow(pages=(60,), closing=1e9, clock=clock)
            with pytest.raises(TimedOutError):
                await anext(TimeLimited(slow, Timeouts(page=10), clock=clock).fetch_data("orders"))

        clock.run(test, backend=anyio_backend)
        assert clock.monotonic_ns() == (10 + CLOSING_SECONDS) * SECOND

    def test_a_stream_that_was_closed_gives_no_more_pages(self, anyio_backend: str) -> None:
        clock = VirtualClock()
        slow = Slow(clock=clock)

        async def test() -> None:
            stream = TimeLimited(slow, Timeouts(page=10), clock=clock).fetch_data("orders")
            await anext(stream)
            await close_stream(stream)
            with pytest.raises(StopAsyncIteration):
                await anext(stream)

        clock.run(test, backend=anyio_backend)
        assert slow.asked == 1

    def test_the_consumers_time_does_not_count(self, anyio_backend: str) -> None:
        clock = VirtualClock()

        async def test() -> None:
            timed = TimeLimited(Slow(pages=(9, 9, 9), clock=clock), Timeouts(page=10), clock=clock)
            assert await read(timed, clock, using=1000) == 2

        clock.run(test, backend=anyio_backend)
        assert clock.monotonic_ns() == 2027 * SECOND

    def test_but_for_the_total(self, anyio_backend: str) -> None:
        """From the first page that is asked for; a late first question is no loss."""
        clock = VirtualClock()

        async def test() -> None:
            timed = TimeLimited(Slow(pages=(9, 9, 9), clock=clock), Timeouts(total=100), clock=clock)
            stream = timed.fetch_data("orders")
            await clock.sleep(1000)
            await anext(stream)
            await clock.sleep(85)
            with pytest.raises(TimedOutError, match="the read took longer than 1m40s and was given up"):
                await anext(stream)
            assert clock.monotonic_ns() == 1100 * SECOND
            assert await read(timed, clock, using=10) == 2

        clock.run(test, backend=anyio_backend)

    def test_after_the_total_the_next_page_is_not_waited_for(self, anyio_backend: str) -> None:
        clock = VirtualClock()
        slow = Slow(clock=clock)

        async def test() -> None:
            stream = TimeLimited(slow, Timeouts(total=10), clock=clock).fetch_data("orders")
            await anext(stream)
            await clock.sleep(50)
            with pytest.raises(TimedOutError, match="the read took longer than 10s"):
                await anext(stream)

        clock.run(test, backend=anyio_backend)
        assert clock.monotonic_ns() == 51 * SECOND
        assert slow.closed == 1

    def test_of_the_total_what_passes_before_the_first_wait_counts(self, anyio_backend: str) -> None:
        """Of a page's time it does not: a client that blocks cannot be cut off."""
        clock = VirtualClock()

        async def fetch() -> AsyncIterator[Page]:
            for number in range(3):
                clock.advance(20)
                await clock.sleep(9)
                yield Page([], cursor=number)

        async def test() -> None:
            assert await read(TimeLimited(Written(fetch), Timeouts(page=10), clock=clock), clock) == 3
            pages = TimeLimited(Written(fetch), Timeouts(total=50), clock=clock).fetch_data("orders")
            begun = clock.monotonic_ns()
            await anext(pages)
            with pytest.raises(TimedOutError, match="the read took longer than 50s"):
                await anext(pages)
            assert clock.monotonic_ns() - begun == 50 * SECOND

        clock.run(test, backend=anyio_backend)

    def test_of_a_total_that_is_over_nothing_is_left(self, anyio_backend: str) -> None:
        clock, ear = VirtualClock(), Ear()

        async def test() -> None:
            pages = TimeLimited(Slow(clock=clock), Timeouts(total=10), clock=clock).fetch_data("orders")
            await anext(pages)
            await clock.sleep(50)
            with observing(ear), pytest.raises(TimedOutError):
                await anext(pages)

        clock.run(test, backend=anyio_backend)
        assert ear.heard == [TimeLimitPassed("fetch_data", "orders", 0.0)]

    def test_a_stream_whose_closing_is_broken_off_has_ended(self, anyio_backend: str) -> None:
        clock = VirtualClock()

        class Signalled(BaseException):
            pass

        @attrs.define
        class Stubborn:
            asked: int = 0

            def __aiter__(self) -> AsyncIterator[Page]:
                return self

            async def __anext__(self) -> Page:
                self.asked += 1
                await clock.sleep(60)
                return Page([])

            async def aclose(self) -> None:
                raise Signalled

        inner = Stubborn()

        async def test() -> None:
            pages = TimeLimited(Written(lambda: inner), Timeouts(page=10), clock=clock).fetch_data("orders")
            with pytest.raises(Signalled):
                await anext(pages)
            with pytest.raises(StopAsyncIteration):
                await anext(pages)
            assert inner.asked == 1

        clock.run(test, backend=anyio_backend)

    @pytest.mark.parametrize(
        ("page", "total", "ends", "message"),
        [(10, 100, 10, "a page took longer than 10s"), (100, 10, 10, "the read took longer than 10s")],
    )
    def test_the_earlier_limit_counts(
        self, page: float, total: float, ends: float, message: str, anyio_backend: str
    ) -> None:
        clock = VirtualClock()

        async def test() -> None:
            limits = Timeouts(page=page, total=total)
            with pytest.raises(TimedOutError, match=message):
                await read(TimeLimited(Slow(pages=(500,), clock=clock), limits, clock=clock), clock)

        clock.run(test, backend=anyio_backend)
        assert clock.monotonic_ns() == ends * SECOND

    @pytest.mark.parametrize("limits", [Timeouts(), Timeouts(call=10)])
    def test_where_nothing_is_limited_the_stream_is_the_inner_one(self, limits: Timeouts) -> None:
        """No object and no cancel scope in between."""
        slow = Slow()
        bare = type(slow.fetch_data("orders"))
        assert type(TimeLimited(slow, limits).fetch_data("orders")) is bare
        assert type(TimeLimited(slow, Timeouts(page=1)).fetch_data("orders")) is not bare

    def test_a_cancellation_from_outside_is_no_time_out(self, anyio_backend: str) -> None:
        """It is not turned into an error that somebody would retry."""
        clock, ear = VirtualClock(), Ear()

        async def test() -> None:
            slow = Slow(pages=(60,), call=60, clock=clock)
            timed = TimeLimited(slow, Timeouts(call=10, page=10, total=10), clock=clock)
            for call in (timed.connect, partial(anext, timed.fetch_data("orders"))):
                with anyio.move_on_after(5) as scope, observing(ear):
                    await call()
                assert scope.cancelled_caught

        clock.run(test, backend=anyio_backend)
        assert ear.heard == []


@attrs.define(eq=False)
class Written:
    """A connector whose read is what a test writes down."""

    fetch: Callable[[], AsyncIterator[Page]]

    connect = disconnect = sources.Shop.connect
    discover_schema = sources.Shop.discover_schema

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        return self.fetch()


@attrs.define
class Once:
    """A stream that gives an awaitable of its own instead of a coroutine."""

    awaitable: Awaitable[Page]

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    def __anext__(self) -> Awaitable[Page]:
        return self.awaitable


class TestWhatAStreamWaitsFor:
    """However it waits, the limit around it changes nothing before it passes."""

    def test_several_waits_with_scopes_and_timeouts_of_its_own(self, anyio_backend: str) -> None:
        clock = VirtualClock()

        async def fetch() -> AsyncIterator[Page]:
            for number in range(3):
                for _ in range(2):
                    with anyio.move_on_after(1) as own:
                        await clock.sleep(60)
                    assert own.cancelled_caught
                with anyio.CancelScope(), anyio.fail_after(5):
                    await clock.sleep(1)
                yield Page([], cursor=number)

        async def test() -> None:
            assert await read(TimeLimited(Written(fetch), Timeouts(page=10), clock=clock), clock) == 3

        clock.run(test, backend=anyio_backend)
        assert clock.monotonic_ns() == 9 * SECOND

    def test_the_limit_ends_a_wait_inside_of_its_own_scopes(self, anyio_backend: str) -> None:
        """What it does at its end may take its time, where it shields that; then the time-out is raised."""
        clock, ended = VirtualClock(), []

        async def fetch() -> AsyncIterator[Page]:
            try:
                with anyio.fail_after(500):
                    await clock.sleep(5)
                    await clock.sleep(400)
            finally:
                with anyio.CancelScope(shield=True):
                    await clock.sleep(3)
                ended.append(clock.monotonic_ns())
            yield Page([])

        async def test() -> None:
            with pytest.raises(TimedOutError, match="a page took longer than 10s"):
                await read(TimeLimited(Written(fetch), Timeouts(page=10), clock=clock), clock)

        clock.run(test, backend=anyio_backend)
        assert ended == [13 * SECOND]

    def test_what_was_dealt_with_is_not_the_context_of_what_comes_next(self, anyio_backend: str) -> None:
        clock = VirtualClock()

        async def fetch() -> AsyncIterator[Page]:
            with anyio.move_on_after(1) as own:
                await clock.sleep(60)
            if own.cancelled_caught:
                raise OSError("unrelated")
            yield Page([])

        async def test() -> None:
            with pytest.raises(OSError, match="unrelated") as caught:
                await anext(TimeLimited(Written(fetch), Timeouts(page=10), clock=clock).fetch_data("orders"))
            assert caught.value.__context__ is None

        clock.run(test, backend=anyio_backend)

    @pytest.mark.anyio
    async def test_what_it_waited_for_comes_to_it(self) -> None:
        """Values, errors and results of threads; and what a task that it started raises."""
        send, receive = anyio.create_memory_object_stream[int]()

        async def fetch() -> AsyncIterator[Page]:
            number = 0
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(send.send, 7)
                number = await receive.receive()
            with pytest.raises(ZeroDivisionError):
                await anyio.to_thread.run_sync(lambda: 1 // 0)
            yield Page([{"number": number, "thread": await anyio.to_thread.run_sync(lambda: 8)}])

        [page] = [page async for page in TimeLimited(Written(fetch), Timeouts(page=10)).fetch_data("orders")]
        assert page.records == [{"number": 7, "thread": 8}]
        for stream in (send, receive):
            stream.close()

    @pytest.mark.anyio
    async def test_an_awaitable_of_its_own(self) -> None:
        async def page() -> Page:
            await anyio.lowlevel.checkpoint()
            return Page([{"id": 1}])

        class Own:
            def __await__(self) -> Generator[Any, Any, Page]:
                return (yield from page().__await__())

        timed = TimeLimited(Written(lambda: Once(Own())), Timeouts(page=10))
        assert (await anext(timed.fetch_data("orders"))).records == [{"id": 1}]

    @pytest.mark.anyio
    async def test_a_generator_that_is_awaitable_has_no_await_of_its_own(self) -> None:
        @types.coroutine
        def page() -> Generator[Any, Any, Page]:
            yield from anyio.lowlevel.checkpoint().__await__()
            return Page([{"id": 1}])

        timed = TimeLimited(Written(lambda: Once(page())), Timeouts(page=10))
        assert (await anext(timed.fetch_data("orders"))).records == [{"id": 1}]

    def test_an_iterator_need_not_take_anything(self) -> None:
        """It is asked for the next one where nothing is sent; what is thrown is raised where it waits."""

        class Bare:
            def __init__(self, waits: int) -> None:
                self.waits = waits

            def __await__(self) -> Iterator[Any]:
                return self

            def __iter__(self) -> Iterator[Any]:
                return self

            def __next__(self) -> None:
                self.waits -= 1
                if self.waits < 0:
                    raise StopIteration(Page([{"id": 1}]))

        async def test() -> None:
            bare: Any = Bare(3)
            timed = TimeLimited(Written(lambda: Once(bare)), Timeouts(page=10), clock=clock)
            assert (await anext(timed.fetch_data("orders"))).records == [{"id": 1}]
            bare.waits = 1_000_000
            with anyio.CancelScope() as scope:
                scope.cancel()
                await anext(timed.fetch_data("orders"))
            assert scope.cancelled_caught
            assert bare.waits > 0

        clock = VirtualClock()
        clock.run(test, backend="asyncio")  # of trio a wait is an object that only trio makes

    @pytest.mark.parametrize("failing_after", [1, 60])
    def test_what_is_raised_out_of_a_wait_keeps_nothing_alive(
        self, failing_after: float, anyio_backend: str
    ) -> None:
        """Its traceback holds the frames: an error held by one of them would stay until somebody looks for circles."""
        clock, alive = VirtualClock(), list[weakref.ref[Any]]()

        class Held:
            pass

        async def fetch() -> AsyncIterator[Page]:
            held = Held()
            alive.append(weakref.ref(held))
            await clock.sleep(1)
            await clock.sleep(failing_after)
            if alive:
                raise OSError("gone")
            yield Page([])

        async def test() -> None:
            timed = TimeLimited(Written(fetch), Timeouts(page=10), clock=clock)
            with suppress(OSError, TimedOutError):
                await anext(timed.fetch_data("orders"))

        gc.disable()
        try:
            clock.run(test, backend=anyio_backend)
            assert alive[0]() is None
        finally:
            gc.enable()

    def test_nor_does_what_a_future_raises(self) -> None:
        """Which holds it, too."""
        alive = list[weakref.ref[Any]]()

        class Held:
            pass

        def failing() -> asyncio.Future[Page]:
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            loop.call_soon(future.set_exception, OSError("gone"))
            return future

        async def fetch() -> AsyncIterator[Page]:
            held = Held()
            alive.append(weakref.ref(held))
            yield await failing()

        async def test() -> None:
            with suppress(OSError):
                await anext(TimeLimited(Written(fetch), Timeouts(page=10)).fetch_data("orders"))

        gc.disable()
        try:
            asyncio.run(test())
            assert alive[0]() is None
        finally:
            gc.enable()

    def test_a_task_that_asyncio_cancels_is_cancelled(self) -> None:
        clock, ended = VirtualClock(), []

        async def fetch() -> AsyncIterator[Page]:
            try:
                await clock.sleep(60)
            except asyncio.CancelledError:
                ended.append(clock.monotonic_ns())
                raise
            yield Page([])

        async def test() -> None:
            timed = TimeLimited(Written(fetch), Timeouts(page=100), clock=clock)
            task = asyncio.ensure_future(read(timed, clock))
            await clock.sleep(5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        clock.run(test, backend="asyncio")
        assert ended == [5 * SECOND]

    @pytest.mark.anyio
    async def test_a_wait_that_is_let_go_of_is_ended(self) -> None:
        """As at the end of an event loop that nobody waits in any more."""
        ended = []

        async def fetch() -> AsyncIterator[Page]:
            try:
                await anyio.lowlevel.checkpoint()
            except GeneratorExit:
                ended.append(True)
                raise
            yield Page([])

        waiting = TimeLimited(Written(fetch), Timeouts(page=10)).fetch_data("orders").__anext__()
        assert isinstance(waiting, Coroutine)
        waiting.send(None)
        waiting.close()
        assert ended == [True]


class TestWithRetrying:
    def test_inside_it_bounds_an_attempt(self, anyio_backend: str) -> None:
        """Which is then retried: the read is whole, and every broken stream is closed."""
        clock = VirtualClock()
        shop = sources.Shop()

        async def test() -> None:
            stalling = Faulty(shop, [None, Stall("1h"), Stall("1h"), None, Stall("1h")], clock=clock)
            timed = TimeLimited(stalling, Timeouts(page=10), clock=clock)
            retrying = Retrying(timed, Retry(first_wait=1, jitter="none", backoff="constant"), clock=clock)
            assert await read(retrying, clock) == 4

        clock.run(test, backend=anyio_backend)
        assert clock.monotonic_ns() == 3 * 11 * SECOND
        assert shop.opened == shop.closed

    def test_outside_it_bounds_all_attempts_and_waits(self, anyio_backend: str) -> None:
        """A wait that does not fit any more is not begun; one that does is cut where the attempt runs over."""
        clock = VirtualClock()

        async def test() -> None:
            policy = Retry(attempts=100, first_wait=20, jitter="none", backoff="constant")
            failing = Retrying(Faulty(sources.Shop(), [Fail()] * 100, clock=clock), policy, clock=clock)
            with pytest.raises(
                RetriesExhaustedError, match=r"after 3 attempts: the next attempt is due in 20\.0 s"
            ):
                await read(TimeLimited(failing, Timeouts(page=50), clock=clock), clock)
            assert clock.monotonic_ns() == 40 * SECOND
            stalling = Retrying(
                Faulty(sources.Shop(), [Fail(), Stall("1h")], clock=clock), policy, clock=clock
            )
            with pytest.raises(TimedOutError, match="a page took longer than 50s"):
                await read(TimeLimited(stalling, Timeouts(page=50), clock=clock), clock)
            assert clock.monotonic_ns() == 90 * SECOND

        clock.run(test, backend=anyio_backend)

    def test_outside_it_leaves_alone_what_is_not_retried(self, anyio_backend: str) -> None:
        """A wrong key is a wrong key, also where the time is over."""
        clock = VirtualClock()

        async def fetch() -> AsyncIterator[Page]:
            yield Page([], cursor=0)
            raise ConfigError("a wrong key")

        async def test() -> None:
            limited = TimeLimited(Retrying(Written(fetch), clock=clock), Timeouts(total=10), clock=clock)
            pages = limited.fetch_data("orders")
            await anext(pages)
            await clock.sleep(20)
            with pytest.raises(ConfigError, match="a wrong key"):
                await anext(pages)

        clock.run(test, backend=anyio_backend)

    def test_a_call_that_a_read_makes_hears_of_the_limit_around_the_read(self, anyio_backend: str) -> None:
        clock = VirtualClock()
        policy = Retry(first_wait=60, max_wait=60, jitter="none", backoff="constant")

        async def fetch() -> AsyncIterator[Page]:
            await Retrying(Faulty(sources.Shop(), [Fail()], clock=clock), policy, clock=clock).connect()
            yield Page([])

        async def test() -> None:
            with pytest.raises(RetriesExhaustedError, match=r"the next attempt is due in 60\.0 s"):
                await read(TimeLimited(Written(fetch), Timeouts(page=50), clock=clock), clock)

        clock.run(test, backend=anyio_backend)
        assert clock.monotonic_ns() == 0

    def test_outside_it_is_heard_of_by_a_failure_that_did_not_wait(self, anyio_backend: str) -> None:
        """As an open circuit's refusal, which comes before anything was waited for."""
        clock = VirtualClock()

        async def test() -> None:
            policy = Retry(first_wait=60, max_wait=60, jitter="none", backoff="constant")
            retrying = Retrying(Faulty(sources.Shop(), [Fail()], clock=clock), policy, clock=clock)
            with pytest.raises(RetriesExhaustedError, match=r"the next attempt is due in 60\.0 s"):
                await read(TimeLimited(retrying, Timeouts(page=50), clock=clock), clock)

        clock.run(test, backend=anyio_backend)
        assert clock.monotonic_ns() == 0

    def test_outside_it_every_page_has_its_own_time(self, anyio_backend: str) -> None:
        clock = VirtualClock()

        async def test() -> None:
            policy = Retry(first_wait=8, jitter="none", backoff="constant")
            retrying = Retrying(Faulty(sources.Shop(), [Fail(), None] * 10, clock=clock), policy, clock=clock)
            assert await read(TimeLimited(retrying, Timeouts(page=10), clock=clock), clock) == 4

        clock.run(test, backend=anyio_backend)
        assert clock.monotonic_ns() == 5 * 8 * SECOND


class TestTimeouts:
    def test_nothing_is_limited_by_default(self) -> None:
        assert Timeouts() == Timeouts(call=None, page=None, total=None)
        assert Timeouts().unlimited

    @pytest.mark.parametrize("name", ["call", "page", "total"])
    def test_one_limit_is_a_limit(self, name: str) -> None:
        given: dict[str, Any] = {name: "1m30s"}
        timeouts = Timeouts(**given)
        assert not timeouts.unlimited
        assert getattr(timeouts, name) == 90
        assert isinstance(getattr(timeouts, name), Duration)

    @pytest.mark.parametrize("name", ["call", "page", "total"])
    @pytest.mark.parametrize("wrong", [-1, "soon", float("inf")])
    def test_a_limit_that_is_no_duration_is_refused(self, name: str, wrong: float | str) -> None:
        given: dict[str, Any] = {name: wrong}
        with pytest.raises(ValueError, match="a duration"):
            Timeouts(**given)
