"""`LoggingObserver`: what happens, to the standard library's logging."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.errors import ConnectorError
from connector_kit.events import (
    AnswerReused,
    BreakerMoved,
    CallFinished,
    EntityFinished,
    EntityStarted,
    Event,
    PageDelivered,
    PageWritten,
    PermitGranted,
    QuotaHeard,
    RecordsRejected,
    RetryScheduled,
    SlotGranted,
    StreamFinished,
    TimeLimitPassed,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

__all__ = ["LoggingObserver"]

MAX_TEXT = 500
"""How many characters a line has at most, and an error's message."""

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
    PageWritten: (logging.DEBUG, "{records} records were written in {seconds:.3f} s, {rows} so far"),
    EntityFinished: (logging.INFO, "{status} after {rows} rows"),
}
"""Of every event the level, where nothing failed, and what the line says."""


class LoggingObserver:
    """Logs every event as one line, with its fields as `extra` (`event` is its name) for structured handlers.

    Retries, failures and passed time limits are warnings, a failed entity is an error; waits for a limiter and the
    beginning and end of an entity are INFO; calls, pages and quotas are DEBUG.

    An error is logged by its class (`error`) and its message (`detail`, on one line, cut to 500 characters). Of an
    exception that is no `ConnectorError` the message is left out: nobody vouches that there is no secret in it. Cursors
    are not logged.

    It never raises. A handler that blocks holds up the read: put a `logging.handlers.QueueHandler` before a slow one.
    `logger` is `logging.getLogger("connector_kit")` by default; a LoggerAdapter adds its own `extra`, for instance the
    connector's name.

    >>> observer = LoggingObserver(logging.getLogger("shop"))
    """

    __slots__ = ("_logger",)

    def __init__(self, logger: logging.Logger | logging.LoggerAdapter[Any] | None = None) -> None:
        self._logger = logger or logging.getLogger("connector_kit")

    def observe(self, event: Event, /) -> None:
        """Log one event."""
        with suppress(Exception):  # a filter or an error's __str__ that fails must not break the read
            level, words = _LINES[type(event)]
            if getattr(event, "error", None) is not None:
                level = logging.ERROR if isinstance(event, EntityFinished) else max(level, logging.WARNING)
            if self._logger.isEnabledFor(level):
                fields = _fields(event)
                self._send(level, _line(event, words, fields), fields)

    def _send(self, level: int, line: str, fields: dict[str, Any]) -> None:
        logger = self._logger
        options: MutableMapping[str, Any] = {"extra": fields}
        while isinstance(logger, logging.LoggerAdapter):
            # An adapter puts its own `extra` in the place of ours: both are wanted.
            line, options = logger.process(line, options)
            fields = {**fields, **(options.get("extra") or {})}
            options["extra"] = fields
            logger = logger.logger
        logger.log(level, line, **options)


def _fields(event: Event) -> dict[str, Any]:
    """Give an event's name and fields, flat: a quota by its parts, an error by its class and message."""
    fields: dict[str, Any] = {"event": type(event).__name__, **attrs.asdict(event, recurse=False)}
    if isinstance(event, QuotaHeard):
        fields |= attrs.asdict(fields.pop("quota"))
    error = fields.get("error")
    if error is not None:
        detail = str(error) if isinstance(error, ConnectorError) else ""
        fields |= {"error": type(error).__name__, "detail": _one_line(detail)}
    return fields


def _line(event: Event, words: str, fields: Mapping[str, Any]) -> str:
    """Write the line: what it is about, what happened, and the error."""
    about = [fields[name] for name in ("operation", "entity") if fields.get(name) is not None]
    more: dict[str, str] = {}
    if isinstance(event, QuotaHeard):
        quota = attrs.asdict(event.quota)
        more["quota"] = ", ".join(f"{name} {value}" for name, value in quota.items() if value is not None)
    elif isinstance(event, EntityStarted):
        more["begins"] = "goes on where it stopped" if event.resumed else "begins"
    said = words.format_map({**fields, **more})
    error = [fields[name] for name in ("error", "detail") if fields.get(name)]
    return _one_line(": ".join(filter(None, (" ".join(about), said, *error))))


def _one_line(text: str) -> str:
    """Make one line of it that holds no control characters, whatever a server or a file has put in."""
    shown = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return shown if len(shown) <= MAX_TEXT else f"{shown[: MAX_TEXT - 3]}..."
