"""`Hedged`: a call that takes long is made once more, and the first answer counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar

import anyio
import attrs

from connector_kit.capabilities import sample
from connector_kit.clock import AnyioClock, Clock
from connector_kit.durations import Duration, as_duration
from connector_kit.events import HedgeStarted, emit
from connector_kit.protocols import Connector
from connector_kit.wrappers.retry.policy import BudgetLedger, RetryBudget
from connector_kit.wrappers.wrapper import Wrapper

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from connector_kit.records.page import Record

__all__ = ["Hedge", "Hedged", "HedgedOperation"]


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


C = TypeVar("C", bound=Connector)
T = TypeVar("T")


@attrs.frozen(repr=False)
class Hedged(Wrapper[C]):
    """Makes the calls that `hedge` names as safe once more where they take long; the first answer counts.

    The calls that are not needed any more are cancelled, and have ended when the answer is given. A call that fails is
    not made again: that is for a Retrying around it. While another one is under way its error is put aside, and the
    last one is raised where none answers. Reads, connect and disconnect are never made twice.

    `ledger` bounds the extra calls of all who share it; by default there is one for this wrapper. Outside a Retrying
    every extra call would have its own retries, which is refused unless `allow_outside_retry` is set.
    """

    hedge: Hedge
    ledger: BudgetLedger = attrs.field(
        default=attrs.Factory(lambda self: BudgetLedger(self.hedge.budget), takes_self=True),
        kw_only=True,
        repr=False,
        eq=False,
    )
    clock: Clock = attrs.field(factory=AnyioClock, kw_only=True)
    allow_outside_retry: bool = attrs.field(default=False, kw_only=True, repr=False)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Return a sample, the first that comes; all pages of it, where it comes from a read, are one call."""
        return await self._call("get_sample_data", entity, lambda: sample(self.inner, entity, limit))

    async def _call(self, operation: str, entity: str | None, call: Callable[[], Awaitable[T]]) -> T:
        if operation not in self.hedge.safe:
            return await call()
        self.ledger.called(self.clock.monotonic_ns())
        race = _Race(call)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(race.run)
            for number in range(1, self.hedge.extra + 1):
                with anyio.move_on_after(self.hedge.delay):
                    await race.over.wait()
                if race.over.is_set() or not self.ledger.allows(self.clock.monotonic_ns()):
                    break
                emit(HedgeStarted(operation, entity, number, number * self.hedge.delay))
                race.running += 1
                tasks.start_soon(race.run)
            await race.over.wait()
            tasks.cancel_scope.cancel()
        return race.result()


class _Race(Generic[T]):
    """The same call, made several times at once. It is over with the first answer, or when all have failed."""

    __slots__ = ("_answers", "_call", "_error", "over", "running")

    def __init__(self, call: Callable[[], Awaitable[T]]) -> None:
        self._call = call
        self._answers: list[T] = []
        self._error: Exception | None = None
        self.running = 1
        self.over = anyio.Event()

    async def run(self) -> None:
        """Make the call. Its error is kept, since a task group would wrap it."""
        try:
            self._answers.append(await self._call())
        except Exception as error:  # noqa: BLE001 - raised by result, if no other call answers
            self._error = error
        self.running -= 1
        if self._answers or not self.running:
            self.over.set()

    def result(self) -> T:
        """Return the first answer, or raise the last error."""
        if not self._answers and self._error is not None:
            raise self._error
        return self._answers[0]
