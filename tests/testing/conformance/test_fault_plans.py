"""The search for plans of faults: it finds small ones, ends where it should, and tells them as Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from hypothesis import given

from connector_kit.errors import ConnectionFailedError, TimedOutError
from connector_kit.testing.conformance.bounds import Bounds, EnoughError, Meter, NoAnswerError
from connector_kit.testing.conformance.reading import Difference, difference
from connector_kit.testing.conformance.wire import (
    SHRINKS,
    Answer,
    CutOff,
    Hold,
    Reset,
    Trickle,
    plan_text,
    search_plan,
    wire_plans,
)
from connector_kit.testing.strategies import schedules
from connector_kit.testing.virtual_clock import LeapingClock
from connector_kit.wrappers.fault_injection.wrapper import Cut, Fail, Refuse, Repeat, Stall

if TYPE_CHECKING:
    from connector_kit.testing.conformance.wire import WirePlan
    from connector_kit.wrappers.fault_injection.wrapper import Schedule

BROKE = Difference("1 record lost", ("{}",))


def meter(*, plans: int = 50, requests: int | None = None, seconds: float = 60.0) -> Meter:
    """Make a meter with these bounds."""
    return Meter(Bounds(plans=plans, requests=requests, seconds=seconds))


@pytest.mark.anyio
async def test_the_smallest_plan_that_breaks_is_found() -> None:
    async def breaks(plan: Schedule) -> Difference | None:
        await anyio.lowlevel.checkpoint()
        return BROKE if any(isinstance(fault, Cut) for fault in plan[2:]) else None

    search = await search_plan(schedules(max_in_a_row=2, max_size=10), breaks, meter())
    assert search.broke == BROKE
    assert search.plan is not None
    assert plan_text(search.plan) == "[None, None, Cut(ConnectionFailedError)]"
    assert not search.stopped


@pytest.mark.anyio
async def test_as_many_plans_are_tried_as_the_bounds_say() -> None:
    tried: list[WirePlan] = []

    async def breaks(plan: WirePlan) -> Difference | None:
        tried.append(plan)
        return None

    search = await search_plan(wire_plans(), breaks, meter(plans=12))
    assert (search.tried, search.plan, search.broke, search.stopped) == (12, None, None, "")
    assert len(tried) == 12
    assert any(fault is not None for plan in tried for fault in plan)


@pytest.mark.anyio
async def test_a_search_leaves_requests_to_others() -> None:
    counting = meter(requests=100)

    async def breaks(plan: Schedule) -> Difference | None:
        counting.requests += 10
        return None

    search = await search_plan(schedules(), breaks, counting)
    assert search.tried == 3
    assert "share of the requests" in search.stopped


@pytest.mark.anyio
async def test_a_search_ends_when_its_share_of_the_time_is_over() -> None:
    async def breaks(plan: Schedule) -> Difference | None:
        raise AssertionError("no time is left")

    search = await search_plan(schedules(), breaks, meter(seconds=1e-9))
    assert search.tried == 0
    assert "share of the time" in search.stopped


@pytest.mark.anyio
async def test_at_the_bounds_the_best_plan_so_far_is_kept() -> None:
    tried = 0

    async def breaks(plan: Schedule) -> Difference | None:
        nonlocal tried
        if not any(plan):
            return None
        tried += 1
        if tried > 2:
            raise EnoughError("the 9 requests allowed are used up")
        return BROKE

    search = await search_plan(schedules(), breaks, meter())
    assert search.broke == BROKE
    assert search.stopped == "the 9 requests allowed are used up"


@pytest.mark.anyio
async def test_shrinking_is_bounded() -> None:
    tried = 0

    async def breaks(plan: Schedule) -> Difference | None:
        nonlocal tried
        tried += 1
        return BROKE if sum(fault is not None for fault in plan) > 4 else None

    search = await search_plan(schedules(max_size=30), breaks, meter(plans=100))
    assert search.broke == BROKE
    assert tried <= 100 + SHRINKS


@pytest.mark.anyio
async def test_a_hang_ends_the_search_at_once() -> None:
    tried = 0

    async def breaks(plan: Schedule) -> Difference | None:
        nonlocal tried
        tried += 1
        if tried == 3:
            raise NoAnswerError("page 2 did not come back")
        return None

    search = await search_plan(schedules(), breaks, meter())
    assert search.tried == 3
    assert search.broke == Difference("page 2 did not come back")


@pytest.mark.anyio
async def test_any_other_error_ends_it_and_is_raised() -> None:
    async def breaks(plan: Schedule) -> Difference | None:
        raise ConnectionFailedError("the source is gone; try later")

    with pytest.raises(ConnectionFailedError):
        await search_plan(schedules(), breaks, meter())


@pytest.mark.anyio
async def test_what_breaks_now_and_then_is_still_told() -> None:
    tried = 0

    async def breaks(plan: Schedule) -> Difference | None:
        nonlocal tried
        tried += 1
        return BROKE if tried == 4 else None

    search = await search_plan(schedules(), breaks, meter())
    assert search.broke == BROKE


@pytest.mark.anyio
async def test_a_search_is_cancelled_with_its_caller() -> None:
    with anyio.CancelScope() as scope:

        async def breaks(plan: Schedule) -> Difference | None:
            scope.cancel()
            await anyio.sleep_forever()
            return None

        await search_plan(schedules(), breaks, meter())
    assert scope.cancelled_caught


def test_plans_are_python_text() -> None:
    assert plan_text(()) == "[]"
    assert (
        plan_text((None, Fail(TimedOutError), Cut()))
        == "[None, Fail(TimedOutError), Cut(ConnectionFailedError)]"
    )
    assert plan_text((Refuse(), Refuse(2.0), Stall("1.5s"), Repeat())) == (
        "[Refuse(), Refuse(retry_after=2), Stall(1.5), Repeat()]"
    )
    assert plan_text(
        (Answer(503), Answer(429, retry_after=1.0), CutOff(), Reset(), Hold(0.25), Trickle())
    ) == ("[Answer(503), Answer(429, retry_after=1), CutOff(), Reset(), Hold(0.25), Trickle()]")


@given(wire_plans(max_in_a_row=2, max_size=7))
def test_plans_for_a_wire_are_transient_and_bounded(plan: WirePlan) -> None:
    assert len(plan) <= 7
    assert all(not isinstance(fault, Answer) or fault.status in (429, 500, 503) for fault in plan)
    assert not any(None not in plan[at : at + 3] for at in range(len(plan) - 2))


def test_reads_are_compared_as_far_as_both_go() -> None:
    assert difference(["a", "b"], ["a", "b"]) is None
    assert difference(["a", "b", "c"], ["a"], got_ended=False) is None
    assert difference(["a"], ["a", "b"], expected_ended=False) is None
    assert difference(["a", "b"], ["a"], expected_ended=False) == Difference("1 record lost", ("b",))
    assert difference(["a"], ["a", "b"], got_ended=False) == Difference(
        "1 record that should not be there", ("b",)
    )
    assert difference(["a", "b", "c"], ["a", "a", "x", "x"]) == Difference(
        "2 records lost, 1 record there twice, 2 records that should not be there", ("b", "c", "a", "x", "x")
    )
    assert difference(["a", "b", "c"], ["a", "c", "b"]) == Difference(
        "the same records in another order", ("b", "c")
    )


@pytest.mark.anyio
async def test_the_leaping_clock_does_not_wait() -> None:
    clock = LeapingClock()
    before = clock.now()
    with anyio.fail_after(5):
        await clock.sleep(86_400)
    assert clock.monotonic_ns() == 86_400 * 10**9
    assert (clock.now() - before).days == 1
    await clock.sleep(-1)
    assert clock.monotonic_ns() == 86_400 * 10**9
