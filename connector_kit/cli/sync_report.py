"""A run's report as a table and as lines below it. Pure."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from connector_kit.durations import rounded_duration
from connector_kit.text import counted

from .tables import Table

if TYPE_CHECKING:
    from connector_kit.runtime.report import EntityReport, Report

__all__ = [
    "bad_record_lines",
    "fault_lines",
    "next_step",
    "note_lines",
    "rejection_lines",
    "report_table",
    "summary",
]

_COLUMNS = ("entity", "mode", "status", "rows", "pages", "retries")
_TIMES = "where the time went"
_NUMBERS = frozenset({"rows", "pages", "retries", "rejected"})
_NEGLIGIBLE_SECONDS = 0.005


def report_table(report: Report) -> Table:
    """Return one line for each entity: what was done, and where the time went."""
    rejected = report.rejected > 0  # few runs look at every record
    columns = (*_COLUMNS, *(["rejected"] if rejected else []), _TIMES)
    rows = [_cells(entity, rejected=rejected) for entity in report.entities]
    return Table(columns, rows, _NUMBERS)


def _cells(entity: EntityReport, *, rejected: bool) -> tuple[str, ...]:
    times = {
        "fetching": entity.fetching,
        "held back": entity.limited,
        "backing off": entity.backing_off,
        "writing": entity.writing,
    }
    spent = ", ".join(
        f"{what} {rounded_duration(time)}" for what, time in times.items() if time >= _NEGLIGIBLE_SECONDS
    )
    status = f"{entity.status}, resumed" if entity.resumed else entity.status
    return (
        entity.entity,
        entity.mode,
        status,
        f"{entity.rows:,}",
        f"{entity.pages:,}",
        f"{entity.retries:,}",
        *([f"{entity.rejected:,}"] if rejected else []),
        spent or "less than 0.01s",
    )


def fault_lines(report: Report) -> list[str]:
    """Return a line for each entity that met faults: how many of which kind."""
    return [
        f"faults met by {entity.entity}: "
        + ", ".join(f"{name} {count:,}" for name, count in sorted(entity.faults.items()))
        for entity in report.entities
        if entity.faults
    ]


def rejection_lines(report: Report) -> list[str]:
    """Return a line for each of the first records of an entity that did not fit, and one for the others."""
    lines: list[str] = []
    for entity in report.entities:
        lines += [f"does not fit {entity.entity}: {reason}" for reason in entity.rejections]
        if (others := entity.rejected - len(entity.rejections)) > 0 and entity.rejections:
            lines.append(f"does not fit {entity.entity}: {others:,} more")
    return lines


def bad_record_lines(report: Report) -> list[str]:
    """Return a line for each of the first bad records of an entity, and one for the others."""
    lines: list[str] = []
    for entity in report.entities:
        lines += [f"bad record of {entity.entity}: {reason}" for reason in entity.bad_record_reasons]
        if (others := entity.bad_records - len(entity.bad_record_reasons)) > 0:
            lines.append(f"bad record of {entity.entity}: {others:,} more")
    return lines


def note_lines(report: Report) -> list[str]:
    """Return a line for each note of an entity, and one that names the entities that were left out."""
    lines = [f"note on {entity.entity}: {note}" for entity in report.entities for note in entity.notes]
    if report.left_out:
        lines.append(f"not read, since others were chosen: {', '.join(report.left_out)}")
    return lines


def summary(report: Report) -> str:
    """Return one line about the run: entities, rows and time."""
    count = len(report.entities)
    done = sum(entity.status == "complete" for entity in report.entities)
    stopped = "; stopped before its end: run it again to go on" if report.stopped and done < count else ""
    return (
        f"{done} of {counted(count, 'entity', 'entities')} complete, {counted(report.rows, 'row')} in {rounded_duration(report.seconds)}"
        f"{stopped}"
    )


def next_step(destination: str) -> str | None:
    """Return how to look at what is stored, where a command that everybody has does it."""
    kind, _, path = destination.partition(":")
    if kind == "sqlite":
        return f"look at the rows: sqlite3 {quote(path)} .tables"
    if kind == "jsonl":
        return f"look at the rows: head -n 3 {quote(path)}/*.jsonl"
    return None
