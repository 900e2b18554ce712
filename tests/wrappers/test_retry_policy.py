"""When a call is made again, and after how long: laws over every policy, fault and moment."""

from __future__ import annotations

import math
from itertools import accumulate, pairwise
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from connector_kit.durations import Duration
from connector_kit.errors import (
    AuthenticationError,
    ConnectionFailedError,
    ConnectorError,
    RateLimitError,
    RetriesExhaustedError,
    ServiceUnavailableError,
    TimedOutError,
    TransientError,
)
from connector_kit.wrappers.retry.policy import (
    Again,
    BudgetLedger,
    GiveUp,
    Retry,
    RetryBudget,
    requested_wait,
)

if TYPE_CHECKING:
    from connector_kit.wrappers.retry.policy import Decision

seconds = st.floats(0.001, 1e6)
retries = st.builds(
    Retry,
    attempts=st.integers(1, 50),
    backoff=st.sampled_from(["exponential", "fibonacci", "constant"]),
    first_wait=seconds,
    max_wait=st.just(0.0) | seconds,
    jitter=st.sampled_from(["full", "equal", "none"]),
    deadline=st.just(0.0) | seconds,
)
randoms = st.integers().map(Random)
asked = st.none() | st.floats(0, 1e7)
transients = st.one_of(
    st.sampled_from([ConnectionFailedError("a"), TimedOutError("b"), TransientError("c")]),
    st.builds(RateLimitError, st.just("d"), asked),
    st.builds(ServiceUnavailableError, st.just("e"), asked),
)
permanents = st.sampled_from(
    [
        AuthenticationError("a"),
        ConnectorError("b"),
        RetriesExhaustedError("c"),
        ValueError("e"),
        TimeoutError("f"),
    ]
)


class Ends(Random):
    """Always draws one end of the range."""

    def __init__(self, end: int) -> None:
        super().__init__()
        self._end = end

    def uniform(self, a: float, b: float) -> float:
        return (a, b)[self._end]


def decide(
    retry: Retry,
    fault: Exception,
    *,
    attempt: int = 1,
    spent: float = 0.0,
    left: float = math.inf,
    random: Random | None = None,
) -> Decision:
    """Ask for the first decision of a sequence."""
    return retry.decide(
        fault, attempt=attempt, spent=spent, left=left, waits=retry.waits(), random=random or Random(7)
    )


def unspread(retry: Retry, count: int) -> list[float]:
    """Give the first waits without jitter."""
    waits = Retry(
        backoff=retry.backoff, first_wait=retry.first_wait, max_wait=retry.max_wait, jitter="none"
    ).waits()
    return [waits.next(Random(0)) for _ in range(count)]


class TestWaits:
    @given(retries, randoms)
    def test_stay_within_the_most_and_within_the_jitters_range(self, retry: Retry, random: Random) -> None:
        """The jitters "full", "equal" and "none" begin at nothing, at half of the wait, at all of it."""
        part = {"full": 0.0, "equal": 0.5, "none": 1.0}[retry.jitter]
        waits = retry.waits()
        for whole in unspread(retry, 60):
            wait = waits.next(random)
            assert part * whole <= wait <= whole <= retry.max_wait

    @pytest.mark.parametrize(("jitter", "least"), [("full", 0.0), ("equal", 4.0), ("none", 8.0)])
    def test_reach_both_ends_of_the_range(self, jitter: Any, least: float) -> None:
        waits = Retry(backoff="constant", first_wait=8, jitter=jitter).waits()
        assert (waits.next(Ends(0)), waits.next(Ends(1))) == (least, 8.0)

    @given(retries)
    def test_never_shrink_before_jitter(self, retry: Retry) -> None:
        whole = unspread(retry, 60)
        assert all(one <= other for one, other in pairwise(whole))
        assert whole[0] == min(retry.first_wait, retry.max_wait)

    @pytest.mark.parametrize(
        ("backoff", "expected"),
        [
            ("exponential", [0.5, 1, 2, 4, 8, 10, 10]),
            ("fibonacci", [0.5, 0.5, 1, 1.5, 2.5, 4, 6.5, 10, 10]),
            ("constant", [0.5, 0.5, 0.5]),
        ],
    )
    def test_grow_as_their_name_says(self, backoff: Any, expected: list[float]) -> None:
        retry = Retry(backoff=backoff, first_wait=0.5, max_wait=10, jitter="none")
        assert unspread(retry, len(expected)) == expected

    @given(retries)
    def test_every_sequence_begins_anew(self, retry: Retry) -> None:
        """And one that goes on meanwhile does not disturb it."""
        first, then = retry.waits(), retry.waits()
        one, other = Random(1), Random(1)
        firsts = [first.next(one) for _ in range(5)]
        assert [then.next(other) for _ in range(5)] == firsts


class TestDecisions:
    @given(retries, transients, st.integers(1, 60), seconds, st.just(math.inf) | st.floats(-1, 1e6), randoms)
    def test_try_again_only_where_attempts_and_time_allow(
        self, retry: Retry, fault: Exception, attempt: int, spent: float, left: float, random: Random
    ) -> None:
        decision = decide(retry, fault, attempt=attempt, spent=spent, left=left, random=random)
        if isinstance(decision, Again):
            assert attempt < retry.attempts
            assert spent + decision.wait <= retry.deadline
            assert decision.wait < left
        elif decision.reason == "attempts":
            assert attempt >= retry.attempts
        else:
            assert decision.reason == "deadline"
            assert spent + decision.wait > retry.deadline or decision.wait >= left

    @given(retries, transients, randoms)
    def test_a_wait_that_was_asked_for_is_kept_in_full(
        self, retry: Retry, fault: Exception, random: Random
    ) -> None:
        """Neither jitter nor the largest wait shortens it; without one, the largest wait holds."""
        assume(retry.attempts > 1)
        decision = decide(retry, fault, random=random)
        assert isinstance(decision, Again) or decision.reason == "deadline"
        assert decision.wait >= requested_wait(fault)
        assert decision.wait <= max(retry.max_wait, requested_wait(fault))

    @given(retries, permanents)
    def test_what_is_not_transient_is_never_tried_again(self, retry: Retry, fault: Exception) -> None:
        """Foreign exceptions are bugs, whatever they are called; giving up is not to be multiplied."""
        assert decide(retry, fault) == GiveUp("permanent")

    @given(transients)
    def test_with_one_attempt_nothing_is_tried_again(self, fault: Exception) -> None:
        assert decide(Retry(attempts=1), fault) == GiveUp("attempts")

    @pytest.mark.parametrize(
        ("spent", "left", "expected"),
        [
            (0.0, math.inf, Again(4.0)),
            (6.0, math.inf, Again(4.0)),
            (6.1, math.inf, GiveUp("deadline", 4.0)),
            (0.0, 4.1, Again(4.0)),
            (0.0, 4.0, GiveUp("deadline", 4.0)),
            (0.0, -1.0, GiveUp("deadline", 4.0)),
        ],
    )
    def test_a_wait_ends_by_the_deadline_and_before_an_enclosing_one(
        self, spent: float, left: float, expected: Decision
    ) -> None:
        """At the very moment of an enclosing deadline there is no time for an attempt."""
        retry = Retry(first_wait=4, max_wait=4, jitter="none", deadline=10)
        assert decide(retry, ConnectionFailedError("a"), spent=spent, left=left) == expected

    @pytest.mark.parametrize(
        "fault", [ConnectionFailedError("a"), RateLimitError("b"), ServiceUnavailableError("c")]
    )
    def test_without_a_wait_that_was_asked_for_the_policys_own_is_kept(self, fault: Exception) -> None:
        """However short it is."""
        assert decide(Retry(first_wait=0.01, jitter="none"), fault) == Again(0.01)

    def test_a_retry_after_beyond_the_deadline_is_told(self) -> None:
        assert decide(Retry(deadline=60), RateLimitError("a", 3600.0)) == GiveUp("deadline", 3600.0)

    @pytest.mark.parametrize("nonsense", [-5.0, math.nan])
    def test_a_retry_after_that_makes_no_sense_changes_nothing(self, nonsense: float) -> None:
        retry = Retry(first_wait=4, jitter="none")
        assert decide(retry, RateLimitError("a", nonsense)) == Again(4.0)

    def test_an_endless_retry_after_is_not_waited_for(self) -> None:
        assert decide(Retry(), RateLimitError("a", math.inf)) == GiveUp("deadline", math.inf)


class TestPolicy:
    @pytest.mark.parametrize(
        "arguments",
        [
            {"attempts": 0},
            {"backoff": "linear"},
            {"first_wait": 0},
            {"first_wait": "soon"},
            {"max_wait": -1},
            {"jitter": "some"},
            {"deadline": math.inf},
        ],
    )
    def test_a_value_that_cannot_work_is_refused(self, arguments: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"attempts|backoff|first_wait|duration|jitter"):
            Retry(**arguments)

    def test_by_default_it_is_patient_but_not_endless(self) -> None:
        """Five attempts within ten minutes, from half a second to half a minute apart."""
        assert Retry() == Retry(
            attempts=5,
            backoff="exponential",
            first_wait=0.5,
            max_wait=30,
            jitter="full",
            deadline=600,
        )

    def test_lengths_of_time_may_be_text(self) -> None:
        retry = Retry(first_wait="250ms", max_wait="1m", deadline="1h")
        assert retry == Retry(first_wait=0.25, max_wait=60, deadline=3600)
        assert isinstance(retry.max_wait, Duration)


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
