"""An event as an entry of a log: its level, its line and its fields. Pure; what is a secret stays out of all three."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.errors import CircuitOpenError, ConnectorError
from connector_kit.events import (
    AnswerReused,
    BreakerMoved,
    CallFinished,
    EntityFinished,
    EntityStarted,
    Event,
    HedgeStarted,
    LimiterDegraded,
    LimiterRestored,
    PageDelivered,
    PagesWritten,
    PermitGranted,
    QuotaHeard,
    RecordsRejected,
    RetryScheduled,
    SlotGranted,
    StreamFinished,
    TimeLimitPassed,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_TEXT", "detail", "fields", "level", "line"]

MAX_TEXT = 500
"""How many characters a line has at most, and an error's message."""

_CIRCUIT_OPEN = "the circuit is open, going on in {wait:.1f} s"
_LINES: Mapping[type[Event], tuple[int, str]] = {
    CallFinished: (logging.DEBUG, "took {seconds:.3f} s"),
    PageDelivered: (logging.DEBUG, "a page of {records} records came after {seconds:.3f} s"),
    StreamFinished: (logging.DEBUG, "the stream ended after {seconds:.3f} s"),
    RetryScheduled: (logging.WARNING, "attempt {attempt} failed, the next one comes in {wait:.1f} s"),
    PermitGranted: (logging.INFO, "waited {waited:.3f} s for a permit"),
    QuotaHeard: (logging.DEBUG, "the other side tells of its quota: {quota}"),
    TimeLimitPassed: (logging.WARNING, "given up after {limit:g} s"),
    BreakerMoved: (logging.WARNING, "the circuit breaker went from {before} to {after}: {reason}"),
    SlotGranted: (logging.INFO, "waited {waited:.3f} s for a slot"),
    AnswerReused: (logging.DEBUG, "answered by what came {age:.1f} s ago"),
    RecordsRejected: (logging.WARNING, "{count} records do not fit; what becomes of them: {action}"),
    EntityStarted: (logging.INFO, "the read in mode {mode} {begins}"),
    PagesWritten: (logging.DEBUG, "{records} records were written in {seconds:.3f} s, {rows} so far"),
    EntityFinished: (logging.INFO, "{status} after {rows} rows"),
    HedgeStarted: (logging.INFO, "no answer after {seconds:.3f} s, asked once more"),
    LimiterDegraded: (logging.WARNING, "the shared limit is out of reach, a share holds here: {reason}"),
    LimiterRestored: (logging.INFO, "the shared limit holds again, after {seconds:.1f} s"),
}
"""Of every event the level, where nothing failed, and what the line says."""


def level(event: Event) -> int:
    """Give the level of `logging`: a failed entity is an error, any other failure at least a warning."""
    usual, _ = _LINES[type(event)]
    if getattr(event, "error", None) is None:
        return usual
    return logging.ERROR if isinstance(event, EntityFinished) else max(usual, logging.WARNING)


def fields(event: Event) -> dict[str, Any]:
    """Give an event's fields, flat: a quota by its parts, an error by its class (`error`) and its `detail`."""
    found: dict[str, Any] = attrs.asdict(event, recurse=False)
    if isinstance(event, QuotaHeard):
        found |= attrs.asdict(found.pop("quota"))
    error = found.get("error")
    if error is not None:
        found |= {"error": type(error).__name__, "detail": detail(error)}
    return found


def detail(error: Exception) -> str:
    """Give an error's message on one line; nothing of an exception that nobody vouches for."""
    return _one_line(str(error)) if isinstance(error, ConnectorError) else ""


def line(event: Event) -> str:
    """Write the line: what it is about, what happened, and the error."""
    found = fields(event)
    _, words = _LINES[type(event)]
    about = [found[name] for name in ("operation", "entity") if found.get(name) is not None]
    more: dict[str, str] = {}
    if isinstance(event, QuotaHeard):
        quota = attrs.asdict(event.quota)
        more["quota"] = ", ".join(f"{name} {value}" for name, value in quota.items() if value is not None)
    elif isinstance(event, RetryScheduled) and isinstance(event.error, CircuitOpenError):
        words = _CIRCUIT_OPEN
    elif isinstance(event, EntityStarted):
        more["begins"] = "goes on where it stopped" if event.resumed else "begins"
    said = words.format_map({**found, **more})
    error = [found[name] for name in ("error", "detail") if found.get(name)]
    return _one_line(": ".join(filter(None, (" ".join(about), said, *error))))


def _one_line(text: str) -> str:
    """Make one line of it that holds no control characters, whatever a server or a file has put in."""
    shown = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return shown if len(shown) <= MAX_TEXT else f"{shown[: MAX_TEXT - 3]}..."
