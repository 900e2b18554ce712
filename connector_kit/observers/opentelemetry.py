"""`OpenTelemetryObserver`: what happens, as OpenTelemetry's metrics and spans."""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeAlias

import attrs

from connector_kit.clock import AnyioClock, Clock
from connector_kit.errors import CircuitOpenError, ConfigError, RateLimitError, RetriesExhaustedError
from connector_kit.events import (
    AnswerReused,
    BadRecordsFound,
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
    from collections.abc import Mapping

    from opentelemetry.metrics import Meter
    from opentelemetry.trace import Tracer

__all__ = ["OpenTelemetryObserver"]

_Attributes: TypeAlias = dict[str, str | int | float | bool]

MAX_SPAN_EVENTS = 100
"""How many events a span has at most: the last ones. OpenTelemetry's own bound is 128."""


class OpenTelemetryObserver:
    """Counts and times what happens, and makes a span of each call and each page.

    Every measurement has `connector_kit.operation` and `connector_kit.entity` where there are any, `error.type` (the
    class) where something failed, and the `attributes` that are given here, for instance the connector's name.

    | counter | unit | counts | besides |
    | --- | --- | --- | --- |
    | `connector_kit.pages` | `{page}` | pages delivered | |
    | `connector_kit.records` | `{record}` | records in them | |
    | `connector_kit.retries` | `{retry}` | attempts that are followed by another one | `error.type` of the attempt |
    | `connector_kit.refusals` | `{refusal}` | attempts refused for a quota, a bulkhead or an open circuit | `error.type` |
    | `connector_kit.hedges` | `{call}` | calls made once more for a slow answer | |
    | `connector_kit.time_limits` | `{limit}` | time limits that passed | |
    | `connector_kit.breaker.moves` | `{move}` | moves of circuit breakers | `connector_kit.breaker.before` and `connector_kit.breaker.after` |
    | `connector_kit.records.rejected` | `{record}` | records that do not fit, or cannot be stored | `connector_kit.action` |
    | `connector_kit.answers.reused` | `{answer}` | calls answered from memory | |
    | `connector_kit.rows` | `{row}` | rows that a run has written | |
    | `connector_kit.entities` | `{entity}` | entities that a run is done with | `connector_kit.status` |

    | histogram, in `s` | times |
    | --- | --- |
    | `connector_kit.call.duration` | calls that are no streams |
    | `connector_kit.page.duration` | waits for a page, or for the error in its place, with all attempts |
    | `connector_kit.wait.duration` | waits inside of these; `connector_kit.wait.for` is `permit`, `slot` or `retry` |
    | `connector_kit.write.duration` | a run's writing, of one page or several at once |

    Spans are named `operation entity` (`fetch_data orders`, `write orders`), one for each call, each page or end of a
    stream, and each write; `connector_kit.records` is how many records it was about, `connector_kit.pages` how many pages were written. What else happened during a call (retries, waits,
    hedges, passed time limits) are events of its span, by their names and fields. There is no span of a whole read, which may take days. Spans are children of
    the span that is current where the connector is used. They are made when the call has ended, because an observer
    only listens: spans of an instrumented client are their siblings.

    Of an error there is the class, and the message if it is a `ConnectorError`; no cursor and no traceback. It never
    raises. Use processors and readers that export in the background, such as the SDK's `BatchSpanProcessor`.

    `meter` and `tracer` are the global providers' by default, which do nothing until the program sets up an SDK.
    Raises `ConfigError` where OpenTelemetry is not installed.
    """

    __slots__ = ("_metrics", "_spans")

    def __init__(
        self,
        *,
        meter: Meter | None = None,
        tracer: Tracer | None = None,
        attributes: Mapping[str, str] | None = None,
        clock: Clock = AnyioClock(),
    ) -> None:
        constant: _Attributes = dict(attributes or {})
        self._metrics = _Metrics(meter or _default_meter(), constant)
        self._spans = _Spans(tracer or _default_tracer(), constant, clock)

    def observe(self, event: Event, /) -> None:
        """Measure one event."""
        with suppress(Exception):  # an exporter that fails must not break the read
            self._metrics.measure(event)
        with suppress(Exception):  # the same, and the spans are still made where the metrics fail
            self._spans.trace(event)


def _default_meter() -> Meter:
    try:
        from opentelemetry.metrics import get_meter  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise _not_installed() from error
    return get_meter("connector_kit")


def _default_tracer() -> Tracer:
    try:
        from opentelemetry.trace import get_tracer  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise _not_installed() from error
    return get_tracer("connector_kit")


def _not_installed() -> ConfigError:
    return ConfigError(
        "OpenTelemetry is not installed, which OpenTelemetryObserver reports to; pip install 'connector-kit[otel]'"
    )


def _attributes(event: Event) -> _Attributes:
    """Return what an event is about: operation, entity, the error's class."""
    about: _Attributes = {}
    for name in ("operation", "entity"):
        value = getattr(event, name, None)
        if value is not None:
            about[f"connector_kit.{name}"] = value
    error = getattr(event, "error", None)
    if error is not None:
        about["error.type"] = type(error).__name__
    return about


def _all_attributes(event: Event) -> _Attributes:
    """Return what an event is about, and its other fields that have a plain value, each under its name."""
    attributes = _attributes(event)
    for name, value in event.fields().items():
        if name == "detail" and value:
            attributes["error.message"] = value
        elif name not in {"detail", "error"} and isinstance(value, str | int | float):
            attributes[f"connector_kit.{name}"] = value
    return attributes


class _Metrics:
    """The instruments, and which event goes into which."""

    def __init__(self, meter: Meter, constant: _Attributes) -> None:
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
        self._rejected = counter(
            "connector_kit.records.rejected", "{record}", "Records that do not fit, or cannot be stored"
        )
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
        about = _attributes(event) | self._constant
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

    def _measure_the_rest(self, event: Event, about: _Attributes) -> None:
        match event:
            case TimeLimitPassed():
                self._limits.add(1, about)
            case BreakerMoved():
                about["connector_kit.breaker.before"] = event.before
                about["connector_kit.breaker.after"] = event.after
                self._moves.add(1, about)
            case RecordsRejected() | BadRecordsFound():
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

    def _refused(self, error: Exception | None, about: _Attributes) -> None:
        """Count the attempt that failed last, if it was refused; those before it have been counted as retries."""
        last = error.__cause__ if isinstance(error, RetriesExhaustedError) else error
        if isinstance(last, RateLimitError | CircuitOpenError):
            self._refusals.add(1, about | {"error.type": type(last).__name__})


@attrs.frozen
class _SpanEvent:
    """Something that happened during a call, kept until the call ends and its span is made."""

    owner: _Spans
    at_ns: int
    name: str
    attributes: _Attributes


_span_events: ContextVar[tuple[_SpanEvent, ...]] = ContextVar(
    "connector_kit.observers.opentelemetry", default=()
)
"""What happened since the last span. In the context, so that calls of other tasks do not mix with this one."""


class _Spans:
    """Makes the spans, each at the end of what it is about."""

    def __init__(self, tracer: Tracer, constant: _Attributes, clock: Clock) -> None:
        self._tracer = tracer
        self._constant = constant
        self._clock = clock

    def trace(self, event: Event) -> None:
        """Note what happens during a call, and make a span of a call that has ended."""
        match event:
            case CallFinished():
                self._span(event.operation, event, _attributes(event))
            case PageDelivered():
                self._span("fetch_data", event, _attributes(event) | {"connector_kit.records": event.records})
            case StreamFinished():
                self._span("fetch_data", event, _attributes(event))
            case PagesWritten():
                more = {"connector_kit.records": event.records, "connector_kit.pages": event.pages}
                self._span("write", event, _attributes(event) | more)
            case _ if hasattr(event, "operation"):
                kept = _SpanEvent(self, self._clock.monotonic_ns(), event.name, _all_attributes(event))
                _span_events.set((*_span_events.get(), kept)[-MAX_SPAN_EVENTS:])
            case _:
                pass  # it belongs to no call

    def _span(
        self,
        operation: str,
        event: CallFinished | PageDelivered | StreamFinished | PagesWritten,
        attributes: _Attributes,
    ) -> None:
        length_ns = round(event.seconds * 1e9)
        now_ns, ended_ns = self._clock.monotonic_ns(), round(self._clock.now().timestamp() * 1e9)
        happened = _span_events.get()
        _span_events.set(tuple(each for each in happened if each.owner is not self))
        span = self._tracer.start_span(
            f"{operation} {event.entity}" if event.entity is not None else operation,
            attributes={"connector_kit.operation": operation} | attributes | self._constant,
            start_time=ended_ns - length_ns,
        )
        if span.is_recording():
            for each in happened:
                ago_ns = now_ns - each.at_ns
                # What is older is of a call that was cancelled and has no span; a microsecond is for roundings.
                if each.owner is self and ago_ns <= length_ns + 1000:
                    span.add_event(each.name, each.attributes, ended_ns - ago_ns)
            if "error.type" in attributes:
                from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - an extra

                span.set_status(Status(StatusCode.ERROR, event.fields()["detail"]))
        span.end(ended_ns)
