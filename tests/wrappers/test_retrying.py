"""Retrying: exact under every schedule of faults its policy can bear, and the traps by name."""

from __future__ import annotations

from contextlib import aclosing
from random import Random
from typing import TYPE_CHECKING, cast

import anyio
import pytest
import sources
from doubles import Ear
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.errors import (
    AuthenticationError,
    ConfigError,
    ConnectionFailedError,
    RateLimitError,
    RepeatedCursorError,
    ResumeImpossibleError,
    RetriesExhaustedError,
    ServiceUnavailableError,
    TimedOutError,
)
from connector_kit.events import Event, RetryScheduled, observing
from connector_kit.records.catalog import Catalog
from connector_kit.records.page import Cursor, Page
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.circuit_breaker.policy import Breaker, Circuit
from connector_kit.wrappers.circuit_breaker.wrapper import CircuitBreaking
from connector_kit.wrappers.fault_injection.wrapper import Cut, Fail, Fault, Faulty, Refuse, Schedule, Stall
from connector_kit.wrappers.observation.wrapper import Observed
from connector_kit.wrappers.retry.policy import BudgetLedger, Retry, RetryBudget
from connector_kit.wrappers.retry.wrapper import Retrying

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime

    from connector_kit.protocols import Connector

backends = st.sampled_from(["asyncio", "trio"])
MAX_IN_A_ROW = 3
BRAVE = Retry(attempts=MAX_IN_A_ROW + 1, first_wait=1, max_wait=8, deadline=100_000)

faults: st.SearchStrategy[Fault | None] = st.one_of(
    st.sampled_from([Fail(), Cut(), Fail(ServiceUnavailableError), Cut(TimedOutError)]),
    st.builds(Refuse, st.none() | st.floats(0, 60)),
    st.builds(Stall, st.floats(0, 60)),
)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Draw faults of which never more than MAX_IN_A_ROW follow each other."""
    schedule: list[Fault | None] = []
    for _ in range(draw(st.integers(0, 8))):
        schedule += [None] * draw(st.integers(0, 3))
        schedule += draw(st.lists(faults, min_size=1, max_size=MAX_IN_A_ROW))
        schedule.append(None)
    return tuple(schedule)


@st.composite
def tables(draw: st.DrawFn) -> sources.Table:
    """Draw small tables: any page size, several records at one time."""
    size = draw(st.integers(0, 20))
    times = sorted(draw(st.lists(st.integers(0, 10), min_size=size, max_size=size)))
    return sources.Table(
        size=size,
        page_size=draw(st.integers(1, 7)),
        times=tuple(times),
        lazy=tuple(draw(st.lists(st.booleans(), min_size=1, max_size=2))),
    )


async def pages_of(
    connector: Connector, entity: str = "orders", since: datetime | None = None, cursor: Cursor = None
) -> list[Page]:
    """Read to the end."""
    return [page async for page in connector.fetch_data(entity, since=since, cursor=cursor)]


def virtually(test: Callable[[VirtualClock], Awaitable[None]], backend: str = "asyncio") -> VirtualClock:
    """Run a test under a virtual clock, and give the clock."""
    clock = VirtualClock()
    clock.run(test, clock, backend=backend)
    return clock


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_in_a_cancelled_scope_no_attempt_is_planned(backend: str) -> None:
    ear = Ear()

    async def test(clock: VirtualClock) -> None:
        with anyio.CancelScope() as scope, observing(ear):
            scope.cancel()
            await anext(Retrying(Faulty(sources.Shop(), [Fail()]), clock=clock).fetch_data("orders"))
        assert scope.cancelled_caught

    virtually(test, backend)
    assert ear.heard == []


async def fail_in(stream: AsyncIterator[Page]) -> None:
    """Consume a stream as `async for` in a block that closes it, and fail at the first page."""
    async with aclosing(cast("AsyncGenerator[Page]", stream)):  # it has aclose, which is all that is used
        async for _ in stream:
            raise ConnectionFailedError("the consumer's own")


class TestLaws:
    @given(tables(), schedules(), backends, st.sampled_from(["full", "equal", "none"]))
    def test_delivers_the_pages_of_a_read_without_faults(
        self, table: sources.Table, schedule: Schedule, backend: str, jitter: str
    ) -> None:
        """Law 2: exact under any schedule within the limits, and every stream that was opened is closed."""
        shop = sources.Shop({"orders": table})

        async def test(clock: VirtualClock) -> None:
            retry = Retry(attempts=MAX_IN_A_ROW + 1, jitter=jitter, deadline=100_000)  # type: ignore[arg-type]  # drawn from the literals
            retrying = Retrying(Faulty(shop, schedule, clock=clock), retry, clock=clock)
            assert await pages_of(retrying) == await pages_of(sources.Shop({"orders": table}))
            assert shop.opened == shop.closed

        virtually(test, backend)

    @given(tables(), schedules(), backends)
    def test_goes_on_from_any_cursor_and_since(
        self, table: sources.Table, schedule: Schedule, backend: str
    ) -> None:
        """Laws 4 and 5 hold for the wrapped connector as for the bare one, at every page and boundary."""

        async def test(clock: VirtualClock) -> None:
            bare = sources.Shop({"orders": table})
            retrying = Retrying(
                Faulty(sources.Shop({"orders": table}), schedule, clock=clock), BRAVE, clock=clock
            )
            whole = await pages_of(bare)
            for number, page in enumerate(whole):
                assert await pages_of(retrying, cursor=page.cursor) == whole[number + 1 :]
                boundary = sources.as_time(page.records[-1])
                assert await pages_of(retrying, since=boundary) == await pages_of(bare, since=boundary)

        virtually(test, backend)

    @given(tables(), st.integers(0, 30), schedules(), backends)
    def test_leaves_nothing_when_cancelled_at_any_time(
        self, table: sources.Table, after: int, schedule: Schedule, backend: str
    ) -> None:
        """Law 4 of wrappers: wherever the cancellation hits, every stream that was opened is closed."""
        shop = sources.Shop({"orders": table})

        async def test(clock: VirtualClock) -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(consume, clock)
                await clock.sleep(after)
                tasks.cancel_scope.cancel()
            assert shop.opened == shop.closed

        async def consume(clock: VirtualClock) -> None:
            stream = Retrying(Faulty(shop, schedule, clock=clock), BRAVE, clock=clock).fetch_data("orders")
            async with aclosing(
                cast("AsyncGenerator[Page]", stream)
            ):  # it has aclose, which is all that is used
                async for _ in stream:
                    await clock.sleep(1)

        virtually(test, backend)


class TestStreams:
    def test_an_exception_in_the_consumer_is_not_retried(self, backend: str) -> None:
        """Only what the inner stream raises is retried: a consumer's own error passes, whatever its class."""
        shop = sources.Shop()

        async def test(clock: VirtualClock) -> None:
            stream = Retrying(shop, BRAVE, clock=clock).fetch_data("orders")

            async def consume() -> None:
                closable = cast("AsyncGenerator[Page]", stream)  # it has aclose, which is all that is used
                async with aclosing(closable):
                    async for _ in stream:
                        raise ConnectionFailedError("the consumer's own")

            with pytest.raises(ConnectionFailedError, match="the consumer's"):
                await consume()
            assert (shop.opened, shop.closed) == (1, 1)

        virtually(test, backend)

    def test_attempts_count_anew_after_each_page(self, backend: str) -> None:
        """Two failures before every page are within three attempts, however many pages there are."""
        schedule = (Fail(), Fail(), None) * 10

        async def test(clock: VirtualClock) -> None:
            retrying = Retrying(Faulty(sources.Shop(), schedule, clock=clock), Retry(attempts=3), clock=clock)
            assert len(await pages_of(retrying)) == 4

        virtually(test, backend)

    def test_gives_up_when_the_attempts_are_used_up(self, backend: str) -> None:
        """The error carries every attempt's error and says how many there were; the stream has ended."""

        async def test(clock: VirtualClock) -> None:
            faulty = Faulty(sources.Shop(), (None, Fail(), Refuse(), Fail()), clock=clock)
            stream = Retrying(faulty, Retry(attempts=3), clock=clock).fetch_data("orders")
            await anext(stream)
            with pytest.raises(
                RetriesExhaustedError, match=r"gave up after 3 attempts: the policy allows 3"
            ) as caught:
                await anext(stream)
            kinds = [type(error) for error in caught.value.attempts]
            assert kinds == [ConnectionFailedError, RateLimitError, ConnectionFailedError]
            assert caught.value.__cause__ is caught.value.attempts[-1]
            assert (caught.value.entity, caught.value.attempt) == ("orders", 3)
            with pytest.raises(StopAsyncIteration):
                await anext(stream)

        virtually(test, backend)

    def test_a_permanent_error_is_raised_at_once(self, backend: str) -> None:
        """Neither a PermanentError nor a foreign exception is retried; both come out unchanged."""

        async def test(clock: VirtualClock) -> None:
            for kind in (AuthenticationError, ZeroDivisionError):
                faulty = Faulty(sources.Shop(), (Fail(kind),), clock=clock)
                with pytest.raises(kind):
                    await pages_of(Retrying(faulty, BRAVE, clock=clock))
                assert faulty.requests == 1

        assert virtually(test, backend).monotonic_ns() < 1_000

    def test_one_attempt_raises_the_fault_itself(self, backend: str) -> None:
        """A policy that never retries does not dress up the error."""

        async def test(clock: VirtualClock) -> None:
            faulty = Faulty(sources.Shop(), (Fail(),), clock=clock)
            with pytest.raises(ConnectionFailedError):
                await pages_of(Retrying(faulty, Retry(attempts=1), clock=clock))

        virtually(test, backend)

    def test_no_cursor_after_delivery_raises_resume_impossible(self, backend: str) -> None:
        """Going on would lose or repeat records; nothing delivered yet is another matter."""
        shop = sources.Shop({"orders": sources.Table(cursors=(False,))})

        async def test(clock: VirtualClock) -> None:
            stream = Retrying(
                Faulty(shop, (Fail(), None, Fail()), clock=clock), BRAVE, clock=clock
            ).fetch_data("orders")
            assert len((await anext(stream)).records) == 3
            with pytest.raises(ResumeImpossibleError, match="without a cursor") as caught:
                await anext(stream)
            assert isinstance(caught.value.__cause__, ConnectionFailedError)
            assert (caught.value.operation, caught.value.entity) == ("fetch_data", "orders")
            assert caught.value.message == (
                f"the read broke after a page without a cursor: {caught.value.__cause__}; going on would lose or repeat "
                "records, so read again from the start, or let the connector give a cursor with every page"
            )
            with pytest.raises(StopAsyncIteration):
                await anext(stream)

        virtually(test, backend)

    def test_a_repeated_cursor_raises(self, backend: str) -> None:
        """Law 6: a source that goes round in circles is an error, and the stream is closed."""

        class Circle(sources.Shop):
            async def fetch_data(
                self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
            ) -> AsyncIterator[Page]:
                self.opened += 1
                try:
                    while True:
                        for place in ("a", "b", "c"):
                            yield Page([{"id": 1}], place)
                finally:
                    self.closed += 1

        async def test(clock: VirtualClock) -> None:
            circle = Circle()
            with pytest.raises(RepeatedCursorError, match="would never end") as caught:
                await pages_of(Retrying(circle, BRAVE, clock=clock))
            assert (circle.opened, circle.closed) == (1, 1)
            told = caught.value
            assert (told.operation, told.entity) == ("fetch_data", "orders")
            assert told.cursor in ("a", "b", "c")

        virtually(test, backend)

    def test_the_broken_stream_is_closed_before_the_new_one_opens(self, backend: str) -> None:
        """Even where closing it fails."""
        log: list[str] = []

        class Stubborn:
            def __init__(self, number: int) -> None:
                self.number = number

            def __aiter__(self) -> AsyncIterator[Page]:
                return self

            async def __anext__(self) -> Page:
                if self.number == 1:
                    raise ConnectionFailedError("broken")
                raise StopAsyncIteration

            async def aclose(self) -> None:
                log.append(f"close {self.number}")
                raise OSError("closing failed")

        class Source(sources.Shop):
            def fetch_data(
                self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
            ) -> AsyncIterator[Page]:
                self.opened += 1
                log.append(f"open {self.opened}")
                return Stubborn(self.opened)

        async def test(clock: VirtualClock) -> None:
            assert await pages_of(Retrying(Source(), BRAVE, clock=clock)) == []

        virtually(test, backend)
        assert log == ["open 1", "close 1", "open 2"]


class TestWaiting:
    def test_jitter_never_shortens_a_retry_after(self, backend: str) -> None:
        """Nor does the cap: the next attempt comes when the other side said, or later."""
        for seed in range(20):

            async def test(clock: VirtualClock, seed: int = seed) -> None:
                faulty = Faulty(sources.Shop(), (Refuse(500.0),), clock=clock)
                retry = Retry(jitter="full", max_wait=30, deadline=1000)
                await pages_of(Retrying(faulty, retry, clock=clock, random=Random(seed)))

            assert virtually(test, backend).monotonic_ns() >= 500_000_000_000

    def test_a_retry_after_beyond_the_deadline_raises_at_once(self, backend: str) -> None:
        """The error says when to come back; no time is spent waiting for nothing."""

        async def test(clock: VirtualClock) -> None:
            faulty = Faulty(sources.Shop(), (Refuse(3600.0),), clock=clock)
            with pytest.raises(
                RetriesExhaustedError, match=r"due in 3600\.0 s, which is after the deadline"
            ) as caught:
                await pages_of(Retrying(faulty, Retry(deadline=600), clock=clock))
            assert isinstance(caught.value.__cause__, RateLimitError)
            assert caught.value.__cause__.retry_after == 3600

        assert virtually(test, backend).monotonic_ns() < 1_000

    def test_the_deadline_of_an_enclosing_scope_counts(self, backend: str) -> None:
        """A wait that would run into a caller's time limit is not begun."""

        async def test(clock: VirtualClock) -> None:
            faulty = Faulty(sources.Shop(), (Refuse(60.0),), clock=clock)
            with anyio.fail_after(30), pytest.raises(RetriesExhaustedError, match="after the deadline"):
                await pages_of(Retrying(faulty, Retry(deadline=600), clock=clock))

        assert virtually(test, backend).monotonic_ns() < 1_000_000

    def test_a_cancelled_wait_leaves_nothing(self, backend: str) -> None:
        """The broken stream is closed before the wait; after it nothing is opened."""
        shop = sources.Shop()

        streams: list[AsyncIterator[Page]] = []

        async def test(clock: VirtualClock) -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait, clock)
                await clock.sleep(10)
                tasks.cancel_scope.cancel()
            assert clock.monotonic_ns() < 11_000_000_000
            assert (shop.opened, shop.closed) == (1, 1)
            with pytest.raises(StopAsyncIteration):
                await anext(streams[0])

        async def wait(clock: VirtualClock) -> None:
            faulty = Faulty(shop, (None, Refuse(1000.0)), clock=clock)
            streams.append(Retrying(faulty, Retry(deadline=2000), clock=clock).fetch_data("orders"))
            await anext(streams[0])
            await anext(streams[0])

        virtually(test, backend)

    def test_an_open_circuit_is_waited_for(self, backend: str) -> None:
        """The next attempt is the probe that closes it; a page without a cursor cannot be resumed then, either."""

        async def test(clock: VirtualClock) -> None:
            breaker = Breaker(min_calls=1, open_for="30s")
            faulty = Faulty(sources.Shop(), (None, Fail()), clock=clock)
            retrying = Retrying(CircuitBreaking(faulty, breaker, clock=clock), BRAVE, clock=clock)
            assert await pages_of(retrying) == await pages_of(sources.Shop())
            shop = sources.Shop({"orders": sources.Table(cursors=(False,))})
            circuit = Circuit(Breaker(failure_ratio=0.1, min_calls=1))
            stream = Retrying(CircuitBreaking(shop, circuit, clock=clock), BRAVE, clock=clock).fetch_data(
                "orders"
            )
            await anext(stream)
            ticket = circuit.admit(clock.monotonic_ns())
            assert isinstance(ticket, int)
            circuit.settle(ticket, "failed", clock.monotonic_ns())
            with pytest.raises(ResumeImpossibleError):
                await anext(stream)

        assert virtually(test, backend).monotonic_ns() >= 30_000_000_000

    def test_a_fault_in_a_cancelled_scope_ends_in_the_cancellation(self, backend: str) -> None:
        """A cancelled scope has no time left, which is no deadline: it is cancelled, not given up."""

        async def test(clock: VirtualClock) -> None:
            faulty = Faulty(sources.Shop(), (Fail(),), clock=clock)
            with anyio.CancelScope() as scope:
                scope.cancel()
                await pages_of(Retrying(faulty, BRAVE, clock=clock))
            assert scope.cancelled_caught

        virtually(test, backend)

    def test_a_shared_budget_bounds_the_retries(self, backend: str) -> None:
        """When the budget is used up, the fault is not retried, and the error says why."""

        async def test(clock: VirtualClock) -> None:
            ledger = BudgetLedger(RetryBudget(ratio=0.0, floor=2))
            faulty = Faulty(sources.Shop(), (Fail(), Fail(), Fail()), clock=clock)
            with pytest.raises(RetriesExhaustedError, match="budget shared with other calls is used up"):
                await pages_of(Retrying(faulty, Retry(max_wait=1), budget=ledger, clock=clock))
            assert faulty.requests == 3

        virtually(test, backend)


class TestCalls:
    def test_calls_are_retried_and_disconnect_is_not(self, backend: str) -> None:
        """connect and discover_schema get through; the events tell of every wait."""
        heard: list[Event] = []

        class Ear:
            def observe(self, event: Event, /) -> None:
                heard.append(event)

        async def test(clock: VirtualClock) -> None:
            shop = sources.Shop()
            faulty = Faulty(shop, (Fail(), None, Refuse(7.0)), clock=clock)
            observed = Observed(Retrying(faulty, Retry(jitter="none"), clock=clock), Ear(), clock=clock)
            await observed.connect()
            assert shop.connected
            assert isinstance(await observed.discover_schema(), Catalog)
            await observed.disconnect()
            assert not shop.connected

        virtually(test, backend)
        retries = [event for event in heard if isinstance(event, RetryScheduled)]
        assert [(event.operation, event.attempt, event.wait) for event in retries] == [
            ("connect", 1, 0.5),
            ("discover_schema", 1, 7.0),
        ]

    def test_sample_and_partitions_are_retried(self, backend: str) -> None:
        """With the connector's own methods, and with the defaults made of reads."""

        class Able(sources.Shop):
            async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[dict[str, int]]:
                return [{"id": 7}][:limit]

            async def partition_data(
                self, entity: str, /, *, since: datetime | None = None, target: int
            ) -> Sequence[Cursor]:
                return list(range(target))

        async def test(clock: VirtualClock) -> None:
            able = Retrying(Faulty(Able(), (Fail(), None, Fail()), clock=clock), BRAVE, clock=clock)
            assert await able.get_sample_data("orders", 2) == [{"id": 7}]
            assert await able.partition_data("orders", target=3) == [0, 1, 2]
            plain = Retrying(Faulty(sources.Shop(), (None, Fail()), clock=clock), BRAVE, clock=clock)
            assert [record["id"] for record in await plain.get_sample_data("orders", 4)] == [0, 1, 2, 3]
            direct = Retrying(sources.Shop(), BRAVE, clock=clock)
            assert len(await direct.get_sample_data("orders", 4)) == 4
            assert await plain.partition_data("orders", target=3) == [None]
            plain.validate_config()

        virtually(test, backend)


def test_a_retry_inside_a_retry_is_refused_unless_asked_for() -> None:
    """Attempts would multiply."""
    inner = Retrying(Faulty(Retrying(sources.Shop())), allow_nested=True)
    assert inner.inner.inner.retry == Retry()
    with pytest.raises(ConfigError, match="attempts would multiply"):
        Retrying(Retrying(sources.Shop()))
