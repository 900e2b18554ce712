"""The sliding log: never more than the limit in any window, never a permit held back, bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connector_kit.limiters.windows import SlidingLog

limits = st.integers(1, 6)
windows = st.integers(1, 50)
requests = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6)), max_size=40)  # (pause before it, cost)


def taken_within(grants: list[tuple[int, int]], start: int, window: int) -> int:
    """Count the permits in [start, start + window), without any cleverness."""
    return sum(cost for moment, cost in grants if start <= moment < start + window)


def fits(grants: list[tuple[int, int]], moment: int, cost: int, limit: int, window: int) -> bool:
    """Tell whether one more grant leaves every window that holds it within the limit."""
    more = [*grants, (moment, cost)]
    return all(taken_within(more, start, window) <= limit for start in range(moment - window + 1, moment + 1))


@given(limits, windows, requests)
def test_every_grant_comes_at_the_first_moment_that_fits(
    limit: int, window: int, requests: list[tuple[int, int]]
) -> None:
    """Not before, which is the bound in every half-open window; and not later, which is work conservation."""
    log = SlidingLog(limit, window)
    grants: list[tuple[int, int]] = []
    now = 0
    for pause, asked in requests:
        now, cost = now + pause, min(asked, limit)
        ready = log.ready_at(now, cost)
        assert ready == next(t for t in range(now, now + window + 1) if fits(grants, t, cost, limit, window))
        now = ready
        assert log.ready_at(now, cost) == now
        log.commit(now, cost)
        grants.append((now, cost))
        assert len(log) <= limit


@given(limits, windows, requests, st.integers(1, 40), st.integers(0, 200))
def test_the_earliest_moment_is_exact_for_permits_taken_one_by_one(
    limit: int, window: int, requests: list[tuple[int, int]], permits: int, pause: int
) -> None:
    log = SlidingLog(limit, window)
    now = 0
    for gap, asked in requests:
        now = log.ready_at(now + gap, min(asked, limit))
        log.commit(now, min(asked, limit))
    expected = log.earliest(now, permits, now + pause)
    moment = now + pause
    for _ in range(permits):
        moment = log.ready_at(moment, 1)
        log.commit(moment, 1)
    assert moment == expected


@given(limits, windows, requests, st.integers(0, 200))
def test_the_earliest_moment_is_never_too_late_for_larger_costs(
    limit: int, window: int, requests: list[tuple[int, int]], pause: int
) -> None:
    log = SlidingLog(limit, window)
    costs = [min(asked, limit) for _, asked in requests] or [1]
    expected = log.earliest(0, sum(costs), pause)
    moment = pause
    for cost in costs:
        moment = log.ready_at(moment, cost)
        log.commit(moment, cost)
    assert moment >= expected


def test_a_window_is_half_open() -> None:
    log = SlidingLog(1, 10)
    log.commit(100, 1)
    assert log.ready_at(109, 1) == 110
    assert log.ready_at(110, 1) == 110


def test_a_grant_of_many_permits_takes_one_entry() -> None:
    log = SlidingLog(1_000_000, 10)
    log.commit(0, 600_000)
    log.commit(1, 400_000)
    assert len(log) == 2
    assert log.ready_at(2, 600_000) == 10
    assert log.ready_at(2, 600_001) == 11


def test_what_is_as_far_apart_as_the_grain_shares_an_entry_and_what_is_farther_does_not() -> None:
    log = SlidingLog(9, 100, 10)
    assert [(log.take(moment, 1), len(log)) for moment in (0, 10, 11)] == [(True, 1), (True, 1), (True, 2)]


@given(limits, windows, st.integers(0, 20), requests)
def test_a_grain_holds_permits_back_for_at_most_that_long(
    limit: int, window: int, grain: int, requests: list[tuple[int, int]]
) -> None:
    """The bound stays as it was, and the entries become few."""
    log = SlidingLog(limit, window, grain)
    grants: list[tuple[int, int]] = []
    now = 0
    for pause, asked in requests:
        now, cost = now + pause, min(asked, limit)
        ready = log.ready_at(now, cost)
        assert fits(grants, ready, cost, limit, window)
        assert (
            ready
            <= next(t for t in range(now, now + window + 1) if fits(grants, t, cost, limit, window)) + grain
        )
        assert log.take(now, cost) is (ready == now)
        if ready > now:
            now = ready
            log.commit(now, cost)
        grants.append((now, cost))
        assert len(log) <= window // (grain + 1) + 2
        assert log.taken(now) >= taken_within(grants, now - window + 1, window)
        assert log.in_use(now)
    assert not log.in_use(now + window)
