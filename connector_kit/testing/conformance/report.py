"""What comes of all laws together: a frozen report, as text, as JSON and as an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .verdict import Verdict

if TYPE_CHECKING:
    from connector_kit.records.page import JsonValue

__all__ = ["LawReport", "LawsBrokenError"]


class LawsBrokenError(AssertionError):
    """At least one law is broken. The message is the report as text; `report` has it as a value."""

    def __init__(self, report: LawReport) -> None:
        super().__init__(str(report))
        self.report = report


@attrs.frozen
class LawReport:
    """The verdicts on one subject, in the order of the laws.

    `failure` says why nothing could be looked at (no connector came out of the factory, it is none, it cannot
    connect); empty otherwise. `requests` counts the calls and pages asked for, `seconds` the time of all laws.
    `error` is what was raised where there is a `failure`; its message may contain anything.
    """

    subject: str
    verdicts: tuple[Verdict, ...] = ()
    failure: str = ""
    requests: int = 0
    seconds: float = 0.0
    error: Exception | None = attrs.field(default=None, repr=False, eq=False)

    @property
    def broken(self) -> tuple[Verdict, ...]:
        """The verdicts on the laws that are broken."""
        return tuple(verdict for verdict in self.verdicts if verdict.outcome == "broken")

    @property
    def ok(self) -> bool:
        """Whether something was looked at and nothing is broken."""
        return not self.failure and not self.broken

    @property
    def unchecked(self) -> tuple[str, ...]:
        """What was not looked at, each with its law and the reason."""
        return tuple(f"{verdict.law.name}: {what}" for verdict in self.verdicts for what in verdict.unchecked)

    def require(self) -> None:
        """Raise `LawsBrokenError` with the report as text where it is not `ok`."""
        if not self.ok:
            raise LawsBrokenError(self)

    def as_json(self) -> dict[str, JsonValue]:
        """Give the report as a JSON value."""
        return {
            "subject": self.subject,
            "ok": self.ok,
            "failure": self.failure,
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
            "laws": [_as_json(verdict) for verdict in self.verdicts],
        }

    def __str__(self) -> str:
        lines = [f"{self.subject}: {self._sum()}"]
        for verdict in self.verdicts:
            lines.append(f"  {verdict.law.number:>2} {verdict.law.name:<12} {verdict.outcome}")
            lines += ["     " + str(each).replace("\n", "\n     ") for each in verdict.evidence]
        lines += [f"  not checked: {what}" for what in self.unchecked]
        return "\n".join(lines)

    def _sum(self) -> str:
        if self.failure:
            return self.failure
        counts = dict.fromkeys(("held", "broken", "unchecked"), 0)
        for verdict in self.verdicts:
            counts[verdict.outcome] += 1
        told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
        return f"{told} ({self.requests} requests, {self.seconds:.1f} s)"


def _as_json(verdict: Verdict) -> dict[str, JsonValue]:
    return {
        "number": verdict.law.number,
        "name": verdict.law.name,
        "says": verdict.law.says,
        "outcome": verdict.outcome,
        "requests": verdict.requests,
        "seconds": round(verdict.seconds, 3),
        "evidence": [attrs.asdict(each) for each in verdict.evidence],
        "checked": verdict.checked,
        "unchecked": verdict.unchecked,
    }
