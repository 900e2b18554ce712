"""What a destination says of what it keeps: the states of all entities, also of a damaged one, and how many rows there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.errors import ConnectorError

from .fixture import Damageable
from .scenario import Scenario, scenario
from .subject import DESTINATION_LAWS, ORDERS, entity_named, pages

if TYPE_CHECKING:
    from connector_kit.records.checkpoint import Mode
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["states"]

_OTHER = entity_named("customers")


@DESTINATION_LAWS.law(
    17,
    "states",
    "A checkpoint that cannot be decoded is told for its entity alone, is not gone on from, and is gone after a reset; count "
    "gives the rows that a reader sees.",
)
async def states(subject: DestinationSubject, found: Findings) -> None:
    """Count rows in every mode, then damage a checkpoint and get out of it."""
    for mode in subject.modes():
        async with scenario(subject, found, f"{mode}, counting") as at:
            await _counted(at, mode)
    if not isinstance(subject.new_fixture(), Damageable):
        found.unchecked("damaged checkpoints: the fixture has no damage(entity), see `Damageable`")
        return
    mode = subject.any_mode()
    async with scenario(subject, found, "a checkpoint that is damaged") as at:
        await _damaged(at, mode)


async def _counted(at: Scenario, mode: Mode) -> None:
    await _count_is(at, 0, "where nothing was stored")
    await at.complete(mode, 1, 2)
    await _count_is(at, 4, "after a read")
    await at.begin(mode, 3)
    await _count_is(at, 4 if mode == "replace" else 6, "in the middle of the next read")
    await at.finish()
    await _count_is(at, 2 if mode == "replace" else 6, "after the next read")
    await at.destination.reset(ORDERS.name)
    await _count_is(at, 2 if mode == "replace" else 6, "after a reset")


async def _count_is(at: Scenario, wanted: int, when: str) -> None:
    given = await at.destination.count(ORDERS.name)
    if given not in {None, wanted}:
        at.broken(
            f"{when}, count() gives {given}",
            expected=f"{wanted}, the rows that a reader sees, or None",
            mend="count the rows that are shown, not those of the last read",
            entity=ORDERS.name,
        )


async def _damaged(at: Scenario, mode: Mode) -> None:
    await at.complete(mode, 1)
    await at.complete(mode, 2, entity=_OTHER)
    await at.destination.close()
    assert isinstance(at.fixture, Damageable)
    at.fixture.damage(ORDERS.name)
    await at.open()
    state = (await at.destination.states()).get(ORDERS.name)
    if state is None or state.checkpoint is not None or not state.problem:
        at.broken(
            f"states() gives {state} for an entity whose checkpoint is damaged",
            expected="an EntityState with a problem and no checkpoint",
            mend="decode each checkpoint by itself, and tell what is wrong with it",
            entity=ORDERS.name,
        )
    await at.stored_is(at.last(_OTHER.name), "with the other one damaged", entity=_OTHER.name)
    if mode != "replace":
        await _not_gone_on_from(at, mode)
    await at.destination.reset(ORDERS.name)
    mend = "let reset() forget a checkpoint without decoding it"
    await at.stored_is(None, "after the reset", mend=mend)
    await at.start_gives(None, mode, "the start after the reset", mend=mend)
    at.rows_are(pages(1), "after the reset", mend="leave the rows in reset()")


async def _not_gone_on_from(at: Scenario, mode: Mode) -> None:
    try:
        await at.start(mode)
    except ConnectorError:
        return
    at.broken(
        "start() takes an entity whose checkpoint is damaged",
        expected="a ConnectorError: from the start, its rows would come twice",
        mend="let the error of `Checkpoint.from_json` pass",
        entity=ORDERS.name,
    )
