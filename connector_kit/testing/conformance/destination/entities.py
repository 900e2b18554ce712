"""Law 10: entities do not disturb each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from .samples import entity_named, page, pages
from .subject import DESTINATION_LAWS
from .trial import Trial, trial

if TYPE_CHECKING:
    from connector_kit.records.catalog import Entity
    from connector_kit.records.checkpoint import Mode
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["entities"]


_NAMES = ("orders", "customers", "events")
_MEND = "keep what belongs to a read by its entity, not in one variable for all"


@DESTINATION_LAWS.law(
    10,
    "entities",
    "Reads of several entities at once, call by call in turn or at the same time, leave what each would leave alone.",
)
async def entities(subject: DestinationSubject, found: Findings) -> None:
    """Read three entities in turn and at once, interrupted and not, in several modes."""
    modes = subject.modes()
    for shift in range(len(modes)):
        of: dict[str, Mode] = {
            name: modes[(number + shift) % len(modes)] for number, name in enumerate(_NAMES)
        }
        told = ", ".join(f"{name} {mode}" for name, mode in of.items())
        async with trial(subject, found, f"in turn ({told})") as at:
            await _in_turn(at, of)
        async with trial(subject, found, f"at once ({told})") as at:
            await _at_once(at, of)
    mode = subject.any_mode()
    async with trial(subject, found, "a finish, a reset and a start beside a read") as at:
        await _beside(at, mode)


def _entity(name: str) -> Entity:
    return entity_named(name)


async def _in_turn(at: Trial, modes: dict[str, Mode]) -> None:
    for name, mode in modes.items():
        await at.start(mode, _entity(name))
    for number in (1, 2):
        for name in modes:
            await at.write(number, page(number, of=name), entity=name)
    for name in modes:
        await at.stored_is(2, f"{name} after two pages", entity=name, mend=_MEND)
    await at.crash()
    for name, mode in modes.items():
        at.given_is(
            await at.start(mode, _entity(name)), 2, f"the next start of {name}", entity=name, mend=_MEND
        )
    for name in reversed(modes):
        await at.write(3, page(3, of=name), entity=name)
    for name in modes:
        await at.finish(name)
    _are_whole(at, modes)


async def _at_once(at: Trial, modes: dict[str, Mode]) -> None:
    async def read(name: str, mode: Mode) -> None:
        await at.start(mode, _entity(name))
        for number in (1, 2, 3):
            await at.write(number, page(number, of=name), entity=name)
        await at.finish(name)

    try:
        async with anyio.create_task_group() as tasks:
            for name, mode in modes.items():
                tasks.start_soon(read, name, mode)
    except* Exception as errors:
        raise errors.exceptions[0] from errors
    _are_whole(at, modes)


def _are_whole(at: Trial, modes: dict[str, Mode]) -> None:
    for name, mode in modes.items():
        rows = pages(1, 2, 3, of=name)
        at.rows_are(rows, f"after {name} is finished", entity=name, mend=_MEND, ordered=mode != "upsert")


async def _beside(at: Trial, mode: Mode) -> None:
    one, two, three = _NAMES
    await at.start(mode, _entity(one))
    await at.write(1, page(1, of=one), entity=one)
    await at.complete(mode, 4, entity=_entity(two))
    await at.write(2, page(2, of=one), entity=one, covered=False)
    await at.destination.reset(two)
    await at.start(mode, _entity(three))
    await at.write(3, page(3, of=one), entity=one)
    await at.stored_is(3, f"after {two} was reset", entity=one, mend=_MEND)
    await at.stored_is(None, "after its reset", entity=two, mend=_MEND)
    await at.finish(one)
    await at.stored_is(at.last(one), "after finish", entity=one, mend=_MEND)
    at.rows_are(pages(1, 2, 3, of=one), "after finish", entity=one, mend=_MEND, ordered=mode != "upsert")
    at.rows_are(page(4), "after its reset", entity=two, mend=_MEND, ordered=False)
    at.rows_are([], "after its start", entity=three, mend=_MEND)
