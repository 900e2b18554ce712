"""One scenario at one new place: what a law does there and what it finds, in the words of the contract."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NoReturn

import attrs

from connector_kit.errors import ConnectorError
from connector_kit.records.checkpoint import Mode
from connector_kit.testing.conformance.bounds import EnoughError, NoAnswerError
from connector_kit.testing.conformance.law import Findings

from .alike import checkpoint_difference, difference
from .place import Place
from .samples import LAST, ORDERS, page, reached
from .subject import DestinationSubject, close_quietly
from .watched import WatchedDestination

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from connector_kit.records.catalog import Entity
    from connector_kit.records.checkpoint import Checkpoint
    from connector_kit.records.page import Record

__all__ = ["Trial", "trial"]


class _OverError(Exception):
    """The scenario is over: what it has shown is in the findings. Never leaves this module."""


@attrs.define(eq=False)
class Trial:
    """A place from empty on, and the destination that is open there.

    What differs from the contract becomes evidence and ends the scenario.
    """

    scenario: str
    place: Place
    destination: WatchedDestination
    _subject: DestinationSubject
    _found: Findings
    _modes: dict[str, Mode] = attrs.field(factory=dict, init=False)

    # -- what is done ---------------------------------------------------------------------------------------------

    async def start(self, mode: Mode, entity: Entity = ORDERS, *, resume: bool = True) -> Checkpoint | None:
        """Start a read and give its checkpoint."""
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
        await self.destination.write(entity, page(number) if records is None else records, checkpoint)

    async def finish(self, entity: str = ORDERS.name) -> None:
        """Finish a read."""
        await self.destination.finish(entity, self.last(entity))

    async def complete(self, mode: Mode, *numbers: int, entity: Entity = ORDERS) -> None:
        """Read these pages from start to finish."""
        await self.start(mode, entity)
        for number in numbers:
            await self.write(number, entity=entity.name)
        await self.finish(entity.name)

    async def reopen(self) -> None:
        """Close, and open another destination at the same place."""
        await self.destination.close()
        await self.open()

    async def crash(self) -> None:
        """Let the process be gone, and open another destination at the same place."""
        if why_not := await self._subject.crashes():
            self._found.unchecked(why_not)
        await self._subject.crash(self.place, self.destination)
        await self.open()

    async def open(self) -> None:
        """Open a new destination here, whatever became of the one before."""
        self.destination = self._subject.watched(self.place.destination())
        await self.destination.open()

    # -- what is expected -----------------------------------------------------------------------------------------

    def last(self, entity: str = ORDERS.name) -> Checkpoint:
        """Give the checkpoint that `finish` stores."""
        return reached(self._modes[entity], LAST, entity, complete=True)

    def rows_are(
        self,
        wanted: Sequence[Record],
        when: str,
        *,
        mend: str = "",
        entity: str = ORDERS.name,
        ordered: bool = True,
    ) -> None:
        """Compare what a reader sees with what has to be there."""
        rows = self.place.rows(entity)
        differs = difference(wanted, rows, ordered=ordered and self._subject.ordered)
        if differs is not None:
            self.broken(f"{when}: {differs.what}", mend=mend, entity=entity, records=differs.records)

    def given_is(
        self,
        given: Checkpoint | None,
        wanted: Checkpoint | int | None,
        when: str,
        *,
        mend: str = "",
        entity: str = ORDERS.name,
    ) -> None:
        """Compare the checkpoint that was given with the one that has to be; a number is that of its page."""
        if isinstance(wanted, int):
            wanted = reached(self._modes[entity], wanted, entity)
        if differs := checkpoint_difference(wanted, given):
            self.broken(f"{when}: the checkpoint differs: {differs}", mend=mend, entity=entity)

    async def stored_is(
        self,
        wanted: Checkpoint | int | None,
        when: str,
        *,
        mend: str = "",
        entity: str = ORDERS.name,
    ) -> None:
        """Compare what `checkpoints` gives for the entity with what has to be."""
        given = (await self.destination.checkpoints()).get(entity)
        self.given_is(given, wanted, f"{when}, checkpoints()", mend=mend, entity=entity)

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
        self._found.broken(
            f"{self.scenario}: {what}", expected=expected, mend=mend, entity=entity, records=records
        )
        raise _OverError

    def unchecked(self, what: str) -> None:
        """Say what was not looked at."""
        self._found.unchecked(what)

    def skip(self, why: str) -> NoReturn:
        """Say why nothing more can be looked at, and end the scenario."""
        self._found.unchecked(why)
        raise _OverError


@asynccontextmanager
async def trial(
    subject: DestinationSubject, found: Findings, scenario: str, *, told: bool = True
) -> AsyncIterator[Trial]:
    """Give an open destination at a new place for the length of a scenario, and tell how that ended.

    Evidence and errors end the block; the law goes on with its next scenario. Only the bounds, and a call that does
    not come back, end the law. What held is not `told` where there are many scenarios of a kind.
    """
    place = subject.places()
    destination = subject.watched(place.destination())
    at = Trial(scenario, place, destination, subject, found)
    try:
        await destination.open()
        yield at
        await at.destination.close()
    except _OverError:
        await close_quietly(at.destination)
    except (EnoughError, NoAnswerError):
        await close_quietly(at.destination)
        raise
    except Exception as error:  # noqa: BLE001 - whatever an author's destination raises is told, not passed on
        _tell(at, error, found)
        await close_quietly(at.destination)
    except BaseException:
        await close_quietly(at.destination)
        raise
    else:
        if told:
            found.checked(scenario)


def _tell(at: Trial, error: Exception, found: Findings) -> None:
    kind = type(error).__name__
    what = f"{at.scenario}: {kind} came out, the last call being {at.destination.call}: {error}"
    if isinstance(error, ConnectorError):
        found.broken(what, expected="the call to be carried out", mend="see the error")
    else:
        found.broken(
            what,
            expected="the call to be carried out, or a DestinationError",
            mend="raise DestinationError from the store's own errors",
        )
