"""A read that is interrupted, by the death of its process or by a cancellation, and what has to be there afterwards."""

from __future__ import annotations

from itertools import count
from types import coroutine
from typing import TYPE_CHECKING, Any

import anyio

from connector_kit.testing.conformance.bounds import EnoughError, NoAnswerError

from .fixture import Crashing, Killed
from .scenario import Scenario, scenario
from .stored_values import with_size_alone
from .subject import DESTINATION_LAWS, LAST, ORDERS, pages, reached

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from connector_kit.records.checkpoint import Checkpoint, Mode
    from connector_kit.records.page import Record
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject
    from .watched import WatchedDestination

__all__ = ["atomic", "cancelled", "cancelled_at"]

_ONE_TRANSACTION = (
    "store the rows and their checkpoint in one transaction, or let the checkpoint say which rows count"
)
_EARLIER = 5
"""The page of an earlier, complete read."""
_CALLS = ("open", "start", "write of page 1", "write of page 2", "write of page 3", "finish", "close")
_COVERED = (None, None, None, 1, 1, 3, LAST, LAST)
"""The last page that is covered before each call, and after the last one; None is what the earlier read has."""
_MOST_POINTS = 1_000
_MOST_AWAITS = 100


@DESTINATION_LAWS.law(
    1,
    "atomic",
    "A page and its checkpoint are stored together: a process that dies at any step of any call leaves the state before "
    "it or the state after it, and the next run goes on from there.",
)
async def atomic(subject: DestinationSubject, found: Findings) -> None:
    """Kill a read after every call and at every crash point of the fixture, and go on with it."""
    for mode in subject.modes():
        for calls in range(1, len(_CALLS)):
            async with scenario(subject, found, f"{mode}, a process gone after {_CALLS[calls - 1]}") as at:
                await _read_earlier(at, mode)
                for call in range(1, calls):
                    await _make(at.destination, mode, call)
                await at.crash()
                await _goes_on(at, mode, calls, calls)
    if not subject.bounds.faults:
        found.unchecked("deaths in the middle of a call: without faults, as asked for")
    elif isinstance(subject.new_fixture(), Crashing):
        for mode in subject.modes():
            await _at_every_point(subject, found, mode)
    else:
        found.unchecked("deaths in the middle of a call: the fixture has no crashing(point), see `Crashing`")


async def _at_every_point(subject: DestinationSubject, found: Findings, mode: Mode) -> None:
    for point in count():
        if found.any_broken:
            return  # the first one tells
        survived = False
        async with scenario(subject, found, f"{mode}, killed at crash point {point}", report=False) as at:
            await _read_earlier(at, mode)
            await at.destination.close()
            assert isinstance(at.fixture, Crashing)
            at.destination = subject.watched(at.fixture.crashing(point))
            done = await _until_killed(at.destination, mode)
            survived = done == len(_CALLS)
            if not survived:
                await subject.crash(at.fixture, at.destination, killed=True)
                await at.open()
                await _goes_on(at, mode, done, done + 1)
        if survived and not point:
            found.unchecked(f"{mode}, deaths in the middle of a call: crashing(0) did all it was asked to")
        elif survived:
            found.checked(f"{mode}, killed at each of {point} crash points")
        elif point == _MOST_POINTS:
            found.unchecked(f"{mode}, crash points beyond number {point}")
        else:
            continue
        return


async def _until_killed(destination: WatchedDestination, mode: Mode) -> int:
    """Return the number of calls that came back."""
    done = 0
    try:
        while done < len(_CALLS):
            await _make(destination, mode, done)
            done += 1
    except (EnoughError, NoAnswerError):
        raise
    except (Killed, Exception):  # noqa: BLE001 - a destination may make an error of its own of being killed
        return done
    return done


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
        for call in range(len(_CALLS)):
            awaits += await _at_every_await(subject, found, mode, call)
            if found.any_broken:
                return  # the first one tells
        if awaits:
            found.checked(f"{mode}, cancelled at each of {awaits} awaits")
        else:
            found.unchecked(f"{mode}: no call waits for anything, so that none can be cancelled")


async def _at_every_await(subject: DestinationSubject, found: Findings, mode: Mode, call: int) -> int:
    """Return the number of awaits in a call."""
    for step in range(1, _MOST_AWAITS + 1):
        waited = False
        name = f"{mode}, {_CALLS[call]} cancelled at its await number {step}"
        async with scenario(subject, found, name, report=False) as at:
            await _read_earlier(at, mode)
            if call == 0:
                await at.destination.close()
                at.destination = subject.watched(at.fixture.destination())
            for before in range(1, call):
                await _make(at.destination, mode, before)
            waited = await cancelled_at(step, _make(at.destination, mode, call))
            if waited:
                await at.reopen()
                await _goes_on(at, mode, call, call + 1)
        if not waited or found.any_broken:
            return step - 1
    found.unchecked(f"{mode}, awaits of {_CALLS[call]} beyond number {_MOST_AWAITS}")
    return _MOST_AWAITS


async def cancelled_at(step: int, call: Coroutine[Any, Any, object]) -> bool:
    """Carry out a call and cancel it where it waits for the time number `step` (the first is 1).

    Return whether it waited so often; if not, it has come to its end. On asyncio and on trio.
    """
    with anyio.CancelScope() as scope:
        return await _stepped(step, call, scope)
    return True


@coroutine
def _stepped(
    step: int, call: Coroutine[Any, Any, object], scope: anyio.CancelScope
) -> Generator[Any, Any, bool]:
    """Hand on what the call waits for, as `await` does, and count."""
    waits = 0
    answer: Any = None
    failure: BaseException | None = None
    while True:
        try:
            waited_for = call.send(answer) if failure is None else call.throw(failure)
        except StopIteration:
            return waits >= step
        waits += 1
        if waits == step:
            scope.cancel()
        answer, failure = None, None
        try:
            answer = yield waited_for
        except BaseException as error:  # noqa: BLE001 - handed on to the call, cancellation above all
            failure = error


# -- the read, and what has to be there afterwards ---------------------------------------------------------------------


async def _read_earlier(at: Scenario, mode: Mode) -> None:
    await at.start(mode)
    await at.write(_EARLIER)
    await at.destination.finish(ORDERS.name, _checkpoint(mode, None))


async def _make(destination: WatchedDestination, mode: Mode, call: int) -> None:
    """Make one call of the read."""
    match call:
        case 0:
            await destination.open()
        case 1:
            await destination.start(ORDERS, mode)
        case 2 | 3 | 4:
            number = call - 1
            covered = None if number == 2 else reached(mode, number)  # noqa: PLR2004 - the provisional page
            await destination.write(ORDERS.name, pages(number), covered)
        case 5:
            await destination.finish(ORDERS.name, _checkpoint(mode, LAST))
        case _:
            await destination.close()


def _checkpoint(mode: Mode, covered: int | None) -> Checkpoint:
    if covered is None:
        return reached(mode, _EARLIER, complete=True)
    return reached(mode, covered, complete=covered == LAST)


def _rows(mode: Mode, covered: int | None) -> list[Record]:
    """Return the rows that a reader sees once provisional ones are dropped."""
    new = pages(*range(1, 1 + min(covered or 0, 3)))
    if mode == "replace":
        return new if covered == LAST else pages(_EARLIER)
    return [*pages(_EARLIER), *new]


async def _goes_on(at: Scenario, mode: Mode, before: int, after: int) -> None:
    """Compare with the states before and after the call that was under way, go on with the read, and compare again."""
    call = f" in {_CALLS[before]}" if after > before else ""
    stored = await at.destination.stored(ORDERS.name)
    states = [
        each for each in _COVERED[before : after + 1] if stored == with_size_alone(_checkpoint(mode, each))
    ]
    if not states:
        what = (
            "none" if stored is None else f"one with cursor {stored.cursor}{', complete' * stored.complete}"
        )
        at.broken(
            f"gone{call}, states() gives neither the checkpoint before nor the one after, but {what}",
            mend=_ONE_TRANSACTION,
            entity=ORDERS.name,
        )
    covered = states[0]
    at.mend_rows = at.mend_checkpoint = _ONE_TRANSACTION
    names = {None: "the earlier read is covered", LAST: "the read is complete"}
    when = f"gone{call}, the checkpoint says that {names.get(covered, f'page {covered} is covered')}; then"
    wanted = None if mode == "replace" and covered in {None, LAST} else _checkpoint(mode, covered)
    # A destination may leave it to this start to complete what was under way.
    await at.start_gives(wanted, mode, f"{when} the next start")
    if mode != "upsert" or covered == LAST:
        at.rows_are(_rows(mode, covered), f"{when} after the next start")
    if covered == LAST:
        return
    for number in range((covered or 0) + 1, 4):
        await at.write(number)
    await at.finish()
    at.rows_are(_rows(mode, LAST), f"{when} after the read has gone on to its end")
