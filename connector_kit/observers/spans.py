"""Spans of OpenTelemetry from events: each is made at the end of what it is about, with what happened during it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

import attrs

from connector_kit.events import (
    CallFinished,
    Event,
    HedgeStarted,
    PageDelivered,
    PagesWritten,
    PermitGranted,
    RetryScheduled,
    SlotGranted,
    StreamFinished,
    TimeLimitPassed,
)

from .entries import detail
from .metrics import Attributes, about_event

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from connector_kit.clock import Clock

__all__ = ["Spans"]

MAX_NOTES = 100
"""How many events a span has at most: the last ones. OpenTelemetry's own bound is 128."""


@attrs.frozen
class _Note:
    """Something that happened during a call, kept until the call ends and its span is made."""

    owner: Spans
    at_ns: int
    name: str
    attributes: Attributes


_notes: ContextVar[tuple[_Note, ...]] = ContextVar("connector_kit.observers.opentelemetry", default=())
"""What happened since the last span. In the context, so that calls of other tasks do not mix with this one."""


class Spans:
    """Makes the spans, each at the end of what it is about."""

    def __init__(self, tracer: Tracer, constant: Attributes, clock: Clock) -> None:
        self._tracer = tracer
        self._constant = constant
        self._clock = clock

    def trace(self, event: Event) -> None:
        """Note what happens during a call, and make a span of a call that has ended."""
        match event:
            case RetryScheduled() | PermitGranted() | SlotGranted() | HedgeStarted() | TimeLimitPassed():
                name, more = _happened(event)
                note = _Note(self, self._clock.monotonic_ns(), name, about_event(event) | more)
                _notes.set((*_notes.get(), note)[-MAX_NOTES:])
            case CallFinished():
                self._span(event.operation, event.entity, event.seconds, about_event(event), event.error)
            case PageDelivered():
                about = about_event(event) | {"connector_kit.records": event.records}
                self._span("fetch_data", event.entity, event.seconds, about)
            case StreamFinished():
                self._span("fetch_data", event.entity, event.seconds, about_event(event), event.error)
            case PagesWritten():
                about = about_event(event)
                about |= {"connector_kit.records": event.records, "connector_kit.pages": event.pages}
                self._span("write", event.entity, event.seconds, about)
            case _:
                pass

    def _span(
        self,
        operation: str,
        entity: str | None,
        seconds: float,
        about: Attributes,
        error: Exception | None = None,
    ) -> None:
        length_ns = round(seconds * 1e9)
        now_ns, ended_ns = self._clock.monotonic_ns(), round(self._clock.now().timestamp() * 1e9)
        notes = _notes.get()
        _notes.set(tuple(note for note in notes if note.owner is not self))
        span = self._tracer.start_span(
            f"{operation} {entity}" if entity is not None else operation,
            attributes={"connector_kit.operation": operation} | about | self._constant,
            start_time=ended_ns - length_ns,
        )
        if span.is_recording():
            for note in notes:
                ago_ns = now_ns - note.at_ns
                # What is older is of a call that was cancelled and has no span; a microsecond is for roundings.
                if note.owner is self and ago_ns <= length_ns + 1000:
                    span.add_event(note.name, note.attributes, ended_ns - ago_ns)
            if error is not None:
                from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - an extra

                span.set_status(Status(StatusCode.ERROR, detail(error)))
        span.end(ended_ns)


def _happened(
    event: RetryScheduled | PermitGranted | SlotGranted | HedgeStarted | TimeLimitPassed,
) -> tuple[str, Attributes]:
    """Give the name of what happened during a call, and what is to be known of it."""
    match event:
        case RetryScheduled():
            said = detail(event.error)
            more: Attributes = {"error.message": said} if said else {}
            return "retry", more | {"connector_kit.attempt": event.attempt, "connector_kit.wait": event.wait}
        case PermitGranted():
            return "permit", {"connector_kit.wait": event.waited}
        case SlotGranted():
            return "slot", {"connector_kit.wait": event.waited}
        case HedgeStarted():
            return "hedge", {"connector_kit.number": event.number}
        case _:
            return "time limit", {"connector_kit.limit": event.limit}
