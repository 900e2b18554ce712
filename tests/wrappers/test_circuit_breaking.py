"""CircuitBreaking: what opens the circuit, what goes through it, and that no cancellation leaves a probe behind."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import anyio
import pytest
import sources
from doubles import Able, Ear, Slow
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.capabilities import close_stream
from connector_kit.errors import (
    AuthenticationError,
    CircuitOpenError,
    ConfigError,
    ConnectorError,
    RequestRejectedError,
    RetriesExhaustedError,
    SchemaMismatchError,
    UnknownEntityError,
)
from connector_kit.events import BreakerMoved, observing
from connector_kit.protocols import Connector
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.circuit_breaker.policy import Breaker, BreakerState, Circuit
from connector_kit.wrappers.circuit_breaker.wrapper import CircuitBreaking
from connector_kit.wrappers.fault_injection.wrapper import Fail, Faulty, Refuse, Stall
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.retry.wrapper import Retrying

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from connector_kit.records.page import Page
    from connector_kit.wrappers.fault_injection.wrapper import Schedule

C = TypeVar("C", bound=Connector)
backends = st.sampled_from(["asyncio", "trio"])
TOUCHY = Breaker(failure_ratio=0.5, min_calls=2, window=60, open_for=10)
DOWN: Schedule = (Fail(), Fail())


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def state(wrapper: CircuitBreaking[C]) -> BreakerState:
    """Look anew: a type checker takes what it has seen of an attribute for settled."""
    return wrapper.circuit.state


async def fails(*calls: Callable[[], Awaitable[object]]) -> None:
    """Make calls that fail with an error of the connector's own."""
    for call in calls:
        with pytest.raises(ConnectorError) as caught:
            await call()
        assert not isinstance(caught.value, CircuitOpenError)


async def opened(wrapper: CircuitBreaking[C]) -> None:
    """Let two calls fail, which opens a touchy circuit."""
    await fails(wrapper.discover_schema, wrapper.connect)
    assert state(wrapper) == "open"


async def read(stream: AsyncIterator[Page], pages: int) -> None:
    for _ in range(pages):
        await anext(stream)


class TestOpening:
    def test_an_open_circuit_lets_nothing_through_and_says_when_to_come_back(
        self, clock: VirtualClock, anyio_backend: str
    ) -> None:
        async def test() -> None:
            faulty = Faulty(Able(), DOWN, clock=clock)
            guarded = CircuitBreaking(faulty, TOUCHY, clock=clock)
            await opened(guarded)
            await clock.sleep(4)
            calls: list[tuple[str, str | None, Callable[[], Awaitable[object]]]] = [
                ("connect", None, guarded.connect),
                ("discover_schema", None, guarded.discover_schema),
                ("get_sample_data", "orders", lambda: guarded.get_sample_data("orders")),
                ("partition_data", "orders", lambda: guarded.partition_data("orders", target=2)),
                ("fetch_data", "orders", lambda: anext(guarded.fetch_data("orders"))),
            ]
            for operation, entity, call in calls:
                with pytest.raises(
                    CircuitOpenError, match=r"is open: 2 of 2 calls within 1m failed; .* come back in 6s"
                ) as caught:
                    await call()
                assert caught.value.retry_after == 6
                assert (caught.value.operation, caught.value.entity) == (operation, entity)
            assert faulty.requests == 2
            guarded.validate_config()
            await guarded.disconnect()
            assert faulty.inner.calls == ["validate_config", "disconnect"]

        clock.run(test, backend=anyio_backend)

    def test_coming_back_when_told_is_not_too_early(self, clock: VirtualClock, anyio_backend: str) -> None:
        """The probe goes through, and its answer closes the circuit."""

        async def test() -> None:
            guarded = CircuitBreaking(Faulty(sources.Shop(), DOWN, clock=clock), TOUCHY, clock=clock)
            await opened(guarded)
            with pytest.raises(CircuitOpenError) as caught:
                await guarded.connect()
            await clock.sleep(caught.value.retry_after)
            await guarded.connect()
            assert state(guarded) == "closed"

        clock.run(test, backend=anyio_backend)

    @pytest.mark.parametrize(
        "harmless",
        [
            Fail(AuthenticationError),
            Fail(RequestRejectedError),
            Fail(UnknownEntityError),
            Fail(SchemaMismatchError),
            Fail(ConfigError),
            Fail(ZeroDivisionError),
            Refuse(1.0),
        ],
        ids=lambda fault: fault.error.__name__ if isinstance(fault, Fail) else "RateLimitError",
    )
    def test_the_callers_own_faults_do_not_open_it(
        self, clock: VirtualClock, anyio_backend: str, harmless: Fail | Refuse
    ) -> None:
        """Nor does a quota that is used up: the limiter answers to that."""

        async def test() -> None:
            guarded = CircuitBreaking(
                Faulty(sources.Shop(), (harmless,) * 9, clock=clock), TOUCHY, clock=clock
            )
            for _ in range(9):
                with pytest.raises((ConnectorError, ZeroDivisionError)):
                    await guarded.connect()
            assert state(guarded) == "closed"

        clock.run(test, backend=anyio_backend)

    def test_cancelled_calls_do_not_open_it(self, clock: VirtualClock, anyio_backend: str) -> None:
        async def test() -> None:
            guarded = CircuitBreaking(Slow(call=60, clock=clock), TOUCHY, clock=clock)
            for _ in range(5):
                with anyio.move_on_after(1) as scope:
                    await guarded.connect()
                assert scope.cancelled_caught
            assert state(guarded) == "closed"

        clock.run(test, backend=anyio_backend)

    def test_who_shares_a_circuit_shares_its_state(self, clock: VirtualClock, anyio_backend: str) -> None:
        async def test() -> None:
            circuit = Circuit(TOUCHY)
            one = CircuitBreaking(Faulty(sources.Shop(), DOWN, clock=clock), circuit, clock=clock)
            other = CircuitBreaking(sources.Shop(), circuit, clock=clock)
            await opened(one)
            with pytest.raises(CircuitOpenError):
                await other.connect()

        clock.run(test, backend=anyio_backend)

    def test_the_events_tell_of_every_move(self, clock: VirtualClock, anyio_backend: str) -> None:
        async def test() -> None:
            ear = Ear()
            schedule = (*DOWN, Fail(), None)
            guarded = CircuitBreaking(Faulty(sources.Shop(), schedule, clock=clock), TOUCHY, clock=clock)
            with observing(ear):
                await opened(guarded)
                await clock.sleep(10)
                await fails(guarded.connect)
                await clock.sleep(10)
                await guarded.connect()
            assert ear.heard == [
                BreakerMoved("closed", "open", "2 of 2 calls within 1m failed"),
                BreakerMoved("open", "half-open", "10s have passed"),
                BreakerMoved("half-open", "open", "a probe failed"),
                BreakerMoved("open", "half-open", "10s have passed"),
                BreakerMoved("half-open", "closed", "its probe was answered"),
            ]

        clock.run(test, backend=anyio_backend)


class TestProbing:
    def test_while_a_probe_is_under_way_nobody_else_gets_through(
        self, clock: VirtualClock, anyio_backend: str
    ) -> None:
        async def test() -> None:
            schedule = (*DOWN, Stall(5))
            guarded = CircuitBreaking(Faulty(sources.Shop(), schedule, clock=clock), TOUCHY, clock=clock)
            await opened(guarded)
            await clock.sleep(10)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(guarded.connect)
                await clock.sleep(1)
                with pytest.raises(
                    CircuitOpenError, match="half-open, with all its probes under way"
                ) as caught:
                    await guarded.connect()
                assert caught.value.retry_after == 1
            assert state(guarded) == "closed"

        clock.run(test, backend=anyio_backend)

    @given(
        backend=backends,
        probes=st.integers(1, 3),
        calls=st.lists(
            st.tuples(st.integers(0, 40), st.integers(0, 30), st.integers(1, 20)), min_size=1, max_size=12
        ),
    )
    def test_wherever_probes_are_cancelled_their_places_are_given_back(
        self, backend: str, probes: int, calls: list[tuple[int, int, int]]
    ) -> None:
        """Calls that start, take and are cancelled after any time: never more than allowed, and none is lost."""
        clock = VirtualClock()
        circuit = Circuit(Breaker(open_for=10, probes=probes))
        under_way = 0

        class Counting(sources.Shop):
            duration = 0.0

            async def connect(self) -> None:
                nonlocal under_way
                under_way += 1
                assert circuit.state == "closed" or under_way <= probes
                try:
                    await clock.sleep(self.duration)
                finally:
                    under_way -= 1

        async def call(start: int, duration: int, patience: int) -> None:
            await clock.sleep(10 + start)
            shop = Counting()
            shop.duration = duration
            with anyio.move_on_after(patience):
                with suppress(CircuitOpenError):
                    await CircuitBreaking(shop, circuit, clock=clock).connect()

        async def test() -> None:
            circuit.move("open", clock.monotonic_ns())
            async with anyio.create_task_group() as tasks:
                for one in calls:
                    tasks.start_soon(call, *one)
            quick = CircuitBreaking(sources.Shop(), circuit, clock=clock)
            for _ in range(probes):
                await quick.connect()
            assert circuit.state == "closed"

        clock.run(test, backend=backend)


class TestStreams:
    def test_each_page_counts_as_a_call(self, clock: VirtualClock, anyio_backend: str) -> None:
        """Of three pages and two failures the ratio is two fifths: the third failure reaches a half."""

        async def test() -> None:
            shop = sources.Shop()
            schedule = (None, None, None, Fail(), Fail(), Fail())
            guarded = CircuitBreaking(Faulty(shop, schedule, clock=clock), TOUCHY, clock=clock)
            stream = guarded.fetch_data("orders")
            await read(stream, 3)
            await fails(lambda: anext(stream), guarded.connect)
            assert state(guarded) == "closed"
            await fails(guarded.connect)
            assert state(guarded) == "open"

        clock.run(test, backend=anyio_backend)

    def test_a_refused_page_ends_the_stream_and_closes_it(
        self, clock: VirtualClock, anyio_backend: str
    ) -> None:
        async def test() -> None:
            shop = sources.Shop()
            guarded = CircuitBreaking(shop, TOUCHY, clock=clock)
            stream = guarded.fetch_data("orders")
            await read(stream, 1)
            guarded.circuit.move("open", clock.monotonic_ns())
            with pytest.raises(CircuitOpenError):
                await anext(stream)
            assert (shop.opened, shop.closed) == (1, 1)
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
            await close_stream(stream)

        clock.run(test, backend=anyio_backend)

    def test_a_cancelled_page_closes_the_stream(self, clock: VirtualClock, anyio_backend: str) -> None:
        async def test() -> None:
            slow = Slow((1, 60, 1), clock=clock)
            stream = CircuitBreaking(slow, TOUCHY, clock=clock).fetch_data("orders")
            await read(stream, 1)
            with anyio.move_on_after(5):
                await anext(stream)
            assert (slow.opened, slow.closed) == (1, 1)
            with pytest.raises(StopAsyncIteration):
                await anext(stream)

        clock.run(test, backend=anyio_backend)

    @pytest.mark.parametrize(("size", "expected"), [(0, "closed"), (3, "half-open")])
    def test_an_empty_read_is_an_answer_and_the_end_after_a_page_is_none(
        self, clock: VirtualClock, anyio_backend: str, size: int, expected: str
    ) -> None:
        """The end is often told without a request."""

        async def test() -> None:
            shop = sources.Shop({"orders": sources.Table(size=size)})
            guarded = CircuitBreaking(shop, TOUCHY, clock=clock)
            stream = guarded.fetch_data("orders")
            await read(stream, 1 if size else 0)
            guarded.circuit.move("open", clock.monotonic_ns())
            await clock.sleep(10)
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
            assert state(guarded) == expected

        clock.run(test, backend=anyio_backend)

    def test_a_sample_made_of_pages_counts_each(self, clock: VirtualClock, anyio_backend: str) -> None:
        """And the partitions that need no call are given even while the circuit is open."""

        async def test() -> None:
            guarded = CircuitBreaking(sources.Shop(), Breaker(open_for=10, probes=2), clock=clock)
            guarded.circuit.move("open", clock.monotonic_ns())
            assert await guarded.partition_data("orders", target=3) == [None]
            with pytest.raises(CircuitOpenError):
                await guarded.get_sample_data("orders", 4)
            await clock.sleep(10)
            assert len(await guarded.get_sample_data("orders", 4)) == 4
            assert state(guarded) == "closed"

        clock.run(test, backend=anyio_backend)


class TestOrder:
    def test_outside_a_retry_is_refused_unless_asked_for(self) -> None:
        with pytest.raises(ConfigError, match="would stop no retry; put it inside"):
            CircuitBreaking(Retrying(sources.Shop()))

    def test_outside_a_retry_exhausted_retries_are_failures(
        self, clock: VirtualClock, anyio_backend: str
    ) -> None:
        async def test() -> None:
            faulty = Faulty(sources.Shop(), (Fail(),) * 4, clock=clock)
            retrying = Retrying(faulty, Retry(attempts=2), clock=clock)
            guarded = CircuitBreaking(retrying, TOUCHY, clock=clock, allow_outside_retry=True)
            for _ in range(2):
                with pytest.raises(RetriesExhaustedError):
                    await guarded.connect()
            assert state(guarded) == "open"

        clock.run(test, backend=anyio_backend)

    def test_the_policy_is_a_default_and_the_circuit_is_shown(self) -> None:
        assert CircuitBreaking(sources.Shop()).circuit.breaker == Breaker()
        assert "state='closed'" in repr(CircuitBreaking(sources.Shop(), TOUCHY))
