"""Law 15: a call that is cancelled leaves the state before it or the state after it."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from .cancelling import cancelled_at
from .interrupted import CALLS, earlier, goes_on, make
from .subject import DESTINATION_LAWS
from .trial import trial

if TYPE_CHECKING:
    from connector_kit.records.checkpoint import Mode
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["cancelled"]


_MOST_AWAITS = 100


@DESTINATION_LAWS.law(
    15,
    "cancelled",
    "A call that is cancelled at any await leaves the state before it or after it; close works then, and the next run goes "
    "on.",
)
async def cancelled(subject: DestinationSubject, found: Findings) -> None:
    """Cancel every call of a read at every await of it, close, and go on in a new destination."""
    if not subject.bounds.faults:
        found.unchecked("cancellation: without faults, as asked for")
        return
    for mode in subject.modes():
        awaits = 0
        for call in range(len(CALLS)):
            awaits += await _at_every_await(subject, found, mode, call)
            if found.any_broken:
                return  # the first one tells
        if awaits:
            found.checked(f"{mode}, cancelled at each of {awaits} awaits")
        else:
            found.unchecked(f"{mode}: no call waits for anything, so that none can be cancelled")


async def _at_every_await(subject: DestinationSubject, found: Findings, mode: Mode, call: int) -> int:
    """Give the number of awaits in a call."""
    for step in count(1):
        waited = False
        told = f"{mode}, {CALLS[call]} cancelled at its await number {step}"
        async with trial(subject, found, told, told=False) as at:
            await earlier(at, mode)
            if call == 0:
                await at.destination.close()
                at.destination = subject.watched(at.place.destination())
            for before in range(1, call):
                await make(at.destination, mode, before)
            waited = await cancelled_at(step, make(at.destination, mode, call))
            if waited:
                await at.reopen()
                await goes_on(at, mode, call, call + 1)
        if not waited or found.any_broken:
            return step - 1
        if step == _MOST_AWAITS:
            found.unchecked(f"{mode}, awaits of {CALLS[call]} beyond number {step}")
            return step
    raise AssertionError("count has no end")
