"""Every wrapper hands on what it is asked, to the last argument, and what it tells of a call names call and entity."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest
from stacks import EAGER, WRAPPERS, Wrapper, bench

from connector_kit.blocking.paged import Paged
from connector_kit.blocking.threaded import Threaded
from connector_kit.cassettes.errors import NotRecordedError
from connector_kit.cassettes.recording import Recording
from connector_kit.cassettes.replaying import Replaying
from connector_kit.clock import AnyioClock, Clock
from connector_kit.errors import CircuitOpenError, ConnectionFailedError, ConnectorError, TimedOutError
from connector_kit.events import (
    AnswerReused,
    CallFinished,
    Event,
    HedgeStarted,
    PermitGranted,
    RetryScheduled,
    SlotGranted,
    TimeLimitPassed,
    observing,
)
from connector_kit.limiters.rate_limiter import RateLimiter
from connector_kit.observers.memory import MemoryObserver
from connector_kit.protocols import FullConnector
from connector_kit.records.catalog import Catalog, Entity
from connector_kit.records.page import Cursor, Page, Record
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.bulkhead.policy import Bulkhead, Slots
from connector_kit.wrappers.bulkhead.wrapper import Bulkheaded
from connector_kit.wrappers.cache.wrapper import Cached
from connector_kit.wrappers.circuit_breaker.policy import Breaker, Circuit
from connector_kit.wrappers.circuit_breaker.wrapper import CircuitBreaking
from connector_kit.wrappers.fault_injection.wrapper import Cut, Fail, Fault, Faulty, Refuse
from connector_kit.wrappers.hedge.wrapper import Hedged
from connector_kit.wrappers.observation.wrapper import Observed
from connector_kit.wrappers.rate_limit.wrapper import RateLimited
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.timeout.wrapper import TimeLimited, Timeouts
from connector_kit.wrappers.translation.wrapper import Translating

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

SINCE = datetime(2024, 5, 6, tzinfo=UTC)
READ = ("fetch_data", "orders", SINCE, {"after": 4})
SAMPLE = ("get_sample_data", "orders", 7)
PARTS = ("partition_data", "orders", SINCE, 5)


@attrs.define(eq=False)
class Source:
    """Keeps what it is asked for. Each call takes `seconds`, and the first `faults` of them fail with `fault`."""

    clock: Clock = attrs.field(factory=AnyioClock)
    seconds: float = 0.0
    faults: int = 0
    fault: Exception = attrs.field(
        factory=lambda: ConnectionFailedError("the line is dead")
    )  # a new one each time
    asked: list[tuple[object, ...]] = attrs.field(factory=list)

    async def answer(self, *what: object) -> None:
        self.asked.append(what)
        await self.clock.sleep(self.seconds)
        if self.faults:
            self.faults -= 1
            raise self.fault

    async def connect(self) -> None:
        await self.answer("connect")

    async def disconnect(self) -> None:
        await self.answer("disconnect")

    async def discover_schema(self) -> Catalog:
        await self.answer("discover_schema")
        return Catalog([Entity("orders")])

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        await self.answer("fetch_data", entity, since, cursor)
        yield Page([{"id": 1}], {"after": 1})

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        await self.answer("get_sample_data", entity, limit)
        return [{"id": limit}]

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        await self.answer("partition_data", entity, since, target)
        return [{"part": target}]


async def ask_all(connector: FullConnector) -> list[object]:
    """Ask once for everything that takes arguments."""
    pages = connector.fetch_data("orders", since=SINCE, cursor={"after": 4})
    return [
        [page.records async for page in pages],
        await connector.get_sample_data("orders", 7),
        await connector.partition_data("orders", since=SINCE, target=5),
    ]


@pytest.mark.parametrize(
    "wrapper", [each for each in WRAPPERS if each.cls is not Paged], ids=lambda each: each.cls.__name__
)
def test_every_argument_reaches_the_inner_connector(wrapper: Wrapper, tmp_path: Path) -> None:
    async def run() -> None:
        async with bench(tmp_path, clock, rate="1000/s") as made:
            source = Source(clock)
            given = await ask_all(wrapper.around(source, made))
            assert given == [[[{"id": 1}]], [{"id": 7}], [{"part": 5}]]
            asked = [each for each in source.asked if each != ("discover_schema",)]
            assert asked == [READ, SAMPLE, PARTS]

    clock = VirtualClock()
    clock.run(run)


@pytest.mark.anyio
async def test_paged_hands_on_every_argument() -> None:
    @attrs.define(eq=False)
    class Records(Source):
        async def fetch_data(  # type: ignore[override]  # of records, not of pages
            self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
        ) -> AsyncIterator[Record]:
            self.asked.append(("fetch_data", entity, since, cursor))
            yield {"id": 1}

    records = Records()
    given = await ask_all(Paged(records, 3, cursor_of=lambda record: record["id"]))
    assert given == [[[{"id": 1}]], [{"id": 7}], [{"part": 5}]]
    assert records.asked == [READ, SAMPLE, PARTS]


@pytest.mark.anyio
async def test_threaded_hands_on_every_argument() -> None:
    asked: list[tuple[object, ...]] = []

    class Blocking:
        def connect(self) -> None: ...

        def disconnect(self) -> None: ...

        def discover_schema(self) -> Catalog:
            return Catalog([])

        def fetch_data(
            self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
        ) -> Iterator[Page]:
            asked.append(("fetch_data", entity, since, cursor))
            yield Page([{"id": 1}], {"after": 1})

        def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
            asked.append(("get_sample_data", entity, limit))
            return [{"id": limit}]

        def partition_data(
            self, entity: str, /, *, since: datetime | None = None, target: int
        ) -> Sequence[Cursor]:
            asked.append(("partition_data", entity, since, target))
            return [{"part": target}]

    given = await ask_all(Threaded(Blocking()))
    assert given == [[[{"id": 1}]], [{"id": 7}], [{"part": 5}]]
    assert asked == [READ, SAMPLE, PARTS]


@pytest.mark.anyio
async def test_a_cassette_knows_requests_by_every_argument(tmp_path: Path) -> None:
    """What differs in one argument was not recorded."""
    recording = Recording(Source(), tmp_path / "cassette")
    given = await ask_all(recording)
    recording.save()
    replaying = Replaying(tmp_path / "cassette")
    assert await ask_all(replaying) == given
    for other in (
        partial(replaying.partition_data, "orders", target=5),
        partial(replaying.partition_data, "orders", since=SINCE, target=6),
        partial(replaying.get_sample_data, "orders", 8),
        lambda: anext(replaying.fetch_data("orders", cursor={"after": 4})),
        lambda: anext(replaying.fetch_data("orders", since=SINCE, cursor={"after": 5})),
    ):
        with pytest.raises(NotRecordedError):
            await other()


@pytest.mark.anyio
async def test_a_cassette_has_answers_in_tuples_as_lists(tmp_path: Path) -> None:
    class Tuples(Source):
        async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
            return ({"id": limit},)

    recording = Recording(Tuples(), tmp_path / "cassette")
    assert await recording.get_sample_data("orders", 7) == ({"id": 7},)
    recording.save()
    assert await Replaying(tmp_path / "cassette").get_sample_data("orders", 7) == [{"id": 7}]


@pytest.mark.anyio
async def test_a_cassette_has_the_error_of_a_disconnect(tmp_path: Path) -> None:
    source = Source()
    recording = Recording(source, tmp_path / "cassette")
    await recording.connect()
    source.faults = 1
    with pytest.raises(ConnectionFailedError):
        await recording.disconnect()
    recording.save()
    replaying = Replaying(tmp_path / "cassette")
    await replaying.connect()
    with pytest.raises(ConnectionFailedError):
        await replaying.disconnect()


@attrs.frozen
class Asking:
    """A call, and what is said of it: its name and the entity."""

    operation: str
    entity: str | None
    make: Callable[[FullConnector], Awaitable[object]]


async def read(connector: FullConnector) -> list[Page]:
    return [page async for page in connector.fetch_data("orders", since=SINCE)]


CONNECT = Asking("connect", None, lambda connector: connector.connect())
DISCONNECT = Asking("disconnect", None, lambda connector: connector.disconnect())
DISCOVER = Asking("discover_schema", None, lambda connector: connector.discover_schema())
FETCH = Asking("fetch_data", "orders", read)
GET_SAMPLE = Asking("get_sample_data", "orders", lambda connector: connector.get_sample_data("orders", 7))
PARTITION = Asking(
    "partition_data", "orders", lambda connector: connector.partition_data("orders", since=SINCE, target=5)
)


def asking(*calls: Asking) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("call", calls, ids=lambda call: call.operation)


def told(
    connector: FullConnector, call: Asking, clock: VirtualClock, times: int = 1
) -> tuple[list[Event], object]:
    """Make a call in virtual time; give the events of it, and what it gave or raised at last."""
    memory = MemoryObserver()

    async def run() -> object:
        found: object = None
        with observing(memory), anyio.fail_after(1000):
            for _ in range(times):
                try:
                    found = await call.make(connector)
                except ConnectorError as error:
                    found = error
        return found

    found = clock.run(run)
    return list(memory.events), found


@asking(CONNECT, DISCONNECT, DISCOVER, GET_SAMPLE, PARTITION)
@pytest.mark.parametrize("faults", [0, 1])
def test_observed_tells_how_long_a_call_took_and_what_it_raised(call: Asking, faults: int) -> None:
    clock = VirtualClock()
    source, memory = Source(clock, seconds=2.5, faults=faults), MemoryObserver()
    told(Observed(source, memory, clock=clock), call, clock)
    assert list(memory.events) == [
        CallFinished(call.operation, call.entity, 2.5, source.fault if faults else None)
    ]


@asking(CONNECT, DISCOVER, FETCH, GET_SAMPLE, PARTITION)
def test_retrying_tells_of_each_retry(call: Asking) -> None:
    clock = VirtualClock()
    source = Source(clock, faults=1)
    events, _ = told(Retrying(source, Retry(first_wait=3, jitter="none"), clock=clock), call, clock)
    assert events == [RetryScheduled(call.operation, call.entity, 1, 3.0, source.fault)]
    assert (source.fault.operation, source.fault.entity, source.fault.attempt) == (  # type: ignore[attr-defined]  # it is a ConnectorError
        call.operation,
        call.entity,
        1,
    )


@asking(CONNECT, DISCOVER, FETCH, GET_SAMPLE, PARTITION)
def test_retrying_says_of_what_it_gave_up_where_it_was(call: Asking) -> None:
    clock = VirtualClock()
    _, error = told(Retrying(Source(clock, faults=9), Retry(attempts=2), clock=clock), call, clock)
    assert isinstance(error, ConnectorError)
    assert (
        error.message
        == "gave up after 2 attempts: the policy allows 2 attempts; last error: the line is dead"
    )
    assert (error.operation, error.entity, error.attempt) == (call.operation, call.entity, 2)


@asking(CONNECT, DISCONNECT, DISCOVER, GET_SAMPLE, PARTITION)
def test_time_limited_names_the_call_that_took_too_long(call: Asking) -> None:
    clock = VirtualClock()
    limited = TimeLimited(Source(clock, seconds=9), Timeouts(call=2), clock=clock)
    events, error = told(limited, call, clock)
    assert events == [TimeLimitPassed(call.operation, call.entity, 2.0)]
    assert isinstance(error, TimedOutError)
    assert error.message == (
        f"{call.operation} took longer than 2s and was given up; allow more time, or look at why the other side is slow"
    )
    assert (error.operation, error.entity) == (call.operation, call.entity)


@pytest.mark.parametrize(
    ("limits", "limit", "what"),
    [
        (Timeouts(page=2), 2.0, "the wait for a page took longer than 2s"),
        (Timeouts(page=3, total=2), 2.0, "the read took longer than 2s"),
        (Timeouts(total=1), 1.0, "the read took longer than 1s"),
    ],
)
def test_time_limited_names_the_read_that_took_too_long(limits: Timeouts, limit: float, what: str) -> None:
    clock = VirtualClock()
    events, error = told(TimeLimited(Source(clock, seconds=9), limits, clock=clock), FETCH, clock)
    assert events == [TimeLimitPassed("fetch_data", "orders", limit)]
    assert isinstance(error, TimedOutError)
    assert error.message == f"{what} and was given up; allow more time, or look at why the other side is slow"
    assert (error.operation, error.entity) == ("fetch_data", "orders")


@asking(CONNECT, DISCOVER, FETCH, GET_SAMPLE, PARTITION)
def test_an_open_circuit_names_the_call_that_was_not_made(call: Asking) -> None:
    clock = VirtualClock()
    circuit = Circuit(Breaker(open_for=30))
    circuit.move("open", clock.monotonic_ns())
    source = Source(clock)
    _, error = told(CircuitBreaking(source, circuit, clock=clock), call, clock)
    assert isinstance(error, CircuitOpenError)
    assert error.message == (
        "not tried, because the circuit is open: it was moved by hand; expected a closed one; come back in 30s, or look "
        "at why the other side fails"
    )
    assert (error.operation, error.entity, error.retry_after) == (call.operation, call.entity, 30.0)
    assert source.asked == []


def test_a_circuit_with_its_probe_under_way_says_so() -> None:
    clock = VirtualClock()
    circuit = Circuit(Breaker(open_for=30))
    circuit.move("open", clock.monotonic_ns())
    clock.advance(30)
    circuit.admit(clock.monotonic_ns())
    _, error = told(CircuitBreaking(Source(clock), circuit, clock=clock), DISCOVER, clock)
    assert isinstance(error, CircuitOpenError)
    assert error.message == (
        "not tried, because the circuit is half-open, with all its probes under way: 30s have passed; expected a closed "
        "one; come back in 3s, or look at why the other side fails"
    )


def test_the_end_behind_a_page_is_no_call_that_a_circuit_counts() -> None:
    """One page and one failure are two calls, of which half failed."""
    clock = VirtualClock()
    circuit = Circuit(Breaker(failure_ratio=0.5, min_calls=2))
    source = Source(clock)
    told(CircuitBreaking(source, circuit, clock=clock), FETCH, clock)
    source.faults = 1
    told(CircuitBreaking(source, circuit, clock=clock), DISCOVER, clock)
    assert (circuit.state, circuit.reason) == ("open", "1 of 2 calls within 30s failed")


@asking(CONNECT, DISCOVER, FETCH, GET_SAMPLE, PARTITION)
def test_bulkheaded_tells_who_waited_for_a_slot(call: Asking) -> None:
    clock = VirtualClock()
    slots = Slots(Bulkhead(limit=1), clock=clock)
    memory = MemoryObserver()

    async def run() -> None:
        async def hold() -> None:
            await clock.sleep(3)
            slots.release()

        await slots.acquire()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hold)
            with observing(memory):
                await call.make(Bulkheaded(Source(clock), slots))

    clock.run(run)
    assert list(memory.events) == [SlotGranted(call.operation, call.entity, 3.0)]


@asking(CONNECT, DISCOVER, FETCH, GET_SAMPLE, PARTITION)
def test_rate_limited_tells_who_waited_for_a_permit(call: Asking) -> None:
    clock = VirtualClock()
    limiter = RateLimiter("2/4s", clock=clock)
    assert limiter.try_acquire()
    events, _ = told(RateLimited(Source(clock), limiter), call, clock, times=2)
    waits = [event for event in events if isinstance(event, PermitGranted)]
    assert waits[0] == PermitGranted(call.operation, call.entity, 4.0)


@asking(DISCOVER, GET_SAMPLE, PARTITION)
def test_hedged_tells_which_call_is_made_once_more(call: Asking) -> None:
    clock = VirtualClock()
    hedge = attrs.evolve(EAGER, extra=2)
    events, _ = told(Hedged(Source(clock, seconds=1.25), hedge, clock=clock), call, clock)
    assert events == [
        HedgeStarted(call.operation, call.entity, 1, 0.5),
        HedgeStarted(call.operation, call.entity, 2, 1.0),
    ]


@asking(DISCOVER, GET_SAMPLE)
def test_cached_tells_how_old_an_answer_is(call: Asking) -> None:
    clock = VirtualClock()
    cached = Cached(Source(clock), "1h", clock=clock)
    told(cached, call, clock)
    clock.advance(timedelta(minutes=1).total_seconds())
    events, _ = told(cached, call, clock)
    assert events == [AnswerReused(call.operation, call.entity, 60.0)]


@asking(CONNECT, DISCONNECT, DISCOVER, FETCH, GET_SAMPLE, PARTITION)
@pytest.mark.parametrize("fault", [ConnectionFailedError, ConnectionResetError])
def test_translating_says_where_an_error_was(call: Asking, fault: type[Exception]) -> None:
    clock = VirtualClock()
    _, error = told(Translating(Source(clock, faults=1, fault=fault("the line is dead"))), call, clock)
    assert isinstance(error, ConnectionFailedError)
    assert (error.connector, error.operation, error.entity) == ("Source", call.operation, call.entity)


@asking(CONNECT, DISCOVER, FETCH, GET_SAMPLE, PARTITION)
@pytest.mark.parametrize("fault", [Fail(), Cut(), Refuse(retry_after=2)])
def test_faulty_names_the_request_that_fails(call: Asking, fault: Fault) -> None:
    clock = VirtualClock()
    source = Source(clock)
    _, error = told(Faulty(source, [fault], clock=clock), call, clock)
    assert isinstance(error, ConnectorError)
    assert error.message == (
        f"request 1 ({call.operation}) fails on purpose, as its schedule says; try it again"
    )
    assert len(source.asked) == isinstance(fault, Cut)
