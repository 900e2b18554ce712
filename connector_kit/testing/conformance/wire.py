"""The seam behind a connector at which requests fail, and the search for the smallest plan of faults that breaks a law."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Callable, Coroutine
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeAlias, TypeVar

import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import attrs

from connector_kit.wrappers.fault_injection.wrapper import Cut, Fail, Fault, Refuse, Schedule, Stall

from .bounds import EnoughError, NoAnswerError
from .reading import Difference

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from hypothesis.strategies import SearchStrategy

    from .bounds import Meter

__all__ = [
    "Answer",
    "Breaks",
    "CutOff",
    "Hold",
    "Reset",
    "Search",
    "Trickle",
    "Wire",
    "WireFault",
    "WirePlan",
    "failing",
    "one_after_each",
    "plan_text",
    "search_plan",
    "wire_plans",
]


@attrs.frozen
class Answer:
    """The source answers with a status (429, 500, 503, 401 …) instead of what was asked for.

    `retry_after` is in seconds, for 429 and 503.
    """

    status: int
    retry_after: float | None = None


@attrs.frozen
class CutOff:
    """The connection is closed in the middle of the answer's body."""


@attrs.frozen
class Reset:
    """The connection is closed before anything is answered."""


@attrs.frozen
class Hold:
    """The answer comes `seconds` later."""

    seconds: float


@attrs.frozen
class Trickle:
    """The answer is right and comes in pieces of a few bytes."""


WireFault: TypeAlias = Answer | CutOff | Reset | Hold | Trickle


class Wire(Protocol):
    """What stands between a connector and its source, and lets requests fail as it is told.

    `HttpProxy` is one for HTTP; a fake source in a test may be one itself. It belongs to the connectors a factory
    makes, all of them.
    """

    @property
    def requests(self) -> int:
        """How many requests have passed so far, those that failed included."""
        ...

    def fail(self, faults: Sequence[WireFault | None], /) -> None:
        """Let the next requests fail so, one entry for each; what is left of an earlier plan is forgotten."""
        ...


@contextmanager
def failing(wire: Wire, faults: Sequence[WireFault | None]) -> Generator[None]:
    """Let the next requests fail, as `Wire.fail` does, and none after the block."""
    wire.fail(faults)
    try:
        yield
    finally:
        wire.fail(())


WirePlan: TypeAlias = tuple[WireFault | None, ...]

P = TypeVar("P", Schedule, WirePlan)
T = TypeVar("T")

Breaks: TypeAlias = Callable[[P], Coroutine[None, None, Difference | None]]
"""Tries one plan on connectors of its own, and gives what broke under it, if anything did."""

SHRINKS: Final = 60
"""How many plans are tried at most to make one that breaks the law smaller."""

SHARE: Final = 0.25
"""The share of the requests and of the time left that one search may use, so that other laws have some, too."""


@attrs.frozen
class Search(Generic[P]):
    """What came of a search.

    `tried` plans; the smallest `plan` that breaks the law and what `broke` under it, both None where none did; why the search
    `stopped` before it was through, empty where it did not.
    """

    tried: int
    plan: P | None = None
    broke: Difference | None = None
    stopped: str = ""


async def search_plan(plans: SearchStrategy[P], breaks: Breaks[P], meter: Meter) -> Search[P]:
    """Try as many plans as the bounds allow, and make the first one that breaks the law smaller.

    `breaks` is called in tasks of its own, one after the other: what it connects, it disconnects. An error that it raises
    ends the search: at the bounds and without an answer this is a part of what came of it, any other is raised again.
    """
    hunt = _Hunt(breaks, meter)
    # A limiter of its own: the connector may need all the threads that it may have.
    await anyio.to_thread.run_sync(hunt.run, plans, limiter=anyio.CapacityLimiter(1))
    await anyio.lowlevel.checkpoint()  # where the search was cancelled, this raises
    return hunt.result()


class _StopSearch(BaseException):
    """Ends a search at once. hypothesis would take an Exception for one more failure, and look for a smaller one."""


class _BrokenError(Exception):
    """Tells hypothesis that a plan breaks the law."""


class _Hunt(Generic[P]):
    """One search; `run` belongs to a worker thread, the rest to the event loop."""

    def __init__(self, breaks: Breaks[P], meter: Meter) -> None:
        self._breaks: Breaks[P] = breaks
        self._meter = meter
        self._tried = 0
        self._since_broken = 0
        self._best: tuple[P, Difference] | None = None
        self._stopped = ""
        self._error: Exception | None = None
        self._requests = meter.requests + SHARE * meter.requests_left
        self._until = time.monotonic() + SHARE * meter.seconds_left

    def run(self, plans: SearchStrategy[P]) -> None:
        """Let hypothesis draw plans, and smaller ones once one breaks the law."""
        from connector_kit.testing.drawing import hypothesis  # noqa: PLC0415 - an extra, needed only here

        settings = hypothesis.settings(
            database=None,
            deadline=None,
            derandomize=True,
            max_examples=self._meter.bounds.plans,
            phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
            suppress_health_check=list(hypothesis.HealthCheck),  # pyright: ignore[reportArgumentType] - its metaclass hides that this gives members
            verbosity=hypothesis.Verbosity.quiet,
            print_blob=False,
        )

        @settings
        @hypothesis.given(plans)
        def try_plan(plan: P) -> None:
            if self._try(plan) is not None:
                raise _BrokenError

        try:
            try_plan()
        except _StopSearch:
            pass
        except Exception:
            if self._best is None:  # else it is the news that a plan breaks the law, or does so now and then
                raise

    def result(self) -> Search[P]:
        """Say what came of it."""
        if self._error is not None:
            raise self._error
        if self._best is None:
            return Search(self._tried, stopped=self._stopped)
        return Search(self._tried, *self._best, self._stopped)

    def _try(self, plan: P) -> Difference | None:
        self._check_bounds()
        self._tried += 1
        broke: Difference | None
        try:
            broke = anyio.from_thread.run(self._breaks, plan)
        except NoAnswerError as error:  # once is enough: each further one would take as long
            self._best = (plan[: _length(plan)], Difference(str(error)))
            raise _StopSearch from None
        except EnoughError as error:
            self._stopped = str(error)
            raise _StopSearch from None
        except concurrent.futures.CancelledError:  # an Exception, unlike asyncio's
            raise _StopSearch from None
        except Exception as error:  # noqa: BLE001 - raised again once the search has ended
            self._error = error
            raise _StopSearch from None
        if broke is not None and (self._best is None or _size(plan) <= _size(self._best[0])):
            self._best = (plan[: _length(plan)], broke)
        return broke

    def _check_bounds(self) -> None:
        if self._best is not None:
            self._since_broken += 1
            if self._since_broken > SHRINKS:
                raise _StopSearch
        if self._meter.requests > self._requests or time.monotonic() > self._until:
            what = "requests" if self._meter.requests > self._requests else "time"
            self._stopped = f"a plan's share of the {what} allowed is used up; allow more to look at the rest"
            raise _StopSearch


def _size(plan: tuple[object, ...]) -> tuple[int, int]:
    faults = sum(fault is not None for fault in plan)
    return faults, _length(plan)


def _length(plan: tuple[object, ...]) -> int:
    """Count the requests up to the last fault."""
    return max((place for place, fault in enumerate(plan, start=1) if fault is not None), default=0)


def plan_text(plan: Schedule | WirePlan) -> str:
    """Return a plan as Python text that can be pasted: `[None, Fail(TimedOutError)]`."""
    faults = [_fault_text(fault) for fault in plan]
    return f"[{', '.join(faults)}]"


def _fault_text(fault: Fault | WireFault | None) -> str:
    if fault is None:
        return "None"
    given = ""
    match fault:
        case Fail(error) | Cut(error):
            given = getattr(error, "__name__", repr(error))
        case Refuse(float() | int() as wait):
            given = f"retry_after={wait:g}"
        case Stall(seconds) | Hold(seconds):
            given = f"{float(seconds):g}"
        case Answer(status, wait):
            given = f"{status}" if wait is None else f"{status}, retry_after={wait:g}"
        case _:
            pass
    return f"{type(fault).__name__}({given})"


def wire_plans(*, max_in_a_row: int = 2, max_size: int = 12) -> SearchStrategy[WirePlan]:
    """Return plans for a `Wire`, with at most `max_in_a_row` faults one after the other.

    All faults are transient: with more than `max_in_a_row` attempts for each request, a retry gets past all of them.
    """
    from connector_kit.testing.drawing import st  # noqa: PLC0415 - an extra, needed only here

    faults: SearchStrategy[WireFault] = st.one_of(
        st.builds(Answer, st.sampled_from((503, 500)), st.none()),
        st.builds(Answer, st.just(429), st.none() | st.integers(0, 2).map(float)),
        st.builds(CutOff),
        st.builds(Reset),
        st.builds(Hold, st.just(0.02)),
        st.builds(Trickle),
    )
    runs = st.lists(faults, max_size=max_in_a_row)
    return st.lists(runs, max_size=max_size).map(lambda parts: one_after_each(parts, max_size))


def one_after_each(runs: Sequence[Sequence[T]], most: int) -> tuple[T | None, ...]:
    """Return runs of faults one after the other, each followed by a request without one; `most` requests in all."""
    return tuple([each for run in runs for each in (*run, None)][:most])
