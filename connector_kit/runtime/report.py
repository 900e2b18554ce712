"""What a run did, as values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import attrs

from connector_kit.errors import ConnectorError
from connector_kit.records.checkpoint import Mode

__all__ = ["EntityReport", "Report", "Status"]

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
    """

    entity: str
    mode: Mode
    status: Status
    resumed: bool = False
    rows: int = 0
    pages: int = 0
    retries: int = 0
    faults: Mapping[str, int] = attrs.field(factory=dict)
    rejected: int = 0
    rejections: tuple[str, ...] = ()
    fetching: float = 0.0
    limited: float = 0.0
    backing_off: float = 0.0
    writing: float = 0.0
    watermark: datetime | None = None
    error: Exception | None = None


@attrs.frozen
class Report:
    """What a run did. `seconds` is its length; `stopped` says that it was asked to stop before its end."""

    connector: str
    started: datetime
    seconds: float
    entities: tuple[EntityReport, ...] = ()
    stopped: bool = False

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
    def failed(self) -> tuple[EntityReport, ...]:
        """The entities that failed."""
        return tuple(entity for entity in self.entities if entity.status == "failed")

    @property
    def complete(self) -> bool:
        """Whether every entity was read to its end."""
        return all(entity.status == "complete" for entity in self.entities)

    def to_dict(self) -> dict[str, Any]:
        """Give the report as JSON values: times as ISO 8601 text, errors as class and message (the kit's own)."""
        return {
            "connector": self.connector,
            "started": self.started.isoformat(),
            "seconds": round(self.seconds, 3),
            "rows": self.rows,
            "retries": self.retries,
            "rejected": self.rejected,
            "stopped": self.stopped,
            "complete": self.complete,
            "entities": [_entity_dict(entity) for entity in self.entities],
        }


def _entity_dict(report: EntityReport) -> dict[str, Any]:
    values = attrs.asdict(report, recurse=False)
    for name in ("fetching", "limited", "backing_off", "writing"):
        values[name] = round(values[name], 3)
    values["rejections"] = list(report.rejections)
    values["watermark"] = report.watermark and report.watermark.isoformat()
    values["error"] = report.error and {
        "class": type(report.error).__name__,
        # A foreign exception's message may hold a secret; ours never do.
        "message": str(report.error) if isinstance(report.error, ConnectorError) else None,
    }
    return values
