"""Events as text for a person and as JSON for a program. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.durations import Duration
from connector_kit.errors import ConnectorError, RateLimitError
from connector_kit.events import (
    CallFinished,
    EntityFinished,
    EntityStarted,
    Event,
    PageDelivered,
    PageWritten,
    PermitGranted,
    QuotaHeard,
    RetryScheduled,
    StreamFinished,
    TimeLimitPassed,
)

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["brief", "detailed", "json_object", "length"]

_NOTEWORTHY_SECONDS = 1.0
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def length(seconds: float) -> str:
    """Give a length of time with about two digits: `0.12s`, `3.4s`, `1m12s`."""
    if seconds < 1:
        return f"{seconds:.2f}s"
    return str(Duration(round(seconds, 1) if seconds < 10 else round(seconds)))  # noqa: PLR2004 - two digits


def brief(event: Event) -> str | None:
    """Give a line for what a person should hear of without asking, None for everything else."""
    match event:
        case EntityStarted(entity=entity, mode=mode, resumed=resumed):
            return f"{entity}: {'going on where the last run stopped' if resumed else 'started'}, mode {mode}"
        case EntityFinished(entity=entity, status=status, rows=rows):
            return f"{entity}: {status}, {rows:,} rows"
        case RetryScheduled(operation=operation, entity=entity, attempt=attempt, wait=wait, error=error):
            until = (
                "held back by the rate limit, going on" if isinstance(error, RateLimitError) else "retrying"
            )
            return f"{entity or operation}: attempt {attempt} failed, {until} in {length(wait)}: {_reason(error)}"
        case PermitGranted(operation=operation, entity=entity, waited=waited) if (
            waited >= _NOTEWORTHY_SECONDS
        ):
            return f"{entity or operation}: waited {length(waited)} for the rate limit"
        case TimeLimitPassed(operation=operation, entity=entity, limit=limit):
            return f"{entity or operation}: no answer within {length(limit)}"
        case _:
            return None


def detailed(event: Event) -> str:
    """Give a line for any event."""
    match event:
        case CallFinished(operation=operation, entity=entity, seconds=seconds, error=error):
            what = operation if entity is None else f"{entity}: {operation}"
            line = f"{what} {_outcome(error)} after {length(seconds)}"
        case PageDelivered(entity=entity, records=records, seconds=seconds):
            line = f"{entity}: a page of {records:,} records after {length(seconds)}"
        case StreamFinished(entity=entity, error=error):
            line = f"{entity}: the read {_outcome(error)}"
        case PageWritten(entity=entity, rows=rows, seconds=seconds):
            line = f"{entity}: {rows:,} rows written, the last page in {length(seconds)}"
        case PermitGranted(operation=operation, entity=entity, waited=waited):
            line = f"{entity or operation}: waited {length(waited)} for the rate limit"
        case QuotaHeard(entity=entity, quota=quota):
            told = [f"{name} {value:g}" for name, value in attrs.asdict(quota).items() if value is not None]
            line = f"{entity or 'all'}: quota {', '.join(told) or 'unknown'}"
        case _:
            line = brief(event) or ""
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


def _outcome(error: Exception | None) -> str:
    return "ended" if error is None else f"failed ({_reason(error)})"


def _reason(error: Exception) -> str:
    """Give an error's message in one line, where it is one of ours; of any other nobody knows what is in it."""
    return " ".join(error.message.split()) if isinstance(error, ConnectorError) else type(error).__name__
