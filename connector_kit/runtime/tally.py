"""Adds up what a run hears of, per entity, for its report, and passes it on."""

from __future__ import annotations

from collections import Counter

import attrs

from connector_kit.errors import CircuitOpenError
from connector_kit.events import (
    Event,
    Observer,
    PageDelivered,
    PagesWritten,
    PermitGranted,
    RecordsRejected,
    RetryScheduled,
    SlotGranted,
    StreamFinished,
)

__all__ = ["MAX_REJECTIONS", "Sums", "Tally"]

MAX_REJECTIONS = 3
"""How many of an entity's rejected records are told of; the others are counted."""


@attrs.define
class Sums:
    """What was heard of one entity so far. Times in seconds; `asking` is all the time pages were waited for."""

    rows: int = 0
    pages: int = 0
    retries: int = 0
    faults: Counter[str] = attrs.field(factory=Counter)
    rejected: int = 0
    rejections: tuple[str, ...] = ()
    asking: float = 0.0
    limited: float = 0.0
    backing_off: float = 0.0
    writing: float = 0.0

    @property
    def fetching(self) -> float:
        """The time the other side was busy: waited for pages, less the waits of the kit's own."""
        return max(0.0, self.asking - self.limited - self.backing_off)


class Tally:
    """An observer that keeps sums per entity; None stands for what concerns no entity."""

    def __init__(self, observer: Observer | None = None) -> None:
        self._observer = observer
        self._sums: dict[str | None, Sums] = {}

    def of(self, entity: str | None) -> Sums:
        """Give the sums of an entity."""
        sums = self._sums.get(entity)
        if sums is None:
            sums = self._sums[entity] = Sums()
        return sums

    def observe(self, event: Event) -> None:
        """Add one event and pass it on."""
        match event:
            case (
                PageDelivered(entity=entity, seconds=seconds) | StreamFinished(entity=entity, seconds=seconds)
            ):
                self.of(entity).asking += seconds
            case PermitGranted(entity=entity, waited=waited) | SlotGranted(entity=entity, waited=waited):
                self.of(entity).limited += waited
            case RetryScheduled(entity=entity, wait=wait, error=CircuitOpenError()):
                self.of(entity).backing_off += wait  # nothing was tried, so nothing is tried again
            case RetryScheduled(entity=entity, wait=wait, error=error):
                sums = self.of(entity)
                sums.retries += 1
                sums.backing_off += wait
                sums.faults[type(error).__name__] += 1
            case RecordsRejected(entity=entity, count=count, reasons=reasons):
                sums = self.of(entity)
                sums.rejected += count
                sums.rejections = (*sums.rejections, *reasons)[:MAX_REJECTIONS]
            case PagesWritten(entity=entity, pages=pages, rows=rows, seconds=seconds):
                sums = self.of(entity)
                sums.rows = rows
                sums.pages += pages
                sums.writing += seconds
            case _:
                pass
        if self._observer is not None:
            self._observer.observe(event)
