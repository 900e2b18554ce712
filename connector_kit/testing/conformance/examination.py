"""The examination of one subject: its laws one after the other, whatever comes of them as a verdict, and the report."""

from __future__ import annotations

import time
from abc import abstractmethod
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar, Final, Generic, Protocol, TypeVar

import attrs

from connector_kit.errors import ConfigError, RateLimitError

from .isolation import Isolated, isolated
from .law import Examined, Findings, Law, LawFunction, LawReport, Verdict
from .telling import advice

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .isolation import Standstill

__all__ = ["Examination", "IsolatedSubject", "Ready", "examine", "require_backend"]

T = TypeVar("T")

_BACKENDS: Final = ("asyncio", "trio")

_BLOCK_SECONDS: Final = 1.0
"""How long an event loop may stand still; less would blame a connector for a busy machine."""


def require_backend(backend: str) -> None:
    """Raise `ConfigError` for an event loop that there is not, or that is not installed."""
    if backend not in _BACKENDS:
        raise ConfigError(
            f"no backend {backend!r}; expected one of {', '.join(_BACKENDS)}; name the one you run on"
        )
    if find_spec(backend) is None:
        raise ConfigError(
            f"the backend {backend!r} is not installed; expected one that is; pip install 'connector-kit[testing]'"
        )


@attrs.frozen
class Ready:
    """What came of the preparation: the subject's name, why no law can be looked at (empty where they can), by which error."""

    name: str
    failure: str = ""
    error: Exception | None = None


class IsolatedSubject(Examined):
    """A subject whose laws are async functions that share an event loop: what is said of one that never comes back."""

    kind: ClassVar[str]
    unblock: ClassVar[str]
    """How to mend one that blocks the event loop."""
    let_cancel: ClassVar[str]
    """How to mend one that does not react to its cancellation."""
    disturbed: ClassVar[str] = ""
    """The law that is told of an event loop which stood still for a while; no law is where empty."""

    @abstractmethod
    async def prepare(self) -> Ready:
        """Look at what must be there before any law."""

    async def refusal(self) -> str:
        """Ask for a little and return what a used up quota answers; empty where nothing refuses it."""
        return ""


S = TypeVar("S", bound=Examined)
Examinee = TypeVar("Examinee", bound=IsolatedSubject)
F = TypeVar("F")


class Runner(Protocol[S]):
    """How the laws of one kind of subject are run."""

    @property
    def requests(self) -> int: ...
    async def prepare(self) -> Ready: ...
    async def look_at(self, law: LawFunction[S, F], /) -> Verdict: ...


async def examine(
    runner: Runner[S],
    laws: Sequence[LawFunction[S, F]],
    *,
    progress: Callable[[Verdict], None] | None,
    name: str,
) -> LawReport:
    """Look at one law after the other, and return the report."""
    started = time.monotonic()
    ready = await runner.prepare()
    verdicts: list[Verdict] = []
    for law in () if ready.failure else laws:
        verdicts.append(await runner.look_at(law))
        if progress is not None:
            progress(verdicts[-1])
    seconds = time.monotonic() - started
    return LawReport(
        name or ready.name, tuple(verdicts), ready.failure, runner.requests, seconds, ready.error
    )


class Examination(Generic[Examinee]):
    """Runs laws in isolation: in a thread and an event loop of their own.

    It knows from one law to the next where the loop stood still, and why no other law can be looked at.
    """

    def __init__(self, subject: Examinee, backend: str, laws: Sequence[Law]) -> None:
        self._subject = subject
        self._backend = backend
        self._to_come = [law.name for law in laws]
        self._stalls: list[Standstill] = []  # those that no verdict has told yet
        self._reported: set[tuple[str, int]] = set()
        self._over = ""  # why no further law is looked at

    @property
    def requests(self) -> int:
        """How many requests were made so far."""
        return self._subject.requests

    async def prepare(self) -> Ready:
        """Look at what must be there before any law."""
        run = await self._isolated(self._subject.prepare)
        if run.value is not None:
            return run.value
        found = Findings(Law(0, "preflight", ""), self._subject.secrets)
        self._tell_end(found, run)
        told = (f"{each.what}; expected {each.expected}; {each.mend}" for each in found.verdict().evidence)
        return Ready(self._subject.kind, "; ".join(told))

    async def look_at(self, law: LawFunction[Examinee, F], /) -> Verdict:
        """Return the verdict on a law, whatever the subject does meanwhile."""
        self._to_come.remove(law.law.name)
        found = Findings(law.law, self._subject.secrets)
        if self._over:
            found.unchecked(self._over)
            verdict = found.verdict()
        else:
            verdict = await self._run(law)
        self._tell_stalls(found)
        return attrs.evolve(verdict, evidence=(*verdict.evidence, *found.verdict().evidence))

    async def _run(self, law: LawFunction[Examinee, F]) -> Verdict:
        meter = self._subject.meter
        requests, refusals = meter.requests, meter.refusals
        run = await self._isolated(partial(law, self._subject))
        if run.value is None:  # it was stopped: what it had found before counts
            found = self._subject.findings or Findings(law.law, self._subject.secrets)
            self._tell_end(found, run)
            return found.verdict(meter.requests - requests)
        if meter.refusals > refusals and (refusal := (await self._isolated(self._subject.refusal)).value):
            self._over = f"the source's quota ran out: {refusal}"
            return _excused(run.value, self._over)
        return run.value

    def _tell_end(self, found: Findings, run: Isolated[T]) -> None:
        """Say why a run has no result."""
        at = f"; it was at {run.at}" if run.at is not None else ""
        if run.end == "blocked":
            stall = self._stalls.pop() if self._stalls else None
            self._over = "not looked at after the event loop was blocked for good"
            self._tell_stall(found, str(stall or f"blocks the event loop, and did not come back{at}"))
        elif run.end == "hung":
            self._over = "not looked at after a call that never came back"
            found.broken(
                f"{run.waiting_for or 'a call'} did not come back, nor when it was cancelled{at}",
                expected="that a cancelled call ends",
                mend=self._subject.let_cancel,
            )
        elif run.error is not None:
            expected, mend = advice(run.error)
            if not isinstance(run.error, Exception):
                mend = "raise no exception that ends the program"
            what = f"{type(run.error).__name__} came out of the {self._subject.kind}: {run.error}"
            found.broken(what, expected=expected, mend=mend)
        else:
            found.unchecked(self._subject.bounds.time_is_over)

    def _tell_stalls(self, found: Findings) -> None:
        """Say, once for each place, where the event loop stood still; in the law that this breaks if it is to come."""
        disturbed = self._subject.disturbed
        if disturbed in self._to_come:
            return
        for stall in self._stalls if disturbed else ():
            where = (stall.at.file, stall.at.line)
            if where not in self._reported:
                self._reported.add(where)
                self._tell_stall(found, str(stall))
        self._stalls.clear()

    def _tell_stall(self, found: Findings, stall: str) -> None:
        expected = f"an event loop that goes on while the {self._subject.kind} waits"
        found.broken(stall, expected=expected, mend=self._subject.unblock)

    async def _isolated(self, function: Callable[[], Awaitable[T]]) -> Isolated[T]:
        meter, silence_limit = self._subject.meter, self._subject.bounds.call_seconds
        run = await isolated(
            function,
            seconds=max(0.0, meter.seconds_left) + silence_limit,  # a law is stopped by the meter before
            block_seconds=_BLOCK_SECONDS,
            silence_limit=silence_limit,
            backend=self._backend,
            overdue=meter.overdue,
        )
        meter.give_up()
        self._stalls += run.stalls
        return run


def _excused(verdict: Verdict, reason: str) -> Verdict:
    """Return a verdict without what only shows that the quota had run out."""
    evidence = tuple(each for each in verdict.evidence if RateLimitError.__name__ not in each.what)
    return attrs.evolve(verdict, evidence=evidence, unchecked=(*verdict.unchecked, reason))
