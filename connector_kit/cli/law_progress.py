"""How far a test of laws is: drawn on a terminal while it lasts, told in lines elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import attrs

from connector_kit.testing.conformance.law import Verdict

from .events import counted
from .output import note

if TYPE_CHECKING:
    from .diagnostics import Diagnostics

__all__ = ["LawProgress", "told_progress"]


@attrs.define
class LawProgress:
    """The laws that have been looked at so far, of so many."""

    count: int
    tell: Callable[[LawProgress], None] = attrs.field(kw_only=True, repr=False)
    verdicts: list[Verdict] = attrs.field(factory=list, init=False)

    @property
    def requests(self) -> int:
        """How many requests they took."""
        return sum(verdict.requests for verdict in self.verdicts)

    def __call__(self, verdict: Verdict) -> None:
        """Take note of a law that was looked at."""
        self.verdicts.append(verdict)
        self.tell(self)

    def __str__(self) -> str:
        last = self.verdicts[-1] if self.verdicts else None
        said = f": {last.law.name} {last.outcome}" if last else ""
        return f"law {len(self.verdicts)} of {self.count}{said}, {counted(self.requests, 'request')} so far"


@contextmanager
def told_progress(count: int, diagnostics: Diagnostics) -> Iterator[LawProgress]:
    """Give the progress of a test of so many laws, and tell it on standard error in the form that was asked for."""
    if diagnostics.log == "json":
        yield LawProgress(count, tell=_as_json)
    elif diagnostics.log is not None or diagnostics.verbose or not sys.stderr.isatty():
        yield LawProgress(count, tell=lambda progress: note(str(progress)))
    else:
        from rich.console import Console  # noqa: PLC0415 - only where there is a terminal

        with Console(file=sys.stderr).status(f"law 1 of {count}") as status:
            yield LawProgress(count, tell=lambda progress: status.update(str(progress)))


def _as_json(progress: LawProgress) -> None:
    verdict = progress.verdicts[-1]
    event = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "event": "law_looked_at",
        "law": verdict.law.name,
        "outcome": verdict.outcome,
        "requests": verdict.requests,
        "seconds": round(verdict.seconds, 3),
    }
    note(json.dumps(event, ensure_ascii=False))
