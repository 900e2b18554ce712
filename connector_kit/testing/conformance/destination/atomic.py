"""Law 1: a call happens or does not; a page is there with its checkpoint or not at all."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from connector_kit.testing.conformance.bounds import EnoughError, NoAnswerError

from .interrupted import CALLS, earlier, goes_on, make
from .place import Crashing, Killed
from .subject import DESTINATION_LAWS
from .trial import trial

if TYPE_CHECKING:
    from connector_kit.records.checkpoint import Mode
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject
    from .watched import WatchedDestination

__all__ = ["atomic"]


_MOST_POINTS = 1_000


@DESTINATION_LAWS.law(
    1,
    "atomic",
    "A page and its checkpoint are stored together: a process that dies at any step of any call leaves the state before "
    "it or the state after it, and the next run goes on from there.",
)
async def atomic(subject: DestinationSubject, found: Findings) -> None:
    """Kill a read after every call and at every crash point of the place, and go on with it."""
    for mode in subject.modes():
        for calls in range(1, len(CALLS)):
            call = CALLS[calls - 1]
            async with trial(subject, found, f"{mode}, a process gone after {call}") as at:
                await earlier(at, mode)
                await _play(at.destination, mode, calls)
                await at.crash()
                await goes_on(at, mode, calls, calls)
    if not subject.bounds.faults:
        found.unchecked("deaths in the middle of a call: without faults, as asked for")
    elif isinstance(subject.places(), Crashing):
        for mode in subject.modes():
            await _at_every_point(subject, found, mode)
    else:
        found.unchecked("deaths in the middle of a call: the place has no crashing(point), see `Crashing`")


async def _at_every_point(subject: DestinationSubject, found: Findings, mode: Mode) -> None:
    for point in count():
        if found.any_broken:
            return  # the first one tells
        survived = False
        async with trial(subject, found, f"{mode}, killed at crash point {point}", told=False) as at:
            await earlier(at, mode)
            await at.destination.close()
            assert isinstance(at.place, Crashing)
            at.destination = subject.watched(at.place.crashing(point))
            done = await _until_killed(at.destination, mode)
            survived = done == len(CALLS)
            if not survived:
                await subject.crash(at.place, at.destination, killed=True)
                await at.open()
                await goes_on(at, mode, done, done + 1)
        if survived and not point:
            found.unchecked(f"{mode}, deaths in the middle of a call: crashing(0) did all it was asked to")
        elif survived:
            found.checked(f"{mode}, killed at each of {point} crash points")
        elif point == _MOST_POINTS:
            found.unchecked(f"{mode}, crash points beyond number {point}")
        else:
            continue
        return


async def _play(destination: WatchedDestination, mode: Mode, calls: int) -> None:
    """Make the first `calls` calls of the read; the destination is open already."""
    for call in range(1, calls):
        await make(destination, mode, call)


async def _until_killed(destination: WatchedDestination, mode: Mode) -> int:
    """Give the number of calls that came back."""
    done = 0
    try:
        while done < len(CALLS):
            await make(destination, mode, done)
            done += 1
    except (EnoughError, NoAnswerError):
        raise
    except (Killed, Exception):  # noqa: BLE001 - a destination may make an error of its own of being killed
        return done
    return done
