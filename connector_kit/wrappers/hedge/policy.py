"""When a call is made a second time although the first one is still under way, for the sake of the slowest ones."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from connector_kit.durations import Duration, as_duration
from connector_kit.wrappers.retry.budget import RetryBudget

__all__ = ["Hedge", "HedgedOperation"]

HedgedOperation: TypeAlias = Literal["discover_schema", "get_sample_data", "partition_data"]
"""The calls that only read and give one answer."""

_OPERATIONS: tuple[HedgedOperation, ...] = ("discover_schema", "get_sample_data", "partition_data")


@attrs.frozen
class Hedge:
    """Where a call of a `safe` operation has no answer after `delay`, another one is made, at most `extra` of them.

    `safe` names the operations that may be made twice at once without harm: only who knows the source can say so, and
    none is by default. All extra calls together are at most `floor` plus a `share` of the calls, in the `window` before
    any of them. A good `delay` is what nineteen of twenty calls take at most.

    Raises `ValueError` for an operation that is none of these, and for bounds that make no sense.
    """

    safe: tuple[HedgedOperation, ...] = attrs.field(
        default=(),
        converter=tuple[HedgedOperation, ...],
        validator=attrs.validators.deep_iterable(attrs.validators.in_(_OPERATIONS)),
    )
    delay: Duration = attrs.field(
        default=Duration(1), converter=as_duration, validator=attrs.validators.gt(Duration(0))
    )
    extra: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    share: float = attrs.field(default=0.05, validator=[attrs.validators.ge(0), attrs.validators.le(1)])
    floor: int = attrs.field(default=1, validator=attrs.validators.ge(0))
    window: Duration = attrs.field(
        default=Duration(60), converter=as_duration, validator=attrs.validators.gt(Duration(0))
    )

    @property
    def budget(self) -> RetryBudget:
        """The bound on extra calls: the same sum as for retries."""
        return RetryBudget(self.share, self.floor, self.window)
