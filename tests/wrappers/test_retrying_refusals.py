"""Retrying around CircuitBreaking: what a circuit refuses is asked for again when it says, and is no attempt."""

from __future__ import annotations

from random import Random

import anyio
import pytest
import sources
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.errors import CircuitOpenError, ResumeImpossibleError, RetriesExhaustedError
from connector_kit.testing.strategies import schedules
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.circuit_breaker.policy import Breaker, Circuit
from connector_kit.wrappers.circuit_breaker.wrapper import CircuitBreaking
from connector_kit.wrappers.fault_injection.wrapper import Fail, Faulty, Schedule
from connector_kit.wrappers.retry.policy import BudgetLedger, Retry, RetryBudget
from connector_kit.wrappers.retry.wrapper import Retrying

backends = st.sampled_from(["asyncio", "trio"])
breakers = st.builds(
    Breaker,
    failure_ratio=st.sampled_from([0.1, 0.5, 1.0]),
    min_calls=st.integers(1, 4),
    window=st.sampled_from([5, 60]),
    open_for=st.sampled_from([1, 30]),
    probes=st.integers(1, 3),
)
TOUCHY = Breaker(failure_ratio=0.1, min_calls=1, open_for=10)


@given(breakers, schedules(max_in_a_row=3), st.integers(1, 5), backends)
def test_streams_behind_one_circuit_stay_exact(
    breaker: Breaker, schedule: Schedule, streams: int, backend: str
) -> None:
    """For a schedule that the retry can bear alone, each delivers the pages of a read without faults."""
    clock = VirtualClock()
    shop, bare = sources.Shop(), sources.Shop()
    retry = Retry(attempts=4 * streams, deadline=1_000_000)
    guarded = CircuitBreaking(Faulty(shop, schedule, clock=clock), breaker, clock=clock)
    retrying = Retrying(guarded, retry, clock=clock, random=Random(1))

    async def read() -> None:
        found = [page async for page in retrying.fetch_data("orders")]
        assert found == [page async for page in bare.fetch_data("orders")]

    async def test() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(streams):
                tasks.start_soon(read)

    clock.run(test, backend=backend)
    assert shop.opened == shop.closed


def test_a_refusal_is_no_attempt_and_costs_no_budget(anyio_backend: str) -> None:
    """Two attempts and one retry in the budget are enough for one fault, though the circuit opens in between."""
    clock = VirtualClock()

    async def test() -> None:
        faulty = Faulty(sources.Shop(), (Fail(),), clock=clock)
        budget = BudgetLedger(RetryBudget(ratio=0, floor=1))
        retry = Retry(attempts=2, first_wait=1, jitter="none")
        guarded = CircuitBreaking(faulty, TOUCHY, clock=clock)
        await Retrying(guarded, retry, budget=budget, clock=clock).connect()
        assert faulty.requests == 2

    clock.run(test, backend=anyio_backend)
    assert clock.monotonic_ns() >= 10_000_000_000


def test_a_circuit_that_opens_after_the_deadline_is_not_waited_for(anyio_backend: str) -> None:
    clock = VirtualClock()

    async def test() -> None:
        circuit = Circuit(TOUCHY)
        circuit.move("open", clock.monotonic_ns())
        guarded = CircuitBreaking(sources.Shop(), circuit, clock=clock)
        with pytest.raises(CircuitOpenError):
            await Retrying(guarded, Retry(deadline=5), clock=clock).connect()
        with pytest.raises(CircuitOpenError):
            await Retrying(guarded, Retry(attempts=1), clock=clock).connect()
        faulty = CircuitBreaking(Faulty(sources.Shop(), (Fail(),), clock=clock), TOUCHY, clock=clock)
        with pytest.raises(
            RetriesExhaustedError, match="gave up after 1 attempt: the next attempt is due in"
        ):
            await Retrying(faulty, Retry(deadline=5), clock=clock).connect()

    clock.run(test, backend=anyio_backend)


def test_after_a_page_without_a_cursor_a_refusal_ends_the_read(anyio_backend: str) -> None:
    clock = VirtualClock()

    async def test() -> None:
        shop = sources.Shop({"orders": sources.Table(cursors=(False,))})
        guarded = CircuitBreaking(shop, TOUCHY, clock=clock)
        stream = Retrying(guarded, clock=clock).fetch_data("orders")
        await anext(stream)
        guarded.circuit.move("open", clock.monotonic_ns())
        with pytest.raises(ResumeImpossibleError):
            await anext(stream)

    clock.run(test, backend=anyio_backend)
