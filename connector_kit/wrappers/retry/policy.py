"""When a failed call is made again, after how long, and how many retries all calls together may need.

A decision is a function of the policy, the fault, the attempts so far, the time spent and one random number. Nothing
here sleeps or reads a clock; time is an argument. `RetryBudget` is the bound on retries as a share of calls, so that many
streams do not storm a source that is down; `BudgetLedger` is the account of it that all who call an upstream share.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs
import backoff

from connector_kit.durations import Duration, as_duration
from connector_kit.errors import CircuitOpenError, RateLimitError, ServiceUnavailableError, TransientError

if TYPE_CHECKING:
    from collections.abc import Generator
    from random import Random

__all__ = ["Again", "BudgetLedger", "GiveUp", "Retry", "RetryBudget", "Waits", "is_retryable", "was_made"]


@attrs.frozen
class Again:
    """Try again after `wait` seconds."""

    wait: float


@attrs.frozen
class GiveUp:
    """Do not try again: the fault is permanent, or the attempts, the time or the shared budget are used up.

    `wait` is the wait that did not fit, in seconds.
    """

    reason: Literal["permanent", "attempts", "deadline", "budget"]
    wait: float = 0.0


Decision: TypeAlias = Again | GiveUp


@attrs.frozen
class Retry:
    """How to retry.

    `attempts` is how often one call or one page is tried, the first time included; 1 is never to retry. The waits
    between grow as `backoff` says, from `first_wait`, to no more than `max_wait`; `jitter` spreads them: "full" over
    zero to the wait, "equal" over its upper half, "none" not at all. `deadline` bounds the time from the first
    failure of a call to its last attempt. A wait that the other side asks for (Retry-After) is kept in full: it is
    neither cut to `max_wait` nor shortened by jitter, and where it does not fit the deadline, there is no retry.

    A call that a circuit breaker refused was never made: it is made when the circuit says to come back, and a wait of
    this policy later, so that not all come at the same moment. It is no attempt; only the deadlines bound it.
    """

    attempts: int = attrs.field(default=5, validator=attrs.validators.ge(1))
    backoff: Literal["exponential", "fibonacci", "constant"] = attrs.field(
        default="exponential", validator=attrs.validators.in_(("exponential", "fibonacci", "constant"))
    )
    first_wait: Duration = attrs.field(
        default=Duration(0.5), converter=as_duration, validator=attrs.validators.gt(Duration(0))
    )
    max_wait: Duration = attrs.field(default=Duration(30), converter=as_duration)
    jitter: Literal["full", "equal", "none"] = attrs.field(
        default="full", validator=attrs.validators.in_(("full", "equal", "none"))
    )
    deadline: Duration = attrs.field(default=Duration(600), converter=as_duration)

    def waits(self) -> Waits:
        """Start a sequence of waits; every call or page that fails gets its own."""
        return Waits(self)

    def decide(
        self, fault: Exception, *, attempt: int, spent: float, left: float, waits: Waits, random: Random
    ) -> Decision:
        """Return what follows from the failure of attempt number `attempt`.

        `spent` is the time in seconds since the first failure, `left` what an enclosing deadline still allows.
        """
        if not is_retryable(fault):
            return GiveUp("permanent")
        if was_made(fault):
            if attempt >= self.attempts:
                return GiveUp("attempts")
            wait = max(waits.next(random), requested_wait(fault))
        elif self.attempts == 1:
            return GiveUp("permanent")
        else:
            wait = requested_wait(fault) + waits.next(random)
        if spent + wait > self.deadline or wait >= left:
            return GiveUp("deadline", wait)
        return Again(wait)


class Waits:
    """The waits of one sequence of attempts: a generator of `backoff`, primed, with the policy's jitter on top."""

    def __init__(self, retry: Retry) -> None:
        self._jitter = retry.jitter
        self._max = float(retry.max_wait)
        self._generator: Generator[float, None, None] = _GENERATORS[retry.backoff](retry)
        self._generator.send(None)

    def next(self, random: Random) -> float:
        """Return the next wait in seconds."""
        wait = min(next(self._generator), self._max)
        if self._jitter == "full":
            return random.uniform(0, wait)
        if self._jitter == "equal":
            return random.uniform(wait / 2, wait)
        return wait


def is_retryable(fault: Exception) -> bool:
    """Return whether the same call may succeed later: a transient fault, or a circuit that is open for a while."""
    return isinstance(fault, TransientError | CircuitOpenError)


def was_made(fault: Exception) -> bool:
    """Return whether the call was made at all. One that an open circuit refused is no attempt and costs no retry budget."""
    return not isinstance(fault, CircuitOpenError)


def requested_wait(fault: Exception) -> float:
    """Return the seconds that the other side asked to wait, 0 where it did not."""
    if isinstance(fault, RateLimitError | ServiceUnavailableError | CircuitOpenError):
        return fault.retry_after or 0.0
    return 0.0


def _exponential(retry: Retry) -> Generator[float, None, None]:
    return backoff.expo(base=2, factor=retry.first_wait, max_value=retry.max_wait)


def _fibonacci(retry: Retry) -> Generator[float, None, None]:
    # backoff's sequence is of whole numbers: it counts in units of the first wait.
    steps = backoff.fibo(max_value=int(retry.max_wait / retry.first_wait) + 1)
    yield from (float(step or 0) * retry.first_wait for step in steps)


def _constant(retry: Retry) -> Generator[float, None, None]:
    return backoff.constant(itertools.repeat(float(retry.first_wait)))


_GENERATORS = {"exponential": _exponential, "fibonacci": _fibonacci, "constant": _constant}


_BUCKETS = 10


@attrs.frozen
class RetryBudget:
    """At most `floor` retries plus `ratio` of the calls, in the `window` before any retry."""

    ratio: float = attrs.field(default=0.2, validator=[attrs.validators.ge(0), attrs.validators.le(1)])
    floor: int = attrs.field(default=10, validator=attrs.validators.ge(0))
    window: Duration = attrs.field(
        default=Duration(10), converter=as_duration, validator=attrs.validators.gt(Duration(0))
    )


class BudgetLedger:
    """Counts calls and retries over the last window. Ten buckets; the oldest ones fall out, so memory is bounded.

    A retry is counted for at least a window, a call for no more than one: rounding is always towards fewer retries.
    """

    __slots__ = ("_buckets", "_window_ns", "budget")

    def __init__(self, budget: RetryBudget) -> None:
        self.budget = budget
        self._window_ns = max(1, budget.window.ns)
        self._buckets: deque[list[int]] = deque()
        """Of each bucket: its number, the calls and the retries in it."""

    def _bucket(self, now_ns: int) -> list[int]:
        number = now_ns * _BUCKETS // self._window_ns
        while self._buckets and self._buckets[0][0] < number - _BUCKETS:
            self._buckets.popleft()
        if not self._buckets or self._buckets[-1][0] != number:
            self._buckets.append([number, 0, 0])
        return self._buckets[-1]

    def called(self, now_ns: int) -> None:
        """Note a first attempt."""
        self._bucket(now_ns)[1] += 1

    def allows(self, now_ns: int) -> bool:
        """Take one retry from the budget; return whether it had one."""
        newest = self._bucket(now_ns)
        calls = sum(bucket[1] for bucket in self._buckets if bucket[0] > newest[0] - _BUCKETS)
        retries = sum(bucket[2] for bucket in self._buckets)
        if retries + 1 > self.budget.floor + self.budget.ratio * calls:
            return False
        newest[2] += 1
        return True
