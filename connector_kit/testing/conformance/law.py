"""What a law is, the tables of laws, what comes of looking at one, and the report of all of them together."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from difflib import get_close_matches
from functools import update_wrapper
from importlib import import_module
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar

import attrs

from connector_kit.errors import ConfigError, Problem
from connector_kit.protocols import Limiter
from connector_kit.redaction import without_secrets

from .bounds import Bounds, Meter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connector_kit.records.page import JsonValue

__all__ = [
    "Evidence",
    "Examined",
    "Findings",
    "Law",
    "LawFunction",
    "LawReport",
    "Laws",
    "LawsBrokenError",
    "Outcome",
    "Verdict",
]

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
            clean = self._clean
            shown = tuple(_short(clean(record)) for record in records[:_MOST_RECORDS])
            self._evidence.append(
                Evidence(clean(what), clean(expected), clean(mend), entity, page, shown, clean(plan))
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
        """Return the verdict on what was found."""
        return Verdict(
            self.law,
            tuple(self._evidence),
            tuple(self._checked),
            tuple(self._unchecked),
            requests,
            time.monotonic() - self._started,
        )

    def _clean(self, text: str) -> str:
        return without_secrets(text, self._secrets)


def _short(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"


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
        """Return the report as a JSON value."""
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


@attrs.define(eq=False)
class Examined(ABC):
    """What the laws of one subject share, whatever it is: bounds, a meter of requests, what they have found."""

    bounds: Bounds = attrs.field(factory=Bounds, kw_only=True)
    secrets: tuple[str, ...] = attrs.field(default=(), kw_only=True)
    limiter: Limiter | None = attrs.field(default=None, kw_only=True)
    meter: Meter = attrs.field(init=False)
    findings: Findings | None = attrs.field(default=None, init=False)
    """Of the law that is looked at; they are there also where the law never ends."""

    def __attrs_post_init__(self) -> None:
        self.meter = Meter(self.bounds, limiter=self.limiter)

    @property
    def requests(self) -> int:
        """How many requests were made so far."""
        return self.meter.requests

    async def run_law(self, look: Callable[[], Awaitable[None] | None], /) -> None:
        """Run a law."""
        looking = look()
        if looking is not None:
            await looking

    @abstractmethod
    def tell(self, error: Exception, findings: Findings, /) -> None:
        """Turn an error that came out of a law into a part of the verdict."""


S = TypeVar("S", bound=Examined)
F = TypeVar("F")


Look: TypeAlias = Callable[[S, Findings], Awaitable[None] | None]
"""Looks at a law: says what it finds, raises nothing of its own."""


class LawFunction(Generic[S, F]):
    """A law as a function: `await law(factory)` looks at it and returns the verdict. `law` is the law as a value."""

    def __init__(self, law: Law, look: Look[S], subject_of: Callable[[F | S], S]) -> None:
        update_wrapper(self, look)
        self.law = law
        self._look = look
        self._subject_of = subject_of

    async def __call__(self, subject: F | S, /) -> Verdict:
        """Return the verdict. Cancellation passes; any other error becomes a part of the verdict."""
        examined = self._subject_of(subject)
        findings = examined.findings = Findings(self.law, examined.secrets)
        before = examined.requests
        try:
            await examined.run_law(lambda: self._look(examined, findings))
        except Exception as error:  # noqa: BLE001 - whatever an author's code raises is told, not passed on
            examined.tell(error, findings)
        return findings.verdict(examined.requests - before)


@attrs.frozen(eq=False)
class Laws(Generic[S, F]):
    """The table of the laws of one kind of subject, in the order of docs/reference/laws.md.

    `whose` laws they are is told in errors: "a connector". The `modules` of `package` register theirs; they are imported
    when the table is first looked at, since each kind of subject needs its own alone.
    """

    _whose: str
    _subject_of: Callable[[F | S], S]
    _package: str
    _modules: str
    _laws: dict[int, LawFunction[S, F]] = attrs.field(factory=dict[int, LawFunction[S, F]], init=False)

    def law(self, number: int, name: str, says: str) -> Callable[[Look[S]], LawFunction[S, F]]:
        """Register a function as the one that looks at a law."""

        def register(look: Look[S]) -> LawFunction[S, F]:
            self._laws[number] = LawFunction(Law(number, name, says), look, self._subject_of)
            return self._laws[number]

        return register

    def __iter__(self) -> Iterator[LawFunction[S, F]]:
        for module in self._modules.split():
            import_module(f"{self._package}.{module}")
        return iter([self._laws[number] for number in sorted(self._laws)])

    @property
    def names(self) -> list[str]:
        """The names of all laws, in their order."""
        return [each.law.name for each in self]

    def named(self, names: Sequence[str] = ()) -> list[LawFunction[S, F]]:
        """Return the laws of these names in their own order; all of them for no names.

        Raise `ConfigError` for a name that is none, with the nearest one that is.
        """
        known = self.names
        problems = [_unknown(name, known) for name in names if name not in known]
        if problems:
            raise ConfigError(f"there is no such law of {self._whose}", problems)
        return [each for each in self if not names or each.law.name in names]


def _unknown(name: str, known: Sequence[str]) -> Problem:
    near = get_close_matches(name, known, n=1)
    return Problem("laws", repr(name), f"one of {', '.join(known)}", f"use {near[0]!r}" if near else "")
