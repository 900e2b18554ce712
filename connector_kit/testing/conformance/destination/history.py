"""Law 16: after any sequence of calls and crashes, rows and checkpoints are what a plain model says."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio.from_thread
import anyio.to_thread

from connector_kit.errors import ConfigError
from connector_kit.testing.conformance.bounds import EnoughError, NoAnswerError

from .subject import DESTINATION_LAWS
from .walk import Crash, Finish, Reopen, Reset, Start, Step, Write, replay

if TYPE_CHECKING:
    from connector_kit.records.checkpoint import Mode
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["history"]


_MOST_READS = 5
_FEWEST, _MOST = 4, 16
"""Sequences for each plan of the bounds: they are cheap, and what they look for is rare. With the fewest, each of the wrong
destinations of tests/zoo_destinations is missed now and then, with the most none is. Less than the fewest is told.
"""

_SHARE = 0.05
"""Of the time allowed for all laws: so long to look for a sequence that goes wrong, and as long to make it smaller."""

_Ending: TypeAlias = Callable[[str], list[Step]]
_ENDS: tuple[_Ending, ...] = (
    lambda _: [],
    lambda entity: [Finish(entity)],
    lambda entity: [Finish(entity), Crash()],
    lambda _: [Crash()],
    lambda _: [Reopen()],
    lambda entity: [Reset(entity)],
)
"""How a read ends; one that is left open goes on beside the next."""


def _read(
    entity: str,
    start: tuple[Mode, bool],
    writes: list[tuple[list[dict[str, Any]], bool]],
    end: _Ending,
) -> list[Step]:
    mode, resume = start
    pages = [Write(entity, records, covered) for records, covered in writes]
    return [Start(entity, mode, resume), *pages, *end(entity)]


@DESTINATION_LAWS.law(
    16,
    "history",
    "After any sequence of starts, writes, finishes, resets, crashes and reopenings, rows and checkpoints are what a plain "
    "model says.",
)
async def history(subject: DestinationSubject, found: Findings) -> None:
    """Draw sequences, and shrink the first that goes wrong to the smallest one that still does.

    Needs hypothesis; without it, nothing is checked and the verdict says so.
    """
    try:
        failed = await _first_failure(subject)
    except ConfigError as error:
        found.unchecked(str(error))
        return
    if why_not := await subject.crashes():
        found.unchecked(why_not)
    if isinstance(failed, int):
        found.checked(f"{failed} sequences of up to {_MOST_READS} reads")
        if failed < (wanted := _FEWEST * subject.bounds.plans):
            share = f"{_SHARE * subject.bounds.seconds:g} s"
            found.unchecked(f"{wanted - failed} more sequences: their share of the time, {share}, was over")
        return
    steps, complaint = await _smallest(subject, *failed)
    found.broken(
        complaint,
        expected="what the calls before it have left, see docs/reference/laws.md",
        mend="play the steps again with `replay` of connector_kit.testing.conformance.destination.walk",
        plan=repr(steps),
    )


class _DivergedError(Exception):
    """What hypothesis shrinks. Never leaves this module."""


class _TimeIsOver(BaseException):
    """Ends the search at once; hypothesis would take an Exception for a failure. Never leaves this module."""


async def _first_failure(subject: DestinationSubject) -> tuple[list[Step], str] | int:
    """Give the smallest sequence that goes wrong, and what does; where none was found, how many were played.

    hypothesis is synchronous: it draws in a worker thread, and each sequence is played in the caller's loop.
    """
    failed: list[tuple[list[Step], str]] = []
    ended: list[Exception] = []
    played = 0
    until = time.monotonic() + _SHARE * subject.bounds.seconds

    def play(steps: list[Step]) -> None:
        nonlocal played, until
        if ended:
            raise ended[0]
        if time.monotonic() > until:
            raise _TimeIsOver
        try:
            complaint = anyio.from_thread.run(replay, subject, steps)
        except (EnoughError, NoAnswerError) as error:
            ended.append(error)
            raise
        played += 1
        if complaint:
            if not failed:
                until = time.monotonic() + _SHARE * subject.bounds.seconds
            failed.append((steps, complaint))
            raise _DivergedError(complaint)

    examine = _examination(play, subject.modes(), _MOST * subject.bounds.plans)

    def search() -> None:
        with suppress(_TimeIsOver):
            examine()

    try:
        await anyio.to_thread.run_sync(search)
    except Exception:
        if not failed:
            raise
    return min(failed, key=_size) if failed else played


def _size(failed: tuple[list[Step], str]) -> tuple[int, int]:
    steps, _ = failed
    return len(steps), len(repr(steps))


async def _smallest(subject: DestinationSubject, steps: list[Step], complaint: str) -> tuple[list[Step], str]:
    """Leave out every step that can be left out. hypothesis shrinks by reads, and rarely merges two of them."""
    position = 0
    while position < len(steps):
        fewer = [*steps[:position], *steps[position + 1 :]]
        try:
            still = await replay(subject, fewer)
        except (EnoughError, NoAnswerError):
            break
        if still:
            steps, complaint, position = fewer, still, 0
        else:
            position += 1
    return steps, complaint


def _examination(play: Any, modes: tuple[Mode, ...], sequences: int) -> Any:
    try:
        from hypothesis import HealthCheck, Phase, Verbosity, given, settings  # noqa: PLC0415 - an extra
        from hypothesis import strategies as st  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError(
            "random sequences need hypothesis, which is not installed; expected the extra 'testing'; "
            "pip install 'connector-kit[testing]'"
        ) from error
    record = st.fixed_dictionaries(
        {"id": st.integers(1, 6)}, optional={"name": st.text("ab", max_size=2), "size": st.integers(0, 9)}
    )
    yes = st.booleans().map(lambda drawn: not drawn)  # what shrinks to True
    start = st.tuples(st.sampled_from(modes), yes)
    writes = st.lists(st.tuples(st.lists(record, max_size=4), yes), max_size=3)
    reads = st.builds(_read, st.sampled_from(["orders", "customers"]), start, writes, st.sampled_from(_ENDS))
    steps = st.lists(reads, min_size=1, max_size=_MOST_READS).map(
        lambda drawn: list(chain.from_iterable(drawn))
    )
    return settings(
        database=None,
        deadline=None,
        derandomize=True,
        max_examples=sequences,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
    )(given(steps)(play))
