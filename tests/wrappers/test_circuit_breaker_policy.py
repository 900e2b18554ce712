"""The breaker's rules: no illegal move, never more probes than allowed, no ticket lost, counted as a window counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast, get_args

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from connector_kit.config.load import load_config
from connector_kit.durations import Duration
from connector_kit.errors import (
    AuthenticationError,
    CircuitOpenError,
    ConfigError,
    ConnectionFailedError,
    CursorExpiredError,
    PermissionDeniedError,
    RateLimitError,
    RequestRejectedError,
    RetriesExhaustedError,
    SchemaMismatchError,
    ServiceUnavailableError,
    TimedOutError,
    UnknownEntityError,
)
from connector_kit.wrappers.circuit_breaker.policy import (
    MOVES,
    Breaker,
    BreakerState,
    CallOutcome,
    Circuit,
    Refusal,
    outcome_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND = 1_000_000_000
STATES: tuple[BreakerState, ...] = get_args(BreakerState)
outcomes = st.sampled_from(cast("tuple[CallOutcome, ...]", get_args(CallOutcome)))  # get_args has no types


class CircuitMachine(RuleBasedStateMachine):
    """Calls that begin, end and are cancelled in any order and at any time, beside a model that counts one by one."""

    breaker = Breaker(failure_ratio=0.5, min_calls=3, window=10, open_for=5, probes=2)

    def __init__(self) -> None:
        super().__init__()
        self.circuit = Circuit(self.breaker)
        self.now = 0
        self.open_until = 0
        self.seen: BreakerState = "closed"
        self.calls: dict[int, int] = {}  # the tickets that are out, with how many calls have each
        self.probes: set[int] = set()  # those of them that are probes of this half-open time
        self.answered = 0  # the probes that were answered in it
        self.ended: list[
            tuple[int, bool]
        ] = []  # when calls of this closed time ended, and whether they failed

    def moved(self) -> None:
        """Check the move, if there was one, and begin the new state in the model."""
        after = self.circuit.state
        if after == self.seen:
            return
        assert after in MOVES[self.seen]
        self.seen = after
        self.probes, self.answered, self.ended = set(), 0, []
        if after == "open":
            self.open_until = self.now + self.breaker.open_for.ns

    @rule(seconds=st.floats(0, 12))
    def time_passes(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)

    @rule()
    def a_call_begins(self) -> None:
        state, due = self.circuit.state, self.now >= self.open_until
        admitted = self.circuit.admit(self.now)
        self.moved()
        if isinstance(admitted, Refusal):
            assert state != "closed"
            assert admitted.retry_after > 0
            if state == "open":
                assert not due
                assert self.now + round(admitted.retry_after * SECOND) == self.open_until
            else:
                assert len(self.probes) + self.answered == self.breaker.probes
            return
        assert state != "open" or due
        self.calls[admitted] = self.calls.get(admitted, 0) + 1
        if self.circuit.state == "half-open":
            self.probes.add(admitted)

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), outcome=outcomes)
    def a_call_ends(self, data: st.DataObject, outcome: CallOutcome) -> None:
        ticket = data.draw(st.sampled_from(sorted(self.calls)))
        self.calls[ticket] -= 1
        if not self.calls[ticket]:
            del self.calls[ticket]
        before, present = self.circuit.state, ticket == self.circuit.ticket
        self.circuit.settle(ticket, outcome, self.now)
        after = self.circuit.state
        if ticket in self.probes:
            self.probes.remove(ticket)
            self.answered += outcome == "answered"
            enough = self.answered == self.breaker.probes
            expected = "open" if outcome == "failed" else "closed" if enough else "half-open"
            assert (before, after) == ("half-open", expected)
        elif not present or outcome == "nothing":
            assert after == before, "late news and no news change nothing"
        else:
            self.ended.append((self.now, outcome == "failed"))
            assert (before, after) == ("closed", "open" if self.opens(outcome) else "closed")
        self.moved()

    def opens(self, outcome: CallOutcome) -> bool:
        """Count what the window holds, of buckets a tenth of it long, and say whether that opens the circuit."""
        bucket = self.breaker.window.ns // 10
        recent = [failed for ended, failed in self.ended if ended // bucket > self.now // bucket - 10]
        enough = len(recent) >= self.breaker.min_calls
        return outcome == "failed" and enough and sum(recent) >= self.breaker.failure_ratio * len(recent)

    @rule(after=st.sampled_from(STATES))
    def somebody_moves_it_by_hand(self, after: BreakerState) -> None:
        before = self.circuit.state
        if after in MOVES[before]:
            self.circuit.move(after, self.now)
            self.moved()
        else:
            with pytest.raises(ValueError, match=f"from {before} to {after}"):
                self.circuit.move(after, self.now)

    @invariant()
    def never_more_probes_than_allowed(self) -> None:
        assert len(self.probes) + self.answered <= self.breaker.probes
        assert (self.circuit.ticket is None) == (self.circuit.state != "closed")

    @invariant()
    def memory_is_bounded(self) -> None:
        assert len(self.circuit._recent._buckets) <= 10
        assert len(self.circuit._probing) <= self.breaker.probes

    @precondition(lambda self: self.circuit.state == "half-open")
    @rule()
    def every_place_that_is_free_can_be_had(self) -> None:
        """A cancelled probe gave its place back: as many calls get through as the model says, and no more."""
        free = self.breaker.probes - len(self.probes) - self.answered
        tickets = [
            ticket for ticket in (self.circuit.admit(self.now) for _ in range(5)) if isinstance(ticket, int)
        ]
        assert len(tickets) == free
        for ticket in tickets:
            self.circuit.settle(ticket, "nothing", self.now)
        assert self.circuit.state == "half-open"


class OneProbeMachine(CircuitMachine):
    """The same with the figures that most people have."""

    breaker = Breaker(failure_ratio=1.0, min_calls=1, window=1, open_for=3, probes=1)


TestCircuit = CircuitMachine.TestCase
TestCircuitWithOneProbe = OneProbeMachine.TestCase


def opened(breaker: Breaker) -> Circuit:
    """Give a circuit that has just opened, at the time 0."""
    circuit = Circuit(breaker)
    circuit.move("open", 0)
    return circuit


def ticket(circuit: Circuit, now_ns: int) -> int:
    admitted = circuit.admit(now_ns)
    assert isinstance(admitted, int)
    return admitted


def state(circuit: Circuit) -> BreakerState:
    """Look anew: a type checker takes what it has seen of an attribute for settled."""
    return circuit.state


def end(circuit: Circuit, outcome: CallOutcome, now_ns: int = 0, times: int = 1) -> None:
    """Let calls through and end them at once."""
    for _ in range(times):
        circuit.settle(ticket(circuit, now_ns), outcome, now_ns)


class TestOpening:
    def test_opens_at_the_failure_that_reaches_the_ratio(self) -> None:
        circuit = Circuit(Breaker(failure_ratio=0.5, min_calls=4))
        end(circuit, "answered", times=4)
        end(circuit, "failed", times=3)
        assert state(circuit) == "closed"
        end(circuit, "failed")
        assert state(circuit) == "open"
        assert circuit.reason == "4 of 8 calls within 30s failed"

    def test_stays_closed_below_the_minimum_of_calls(self) -> None:
        circuit = Circuit(Breaker(failure_ratio=0.1, min_calls=5))
        end(circuit, "failed", times=4)
        assert state(circuit) == "closed"
        end(circuit, "failed")
        assert state(circuit) == "open"

    def test_an_answer_never_opens_it(self) -> None:
        """Though it completes the minimum of calls: it is no news of a failure."""
        circuit = Circuit(Breaker(failure_ratio=0.5, min_calls=5))
        end(circuit, "failed", times=4)
        end(circuit, "answered", times=2)
        assert state(circuit) == "closed"

    def test_what_tells_nothing_is_not_counted(self) -> None:
        circuit = Circuit(Breaker(failure_ratio=1.0, min_calls=2))
        end(circuit, "failed")
        end(circuit, "nothing", times=10)
        assert state(circuit) == "closed"
        end(circuit, "failed")
        assert state(circuit) == "open"

    def test_failures_of_long_ago_do_not_count(self) -> None:
        circuit = Circuit(Breaker(failure_ratio=0.5, min_calls=2, window=10))
        end(circuit, "failed", 0)
        end(circuit, "failed", 10 * SECOND)
        assert state(circuit) == "closed"
        end(circuit, "failed", 19 * SECOND - 1)
        assert state(circuit) == "open"

    def test_a_failure_at_the_end_of_a_tenth_counts_as_one_of_the_next_tenth(self) -> None:
        circuit = Circuit(Breaker(failure_ratio=0.5, min_calls=3, window=10))
        for moment in (0, SECOND, 10 * SECOND):
            end(circuit, "failed", moment)
        assert state(circuit) == "closed", "the first one is a window ago"
        end(circuit, "failed", 10 * SECOND)
        assert (state(circuit), circuit.reason) == ("open", "3 of 3 calls within 10s failed")

    def test_time_that_goes_back_is_taken_for_the_newest_bucket(self) -> None:
        circuit = Circuit(Breaker(min_calls=2, window=10))
        end(circuit, "failed", 100 * SECOND)
        end(circuit, "failed", 0)
        assert state(circuit) == "open"

    def test_starts_counting_anew_when_it_has_closed(self) -> None:
        circuit = Circuit(Breaker(min_calls=2, open_for=1, window=60))
        end(circuit, "failed", times=2)
        end(circuit, "answered", SECOND)
        assert (state(circuit), circuit.reason) == ("closed", "its probe was answered")
        end(circuit, "failed", SECOND)
        assert state(circuit) == "closed"


class TestProbing:
    def test_an_open_circuit_says_when_to_come_back(self) -> None:
        circuit = opened(Breaker(open_for=10))
        assert circuit.admit(4 * SECOND) == Refusal("open", "it was moved by hand", 6.0)
        assert circuit.admit(10 * SECOND - 1) == Refusal("open", "it was moved by hand", 1e-9)
        assert isinstance(circuit.admit(10 * SECOND), int)
        assert (state(circuit), circuit.reason) == ("half-open", "10s have passed")

    def test_lets_so_many_probes_through_and_no_more(self) -> None:
        """Answered ones included: it closes with the last of them, not before."""
        circuit = opened(Breaker(open_for=10, probes=3))
        tickets = [ticket(circuit, 10 * SECOND) for _ in range(3)]
        assert circuit.admit(10 * SECOND) == Refusal("half-open", "10s have passed", 1.0)
        for probe in tickets[:2]:
            circuit.settle(probe, "answered", 11 * SECOND)
        assert isinstance(circuit.admit(11 * SECOND), Refusal)
        circuit.settle(tickets[2], "answered", 11 * SECOND)
        assert (state(circuit), circuit.reason) == ("closed", "all 3 probes were answered")

    def test_one_failing_probe_opens_it_for_as_long_again(self) -> None:
        circuit = opened(Breaker(open_for=10, probes=3))
        tickets = [ticket(circuit, 10 * SECOND) for _ in range(3)]
        circuit.settle(tickets[0], "answered", 11 * SECOND)
        circuit.settle(tickets[1], "failed", 12 * SECOND)
        assert circuit.admit(12 * SECOND) == Refusal("open", "a probe failed", 10.0)
        circuit.settle(tickets[2], "answered", 22 * SECOND)
        assert state(circuit) == "open"

    def test_a_cancelled_probe_gives_its_place_to_the_next_call(self) -> None:
        circuit = opened(Breaker(open_for=10))
        first = ticket(circuit, 10 * SECOND)
        assert isinstance(circuit.admit(10 * SECOND), Refusal)
        circuit.settle(first, "nothing", 10 * SECOND)
        second = ticket(circuit, 10 * SECOND)
        circuit.settle(first, "answered", 10 * SECOND)
        assert state(circuit) == "half-open", "a ticket counts once"
        circuit.settle(second, "answered", 10 * SECOND)
        assert state(circuit) == "closed"

    def test_calls_that_began_before_it_opened_decide_nothing_after(self) -> None:
        circuit = Circuit(Breaker(min_calls=1, open_for=10))
        early = ticket(circuit, 0)
        end(circuit, "failed")
        circuit.settle(early, "failed", SECOND)
        probe = ticket(circuit, 10 * SECOND)
        circuit.settle(early, "answered", 10 * SECOND)
        assert state(circuit) == "half-open"
        circuit.settle(probe, "answered", 10 * SECOND)
        circuit.settle(early, "failed", 10 * SECOND)
        assert state(circuit) == "closed"


@pytest.mark.parametrize(("before", "after"), [(a, b) for a in STATES for b in STATES if b not in MOVES[a]])
def test_an_illegal_move_is_refused_with_both_states_named(before: BreakerState, after: BreakerState) -> None:
    circuit = Circuit()
    ways: dict[BreakerState, tuple[BreakerState, ...]] = {
        "open": ("open",),
        "half-open": ("open", "half-open"),
    }
    for step in ways.get(before, ()):
        circuit.move(step, 0)
    with pytest.raises(ValueError, match=f"cannot go from {before} to {after}; from {before} it goes to"):
        circuit.move(after, 0)
    assert state(circuit) == before


def test_an_illegal_move_is_told_where_else_it_could_go() -> None:
    circuit = opened(Breaker())
    circuit.move("half-open", 0)
    with pytest.raises(ValueError, match="cannot go") as raised:
        circuit.move("half-open", 0)
    assert str(raised.value) == (
        "a circuit cannot go from half-open to half-open; from half-open it goes to closed or open; move it there first"
    )


@pytest.mark.parametrize(
    ("ratio", "would"), [(0, "open the circuit without a failure"), (1.5, "let the circuit never open")]
)
def test_a_ratio_that_cannot_work_is_told_what_it_would_do(ratio: float, would: str) -> None:
    with pytest.raises(ValueError, match="failure_ratio") as raised:
        Breaker(failure_ratio=ratio)
    assert str(raised.value) == (
        f"'failure_ratio' must be above 0 and at most 1, as a share of calls: {ratio} would {would}"
    )


def test_is_shown_with_its_policy_and_state() -> None:
    assert repr(opened(Breaker(probes=2))).endswith("probes=2), state='open')")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ConnectionFailedError("x"), "failed"),
        (TimedOutError("x"), "failed"),
        (ServiceUnavailableError("x", 1.0), "failed"),
        (RateLimitError("x"), "nothing"),
        (RequestRejectedError("x"), "answered"),
        (AuthenticationError("x"), "answered"),
        (PermissionDeniedError("x"), "answered"),
        (SchemaMismatchError("x"), "answered"),
        (CursorExpiredError("x"), "answered"),
        (UnknownEntityError("x"), "nothing"),
        (ConfigError("x"), "nothing"),
        (CircuitOpenError("x", 1.0), "nothing"),
        (RetriesExhaustedError("x"), "nothing"),
        (ZeroDivisionError(), "nothing"),
        (KeyboardInterrupt(), "nothing"),
        (GeneratorExit(), "nothing"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_an_error_tells_of_the_other_side_by_its_class(error: BaseException, outcome: CallOutcome) -> None:
    assert outcome_of(error) == outcome


@pytest.mark.parametrize(
    ("cause", "outcome"), [(TimedOutError("x"), "failed"), (RateLimitError("x"), "nothing")]
)
def test_exhausted_retries_tell_what_their_last_fault_does(cause: Exception, outcome: CallOutcome) -> None:
    error = RetriesExhaustedError("x")
    error.__cause__ = cause
    assert outcome_of(error) == outcome


class TestPolicy:
    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"failure_ratio": 0}, "'failure_ratio' must be above 0 .* without a failure"),
            ({"failure_ratio": -1}, "'failure_ratio' must be above 0 .* without a failure"),
            (
                {"failure_ratio": 1.5},
                "'failure_ratio' must be above 0 and at most 1.*1.5 would let .* never open",
            ),
            ({"failure_ratio": math.nan}, "'failure_ratio' must be above 0"),
            ({"min_calls": 0}, "'min_calls' must be >= 1"),
            ({"window": 0}, "'window' must be > 0s"),
            ({"window": "soon"}, "a duration"),
            ({"open_for": 0}, "'open_for' must be > 0s"),
            ({"probes": 0}, "'probes' must be >= 1"),
        ],
    )
    def test_a_threshold_that_cannot_work_is_refused(self, arguments: dict[str, Any], said: str) -> None:
        make: Callable[..., Breaker] = Breaker
        with pytest.raises(ValueError, match=said):
            make(**arguments)

    def test_can_stand_in_a_config_file(self) -> None:
        given = {"failure_ratio": 0.25, "min_calls": 20, "window": "1m", "open_for": "15s", "probes": 2}
        assert load_config(Breaker, given) == Breaker(0.25, 20, Duration(60), Duration(15), 2)
        with pytest.raises(
            ConfigError, match=r"failure_ratio: 1\.5; expected a value that is above 0 and at most 1"
        ):
            load_config(Breaker, {"failure_ratio": 1.5})
