"""`Examination`: runs one law after the other in isolation, and turns whatever comes of it into a verdict."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from connector_kit.errors import RateLimitError

from .advice import advice
from .isolation import Isolated, isolated
from .preflight import Ready, prepare
from .verdict import Findings, Law, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .stalls import Stall
    from .subject import Subject

__all__ = ["Examination"]

T = TypeVar("T")

_BLOCK_SECONDS: Final = 1.0
"""How long an event loop may stand still; less would blame a connector for a busy machine."""

_UNBLOCK: Final = "use the client's asynchronous twin, or write a SyncConnector and put it into `Threaded`"

_DISTURBED: Final = "closing"
"""The law that is told of a blocked event loop: no two fetches go on at once there."""


class Examination:
    """What is known from one law to the next: where the loop stood still, and why no other law can be looked at."""

    def __init__(self, subject: Subject, backend: str, laws: Sequence[Law]) -> None:
        self._subject = subject
        self._backend = backend
        self._to_come = [law.name for law in laws]
        self._stalls: list[Stall] = []  # those that no verdict has told yet
        self._told: set[tuple[str, int]] = set()
        self._over = ""  # why no further law is looked at

    async def prepare(self) -> Ready:
        """Look at what must be there before any law."""
        run = await self._isolated(partial(prepare, self._subject))
        if run.value is not None:
            return run.value
        found = Findings(Law(0, "preflight", ""), self._subject.secrets)
        self._tell_end(found, run)
        told = (f"{each.what}; expected {each.expected}; {each.mend}" for each in found.verdict().evidence)
        return Ready("", "; ".join(told))

    async def look_at(self, law: Law, look: Callable[[], Awaitable[Verdict]]) -> Verdict:
        """Give the verdict on a law, whatever the connector does meanwhile."""
        self._to_come.remove(law.name)
        found = Findings(law, self._subject.secrets)
        if self._over:
            found.unchecked(self._over)
            verdict = found.verdict()
        else:
            verdict = await self._run(law, look)
        self._tell_stalls(found)
        return attrs.evolve(verdict, evidence=(*verdict.evidence, *found.verdict().evidence))

    async def _run(self, law: Law, look: Callable[[], Awaitable[Verdict]]) -> Verdict:
        meter = self._subject.meter
        requests, refusals = meter.requests, meter.refusals
        run = await self._isolated(look)
        if run.value is None:
            return self._without_verdict(law, run, requests)
        if meter.refusals > refusals and (refusal := await self._refused()):
            self._over = f"the source's quota ran out: {refusal}"
            return _excused(run.value, self._over)
        return run.value

    def _without_verdict(self, law: Law, run: Isolated[Verdict], requests: int) -> Verdict:
        """Give what a law had found before it was stopped, and why it was."""
        subject = self._subject
        found = subject.findings if subject.findings is not None else Findings(law, subject.secrets)
        self._tell_end(found, run)
        return found.verdict(subject.meter.requests - requests)

    def _tell_end(self, found: Findings, run: Isolated[T]) -> None:
        """Say why a run has no result."""
        at = f"; it was at {run.at}" if run.at is not None else ""
        if run.end == "blocked":
            stall = self._stalls.pop() if self._stalls else None
            self._over = "not looked at after the event loop was blocked for good"
            found.broken(
                str(stall) if stall else f"blocks the event loop, and did not come back{at}",
                expected="an event loop that goes on while the connector waits",
                mend=_UNBLOCK,
            )
        elif run.end == "hung":
            self._over = "not looked at after a call that never came back"
            found.broken(
                f"{run.waiting_for or 'a call'} did not come back, nor when it was cancelled{at}",
                expected="that a cancelled call ends",
                mend="let cancellation pass: no `except BaseException` and no bare `except` around an await",
            )
        elif run.error is not None:
            expected, mend = advice(run.error)
            if not isinstance(run.error, Exception):
                mend = "raise no exception that ends the program"
            what = f"{type(run.error).__name__} came out of the connector: {run.error}"
            found.broken(what, expected=expected, mend=mend)
        else:
            found.unchecked(self._subject.bounds.time_is_over)

    def _tell_stalls(self, found: Findings) -> None:
        """Say, once for each place, where the event loop stood still; in the law that this breaks if it is to come."""
        if _DISTURBED in self._to_come:
            return
        for stall in self._stalls:
            where = (stall.place.file, stall.place.line)
            if where not in self._told:
                self._told.add(where)
                found.broken(
                    str(stall), expected="an event loop that goes on while the connector waits", mend=_UNBLOCK
                )
        self._stalls.clear()

    async def _refused(self) -> str:
        """Ask for one page and give what refuses it; empty where nothing does, or where nothing more may be asked."""

        async def ask() -> str:
            try:
                async with self._subject.connector() as connector:
                    entity = (await self._subject.entities())[0]
                    await self._subject.read(connector, entity.name, pages=1)
            except RateLimitError as error:
                return f"{type(error).__name__}: {error}"
            except Exception:  # noqa: BLE001 - what else is wrong is for the laws to tell
                return ""
            return ""

        return (await self._isolated(ask)).value or ""

    async def _isolated(self, function: Callable[[], Awaitable[T]]) -> Isolated[T]:
        meter = self._subject.meter
        patience = self._subject.bounds.call_seconds
        run = await isolated(
            function,
            seconds=max(0.0, meter.seconds_left)
            + patience,  # a law that asks on is stopped by the meter before
            block_seconds=_BLOCK_SECONDS,
            patience=patience,
            backend=self._backend,
            overdue=meter.overdue,
        )
        meter.give_up()
        self._stalls += run.stalls
        return run


def _excused(verdict: Verdict, reason: str) -> Verdict:
    """Give a verdict without what only shows that the quota had run out."""
    evidence = tuple(each for each in verdict.evidence if RateLimitError.__name__ not in each.what)
    return attrs.evolve(verdict, evidence=evidence, unchecked=(*verdict.unchecked, reason))
