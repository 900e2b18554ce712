"""Random sequences of calls, crashes and reopenings, played on a destination and on the plain model of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio.from_thread
import anyio.to_thread
import attrs

from connector_kit.errors import ConfigError
from connector_kit.records.catalog import Entity, Field, Scalar
from connector_kit.records.checkpoint import Mode
from connector_kit.testing.conformance.bounds import EnoughError, NoAnswerError

from .model import Model
from .stored_values import with_size_alone
from .subject import DESTINATION_LAWS, DestinationSubject, close_quietly, reached

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from connector_kit.records.checkpoint import Checkpoint, EntityState
    from connector_kit.testing.conformance.law import Findings

    from .subject import FixtureOrSubject
    from .watched import WatchedDestination

__all__ = ["Crash", "Finish", "Reopen", "ResetEntity", "Start", "Step", "Write", "replay", "sequences"]


@attrs.frozen
class Start:
    """Start a read of an entity."""

    entity: str
    mode: Mode
    resume: bool = True


@attrs.frozen
class Write:
    """Write a page, with a checkpoint or without; nothing where no read is under way."""

    entity: str
    records: Sequence[Mapping[str, Any]]
    covered: bool = True


@attrs.frozen
class Finish:
    """Finish the read; nothing where none is under way."""

    entity: str


@attrs.frozen
class ResetEntity:
    """ResetEntity an entity."""

    entity: str


@attrs.frozen
class Crash:
    """The process is gone, another one opens the fixture."""


@attrs.frozen
class Reopen:
    """Close, and open the fixture anew."""


Step: TypeAlias = Start | Write | Finish | ResetEntity | Crash | Reopen

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
    lambda entity: [ResetEntity(entity)],
)
"""How a read ends; one that is left open goes on beside the next."""


@DESTINATION_LAWS.law(
    16,
    "sequences",
    "After any sequence of starts, writes, finishes, resets, crashes and reopenings, rows and checkpoints are what a plain "
    "model says.",
)
async def sequences(subject: DestinationSubject, found: Findings) -> None:
    """Draw sequences, and shrink the first that goes wrong to the smallest one that still does.

    Needs hypothesis; without it, nothing is checked and the verdict says so.
    """
    try:
        failed = await _first_failure(subject)
    except ConfigError as error:
        found.unchecked(str(error))
        return
    if why_not := await subject.why_no_crashes():
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
        mend="play the steps again with `replay` of connector_kit.testing.call_sequences",
        plan=repr(steps),
    )


class _DivergedError(Exception):
    """What hypothesis shrinks. Never leaves this module."""


class _TimeIsOver(BaseException):
    """Ends the search at once; hypothesis would take an Exception for a failure. Never leaves this module."""


async def _first_failure(subject: DestinationSubject) -> tuple[list[Step], str] | int:
    """Return the smallest sequence that goes wrong, and what does; where none was found, how many were played.

    hypothesis is synchronous: it draws in a worker thread, and each sequence is played in the caller's loop.
    """
    failed: list[tuple[list[Step], str]] = []
    ended: list[Exception] = []
    played = 0
    share = _SHARE * subject.bounds.seconds
    until = time.monotonic() + share

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
                until = time.monotonic() + share
            failed.append((steps, complaint))
            raise _DivergedError(complaint)

    drawn = _sequences(subject.modes())

    def search_in_time() -> None:
        from connector_kit.testing.drawing import search  # noqa: PLC0415 - an extra, needed only here

        with suppress(_TimeIsOver):
            search(drawn, play, _MOST * subject.bounds.plans)

    try:
        await anyio.to_thread.run_sync(search_in_time)
    except Exception:
        if not failed:
            raise
    return min(failed, key=lambda each: (len(each[0]), len(repr(each[0])))) if failed else played


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


def _sequences(modes: tuple[Mode, ...]) -> SearchStrategy[list[Step]]:
    """Return what draws sequences."""
    try:
        from hypothesis import strategies as st  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError(
            "random sequences need hypothesis, which is not installed; expected the extra 'testing'; "
            "pip install 'connector-kit[testing]'"
        ) from error

    def read(
        entity: str, start: tuple[Mode, bool], writes: list[tuple[Any, bool]], end: _Ending
    ) -> list[Step]:
        return [Start(entity, *start), *(Write(entity, *each) for each in writes), *end(entity)]

    record = st.fixed_dictionaries(
        {"id": st.integers(1, 6)}, optional={"name": st.text("ab", max_size=2), "size": st.integers(0, 9)}
    )
    yes = st.booleans().map(lambda drawn: not drawn)  # what shrinks to True
    start = st.tuples(st.sampled_from(modes), yes)
    writes = st.lists(st.tuples(st.lists(record, max_size=4), yes), max_size=3)
    reads = st.builds(read, st.sampled_from(["orders", "customers"]), start, writes, st.sampled_from(_ENDS))
    return st.lists(reads, min_size=1, max_size=_MOST_READS).map(
        lambda drawn: list(chain.from_iterable(drawn))
    )


# -- playing one sequence ----------------------------------------------------------------------------------------------


async def replay(subject: FixtureOrSubject, steps: Sequence[Step], /) -> str:
    """Play steps at a new fixture and compare after each; say what differs first, or nothing.

    Entities are "orders" and "customers", their records have an integer `id` and whatever else.
    """
    player = _SequencePlayer(DestinationSubject.of(subject))
    await player.open()
    try:
        for number, step in enumerate(steps, 1):
            if complaint := await player.take(number, step):
                return f"after step {number}, {type(step).__name__}: {complaint}"
    finally:
        await close_quietly(player.destination)
    return ""


class _SequencePlayer:
    """A fixture, and the models of its entities."""

    destination: WatchedDestination

    def __init__(self, subject: DestinationSubject) -> None:
        self._subject = subject
        self._models = {name: Model(subject.ordered) for name in ("orders", "customers")}
        self._fixture = subject.new_fixture()

    async def open(self) -> None:
        self.destination = self._subject.watched(self._fixture.destination())
        await self.destination.open()

    async def take(self, number: int, step: Step) -> str:
        """Take one step, and say what differs."""
        try:
            return await self._take(number, step) or await self._compare()
        except (EnoughError, NoAnswerError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever an author's destination raises is told
            return f"{self.destination.call} raised {type(error).__name__}: {error}"

    async def _take(self, number: int, step: Step) -> str:
        match step:
            case Start(entity, mode, resume) if self._models[entity].takes(mode):
                kind = Entity(entity, (Field("id", Scalar.INTEGER, nullable=False),), primary_key="id")
                given = await self.destination.start(kind, mode, resume=resume)
                return self._models[entity].start(mode, given, self._fixture.rows(entity), resume=resume)
            case Write(entity, records, covered) if writing := self._models[entity].mode:
                checkpoint = reached(writing, number, entity) if covered else None
                await self.destination.write(entity, records, checkpoint)
                self._models[entity].write(records, checkpoint)
            case Finish(entity) if finishing := self._models[entity].mode:
                checkpoint = reached(finishing, number, entity, complete=True)
                await self.destination.finish(entity, checkpoint)
                self._models[entity].finish(checkpoint)
            case ResetEntity(entity):
                await self.destination.reset(entity)
                self._models[entity].reset()
            case Crash():
                await self._subject.crash(self._fixture, self.destination)
                await self._reopened()
            case Reopen():
                await self.destination.close()
                await self._reopened()
            case _:
                pass  # a write or a finish without a start is looked at elsewhere
        return ""

    async def _reopened(self) -> None:
        await self.open()
        for model in self._models.values():
            model.mode = None

    async def _compare(self) -> str:
        given = await self.destination.states()
        for entity, model in self._models.items():
            if complaint := model.complaint(self._fixture.rows(entity), _checkpoint_in(given, entity)):
                return f"{entity}: {complaint}"
        return ""


def _checkpoint_in(states: Mapping[str, EntityState], entity: str) -> Checkpoint | None:
    return with_size_alone(states[entity].checkpoint) if entity in states else None
