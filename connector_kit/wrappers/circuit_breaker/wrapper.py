"""`CircuitBreaking`: a source that keeps failing is left alone for a while, and tried again with a few calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import attrs

from connector_kit.clock import AnyioClock, Clock
from connector_kit.durations import Duration
from connector_kit.errors import CircuitOpenError
from connector_kit.events import BreakerMoved, emit
from connector_kit.protocols import Connector
from connector_kit.wrappers.wrapper import WrappedPages, Wrapper

from .policy import Breaker, CallOutcome, Circuit, Refusal, outcome_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from connector_kit.records.page import Page

__all__ = ["CircuitBreaking"]

C = TypeVar("C", bound=Connector)
T = TypeVar("T")


def _as_circuit(circuit: Circuit | Breaker) -> Circuit:
    return Circuit(circuit) if isinstance(circuit, Breaker) else circuit


@attrs.frozen(repr=False)
class CircuitBreaking(Wrapper[C]):
    """Raises `CircuitOpenError` at once, instead of calling, while the circuit is open.

    `circuit` is a policy, or the `Circuit` that is shared by all who call the same upstream. Every call and every page
    counts as one. Failures are the transient errors but for a quota that is used up: see `outcome_of`. Nothing bounds the
    time of a probe here: that is for a TimeLimited inside.

    Outside a Retrying it would see only what is left after the retries and stop none of them, which is refused unless
    `allow_outside_retry` is set.
    """

    circuit: Circuit = attrs.field(factory=Circuit, converter=_as_circuit)
    clock: Clock = attrs.field(factory=AnyioClock, kw_only=True)
    allow_outside_retry: bool = attrs.field(default=False, kw_only=True, repr=False)

    def _stream(self, pages: AsyncIterator[Page], entity: str) -> AsyncIterator[Page]:
        return _GuardedPages(self, pages, entity)

    async def _call(self, operation: str, entity: str | None, call: Callable[[], Awaitable[T]]) -> T:
        ticket = self.admit(operation, entity)
        try:
            result = await call()
        except BaseException as error:  # a call that is cancelled gives its ticket back, too
            self.settle(ticket, outcome_of(error))
            raise
        self.settle(ticket, "answered")
        return result

    def admit(self, operation: str, entity: str | None) -> int:
        """Return the ticket of one operation. Raises `CircuitOpenError`."""
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

    def settle(self, ticket: int, outcome: CallOutcome) -> None:
        """Tell the circuit how the operation with this ticket has ended."""
        circuit = self.circuit
        before = circuit.state
        circuit.settle(ticket, outcome, self.clock.monotonic_ns())
        if circuit.state != before:
            emit(BreakerMoved(before, circuit.state, circuit.reason))


def _refused(refusal: Refusal, operation: str, entity: str | None) -> CircuitOpenError:
    which = "is open" if refusal.state == "open" else "is half-open, with all its probes under way"
    return CircuitOpenError(
        f"not tried, because the circuit {which}: {refusal.reason}; expected a closed one; come back in "
        f"{Duration(refusal.retry_after)}, or look at why the other side fails",
        refusal.retry_after,
    ).locate(operation=operation, entity=entity)


class _GuardedPages(WrappedPages):
    """The inner stream, with a ticket for each page."""

    __slots__ = ("_delivered", "_entity", "_wrapper")

    def __init__(self, wrapper: CircuitBreaking[C], pages: AsyncIterator[Page], entity: str) -> None:
        super().__init__(pages)
        self._wrapper = wrapper
        self._entity = entity
        self._delivered = False

    async def __anext__(self) -> Page:
        if self._ended:
            raise StopAsyncIteration
        wrapper = self._wrapper
        try:
            ticket = wrapper.admit("fetch_data", self._entity)
            try:
                page = await self._inner.__anext__()
            except BaseException as error:
                wrapper.settle(ticket, self._outcome_of(error))
                raise
        except BaseException:  # a refusal and a cancellation end the stream as an error of its own does
            await self._break()
            raise
        wrapper.settle(ticket, "answered")
        self._delivered = True
        return page

    def _outcome_of(self, error: BaseException) -> CallOutcome:
        if isinstance(error, StopAsyncIteration):
            # An empty read is an answer; the end after a page often comes without a request.
            return "nothing" if self._delivered else "answered"
        return outcome_of(error)
