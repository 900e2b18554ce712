"""The account of calls and retries: exact over every window, in bounded memory."""

from __future__ import annotations

import math
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.wrappers.retry.policy import BudgetLedger, RetryBudget

budgets = st.builds(
    RetryBudget,
    ratio=st.floats(0, 1),
    floor=st.integers(0, 5),
    window=st.integers(1, 200).map(lambda ns: ns / 1e9) | st.floats(0.5, 100),
)


@given(budgets, st.lists(st.tuples(st.floats(0, 1.5), st.booleans()), max_size=80))
def test_never_more_retries_than_floor_and_ratio_in_the_window_before_one(
    budget: RetryBudget, steps: list[tuple[float, bool]]
) -> None:
    """At steps of any part of a window, each a call or a wish to retry. Memory stays that of the window."""
    ledger, window = BudgetLedger(budget), budget.window.ns
    calls, retries = list[int](), list[int]()
    moments = accumulate(round(part * window) for part, _ in steps)
    for now, (_, retry) in zip(moments, steps, strict=True):
        if not retry:
            ledger.called(now)
            calls.append(now)
        elif ledger.allows(now):
            retries.append(now)
            within = [sum(now - window < each for each in times) for times in (retries, calls)]
            assert within[0] <= budget.floor + budget.ratio * within[1]
        assert len(ledger._buckets) <= 11


@given(st.integers(0, 20), st.integers(0, 10**12))
def test_the_floor_is_there_without_calls_and_comes_back(floor: int, start: int) -> None:
    """After a window and a tenth at the latest, whatever came before."""
    ledger = BudgetLedger(RetryBudget(ratio=0, floor=floor, window=10))
    for moment in (start, start + 11_000_000_000):
        assert [ledger.allows(moment) for _ in range(floor + 2)] == [True] * floor + [False, False]


def test_a_retry_counts_for_a_whole_window_wherever_in_a_tenth_it_was() -> None:
    ledger = BudgetLedger(RetryBudget(ratio=0, floor=1, window=10))
    assert ledger.allows(900_000_000)
    assert not ledger.allows(10_899_999_999)
    assert ledger.allows(11_000_000_000)


def test_memory_is_that_of_one_window() -> None:
    """However many calls and retries there are, at one moment or over time."""
    ledger = BudgetLedger(RetryBudget(window=10))
    for step in range(5000):
        ledger.called(step * 7_000_000)
        ledger.called(step * 7_000_000)
        ledger.allows(step * 7_000_000)
        assert len(ledger._buckets) <= 11


def test_by_default_a_fifth_of_the_calls_may_be_retried_and_ten_besides() -> None:
    assert RetryBudget() == RetryBudget(ratio=0.2, floor=10, window=10)


def test_every_call_adds_its_share() -> None:
    ledger = BudgetLedger(RetryBudget(ratio=0.5, floor=1))
    for _ in range(4):
        ledger.called(0)
    assert [ledger.allows(0) for _ in range(4)] == [True, True, True, False]


def test_calls_of_long_ago_do_not_count() -> None:
    ledger = BudgetLedger(RetryBudget(ratio=1.0, floor=0, window=10))
    ledger.called(0)
    assert not ledger.allows(10_000_000_000)
    ledger.called(10_000_000_000)
    assert ledger.allows(10_000_000_000)


@pytest.mark.parametrize(
    "arguments",
    [{"ratio": -0.1}, {"ratio": 1.1}, {"ratio": math.nan}, {"floor": -1}, {"window": 0}, {"window": "x"}],
)
def test_a_value_that_cannot_work_is_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"ratio|floor|window|duration"):
        RetryBudget(**arguments)  # type: ignore[arg-type]  # some are floats where whole numbers are expected
