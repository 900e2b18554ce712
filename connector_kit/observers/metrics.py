"""Which event goes into which instrument of OpenTelemetry, and the attributes by which all is told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from connector_kit.errors import CircuitOpenError, RateLimitError, RetriesExhaustedError
from connector_kit.events import (
    AnswerReused,
    BreakerMoved,
    CallFinished,
    EntityFinished,
    Event,
    HedgeStarted,
    PageDelivered,
    PagesWritten,
    PermitGranted,
    RecordsRejected,
    RetryScheduled,
    SlotGranted,
    StreamFinished,
    TimeLimitPassed,
)

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

__all__ = ["Attributes", "Metrics", "about_event"]

Attributes: TypeAlias = dict[str, str | int | float | bool]


def about_event(event: Event) -> Attributes:
    """Give what an event is about: operation, entity, the error's class."""
    about: Attributes = {}
    for name in ("operation", "entity"):
        value = getattr(event, name, None)
        if value is not None:
            about[f"connector_kit.{name}"] = value
    error = getattr(event, "error", None)
    if error is not None:
        about["error.type"] = type(error).__name__
    return about


class Metrics:
    """The instruments, and which event goes into which."""

    def __init__(self, meter: Meter, constant: Attributes) -> None:
        self._constant = constant
        counter, histogram = meter.create_counter, meter.create_histogram
        self._pages = counter("connector_kit.pages", "{page}", "Pages delivered")
        self._records = counter("connector_kit.records", "{record}", "Records in delivered pages")
        self._retries = counter("connector_kit.retries", "{retry}", "Attempts that are followed by another")
        self._refusals = counter(
            "connector_kit.refusals", "{refusal}", "Attempts refused for a quota or the like"
        )
        self._hedges = counter("connector_kit.hedges", "{call}", "Calls made once more for a slow answer")
        self._limits = counter("connector_kit.time_limits", "{limit}", "Time limits that passed")
        self._moves = counter("connector_kit.breaker.moves", "{move}", "Moves of circuit breakers")
        self._rejected = counter("connector_kit.records.rejected", "{record}", "Records that do not fit")
        self._reused = counter("connector_kit.answers.reused", "{answer}", "Calls answered from memory")
        self._rows = counter("connector_kit.rows", "{row}", "Rows written by runs")
        self._entities = counter("connector_kit.entities", "{entity}", "Entities that runs are done with")
        self._call_seconds = histogram("connector_kit.call.duration", "s", "Calls that are no streams")
        self._page_seconds = histogram("connector_kit.page.duration", "s", "Waits for a page")
        self._wait_seconds = histogram(
            "connector_kit.wait.duration", "s", "Waits for a permit, a slot, a retry"
        )
        self._write_seconds = histogram("connector_kit.write.duration", "s", "Writing of pages by runs")

    def measure(self, event: Event) -> None:
        """Put an event where it counts."""
        about = about_event(event) | self._constant
        match event:
            case PageDelivered():
                self._pages.add(1, about)
                self._records.add(event.records, about)
                self._page_seconds.record(event.seconds, about)
            case StreamFinished(error=None):
                pass  # the end is no page
            case CallFinished() | StreamFinished():
                seconds = self._call_seconds if isinstance(event, CallFinished) else self._page_seconds
                seconds.record(event.seconds, about)
                self._refused(event.error, about)
            case RetryScheduled():
                self._retries.add(1, about)
                self._refused(event.error, about)
                self._wait_seconds.record(event.wait, about | {"connector_kit.wait.for": "retry"})
            case PermitGranted():
                self._wait_seconds.record(event.waited, about | {"connector_kit.wait.for": "permit"})
            case SlotGranted():
                self._wait_seconds.record(event.waited, about | {"connector_kit.wait.for": "slot"})
            case _:
                self._measure_the_rest(event, about)

    def _measure_the_rest(self, event: Event, about: Attributes) -> None:
        match event:
            case TimeLimitPassed():
                self._limits.add(1, about)
            case BreakerMoved():
                about["connector_kit.breaker.before"] = event.before
                about["connector_kit.breaker.after"] = event.after
                self._moves.add(1, about)
            case RecordsRejected():
                self._rejected.add(event.count, about | {"connector_kit.action": event.action})
            case HedgeStarted():
                self._hedges.add(1, about)
            case AnswerReused():
                self._reused.add(1, about)
            case PagesWritten():
                self._rows.add(event.records, about)
                self._write_seconds.record(event.seconds, about)
            case EntityFinished():
                self._entities.add(1, about | {"connector_kit.status": event.status})
            case _:
                pass  # the others, QuotaHeard for one, measure nothing

    def _refused(self, error: Exception | None, about: Attributes) -> None:
        """Count the attempt that failed last, if it was refused; those before it have been counted as retries."""
        last = error.__cause__ if isinstance(error, RetriesExhaustedError) else error
        if isinstance(last, RateLimitError | CircuitOpenError):
            self._refusals.add(1, about | {"error.type": type(last).__name__})
