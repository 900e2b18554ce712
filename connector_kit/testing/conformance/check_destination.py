"""`check_destination`: all laws of a destination, looked at one after the other, and one report of them."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from connector_kit.testing.conformance.destination.place import Place, Places
from connector_kit.testing.conformance.destination.subject import DestinationSubject, close_quietly
from connector_kit.testing.conformance.destination.table import laws_named

from .bounds import Bounds
from .choosing import require_backend
from .isolation import Isolated, isolated
from .report import LawReport
from .verdict import Findings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from connector_kit.testing.conformance.destination.table import LawFunction

    from .verdict import Law, Verdict

__all__ = ["check_destination"]

T = TypeVar("T")


async def check_destination(
    places: Places,
    /,
    *,
    ordered: bool = True,
    bounds: Bounds = Bounds(),  # noqa: B008 - a frozen value
    laws: Sequence[str] = (),
    backend: str = "asyncio",
    progress: Callable[[Verdict], None] | None = None,
    name: str = "",
) -> LawReport:
    """Look at the laws that a destination keeps; at those named in `laws`, or at all of them.

    `places` makes a new, empty place each time: see `Place`, and the seams beside it that let more be checked. `ordered`
    says that rows are read back in the order in which they were written; False for a store that has none.
    `bounds.plans` sequences of calls are drawn for the last law. `progress` is called with each verdict as it comes;
    what it raises is passed on.

    Each law runs in a thread of its own on a `backend` event loop of its own: a destination that blocks it, or never
    comes back, is named and abandoned.

    Raises `ConfigError` for the name of a law that there is not, and for a backend that is not installed.
    """
    chosen = laws_named(laws)
    require_backend(backend)
    examination = _Examination(DestinationSubject(places, bounds=bounds, ordered=ordered), backend)
    started = time.monotonic()
    found_name, failure = await examination.prepare(places)
    verdicts: list[Verdict] = []
    for law, look in () if failure else chosen:
        verdicts.append(await examination.look_at(law, look))
        if progress is not None:
            progress(verdicts[-1])
    return LawReport(
        name or found_name,
        tuple(verdicts),
        failure,
        examination.subject.meter.requests,
        time.monotonic() - started,
    )


class _Examination:
    """Runs one law after the other in isolation, and knows why no other one can be looked at."""

    def __init__(self, subject: DestinationSubject, backend: str) -> None:
        self.subject = subject
        self._backend = backend
        self._over = ""

    async def prepare(self, places: Places) -> tuple[str, str]:
        """Give the destination's name, and why nothing can be looked at; empty where it can."""
        run = await self._isolated(partial(_preflight, places, self.subject))
        if run.value is not None:
            return run.value
        return "destination", f"no destination could be opened at a new place: {_why(run)}"

    async def look_at(self, law: Law, look: LawFunction) -> Verdict:
        """Give the verdict on a law, whatever the destination does meanwhile."""
        if self._over:
            found = Findings(law)
            found.unchecked(self._over)
            return found.verdict()
        before = self.subject.meter.requests
        run = await self._isolated(partial(look, self.subject))
        if run.value is not None:
            return run.value
        found = self.subject.findings or Findings(law)
        if run.end == "stopped":
            found.unchecked(self.subject.bounds.time_is_over)
        else:
            self._over = f"not looked at after a call in {law.name!r} that never came back"
            found.broken(
                _why(run),
                expected="every call to end, and a cancelled one soon",
                mend="wait for threads and locks no longer than a time limit, and let cancellation pass",
            )
        return found.verdict(self.subject.meter.requests - before)

    async def _isolated(self, function: Callable[[], Awaitable[T]]) -> Isolated[T]:
        meter, patience = self.subject.meter, self.subject.bounds.call_seconds
        run = await isolated(
            function,
            seconds=max(0.0, meter.seconds_left) + patience,  # a law is stopped by the meter before
            patience=patience,
            backend=self._backend,
            overdue=meter.overdue,
        )
        meter.give_up()
        return run


def _why(run: Isolated[T]) -> str:
    at = f"; it was at {run.at}" if run.at is not None else ""
    if run.error is not None:
        return f"{type(run.error).__name__} came out of it: {run.error}"
    if run.end == "blocked":
        return f"it blocks the event loop, and did not come back{at}"
    return f"{run.waiting_for or 'a call'} did not come back, nor when it was cancelled{at}"


async def _preflight(places: Places, subject: DestinationSubject) -> tuple[str, str]:
    """Give what the destination's class is called, and why nothing can be looked at; empty where it can."""
    name = "destination"
    try:
        place: object = places()  # it may be anything: nobody has looked at it yet
        if not isinstance(place, Place):
            return name, (
                f"places() gave {type(place).__name__!r}, which is no place; expected an object with destination() and "
                "rows(entity); see `Place`"
            )
        made = place.destination()
        name = type(made).__name__
        if not subject.modes():
            return name, "it says it has no mode; expected some of append, upsert and replace in `modes`"
        destination = subject.watched(made)
        try:
            await destination.open()
        finally:
            await close_quietly(destination)
    except Exception as error:  # noqa: BLE001 - whatever an author's code raises is told, not passed on
        return name, f"it cannot be opened at a new place: {type(error).__name__}: {error}"
    return name, ""
