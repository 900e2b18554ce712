"""Observers that write what they hear of to standard error, a line at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from connector_kit.clock import AnyioClock, Clock
from connector_kit.events import Event, Observer, PagesWritten

from .events import brief, counted, detailed, json_object
from .output import note

if TYPE_CHECKING:
    from .diagnostics import Diagnostics

__all__ = ["JsonJournal", "TextJournal", "journal"]

_BETWEEN_COUNTS_NS = 10_000_000_000


def journal(diagnostics: Diagnostics) -> Observer:
    """Give the observer that was asked for."""
    return JsonJournal() if diagnostics.log == "json" else TextJournal(verbose=diagnostics.verbose)


@attrs.frozen
class JsonJournal:
    """Every event as one line of JSON."""

    write: Callable[[str], None] = note
    clock: Clock = attrs.field(factory=AnyioClock)

    def observe(self, event: Event) -> None:
        """Write one event."""
        self.write(json.dumps(json_object(event, self.clock.now()), ensure_ascii=False))


@attrs.frozen
class TextJournal:
    """What a person should hear of; a count of each entity's rows every ten seconds. With `verbose`, everything."""

    verbose: bool = False
    write: Callable[[str], None] = note
    clock: Clock = attrs.field(factory=AnyioClock)
    _counted: dict[str, int] = attrs.field(factory=dict, init=False)

    def observe(self, event: Event) -> None:
        """Write a line about the event, where it is worth one."""
        line = detailed(event) if self.verbose else brief(event)
        if line is None and isinstance(event, PagesWritten):
            now_ns = self.clock.monotonic_ns()
            if now_ns - self._counted.setdefault(event.entity, now_ns) >= _BETWEEN_COUNTS_NS:
                self._counted[event.entity] = now_ns
                line = f"{event.entity}: {counted(event.rows, 'row')}"
        if line is not None:
            self.write(line)
