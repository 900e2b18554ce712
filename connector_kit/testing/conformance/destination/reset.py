"""Law 13: a reset forgets how far a read has come, and no complete row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .samples import ORDERS, entity_named, page, pages
from .subject import DESTINATION_LAWS
from .trial import Trial, trial

if TYPE_CHECKING:
    from connector_kit.records.checkpoint import Mode
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["reset"]


_KEEP = "delete the checkpoint and leave the rows"
_FORGET = "forget the checkpoint of the current rows and the unfinished generation with its own"


@DESTINATION_LAWS.law(
    13,
    "reset",
    "reset forgets the checkpoint and an unfinished generation, so that the next read begins at the start; rows that were "
    "covered stay.",
)
async def reset(subject: DestinationSubject, found: Findings) -> None:
    """Reset after a complete read, in the middle of one, in a generation, and where nothing is."""
    for mode in subject.modes():
        async with trial(subject, found, f"{mode}, after a complete read") as at:
            await at.complete(mode, 1, 2)
            await _forgotten(at, mode, 2)
        if mode != "replace":
            async with trial(subject, found, f"{mode}, in the middle of a read") as at:
                await at.start(mode)
                await at.write(1)
                await at.write(2)
                await _forgotten(at, mode, 2)
    if "append" in subject.modes():
        async with trial(subject, found, "append, with provisional rows") as at:
            await at.start("append")
            await at.write(1)
            await at.write(2, covered=False)
            await _forgotten(at, "append", 1)
    if "replace" in subject.modes():
        async with trial(subject, found, "replace, an unfinished generation") as at:
            await at.complete("replace", 1)
            await at.start("replace")
            await at.write(2)
            await _forgotten(at, "replace", 1)
            await at.write(3)
            await at.finish()
            at.rows_are(page(3), "after the next read", mend=_FORGET)
    async with trial(subject, found, "an entity that is not there") as at:
        await at.destination.reset(ORDERS.name)
        await at.complete(subject.any_mode(), 1, entity=entity_named("customers"))
        await at.destination.reset(ORDERS.name)
        await at.stored_is(at.last("customers"), "after the reset of another", entity="customers")


async def _forgotten(at: Trial, mode: Mode, covered: int) -> None:
    """Reset, and see that only the pages up to `covered` are left, without a checkpoint, and go on so."""
    await at.destination.reset(ORDERS.name)
    await at.stored_is(None, "after the reset", mend=_FORGET)
    await at.reopen()
    await at.stored_is(None, "opened again after the reset", mend=_FORGET)
    at.given_is(await at.start(mode), None, "the next start", mend=_FORGET)
    rows = pages(*range(1, covered + 1))
    at.rows_are(rows, "after the next start", mend=_KEEP, ordered=mode != "upsert")
