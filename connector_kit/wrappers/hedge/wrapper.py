"""`Hedged`: a call that takes long is made once more, and the first answer counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import anyio
import attrs

from connector_kit.capabilities import partitions, sample, validate
from connector_kit.clock import AnyioClock, Clock
from connector_kit.errors import ConfigError
from connector_kit.events import HedgeStarted, emit
from connector_kit.protocols import Connector
from connector_kit.wrappers.retry.budget import BudgetLedger
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.stack.layers import layers, outline

from .policy import Hedge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Page, Record

    from .policy import HedgedOperation

__all__ = ["Hedged"]

C = TypeVar("C", bound=Connector)
T = TypeVar("T")


@attrs.frozen
class Hedged(Generic[C]):
    """Makes the calls that `hedge` names as safe once more where they take long; the first answer counts.

    The calls that are not needed any more are cancelled, and have ended when the answer is given. A call that fails is
    not made again: that is for a Retrying around it. While another one is under way its error is put aside, and the
    last one is raised where none answers. Reads, connect and disconnect are never made twice.

    `ledger` bounds the extra calls of all who share it; by default there is one for this wrapper. Outside a Retrying
    every extra call would have its own retries, which is refused unless `allow_outside_retry` is set.
    """

    inner: C
    hedge: Hedge
    ledger: BudgetLedger = attrs.field(
        default=attrs.Factory(lambda self: BudgetLedger(self.hedge.budget), takes_self=True),
        kw_only=True,
        repr=False,
        eq=False,
    )
    clock: Clock = attrs.field(factory=AnyioClock, kw_only=True)
    allow_outside_retry: bool = attrs.field(default=False, kw_only=True, repr=False)

    def __attrs_post_init__(self) -> None:
        if not self.allow_outside_retry and any(isinstance(layer, Retrying) for layer in layers(self.inner)):
            raise ConfigError(
                "Hedged is outside Retrying, so that every extra call would have its own retries; put it inside: "
                "Retrying(Hedged(connector, hedge), retry), or say allow_outside_retry=True"
            )

    def __repr__(self) -> str:
        return outline(self)

    async def connect(self) -> None:
        """Connect, once."""
        await self.inner.connect()

    async def disconnect(self) -> None:
        """Disconnect, once."""
        await self.inner.disconnect()

    async def discover_schema(self) -> Catalog:
        """Give the catalog, the first that comes."""
        return await self._call("discover_schema", None, self.inner.discover_schema)

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read from the inner connector, once."""
        return self.inner.fetch_data(entity, since=since, cursor=cursor)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Give a sample, the first that comes."""
        return await self._call("get_sample_data", entity, lambda: sample(self.inner, entity, limit))

    def validate_config(self) -> None:
        """Let the inner connector look at its configuration."""
        validate(self.inner)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Give the partitions, the first that come."""
        return await self._call(
            "partition_data", entity, lambda: partitions(self.inner, entity, since=since, target=target)
        )

    async def _call(
        self, operation: HedgedOperation, entity: str | None, call: Callable[[], Awaitable[T]]
    ) -> T:
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
        """Give the first answer, or raise the last error."""
        if not self._answers and self._error is not None:
            raise self._error
        return self._answers[0]
