"""A bound on retries as a share of calls, so that many streams do not storm a source that is down.

`RetryBudget` is the value, `BudgetLedger` the account that is kept of it: one for each upstream, shared by everything
that calls it. The account is exact over a sliding window of buckets; time is an argument, in nanoseconds.
"""

from __future__ import annotations

from collections import deque

import attrs

from connector_kit.durations import Duration, as_duration

__all__ = ["BudgetLedger", "RetryBudget"]

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
        """Take one retry from the budget, if it has one."""
        newest = self._bucket(now_ns)
        calls = sum(bucket[1] for bucket in self._buckets if bucket[0] > newest[0] - _BUCKETS)
        retries = sum(bucket[2] for bucket in self._buckets)
        if retries + 1 > self.budget.floor + self.budget.ratio * calls:
            return False
        newest[2] += 1
        return True
