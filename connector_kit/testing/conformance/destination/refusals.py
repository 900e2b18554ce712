"""Law 12: what is refused is refused with an error of the kit, and nothing stored is harmed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from connector_kit.errors import ConnectorError
from connector_kit.records.catalog import Entity

from .place import Occupiable
from .samples import LAST, ORDERS, entity_named, page, pages, reached
from .subject import DESTINATION_LAWS
from .trial import Trial, trial

if TYPE_CHECKING:
    from connector_kit.records.checkpoint import Mode
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["refusals"]


Call: TypeAlias = Callable[[Trial], Awaitable[object]]


@attrs.frozen
class _Wrong:
    """A call that is a mistake; some destinations may be able to carry it out, then that is no fault."""

    told: str
    call: Call
    has_to_be_refused: bool = True


@DESTINATION_LAWS.law(
    12,
    "refusals",
    "What cannot be done is refused with a ConnectorError (a write that no start came before, a mode that is not there, a "
    "place of somebody else's), and what is stored stays as it was.",
)
async def refusals(subject: DestinationSubject, found: Findings) -> None:
    """Make calls that are mistakes, and see what is stored afterwards and whether the destination goes on working."""
    mode = subject.any_mode()
    for wrong in _wrong(subject.modes(), mode):
        async with trial(subject, found, wrong.told) as at:
            await _refused(at, mode, wrong)
    async with trial(subject, found, "calls after close") as at:
        await _closed(at, mode)
    if isinstance(subject.places(), Occupiable):
        await _occupied(subject, found, mode)
    else:
        found.unchecked("places of somebody else's: the place has no occupy(entity), see `Occupiable`")


def _wrong(modes: tuple[Mode, ...], mode: Mode) -> list[_Wrong]:
    careless: Any = object()  # what a connector may hand over against its contract
    unknown: Any = "overwrite"
    other = "customers"
    wrong = [
        _Wrong(
            "a write for an entity that was not started",
            lambda at: at.destination.write(other, page(3), reached(mode, 3, other)),
        ),
        _Wrong(
            "a write without a checkpoint for an entity that was not started",
            lambda at: at.destination.write(other, page(3), None),
        ),
        _Wrong(
            "a finish for an entity that was not started",
            lambda at: at.destination.finish(other, reached(mode, 3, other, complete=True)),
        ),
        _Wrong(
            "a mode that there is not",
            lambda at: at.destination.start(entity_named(other), unknown),
        ),
        _Wrong(
            "a cursor that is no JSON value",
            lambda at: at.destination.write(
                ORDERS.name, page(3), attrs.evolve(reached(mode, 3), cursor=careless)
            ),
            has_to_be_refused=False,
        ),
        _Wrong(
            "a value that cannot be stored",
            lambda at: at.destination.write(
                ORDERS.name, [*page(3), {"id": 7, "name": careless}], reached(mode, 3)
            ),
            has_to_be_refused=False,
        ),
    ]
    absent: tuple[Mode, ...] = ("append", "upsert", "replace")
    wrong += [
        _Wrong(f"mode {each}, which it says it cannot do", _starting(each))
        for each in absent
        if each not in modes
    ]
    if "upsert" in modes:
        wrong.append(
            _Wrong(
                "mode upsert for an entity without a primary key",
                lambda at: at.destination.start(Entity(other, ORDERS.fields), "upsert"),
            )
        )
    return wrong


def _starting(mode: Mode) -> Call:
    return lambda at: at.destination.start(entity_named("customers"), mode)


async def _refused(at: Trial, mode: Mode, wrong: _Wrong) -> None:
    """A complete read is there, another one is under way with a page that counts; then the mistake is made."""
    await at.complete(mode, 1)
    await at.start(mode)
    await at.write(2)
    seen = page(1) if mode == "replace" else pages(1, 2)
    await _raises(at, wrong)
    at.rows_are(seen, "after it was refused", ordered=False, mend="look before anything is stored")
    at.rows_are([], "after it was refused", entity="customers", mend="look before anything is stored")
    await at.stored_is(2, "after it was refused", mend="look before anything is stored")
    await at.stored_is(
        None, "after it was refused", entity="customers", mend="look before anything is stored"
    )
    at.given_is(await at.start(mode), 2, "the next start")
    await at.write(3)
    await at.finish()
    whole = pages(2, 3) if mode == "replace" else pages(1, 2, 3)
    at.rows_are(whole, "after the read has gone on", ordered=False)
    await at.complete(mode, 4, entity=entity_named("customers"))
    at.rows_are(page(4), "after its own read", entity="customers", ordered=False)


async def _raises(at: Trial, wrong: _Wrong) -> None:
    try:
        await wrong.call(at)
    except ConnectorError:
        return
    if wrong.has_to_be_refused:
        at.broken("it was not refused", expected="DestinationError or ConfigError", mend="raise one of these")
    at.skip(f"{wrong.told}: it is taken")


async def _closed(at: Trial, mode: Mode) -> None:
    await at.complete(mode, 1)
    await at.start(mode)
    await at.destination.close()
    calls: dict[str, Call] = {
        "write": lambda at: at.write(2),
        "finish": lambda at: at.destination.finish(ORDERS.name, reached(mode, LAST, complete=True)),
        "start": lambda at: at.start(mode),
        "checkpoints": lambda at: at.destination.checkpoints(),
        "reset": lambda at: at.destination.reset(ORDERS.name),
    }
    for name, call in calls.items():
        try:
            await call(at)
        except ConnectorError:
            continue
        at.broken(
            f"{name} after close was not refused",
            expected="DestinationError",
            mend="refuse calls between close and open",
        )
    await at.open()
    at.rows_are(page(1), "opened again", ordered=False)


async def _occupied(subject: DestinationSubject, found: Findings, mode: Mode) -> None:
    place = subject.places()
    assert isinstance(place, Occupiable)
    place.occupy(ORDERS.name)
    before = place.theirs()
    destination = subject.watched(place.destination())
    told = "a place of somebody else's"
    refused = ""
    try:
        await destination.open()
        await destination.start(ORDERS, mode)
        await destination.write(ORDERS.name, page(1), reached(mode, 1))
        await destination.finish(ORDERS.name, reached(mode, LAST, complete=True))
    except ConnectorError as error:
        refused = str(error) or type(error).__name__
    await destination.close()
    if place.theirs() != before:
        found.broken(
            f"{told} was changed", expected="nothing of it to be touched", mend="look in open() or start()"
        )
    elif not refused:
        found.broken(
            f"{told} was written to", expected="DestinationError from open() or start()", mend="refuse it"
        )
    else:
        found.checked(told)
