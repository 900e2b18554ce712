"""Events as text for a person and as JSON for a program. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.durations import Duration
from connector_kit.errors import CircuitOpenError, ConnectorError, RateLimitError
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
    from datetime import datetime

__all__ = ["brief", "counted", "detailed", "json_object", "length"]

_NOTEWORTHY_SECONDS = 1.0
_BECOMES = {"fail": "the read fails", "drop": "left out", "quarantine": "put aside"}
_QUIET = (AnswerReused, CallFinished, HedgeStarted, PageDelivered, PagesWritten, QuotaHeard, StreamFinished)
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def length(seconds: float) -> str:
    """Give a length of time with about two digits: `0.12s`, `3.4s`, `1m12s`."""
    if seconds < 1:
        return f"{seconds:.2f}s"
    return str(Duration(round(seconds, 1) if seconds < 10 else round(seconds)))  # noqa: PLR2004 - two digits


def counted(number: int, one: str, more: str | None = None) -> str:
    """Give a number of things in words: `1 row`, `1,234 rows`."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def brief(event: Event) -> str | None:
    """Give a line for what a person should hear of without asking, None for everything else."""
    if isinstance(event, _QUIET):
        return None
    if isinstance(event, PermitGranted | SlotGranted) and event.waited < _NOTEWORTHY_SECONDS:
        return None
    return detailed(event)


def detailed(event: Event) -> str:
    """Give a line for any event."""
    return _progress(event) or _wait(event) or _trouble(event) or type(event).__name__


def _progress(event: Event) -> str | None:
    """Say how far things are."""
    line: str | None = None
    match event:
        case EntityStarted(entity=entity, mode=mode, resumed=resumed):
            line = f"{entity}: {'going on where the last run stopped' if resumed else 'started'}, mode {mode}"
        case EntityFinished(entity=entity, status=status, rows=rows):
            line = f"{entity}: {status}, {counted(rows, 'row')}"
        case CallFinished(operation=operation, entity=entity, seconds=seconds, error=error):
            line = f"{_about(operation, entity)} {_outcome(error)} after {length(seconds)}"
        case AnswerReused(operation=operation, entity=entity, age=age):
            line = f"{_about(operation, entity)} answered from memory, {length(age)} old"
        case PageDelivered(entity=entity, records=records, seconds=seconds):
            line = f"{entity}: a page of {counted(records, 'record')} after {length(seconds)}"
        case StreamFinished(entity=entity, error=error):
            line = f"{entity}: the read {_outcome(error)}"
        case PagesWritten(entity=entity, pages=pages, rows=rows, seconds=seconds):
            last = "page" if pages == 1 else f"{pages:,} pages"
            line = f"{entity}: {counted(rows, 'row')} written, the last {last} in {length(seconds)}"
        case _:
            pass
    return line


def _wait(event: Event) -> str | None:
    """Say what is or was waited for, and what is known of the reason."""
    line: str | None = None
    match event:
        case PermitGranted(operation=operation, entity=entity, waited=waited):
            line = f"{entity or operation}: waited {length(waited)} for the rate limit"
        case SlotGranted(operation=operation, entity=entity, waited=waited):
            line = f"{entity or operation}: waited {length(waited)} for a free slot"
        case RetryScheduled(operation=operation, entity=entity, wait=wait, error=CircuitOpenError()):
            line = f"{entity or operation}: circuit open, going on in {length(wait)}"
        case RetryScheduled(operation=operation, entity=entity, attempt=attempt, wait=wait, error=error):
            limited = isinstance(error, RateLimitError)
            until = "held back by the rate limit, going on" if limited else "retrying"
            line = f"{entity or operation}: attempt {attempt} failed, {until} in {length(wait)}: {_reason(error)}"
        case HedgeStarted(operation=operation, entity=entity, seconds=seconds):
            line = f"{_about(operation, entity)} asked once more, no answer after {length(seconds)}"
        case QuotaHeard(entity=entity, quota=quota):
            told = [f"{name} {value:g}" for name, value in attrs.asdict(quota).items() if value is not None]
            line = f"{entity or 'all'}: quota {', '.join(told) or 'unknown'}"
        case _:
            pass
    return line


def _trouble(event: Event) -> str | None:
    """Say what is wrong."""
    line: str | None = None
    match event:
        case TimeLimitPassed(operation=operation, entity=entity, limit=limit):
            line = f"{entity or operation}: no answer within {length(limit)}"
        case BreakerMoved(before=before, after=after, reason=reason):
            line = f"circuit breaker: from {before} to {after}: {reason}"
        case RecordsRejected(entity=entity, count=count, action=action, reasons=reasons):
            which = counted(count, "record does", "records do")
            line = ": ".join([f"{entity}: {which} not fit, {_BECOMES.get(action, action)}", *reasons[:1]])
        case LimiterDegraded(reason=reason):
            line = f"the shared limiter is out of reach, this process keeps to a share of the limit: {reason}"
        case LimiterRestored(seconds=seconds):
            line = f"the shared limiter is back after {length(seconds)}"
        case _:
            pass
    return line


def json_object(event: Event, now: datetime) -> dict[str, Any]:
    """Give the event as JSON values: when, which, and its attributes; an error as its class and message."""
    values = {name: _json_value(value) for name, value in attrs.asdict(event, recurse=False).items()}
    name = _CAPITAL.sub("_", type(event).__name__).lower()
    return {"time": now.isoformat(timespec="milliseconds"), "event": name, **values}


def _json_value(value: Any) -> Any:
    if isinstance(value, Exception):
        return {"class": type(value).__name__, "message": _reason(value)}
    return attrs.asdict(value) if attrs.has(type(value)) else value


def _about(operation: str, entity: str | None) -> str:
    return operation if entity is None else f"{entity}: {operation}"


def _outcome(error: Exception | None) -> str:
    return "ended" if error is None else f"failed ({_reason(error)})"


def _reason(error: Exception) -> str:
    """Give an error's message in one line, where it is one of ours; of any other nobody knows what is in it."""
    return " ".join(error.message.split()) if isinstance(error, ConnectorError) else type(error).__name__
