"""GCRA: never more than its burst and what has come back since, in any closed interval; never a permit held back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connector_kit.durations import Duration
from connector_kit.limiters.rates import Rate
from connector_kit.limiters.windows import Gcra

bursts = st.integers(1, 6)
intervals = st.integers(1, 20)
requests = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 6)), max_size=40)  # (pause before it, cost)


def fits(grants: list[tuple[int, int]], burst: int, interval: int) -> bool:
    """Tell whether every closed interval keeps to burst + floor(length / interval), without any cleverness."""
    return all(
        sum(cost for at, cost in grants if start <= at <= end) <= burst + (end - start) // interval
        for start, _ in grants
        for end, _ in grants
        if end >= start
    )


@given(bursts, intervals, requests)
def test_every_grant_comes_at_the_first_moment_that_fits(
    burst: int, interval: int, requests: list[tuple[int, int]]
) -> None:
    budget = Gcra(burst, interval)
    grants: list[tuple[int, int]] = []
    now = 0
    for pause, asked in requests:
        now, cost = now + pause, min(asked, burst)
        ready = budget.ready_at(now, cost)
        assert fits([*grants, (ready, cost)], burst, interval)
        assert ready == now or not fits([*grants, (ready - 1, cost)], burst, interval)
        assert budget.take(now, cost) is (ready == now)
        if ready > now:
            now = ready
            budget.commit(now, cost)
        grants.append((now, cost))


@given(bursts, intervals, requests, st.integers(1, 40), st.integers(0, 200))
def test_the_earliest_moment_is_exact_for_permits_taken_one_by_one(
    burst: int, interval: int, requests: list[tuple[int, int]], permits: int, pause: int
) -> None:
    budget = Gcra(burst, interval)
    now = 0
    for gap, asked in requests:
        now = budget.ready_at(now + gap, min(asked, burst))
        budget.commit(now, min(asked, burst))
    expected = budget.earliest(now, permits, now + pause)
    moment = now + pause
    for _ in range(permits):
        moment = budget.ready_at(moment, 1)
        budget.commit(moment, 1)
    assert moment == expected


@given(bursts, intervals, requests)
def test_it_is_in_use_until_all_permits_are_back(
    burst: int, interval: int, requests: list[tuple[int, int]]
) -> None:
    budget = Gcra(burst, interval)
    now = 0
    for gap, asked in requests:
        now += gap
        budget.take(now, min(asked, burst))
        assert budget.in_use(now) is (budget.ready_at(now, burst) > now)


@given(st.integers(1, 10**6), st.integers(1, 10**12), st.integers(1, 10**12))
def test_a_rate_that_does_not_divide_its_window_is_rounded_down(limit: int, window: int, length: int) -> None:
    """Never more than limit permits for every window, however long one looks."""
    rate = Rate(limit, Duration(window / 1e9), burst=1)
    assert (length // rate.interval_ns) * rate.per.ns <= length * limit
