"""Observers that write events to standard error as they come: lines for a person, or JSON for a program."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.clock import AnyioClock, Clock
from connector_kit.events import CallFinished, Event, Observer, PagesWritten, StreamFinished
from connector_kit.text import counted

from .output import print_to_stderr

if TYPE_CHECKING:
    from datetime import datetime

    from .options import Diagnostics

__all__ = ["JsonLog", "TextLog", "json_object", "log_observer"]

_BETWEEN_COUNTS_NS = 10_000_000_000


def log_observer(diagnostics: Diagnostics) -> Observer:
    """Return the observer for the chosen form of the log."""
    return JsonLog() if diagnostics.log == "json" else TextLog(verbose=diagnostics.verbose)


def json_object(event: Event, now: datetime) -> dict[str, Any]:
    """Return the event as JSON values: time, name, level, message, and its fields."""
    return {
        "time": now.isoformat(timespec="milliseconds"),
        "event": event.name,
        "level": logging.getLevelName(event.level).lower(),
        "message": event.message,
        **event.fields(),
    }


@attrs.frozen
class JsonLog:
    """Every event as one line of JSON."""

    write: Callable[[str], None] = print_to_stderr
    clock: Clock = attrs.field(factory=AnyioClock)

    def observe(self, event: Event) -> None:
        """Write one event."""
        self.write(json.dumps(json_object(event, self.clock.now()), ensure_ascii=False, default=str))


@attrs.frozen
class TextLog:
    """A line for every event from INFO on, and each entity's rows every ten seconds. With `verbose`, for every event.

    The end of a call or stream is left out without `verbose`: where it failed, the command ends by saying so.
    """

    verbose: bool = False
    write: Callable[[str], None] = print_to_stderr
    clock: Clock = attrs.field(factory=AnyioClock)
    _counted_ns: dict[str, int] = attrs.field(factory=dict[str, int], init=False)

    def observe(self, event: Event) -> None:
        """Write a line about the event, where it is worth one."""
        if self.verbose or (
            event.level >= logging.INFO and not isinstance(event, CallFinished | StreamFinished)
        ):
            self.write(event.message)
        elif isinstance(event, PagesWritten):
            now_ns = self.clock.monotonic_ns()
            if now_ns - self._counted_ns.setdefault(event.entity, now_ns) >= _BETWEEN_COUNTS_NS:
                self._counted_ns[event.entity] = now_ns
                self.write(f"{event.entity}: {counted(event.rows, 'row')}")
