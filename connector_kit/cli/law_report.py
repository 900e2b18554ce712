"""How far a test of laws is, and its report as a table and lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from textwrap import shorten
from typing import TYPE_CHECKING

import attrs

from connector_kit.durations import rounded_duration
from connector_kit.testing.conformance.law import Verdict
from connector_kit.text import counted

from .output import print_to_stderr
from .tables import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.testing.conformance.law import LawReport

    from .options import Diagnostics

__all__ = ["LawProgress", "evidence_lines", "law_summary", "laws_table", "shown_progress", "unchecked_lines"]


@attrs.define
class LawProgress:
    """The laws that have been looked at so far, of so many."""

    count: int
    show: Callable[[LawProgress], None] = attrs.field(kw_only=True, repr=False)
    verdicts: list[Verdict] = attrs.field(factory=list[Verdict], init=False)

    @property
    def requests(self) -> int:
        """How many requests they took."""
        return sum(verdict.requests for verdict in self.verdicts)

    def __call__(self, verdict: Verdict) -> None:
        """Take note of a law that was looked at."""
        self.verdicts.append(verdict)
        self.show(self)

    def __str__(self) -> str:
        last = self.verdicts[-1] if self.verdicts else None
        result = f": {last.law.name} {last.outcome}" if last else ""
        return f"law {len(self.verdicts)} of {self.count}{result}, {counted(self.requests, 'request')} so far"


@contextmanager
def shown_progress(count: int, diagnostics: Diagnostics) -> Generator[LawProgress]:
    """Yield the progress of a test of so many laws, shown on standard error in the form that was asked for."""
    if diagnostics.log == "json":
        yield LawProgress(count, show=_note_as_json)
    elif diagnostics.log is not None or diagnostics.verbose or not sys.stderr.isatty():
        yield LawProgress(count, show=lambda progress: print_to_stderr(str(progress)))
    else:
        from rich.console import Console  # noqa: PLC0415 - only where there is a terminal

        with Console(file=sys.stderr).status(f"law 1 of {count}") as status:
            yield LawProgress(count, show=lambda progress: status.update(str(progress)))


def _note_as_json(progress: LawProgress) -> None:
    verdict = progress.verdicts[-1]
    event = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "event": "law_looked_at",
        "law": verdict.law.name,
        "outcome": verdict.outcome,
        "requests": verdict.requests,
        "seconds": round(verdict.seconds, 3),
    }
    print_to_stderr(json.dumps(event, ensure_ascii=False))


_MOST_EVIDENCE = 3  # the first ones tell, and one mistake shows at many pages; the JSON report has more
_LONGEST = 48  # so that the table fits 100 columns; the JSON report has all of it


def laws_table(verdicts: Sequence[Verdict]) -> Table:
    """Return one line for each law."""
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
    """Return for each broken law what shows that it is, where, and how to mend it."""
    lines: list[str] = []
    for verdict in verdicts:
        if verdict.evidence:
            lines += ["", f"law {verdict.law.number}, {verdict.law.name}, is broken: {verdict.law.says}"]
            for evidence in verdict.evidence[:_MOST_EVIDENCE]:
                lines += [f"  {line}" for line in str(evidence).splitlines()]
            if (more := len(verdict.evidence) - _MOST_EVIDENCE) > 0:
                lines.append(f"  and {more} more like these; --json has them")
    return lines


def unchecked_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """Return a line for each thing that was not looked at, with the reason."""
    return [f"not checked: {verdict.law.name}: {what}" for verdict in verdicts for what in verdict.unchecked]


def law_summary(report: LawReport) -> str:
    """Return one line: how many laws were held, broken and not checked, in how many requests."""
    count = len(report.verdicts)
    held = sum(verdict.outcome == "held" for verdict in report.verdicts)
    unchecked = sum(verdict.outcome == "unchecked" for verdict in report.verdicts)
    parts = [f"{held} of {counted(count, 'law')} held"]
    parts += [f"{len(report.broken)} broken"] if report.broken else []
    parts += [f"{unchecked} not checked"] if unchecked else []
    return f"{', '.join(parts)}; {counted(report.requests, 'request')} in {rounded_duration(report.seconds)}"


def _short(checked: Sequence[str]) -> str:
    """Return the text of a cell: the first thing that was checked, and how many more."""
    if not checked:
        return ""
    first = shorten(checked[0], _LONGEST, placeholder=" …")
    return first if len(checked) == 1 else f"{first} (and {len(checked) - 1} more)"
