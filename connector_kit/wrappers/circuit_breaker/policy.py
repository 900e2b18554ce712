"""When calls to a source that keeps failing are left out for a while, and when they are tried again.

`Breaker` is the value, `Circuit` the state machine that is kept of it: one for each upstream, shared by everything that
calls it. Nothing here calls or waits; time is an argument, in nanoseconds.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs

from connector_kit.durations import Duration, as_duration
from connector_kit.errors import (
    DataError,
    PermanentError,
    RateLimitError,
    RetriesExhaustedError,
    TransientError,
    UnknownEntityError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MOVES", "Breaker", "BreakerState", "CallOutcome", "Circuit", "Refusal", "outcome_of"]

BreakerState: TypeAlias = Literal["closed", "open", "half-open"]
"""Calls go through; none does; a few go through to see whether the other side is well again."""

MOVES: Mapping[BreakerState, tuple[BreakerState, ...]] = MappingProxyType(
    {"closed": ("open",), "open": ("half-open",), "half-open": ("closed", "open")}
)
"""The states a circuit may go to, from each."""

CallOutcome: TypeAlias = Literal["answered", "failed", "nothing"]
"""What a call tells of the other side: that it is at work, that it is not, or neither."""

_BUCKETS = 10
_PROBING = 10
"""While probes are under way nobody knows when they end: come back after this part of `open_for`."""


def _check_ratio(_: object, __: object, ratio: float) -> None:
    if not 0 < ratio <= 1:
        raise ValueError(
            f"'failure_ratio' must be above 0 and at most 1, as a share of calls: {ratio} would "
            f"{'let the circuit never open' if ratio > 1 else 'open the circuit without a failure'}"
        )


@attrs.frozen
class Breaker:
    """When a circuit opens, and how it closes again.

    It opens at a failure where, of the calls that ended within the last `window`, `min_calls` or more are counted and a
    share of `failure_ratio` or more of them failed. After `open_for` it lets `probes` calls through: when all of them
    are answered it closes, when one fails it opens for as long again.

    Raises `ValueError` for thresholds that could never be reached or always would be.
    """

    failure_ratio: float = attrs.field(default=0.5, validator=_check_ratio)
    min_calls: int = attrs.field(default=10, validator=attrs.validators.ge(1))
    window: Duration = attrs.field(
        default=Duration(30), converter=as_duration, validator=attrs.validators.gt(Duration(0))
    )
    open_for: Duration = attrs.field(
        default=Duration(30), converter=as_duration, validator=attrs.validators.gt(Duration(0))
    )
    probes: int = attrs.field(default=1, validator=attrs.validators.ge(1))


@attrs.frozen
class Refusal:
    """A call is not let through. `reason` is why the circuit is in that `state`; come back in `retry_after` seconds."""

    state: BreakerState
    reason: str
    retry_after: float


def outcome_of(error: BaseException) -> CallOutcome:
    """Return what an error says of the other side.

    A failure is what a retry may mend. An error about the request or its data shows that the other side is at work. A
    quota that is used up, a mistake in the configuration, a name that is in no catalog, a bug and a cancellation say
    nothing.
    """
    if isinstance(error, RetriesExhaustedError) and error.__cause__ is not None:
        return outcome_of(error.__cause__)
    if isinstance(error, RateLimitError | UnknownEntityError):
        return "nothing"
    if isinstance(error, TransientError):
        return "failed"
    return "answered" if isinstance(error, PermanentError | DataError) else "nothing"


class Circuit:
    """A circuit breaker's state machine.

    `admit` gives each call a ticket or a refusal, and `settle` takes the ticket back with the call's outcome. A ticket
    counts once and in the state that it was given in: what is heard late of a call from before the last move changes
    nothing. A probe that tells nothing, because it was cancelled for instance, gives its place to the next call.

    `state` is what the last call found: an open circuit becomes half-open when somebody is admitted. `reason` says in
    words why it is in this state. `ticket` is the one that all calls get while it is closed, and None otherwise.

    >>> circuit = Circuit(Breaker(min_calls=1, open_for="10s"))
    >>> circuit.settle(circuit.admit(0), "failed", now_ns=0)
    >>> circuit.state, circuit.admit(4_000_000_000).retry_after
    ('open', 6.0)
    """

    __slots__ = (
        "_answered",
        "_open_until_ns",
        "_probing",
        "_recent",
        "_tickets",
        "breaker",
        "reason",
        "state",
        "ticket",
    )

    def __init__(self, breaker: Breaker | None = None) -> None:
        self.breaker = breaker or Breaker()
        self.state: BreakerState = "closed"
        self.reason = "nothing has failed yet"
        self._recent = _RecentCalls(self.breaker.window.ns)
        self._tickets = itertools.count()
        self.ticket: int | None = next(self._tickets)
        self._probing: set[int] = set()  # the tickets of the probes that are under way
        self._answered = 0  # the probes that were answered, of one half-open time
        self._open_until_ns = 0

    def __repr__(self) -> str:
        return f"Circuit({self.breaker!r}, state={self.state!r})"

    def admit(self, now_ns: int) -> int | Refusal:
        """Return a ticket for a call, or a refusal that says when to come back."""
        if self.ticket is not None:
            return self.ticket
        if self.state == "open":
            if now_ns < self._open_until_ns:
                return Refusal("open", self.reason, (self._open_until_ns - now_ns) / 1e9)
            self.move("half-open", now_ns, f"{self.breaker.open_for} have passed")
        if len(self._probing) + self._answered >= self.breaker.probes:
            return Refusal("half-open", self.reason, self.breaker.open_for / _PROBING)
        ticket = next(self._tickets)
        self._probing.add(ticket)
        return ticket

    def settle(self, ticket: int, outcome: CallOutcome, now_ns: int) -> None:
        """Take note of how the call with this ticket ended."""
        if ticket == self.ticket:
            if outcome != "nothing":
                self._count(now_ns, 1 if outcome == "failed" else 0)
        elif ticket in self._probing:
            self._probing.remove(ticket)
            self._probed(outcome, now_ns)

    def move(self, after: BreakerState, now_ns: int, reason: str = "it was moved by hand") -> None:
        """Go to another state; by hand, to open it before a maintenance for instance.

        Raises `ValueError` where no circuit goes from its present state to that one.
        """
        if after not in MOVES[self.state]:
            raise ValueError(
                f"a circuit cannot go from {self.state} to {after}; from {self.state} it goes to "
                f"{' or '.join(MOVES[self.state])}; move it there first"
            )
        self.state = after
        self.reason = reason
        self._probing.clear()
        self._answered = 0
        self.ticket = next(self._tickets) if after == "closed" else None
        if after == "open":
            self._recent.clear()
            self._open_until_ns = now_ns + self.breaker.open_for.ns

    def _count(self, now_ns: int, failures: int) -> None:
        self._recent.add(now_ns, failures)
        if not failures:
            return
        breaker = self.breaker
        calls, failures = self._recent.counts()
        if calls >= breaker.min_calls and failures >= breaker.failure_ratio * calls:
            self.move("open", now_ns, f"{failures} of {calls} calls within {breaker.window} failed")

    def _probed(self, outcome: CallOutcome, now_ns: int) -> None:
        if outcome == "failed":
            self.move("open", now_ns, "a probe failed")
        elif outcome == "answered":
            self._answered += 1
            if self._answered == self.breaker.probes:
                probes = "its probe was" if self._answered == 1 else f"all {self._answered} probes were"
                self.move("closed", now_ns, f"{probes} answered")


class _RecentCalls:
    """How many calls ended and failed lately: each counts for nine tenths of the window at least, never for more than it.

    Ten buckets at most, so memory is bounded. Time must not go back; if it does, the newest bucket takes what comes.
    """

    __slots__ = ("_buckets", "_full_ns", "_window_ns")

    def __init__(self, window_ns: int) -> None:
        self._window_ns = max(1, window_ns)
        self._buckets: deque[list[int]] = deque()
        """Of each bucket: its number, the calls and the failures in it."""
        self._full_ns: float = -math.inf  # when the newest bucket ends

    def add(self, now_ns: int, failures: int) -> None:
        """Add one call; `failures` is 1 where it failed, else 0."""
        if now_ns >= self._full_ns:
            self._begin(now_ns * _BUCKETS // self._window_ns)
        newest = self._buckets[-1]
        newest[1] += 1
        newest[2] += failures

    def _begin(self, number: int) -> None:
        while self._buckets and self._buckets[0][0] <= number - _BUCKETS:
            self._buckets.popleft()
        self._buckets.append([number, 0, 0])
        self._full_ns = -(-(number + 1) * self._window_ns // _BUCKETS)

    def counts(self) -> tuple[int, int]:
        """Return the calls and the failures, as of the last one added."""
        return sum(bucket[1] for bucket in self._buckets), sum(bucket[2] for bucket in self._buckets)

    def clear(self) -> None:
        self._buckets.clear()
        self._full_ns = -math.inf
