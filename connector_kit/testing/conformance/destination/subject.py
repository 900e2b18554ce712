"""The destination under examination, and the sample records that the laws write."""

from __future__ import annotations

import gc
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import anyio
import attrs

from connector_kit.records.catalog import Entity, Field, Scalar
from connector_kit.records.checkpoint import Checkpoint, FingerprintLog, Mode
from connector_kit.testing.conformance.bounds import EnoughError, NoAnswerError
from connector_kit.testing.conformance.examination import IsolatedSubject, Ready
from connector_kit.testing.conformance.law import Findings, Laws

from .fixture import Abandoning, DestinationFixture, FixtureFactory
from .watched import WatchedDestination

if TYPE_CHECKING:
    from connector_kit.protocols import Destination
    from connector_kit.records.page import Record

__all__ = [
    "DESTINATION_LAWS",
    "DestinationSubject",
    "FixtureOrSubject",
    "WatchedDestination",
    "close_quietly",
]

FixtureOrSubject: TypeAlias = "FixtureFactory | DestinationSubject"

MODES: tuple[Mode, ...] = ("append", "upsert", "replace")


# -- what the laws write -----------------------------------------------------------------------------------------------

_FIELDS = (
    Field("id", Scalar.INTEGER, nullable=False),
    Field("name", Scalar.STRING),
    Field("at", Scalar.DATETIME),
)
_START = datetime(2013, 1, 1, 5, tzinfo=UTC)


def entity_named(name: str) -> Entity:
    """Return the sample entity under another name."""
    return Entity(name, _FIELDS, primary_key="id")


ORDERS = entity_named("orders")
LAST = 9
"""The number of the checkpoint that a finished read ends with."""


def pages(*numbers: int, of: str = "") -> list[Record]:
    """Return the records of these pages, the first being 1: two each, with keys of their own; `of` is in their names."""
    return [_record(key, of) for number in numbers for key in (2 * number - 1, 2 * number)]


def _record(key: int, of: str) -> dict[str, Any]:
    return {"id": key, "name": f"{of} {key}".strip(), "at": _START + timedelta(minutes=key)}


def reached(mode: Mode, number: int, entity: str = "orders", *, complete: bool = False) -> Checkpoint:
    """Return the checkpoint after page `number`. Its log is another one after each page, written anew."""
    return Checkpoint(
        "conformance",
        entity,
        mode,
        cursor={"page": number},
        watermark=_START + timedelta(minutes=2 * number),
        rows=2 * number,
        pages=number,
        complete=complete,
        log=FingerprintLog(0, f"the log after page {number}".encode()),
    )


# -- what is examined --------------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class DestinationSubject(IsolatedSubject):
    """One author's fixtures, and what an examination of their destinations shares.

    ordered: whether rows are read back in the order in which they were written; False for a store that has none.
    """

    kind = "destination"
    unblock = "wait for threads and locks no longer than a time limit, and in a worker thread"
    let_cancel = "wait for threads and locks no longer than a time limit, and let cancellation pass"

    new_fixture: FixtureFactory
    ordered: bool = attrs.field(default=True, kw_only=True)
    _modes: tuple[Mode, ...] | None = attrs.field(default=None, init=False)
    _no_crashes: str | None = attrs.field(default=None, init=False)

    @classmethod
    def of(cls, subject: FixtureOrSubject) -> DestinationSubject:
        """Return a subject for what a law was called with."""
        return subject if isinstance(subject, DestinationSubject) else cls(subject)

    def tell(self, error: Exception, findings: Findings, /) -> None:
        """Turn an error that came out of a law into a part of the verdict."""
        match error:
            case EnoughError():
                findings.unchecked(str(error))
            case NoAnswerError():
                findings.broken(
                    str(error),
                    expected="every call to end",
                    mend="look for a lock that is not released, or allow more time for one call (call_seconds)",
                )
            case _:
                findings.broken(
                    f"{type(error).__name__} came out: {error}",
                    expected="a fixture and its destination to do as they are asked",
                    mend="see the error; the methods of the fixture are called by the laws, too",
                )

    async def prepare(self) -> Ready:
        """Open a destination at a new fixture, and return its name or why that is not possible."""
        name = "destination"
        try:
            fixture = self.new_fixture()
            if not _is_fixture(fixture):
                kind = type(fixture).__name__
                expected = "an object with destination() and rows(entity); see `DestinationFixture`"
                return Ready(
                    name, f"the factory of fixtures gave {kind!r}, which is no fixture; expected {expected}"
                )
            made = fixture.destination()
            name = type(made).__name__
            if not self.modes():
                return Ready(
                    name, "it says it has no mode; expected some of append, upsert and replace in `modes`"
                )
            destination = self.watched(made)
            try:
                await destination.open()
            finally:
                await close_quietly(destination)
        except Exception as error:  # noqa: BLE001 - whatever an author's code raises is told, not passed on
            return Ready(name, f"it cannot be opened at a new fixture: {type(error).__name__}: {error}")
        return Ready(name)

    def watched(self, destination: Destination) -> WatchedDestination:
        """Watch a destination, not yet opened."""
        return WatchedDestination(destination, self.meter)

    def modes(self) -> tuple[Mode, ...]:
        """Return the modes the destinations say they have, those that the kit knows."""
        if self._modes is None:
            said = self.new_fixture().destination().modes
            self._modes = tuple(mode for mode in MODES if mode in said)
        return self._modes

    def any_mode(self) -> Mode:
        """Return the mode for what does not depend on one."""
        return self.modes()[0]

    async def why_no_crashes(self) -> str:
        """Say why a crash between two calls cannot be simulated; empty where it can be.

        A fixture without `abandon` may hold on to a lock until `close`, which a dead process would not; then the
        destination is not at fault.
        """
        if self._no_crashes is None:
            fixture = self.new_fixture()
            self._no_crashes = "" if isinstance(fixture, Abandoning) else await self._try_to_crash(fixture)
        return self._no_crashes

    async def _try_to_crash(self, fixture: DestinationFixture) -> str:
        mode = self.any_mode()
        for number in (1, 2):
            destination = self.watched(fixture.destination())
            try:
                await destination.open()
                await destination.start(ORDERS, mode)
                await destination.write(ORDERS.name, pages(number), reached(mode, number))
            except EnoughError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it says that this cannot be simulated
                await close_quietly(destination)
                return (
                    f"crashes between calls: a destination that was left open cannot be followed by another one "
                    f"({error}); give the fixture an abandon(destination), see `Abandoning`"
                )
            if number == 1:
                _let_go(destination)
            else:
                await close_quietly(destination)
        return ""

    async def crash(
        self, fixture: DestinationFixture, destination: WatchedDestination, *, killed: bool = False
    ) -> None:
        """Let go of a destination as if its process were gone.

        Close it where that cannot be simulated, unless it was killed before: then it can do no more.
        """
        if isinstance(fixture, Abandoning):
            fixture.abandon(destination.inner)
        elif not killed and await self.why_no_crashes():
            await destination.close()
        else:
            _let_go(destination)


DESTINATION_LAWS: Final[Laws[DestinationSubject, FixtureFactory]] = Laws(
    "a destination",
    DestinationSubject.of,
    "connector_kit.testing.conformance.destination",
    "bad_records call_sequences checkpoints entities interruption modes refusals states values",
)


def _is_fixture(made: object) -> bool:  # it may be anything: nobody has looked at it yet
    return isinstance(made, DestinationFixture)


def _let_go(destination: WatchedDestination) -> None:
    del destination.inner
    gc.collect()  # what an abandoned destination holds through cycles, too: connections, files


async def close_quietly(destination: WatchedDestination) -> None:
    """Close after something else has gone wrong, which must not be hidden by another error."""
    with suppress(Exception), anyio.CancelScope(shield=True):
        await destination.close()
