"""What a run did, as values, and how they are counted up from its events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import attrs

from connector_kit.errors import CircuitOpenError, ConnectorError
from connector_kit.events import (
    BadRecordsFound,
    Event,
    Observer,
    PageDelivered,
    PagesWritten,
    PermitGranted,
    RecordsRejected,
    RetryScheduled,
    SlotGranted,
    StreamFinished,
    Warned,
)
from connector_kit.records.checkpoint import Mode

__all__ = ["MAX_REJECTIONS", "EntityReport", "EntityTotals", "Report", "RunTotals", "Status"]


Status = Literal["complete", "stopped", "failed"]


@attrs.frozen
class EntityReport:
    """What a run did with one entity.

    `rows` and `pages` are what this run has written. `resumed` says that it went on where an earlier one stopped.
    `faults` counts the failed attempts by error class. `rejected` counts the records that did not fit their entity, where
    somebody looked (`Validating`), and `rejections` says of the first three what was wrong, a line each.

    The times are in seconds: `fetching` the other side was busy, `limited` a limiter or a bulkhead held requests back,
    `backing_off` retries waited (for an open circuit, too), `writing` the destination was busy. Fetching and writing
    overlap, so that they may add up to more than the run took.

    `duplicates` counts the records of a replace that another one with the same primary key took the place of. `bad_records`
    counts those that could not be stored, with the first three reasons. `unusable_keys` counts the records whose replication
    key is no time. `held_back` is the watermark that the keys alone would have allowed, where it was held back. `notes` says
    in sentences what an operator should know.
    """

    entity: str
    mode: Mode
    status: Status
    resumed: bool = False
    rows: int = 0
    pages: int = 0
    retries: int = 0
    faults: Mapping[str, int] = attrs.field(factory=dict[str, int])
    rejected: int = 0
    rejections: tuple[str, ...] = ()
    fetching: float = 0.0
    limited: float = 0.0
    backing_off: float = 0.0
    writing: float = 0.0
    watermark: datetime | None = None
    error: Exception | None = None
    duplicates: int = 0
    bad_records: int = 0
    bad_record_reasons: tuple[str, ...] = ()
    unusable_keys: int = 0
    held_back: datetime | None = None
    notes: tuple[str, ...] = ()


@attrs.frozen
class Report:
    """What a run did. `seconds` is its length; `stopped` says that it was asked to stop before its end.

    `run_id` is what rows have in `_run_id`, where metadata were asked for.
    `left_out` names the entities of the catalog that were not among those to read.
    """

    connector: str
    started: datetime
    seconds: float
    entities: tuple[EntityReport, ...] = ()
    stopped: bool = False
    run_id: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """The rows this run has written, of all entities."""
        return sum(entity.rows for entity in self.entities)

    @property
    def retries(self) -> int:
        """The attempts this run had to make again, for all entities."""
        return sum(entity.retries for entity in self.entities)

    @property
    def rejected(self) -> int:
        """The records that did not fit their entity, of all entities."""
        return sum(entity.rejected for entity in self.entities)

    @property
    def bad_records(self) -> int:
        """The records that could not be stored, of all entities."""
        return sum(entity.bad_records for entity in self.entities)

    @property
    def failed(self) -> tuple[EntityReport, ...]:
        """The entities that failed."""
        return tuple(entity for entity in self.entities if entity.status == "failed")

    @property
    def complete(self) -> bool:
        """Whether every entity was read to its end."""
        return all(entity.status == "complete" for entity in self.entities)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values: times as ISO 8601 text, errors as class and message (the kit's own)."""
        return {
            "connector": self.connector,
            "run_id": self.run_id,
            "started": self.started.isoformat(),
            "seconds": round(self.seconds, 3),
            "rows": self.rows,
            "retries": self.retries,
            "rejected": self.rejected,
            "bad_records": self.bad_records,
            "stopped": self.stopped,
            "complete": self.complete,
            "left_out": list(self.left_out),
            "entities": [_entity_dict(entity) for entity in self.entities],
        }


def _entity_dict(report: EntityReport) -> dict[str, Any]:
    values = attrs.asdict(report, recurse=False)
    for name in ("fetching", "limited", "backing_off", "writing"):
        values[name] = round(values[name], 3)
    values["rejections"] = list(report.rejections)
    values["bad_record_reasons"] = list(report.bad_record_reasons)
    values["notes"] = list(report.notes)
    for name in ("watermark", "held_back"):
        values[name] = values[name] and values[name].isoformat()
    values["error"] = report.error and {
        "class": type(report.error).__name__,
        # A foreign exception's message may hold a secret; ours never do.
        "message": str(report.error) if isinstance(report.error, ConnectorError) else None,
    }
    return values


MAX_REJECTIONS = 3
"""How many of an entity's rejected records are told of; the others are counted."""


@attrs.define
class EntityTotals:
    """What was observed of one entity so far. Times in seconds; `asking` is all the time pages were waited for."""

    rows: int = 0
    pages: int = 0
    retries: int = 0
    faults: Counter[str] = attrs.field(factory=Counter[str])
    rejected: int = 0
    rejections: tuple[str, ...] = ()
    bad_records: int = 0
    bad_record_reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    asking: float = 0.0
    limited: float = 0.0
    backing_off: float = 0.0
    writing: float = 0.0

    def tell(self, event: RecordsRejected | BadRecordsFound | Warned) -> None:
        """Take note of what an operator is told of the entity."""
        match event:
            case RecordsRejected(count=count, reasons=reasons):
                self.rejected += count
                self.rejections = (*self.rejections, *reasons)[:MAX_REJECTIONS]
            case BadRecordsFound(count=count, reasons=reasons):
                self.bad_records += count
                self.bad_record_reasons = (*self.bad_record_reasons, *reasons)[:MAX_REJECTIONS]
            case Warned(warning=warning) if warning not in self.notes:
                self.notes = (*self.notes, warning)
            case Warned():
                pass

    @property
    def fetching(self) -> float:
        """The time the other side was busy: waited for pages, less the waits of the kit's own."""
        return max(0.0, self.asking - self.limited - self.backing_off)


class RunTotals:
    """An observer that keeps totals per entity and passes events on; None stands for what concerns no entity."""

    def __init__(self, observer: Observer | None = None) -> None:
        self._observer = observer
        self._totals: dict[str | None, EntityTotals] = {}

    def of(self, entity: str | None) -> EntityTotals:
        """Return the totals of an entity."""
        totals = self._totals.get(entity)
        if totals is None:
            totals = self._totals[entity] = EntityTotals()
        return totals

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
                totals = self.of(entity)
                totals.retries += 1
                totals.backing_off += wait
                totals.faults[type(error).__name__] += 1
            case RecordsRejected() | BadRecordsFound() | Warned():
                self.of(event.entity).tell(event)
            case PagesWritten(entity=entity, pages=pages, rows=rows, seconds=seconds):
                totals = self.of(entity)
                totals.rows = rows
                totals.pages += pages
                totals.writing += seconds
            case _:
                pass
        if self._observer is not None:
            self._observer.observe(event)
