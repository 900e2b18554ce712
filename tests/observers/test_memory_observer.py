"""MemoryObserver: keeps what it hears, all of it or the last of it."""

from __future__ import annotations

import pytest
import sources
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.errors import ConfigError, ConnectionFailedError
from connector_kit.events import PageDelivered, QuotaHeard, RetryScheduled, StreamFinished
from connector_kit.observers.memory import MemoryObserver
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.fault_injection.wrapper import Fail, Faulty
from connector_kit.wrappers.observation.wrapper import Observed
from connector_kit.wrappers.retry.wrapper import Retrying


def test_hears_a_whole_stack_and_gives_the_events_by_their_class(anyio_backend: str) -> None:
    memory, clock = MemoryObserver(), VirtualClock()
    faulty = Faulty(sources.Shop(), [None, Fail()])

    async def test() -> None:
        async for _ in Observed(Retrying(faulty, clock=clock), memory, clock=clock).fetch_data("orders"):
            pass

    clock.run(test, backend=anyio_backend)
    assert [type(event) for event in memory.events[:3]] == [PageDelivered, RetryScheduled, PageDelivered]
    assert [page.records for page in memory.of(PageDelivered)] == [3, 3, 3, 1]
    assert [type(retry.error) for retry in memory.of(RetryScheduled)] == [ConnectionFailedError]
    assert memory.of(QuotaHeard) == ()


@given(st.lists(st.integers(0, 9)), st.none() | st.integers(1, 5))
def test_keeps_the_last_ones_up_to_its_limit(sizes: list[int], limit: int | None) -> None:
    memory = MemoryObserver(limit=limit)
    for size in sizes:
        memory.observe(PageDelivered("orders", size, 0.1))
    assert [page.records for page in memory.of(PageDelivered)] == (sizes if limit is None else sizes[-limit:])


def test_what_was_given_out_does_not_change_and_clear_forgets() -> None:
    memory = MemoryObserver()
    memory.observe(StreamFinished("orders", 0.1))
    before = memory.events
    memory.clear()
    assert (len(before), memory.events) == (1, ())


@pytest.mark.parametrize("limit", [0, -1])
def test_a_memory_without_room_is_refused(limit: int) -> None:
    with pytest.raises(ConfigError, match=f"a memory of {limit} events keeps nothing; give a limit of 1"):
        MemoryObserver(limit=limit)
