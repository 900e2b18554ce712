"""What comes of looking at one law: a frozen verdict with its evidence. `Findings` gathers it while a law looks."""

from __future__ import annotations

import time
from typing import Literal, TypeAlias

import attrs

from connector_kit.redaction import HIDDEN

__all__ = ["Evidence", "Findings", "Law", "Outcome", "Verdict", "cleaned"]

Outcome: TypeAlias = Literal["held", "broken", "unchecked"]

_MOST_RECORDS = 5
_MOST_LETTERS = 200  # of a record
_EVIDENCE_LIMIT = 10  # the first ones tell; a connector that is wrong at every page would fill the screen


@attrs.frozen
class Law:
    """One promise: its number in docs/reference/laws.md, a short name, and what it says in a sentence."""

    number: int
    name: str
    says: str


@attrs.frozen
class Evidence:
    """What shows that a law is broken.

    `what` happened, what was `expected`, and how to `mend` it; in which `entity` and on which `page` (the first is 1);
    the first few `records` that differ, as JSON text; the smallest `plan` that shows it, of faults or of calls, as
    Python text.
    """

    what: str
    expected: str = ""
    mend: str = ""
    entity: str | None = None
    page: int | None = None
    records: tuple[str, ...] = ()
    plan: str = ""

    def __str__(self) -> str:
        where = [f"entity {self.entity}"] if self.entity is not None else []
        where += [f"page {self.page}"] if self.page is not None else []
        lines = [f"{', '.join(where)}: {self.what}" if where else self.what]
        told = (("expected", self.expected), ("to mend", self.mend), ("plan", self.plan))
        lines += [f"  {label}: {text}" for label, text in told if text]
        return "\n".join([*lines, *(f"  {record}" for record in self.records)])


@attrs.frozen
class Verdict:
    """What was seen of one law.

    `evidence` that it is broken, `checked` what was looked at and found right, `unchecked` what was not looked at and
    why. `requests` counts the calls and pages asked for, `seconds` the time it took.
    """

    law: Law
    evidence: tuple[Evidence, ...] = ()
    checked: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    requests: int = 0
    seconds: float = 0.0

    @property
    def outcome(self) -> Outcome:
        """Broken where there is evidence, unchecked where nothing could be looked at, else held."""
        if self.evidence:
            return "broken"
        return "held" if self.checked else "unchecked"


class Findings:
    """What a law has found so far. Kept outside of it, so that nothing is lost where it is stopped half-way.

    No text of a verdict contains one of the `secrets`.
    """

    def __init__(self, law: Law, secrets: tuple[str, ...] = ()) -> None:
        self.law = law
        self._secrets = secrets
        self._evidence: list[Evidence] = []
        self._checked: list[str] = []
        self._unchecked: list[str] = []
        self._started = time.monotonic()

    @property
    def any_broken(self) -> bool:
        """Whether there is evidence already."""
        return bool(self._evidence)

    def broken(
        self,
        what: str,
        *,
        expected: str = "",
        mend: str = "",
        entity: str | None = None,
        page: int | None = None,
        records: tuple[str, ...] = (),
        plan: str = "",
    ) -> None:
        """Add evidence that the law is broken."""
        if len(self._evidence) < _EVIDENCE_LIMIT:
            self._evidence.append(
                Evidence(
                    self._clean(what),
                    self._clean(expected),
                    self._clean(mend),
                    entity,
                    page,
                    tuple(_short(self._clean(record)) for record in records[:_MOST_RECORDS]),
                    self._clean(plan),
                )
            )

    def checked(self, what: str) -> None:
        """Say what was looked at and found right, as in "resumed at 5 of 5 cursors of orders"."""
        self._checked.append(self._clean(what))

    def unchecked(self, what: str) -> None:
        """Say what was not looked at, and why."""
        text = self._clean(what)
        if text not in self._unchecked:
            self._unchecked.append(text)

    def verdict(self, requests: int = 0) -> Verdict:
        """Give the verdict on what was found."""
        return Verdict(
            self.law,
            tuple(self._evidence),
            tuple(self._checked),
            tuple(self._unchecked),
            requests,
            time.monotonic() - self._started,
        )

    def _clean(self, text: str) -> str:
        return cleaned(text, self._secrets)


def cleaned(text: str, secrets: tuple[str, ...]) -> str:
    """Give a text with every secret hidden."""
    for secret in sorted(set(secrets) - {""}, key=len, reverse=True):  # one may be a part of another
        text = text.replace(secret, HIDDEN)
    return text


def _short(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"
