"""One scenario at one new fixture: what a law does there, what it expects, and what it finds."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NoReturn, TypeAlias

import attrs

from connector_kit.errors import ConnectorError
from connector_kit.records.checkpoint import Mode
from connector_kit.testing.conformance.bounds import EnoughError, NoAnswerError
from connector_kit.testing.conformance.law import Findings

from .fixture import DestinationFixture
from .stored_values import checkpoint_difference, rows_difference, with_size_alone
from .subject import LAST, ORDERS, DestinationSubject, close_quietly, pages, reached
from .watched import WatchedDestination

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from connector_kit.records.catalog import Entity
    from connector_kit.records.checkpoint import Checkpoint
    from connector_kit.records.page import Record

__all__ = ["Scenario", "scenario"]


_Wanted: TypeAlias = "Checkpoint | int | None"
"""A checkpoint that has to be; a number is that of its page."""


class _OverError(Exception):
    """The scenario is over: what it has shown is in the findings. Never leaves this module."""


@attrs.define(eq=False)
class Scenario:
    """A fixture from empty on, and the destination that is open there.

    What differs from the contract becomes evidence and ends the scenario. `mend_rows` and `mend_checkpoint` are how to
    mend that, where a call says nothing else.
    """

    found: Findings
    name: str
    fixture: DestinationFixture
    destination: WatchedDestination
    mend_rows: str
    mend_checkpoint: str
    _subject: DestinationSubject
    _modes: dict[str, Mode] = attrs.field(factory=dict[str, Mode], init=False)

    # -- what is done ---------------------------------------------------------------------------------------------

    async def start(self, mode: Mode, entity: Entity = ORDERS, *, resume: bool = True) -> Checkpoint | None:
        """Start a read and return its checkpoint."""
        self._modes[entity.name] = mode
        return await self.destination.start(entity, mode, resume=resume)

    async def write(
        self,
        number: int,
        records: Sequence[Record] | None = None,
        *,
        entity: str = ORDERS.name,
        covered: bool = True,
    ) -> None:
        """Write page `number`, with its checkpoint if `covered`."""
        checkpoint = reached(self._modes[entity], number, entity) if covered else None
        await self.destination.write(entity, pages(number) if records is None else records, checkpoint)

    async def begin(self, mode: Mode, *numbers: int, entity: Entity = ORDERS) -> None:
        """Start a read and write these pages, each with its checkpoint."""
        await self.start(mode, entity)
        for number in numbers:
            await self.write(number, entity=entity.name)

    async def finish(self, *numbers: int, entity: str = ORDERS.name) -> None:
        """Write these pages, each with its checkpoint, and finish the read."""
        for number in numbers:
            await self.write(number, entity=entity)
        await self.destination.finish(entity, self.last(entity))

    async def store(self, mode: Mode, entity: Entity, *written: Sequence[Record]) -> None:
        """Read these records, a sequence for each page, from start to finish."""
        await self.start(mode, entity)
        for number, records in enumerate(written, 1):
            await self.write(number, records, entity=entity.name)
        await self.finish(entity=entity.name)

    async def complete(self, mode: Mode, *numbers: int, entity: Entity = ORDERS) -> None:
        """Read these pages from start to finish."""
        await self.begin(mode, *numbers, entity=entity)
        await self.finish(entity=entity.name)

    async def interrupt(self, way: str) -> None:
        """Crash or close, and open another destination there; or do nothing of it ("start again")."""
        if way == "crash":
            await self.crash()
        elif way == "close":
            await self.reopen()

    async def reopen(self) -> None:
        """Close, and open another destination there."""
        await self.destination.close()
        await self.open()

    async def crash(self) -> None:
        """Let the process be gone, and open another destination there."""
        if why_not := await self._subject.why_no_crashes():
            self.found.unchecked(why_not)
        await self._subject.crash(self.fixture, self.destination)
        await self.open()

    async def open(self) -> None:
        """Open a new destination there, whatever became of the one before."""
        self.destination = self._subject.watched(self.fixture.destination())
        await self.destination.open()

    # -- what is expected -----------------------------------------------------------------------------------------

    def last(self, entity: str = ORDERS.name) -> Checkpoint:
        """Return the checkpoint that `finish` stores."""
        return reached(self._modes[entity], LAST, entity, complete=True)

    def rows_are(
        self,
        wanted: Sequence[Record],
        when: str,
        *,
        mend: str | None = None,
        entity: str = ORDERS.name,
        ordered: bool = True,
    ) -> None:
        """Compare what a reader sees with what has to be there. Where an upserted row stands is not promised."""
        ordered = ordered and self._subject.ordered and self._modes.get(entity) != "upsert"
        differs = rows_difference(wanted, self.fixture.rows(entity), ordered=ordered)
        if differs is not None:
            mend = self.mend_rows if mend is None else mend
            self.broken(f"{when}: {differs.what}", mend=mend, entity=entity, records=differs.records)

    async def start_gives(self, wanted: _Wanted, mode: Mode, when: str, *, mend: str | None = None) -> None:
        """Start a read of the orders, and compare its checkpoint with what has to be."""
        self.checkpoint_is(await self.start(mode), wanted, when, mend=mend)

    async def stored_is(
        self, wanted: _Wanted, when: str, *, mend: str | None = None, entity: str = ORDERS.name
    ) -> None:
        """Compare what `states` gives for the entity with what has to be."""
        given = await self.destination.stored(entity)
        wanted = with_size_alone(self._expected(wanted, entity))
        self.checkpoint_is(given, wanted, f"{when}, states()", mend=mend, entity=entity)

    def checkpoint_is(
        self,
        given: Checkpoint | None,
        wanted: _Wanted,
        when: str,
        *,
        mend: str | None = None,
        entity: str = ORDERS.name,
    ) -> None:
        """Compare a checkpoint with the one that has to be."""
        if differs := checkpoint_difference(self._expected(wanted, entity), given):
            mend = self.mend_checkpoint if mend is None else mend
            self.broken(f"{when}: the checkpoint differs: {differs}", mend=mend, entity=entity)

    def _expected(self, wanted: _Wanted, entity: str) -> Checkpoint | None:
        return reached(self._modes[entity], wanted, entity) if isinstance(wanted, int) else wanted

    def broken(
        self,
        what: str,
        *,
        expected: str = "",
        mend: str = "",
        entity: str | None = None,
        records: tuple[str, ...] = (),
    ) -> NoReturn:
        """Add evidence and end the scenario."""
        self.found.broken(
            f"{self.name}: {what}", expected=expected, mend=mend, entity=entity, records=records
        )
        raise _OverError

    def skip(self, why: str) -> NoReturn:
        """Say why nothing more can be looked at, and end the scenario."""
        self.found.unchecked(why)
        raise _OverError


@asynccontextmanager
async def scenario(
    subject: DestinationSubject,
    found: Findings,
    name: str,
    *,
    mend_rows: str = "",
    mend_checkpoint: str = "",
    report: bool = True,
) -> AsyncGenerator[Scenario]:
    """Yield a scenario with an open destination at a new fixture, and tell how it ended.

    Evidence and errors end the block; the law goes on with its next scenario. Only the bounds, and a call that does
    not come back, end the law. What held is told unless `report` is false, as for many scenarios of a kind.
    """
    fixture = subject.new_fixture()
    destination = subject.watched(fixture.destination())
    at = Scenario(found, name, fixture, destination, mend_rows, mend_checkpoint, subject)
    try:
        await destination.open()
        yield at
        await at.destination.close()
    except BaseException as error:
        if isinstance(error, Exception) and not isinstance(error, _OverError | EnoughError | NoAnswerError):
            _tell(at, error)
        await close_quietly(at.destination)
        if not isinstance(error, Exception) or isinstance(error, EnoughError | NoAnswerError):
            raise
    else:
        if report:
            found.checked(name)


def _tell(at: Scenario, error: Exception) -> None:
    known = isinstance(error, ConnectorError)
    at.found.broken(
        f"{at.name}: {type(error).__name__} came out, the last call being {at.destination.call}: {error}",
        expected="the call to be carried out" + ("" if known else ", or a DestinationError"),
        mend="see the error" if known else "raise DestinationError from the store's own errors",
    )
