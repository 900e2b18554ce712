"""`CircuitBreaking`: a source that keeps failing is left alone for a while, and tried again with a few calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from connector_kit.capabilities import (
    close_broken_stream,
    close_stream,
    first_records,
    partitions,
    sample,
    validate,
)
from connector_kit.clock import AnyioClock, Clock
from connector_kit.durations import Duration
from connector_kit.errors import CircuitOpenError, ConfigError
from connector_kit.events import BreakerMoved, emit
from connector_kit.protocols import Connector, SupportsPartitions, SupportsSample
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.stack.layers import asks_for, layers, outline

from .policy import Breaker, Circuit, Outcome, Refusal, judge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Page, Record

__all__ = ["CircuitBreaking"]

C = TypeVar("C", bound=Connector)
T = TypeVar("T")


def _circuit(given: Circuit | Breaker) -> Circuit:
    return Circuit(given) if isinstance(given, Breaker) else given


@attrs.frozen
class CircuitBreaking(Generic[C]):
    """Raises `CircuitOpenError` at once, instead of calling, while the circuit is open.

    `circuit` is a policy, or the `Circuit` that is shared by all who call the same upstream. Every call and every page
    counts as one. Failures are the transient errors but for a quota that is used up: see `judge`. Nothing bounds the
    time of a probe here: that is for a TimeLimited inside.

    Outside a Retrying it would see only what is left after the retries and stop none of them, which is refused unless
    `allow_outside_retry` is set.
    """

    inner: C
    circuit: Circuit = attrs.field(factory=Circuit, converter=_circuit)
    clock: Clock = attrs.field(factory=AnyioClock, kw_only=True)
    allow_outside_retry: bool = attrs.field(default=False, kw_only=True, repr=False)

    def __attrs_post_init__(self) -> None:
        if not self.allow_outside_retry and any(isinstance(layer, Retrying) for layer in layers(self.inner)):
            raise ConfigError(
                "CircuitBreaking is outside Retrying, so that an open circuit would stop no retry; put it inside: "
                "Retrying(CircuitBreaking(connector, breaker), retry), or say allow_outside_retry=True"
            )

    def __repr__(self) -> str:
        return outline(self)

    async def connect(self) -> None:
        """Connect, unless the circuit is open."""
        await self._call("connect", None, self.inner.connect)

    async def disconnect(self) -> None:
        """Disconnect, whatever the circuit says."""
        await self.inner.disconnect()

    async def discover_schema(self) -> Catalog:
        """Give the catalog, unless the circuit is open."""
        return await self._call("discover_schema", None, self.inner.discover_schema)

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read page by page, up to the first one that is asked for while the circuit is open."""
        return _GuardedPages(self, self.inner.fetch_data(entity, since=since, cursor=cursor), entity)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Give a sample, unless the circuit is open; page by page where it comes from a read."""
        if not asks_for(self.inner, SupportsSample):
            return await first_records(self, entity, limit)
        return await self._call("get_sample_data", entity, lambda: sample(self.inner, entity, limit))

    def validate_config(self) -> None:
        """Let the inner connector look at its configuration."""
        validate(self.inner)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Give the partitions, unless the inner connector has to be asked and the circuit is open."""
        if not asks_for(self.inner, SupportsPartitions):
            return await partitions(self.inner, entity, since=since, target=target)
        return await self._call(
            "partition_data", entity, lambda: partitions(self.inner, entity, since=since, target=target)
        )

    async def _call(self, operation: str, entity: str | None, call: Callable[[], Awaitable[T]]) -> T:
        ticket = self.admit(operation, entity)
        try:
            result = await call()
        except BaseException as error:  # a call that is cancelled gives its ticket back, too
            self.settle(ticket, judge(error))
            raise
        self.settle(ticket, "answered")
        return result

    def admit(self, operation: str, entity: str | None) -> int:
        """Give the ticket of one operation. Raises `CircuitOpenError`."""
        circuit = self.circuit
        if circuit.ticket is not None:  # closed: no need to look at the clock
            return circuit.ticket
        before = circuit.state
        admitted = circuit.admit(self.clock.monotonic_ns())
        if circuit.state != before:
            emit(BreakerMoved(before, circuit.state, circuit.reason))
        if isinstance(admitted, Refusal):
            raise _refused(admitted, operation, entity)
        return admitted

    def settle(self, ticket: int, outcome: Outcome) -> None:
        """Tell the circuit how the operation with this ticket has ended."""
        circuit = self.circuit
        before = circuit.state
        circuit.settle(ticket, outcome, self.clock.monotonic_ns())
        if circuit.state != before:
            emit(BreakerMoved(before, circuit.state, circuit.reason))


def _refused(refusal: Refusal, operation: str, entity: str | None) -> CircuitOpenError:
    which = "is open" if refusal.state == "open" else "is half-open, with all its probes under way"
    error = CircuitOpenError(
        f"not tried, because the circuit {which}: {refusal.reason}; expected a closed one; come back in "
        f"{Duration(refusal.retry_after)}, or look at why the other side fails",
        refusal.retry_after,
    )
    error.locate(operation=operation, entity=entity)
    return error


class _GuardedPages:
    """The inner stream, with a ticket for each page."""

    __slots__ = ("_delivered", "_ended", "_entity", "_pages", "_wrapper")

    def __init__(self, wrapper: CircuitBreaking[C], pages: AsyncIterator[Page], entity: str) -> None:
        self._wrapper = wrapper
        self._pages = pages
        self._entity = entity
        self._delivered = False
        self._ended = False

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        if self._ended:
            raise StopAsyncIteration
        wrapper = self._wrapper
        try:
            ticket = wrapper.admit("fetch_data", self._entity)
            try:
                page = await self._pages.__anext__()
            except BaseException as error:
                wrapper.settle(ticket, self._judge(error))
                raise
        except BaseException:  # a refusal and a cancellation end the stream as an error of its own does
            self._ended = True
            await close_broken_stream(self._pages)
            raise
        wrapper.settle(ticket, "answered")
        self._delivered = True
        return page

    def _judge(self, error: BaseException) -> Outcome:
        if isinstance(error, StopAsyncIteration):
            # An empty read is an answer; the end after a page often comes without a request.
            return "nothing" if self._delivered else "answered"
        return judge(error)

    async def aclose(self) -> None:
        self._ended = True
        await close_stream(self._pages)
