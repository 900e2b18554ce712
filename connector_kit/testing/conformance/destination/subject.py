"""What is examined: the destinations of one author's places, with bounds that all laws share."""

from __future__ import annotations

import gc
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
import attrs

from connector_kit.records.checkpoint import Mode
from connector_kit.testing.conformance.bounds import Bounds, EnoughError, Meter, NoAnswerError
from connector_kit.testing.conformance.examination import Advice, Ready
from connector_kit.testing.conformance.law import Findings, Laws

from .place import Abandoning, Place, Places
from .samples import ORDERS, page, reached
from .watched import WatchedDestination

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connector_kit.protocols import Destination

__all__ = ["DESTINATION_LAWS", "DestinationSubject", "PlaceOrSubject", "close_quietly"]

PlaceOrSubject: TypeAlias = "Places | DestinationSubject"

_MODES: tuple[Mode, ...] = ("append", "upsert", "replace")


@attrs.define(eq=False)
class DestinationSubject:
    """Places, and what an examination of their destinations shares.

    ordered: whether rows are read back in the order in which they were written; False for a store that has none.
    """

    places: Places
    bounds: Bounds = attrs.field(factory=Bounds, kw_only=True)
    ordered: bool = attrs.field(default=True, kw_only=True)
    meter: Meter = attrs.field(init=False)
    findings: Findings | None = attrs.field(default=None, init=False)
    """Of the law that is being looked at, for whoever has to stop it."""
    secrets: tuple[str, ...] = attrs.field(default=(), init=False)
    _modes: tuple[Mode, ...] | None = attrs.field(default=None, init=False)
    _held_on: str | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.meter = Meter(self.bounds)

    @classmethod
    def of(cls, subject: PlaceOrSubject) -> DestinationSubject:
        """Give a subject for what a law was called with."""
        return subject if isinstance(subject, DestinationSubject) else cls(subject)

    @property
    def requests(self) -> int:
        """How many calls were made so far."""
        return self.meter.requests

    async def run_law(self, look: Callable[[], Awaitable[None] | None], /) -> None:
        """Run a law."""
        looking = look()
        if looking is not None:
            await looking

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
                    expected="a place and its destination to do as they are asked",
                    mend="see the error; the methods of the place are called by the laws, too",
                )

    @property
    def advice(self) -> Advice:
        """What is said of a destination that does not come back."""
        return _ADVICE

    async def prepare(self) -> Ready:
        """Open a destination at a new place."""
        name = "destination"
        try:
            place: object = self.places()  # it may be anything: nobody has looked at it yet
            if not isinstance(place, Place):
                return Ready(
                    name,
                    f"places() gave {type(place).__name__!r}, which is no place; expected an object with destination() "
                    "and rows(entity); see `Place`",
                )
            made = place.destination()
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
            return Ready(name, f"it cannot be opened at a new place: {type(error).__name__}: {error}")
        return Ready(name)

    async def refusal(self) -> str:
        """Return nothing: a destination has no quota."""
        return ""

    def watched(self, destination: Destination) -> WatchedDestination:
        """Watch a destination, not yet opened."""
        return WatchedDestination(destination, self.meter)

    def modes(self) -> tuple[Mode, ...]:
        """Give the modes the destinations say they can do, those that the kit knows."""
        if self._modes is None:
            said = self.places().destination().modes
            self._modes = tuple(mode for mode in _MODES if mode in said)
        return self._modes

    def any_mode(self) -> Mode:
        """Give the mode for what does not depend on one."""
        return self.modes()[0]

    async def crashes(self) -> str:
        """Say why a crash between two calls cannot be simulated; empty where it can be.

        A place without `abandon` may hold on to a lock until `close`, which a dead process would not; then it is not
        the destination that is at fault.
        """
        if self._held_on is None:
            place = self.places()
            self._held_on = "" if isinstance(place, Abandoning) else await self._why_held_on(place)
        return self._held_on

    async def _why_held_on(self, place: Place) -> str:
        mode = self.any_mode()
        for number in (1, 2):
            destination = self.watched(place.destination())
            try:
                await destination.open()
                await destination.start(ORDERS, mode)
                await destination.write(ORDERS.name, page(number), reached(mode, number))
            except EnoughError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it says that this cannot be simulated
                await close_quietly(destination)
                return (
                    f"crashes between calls: a destination that was left open cannot be followed by another one "
                    f"({error}); give the place an abandon(destination), see `Abandoning`"
                )
            if number == 1:
                _let_go(destination)
            else:
                await close_quietly(destination)
        return ""

    async def crash(self, place: Place, destination: WatchedDestination, *, killed: bool = False) -> None:
        """Let go of a destination as if its process were gone.

        Close it where that cannot be simulated, unless it was killed before: then it can do no more.
        """
        if isinstance(place, Abandoning):
            place.abandon(destination.inner)
        elif not killed and await self.crashes():
            await destination.close()
        else:
            _let_go(destination)


def _let_go(destination: WatchedDestination) -> None:
    del destination.inner
    gc.collect()  # what an abandoned destination holds through cycles, too: connections, files


async def close_quietly(destination: WatchedDestination) -> None:
    """Close after something else has gone wrong, which must not be hidden by another error."""
    with suppress(Exception), anyio.CancelScope(shield=True):
        await destination.close()


DESTINATION_LAWS: Final[Laws[DestinationSubject, Places]] = Laws(
    "a destination", DestinationSubject.of, "connector_kit.testing.conformance.destination"
)

_ADVICE: Final = Advice(
    "destination",
    "wait for threads and locks no longer than a time limit, and in a worker thread",
    "wait for threads and locks no longer than a time limit, and let cancellation pass",
)
