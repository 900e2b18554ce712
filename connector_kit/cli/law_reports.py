"""A report of laws as a table and as lines below it. Pure."""

from __future__ import annotations

from textwrap import shorten
from typing import TYPE_CHECKING

from .events import counted, length
from .tables import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.testing.conformance.law import LawReport, Verdict

__all__ = ["evidence_lines", "law_summary", "laws_table", "unchecked_lines"]

_MOST_EVIDENCE = 3  # the first ones tell, and one mistake shows at many pages; the JSON report has more
_LONGEST = 48  # so that the table fits 100 columns; the JSON report has all of it


def laws_table(verdicts: Sequence[Verdict]) -> Table:
    """Give one line for each law."""
    rows = [
        (
            verdict.law.number,
            verdict.law.name,
            verdict.outcome,
            _short(verdict.checked),
            f"{verdict.requests:,}",
        )
        for verdict in verdicts
    ]
    return Table(("law", "name", "outcome", "checked", "requests"), rows, frozenset({"law", "requests"}))


def evidence_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """Give for each broken law what shows that it is, where, and how to mend it."""
    lines = []
    for verdict in verdicts:
        if verdict.evidence:
            lines += ["", f"law {verdict.law.number}, {verdict.law.name}, is broken: {verdict.law.says}"]
            for evidence in verdict.evidence[:_MOST_EVIDENCE]:
                lines += [f"  {line}" for line in str(evidence).splitlines()]
            if (more := len(verdict.evidence) - _MOST_EVIDENCE) > 0:
                lines.append(f"  and {more} more like these; --json has them")
    return lines


def unchecked_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """Give a line for each thing that was not looked at, with the reason."""
    return [f"not checked: {verdict.law.name}: {what}" for verdict in verdicts for what in verdict.unchecked]


def law_summary(report: LawReport) -> str:
    """Say in a line what came of all laws."""
    count = len(report.verdicts)
    held = sum(verdict.outcome == "held" for verdict in report.verdicts)
    unchecked = sum(verdict.outcome == "unchecked" for verdict in report.verdicts)
    parts = [f"{held} of {counted(count, 'law')} held"]
    parts += [f"{len(report.broken)} broken"] if report.broken else []
    parts += [f"{unchecked} not checked"] if unchecked else []
    return f"{', '.join(parts)}; {counted(report.requests, 'request')} in {length(report.seconds)}"


def _short(checked: Sequence[str]) -> str:
    """Give what was checked in a cell: the first, and how many more."""
    if not checked:
        return ""
    first = shorten(checked[0], _LONGEST, placeholder=" …")
    return first if len(checked) == 1 else f"{first} (and {len(checked) - 1} more)"
