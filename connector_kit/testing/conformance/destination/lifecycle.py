"""Law 11: opening and closing is safe, and what is covered outlives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.errors import ConnectorError

from .samples import page, pages
from .subject import DESTINATION_LAWS
from .trial import Trial, trial

if TYPE_CHECKING:
    from connector_kit.records.checkpoint import Mode
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["lifecycle"]


@DESTINATION_LAWS.law(
    11,
    "lifecycle",
    "close is safe at any time and twice, open may follow; what a checkpoint covers is there afterwards, finished or not.",
)
async def lifecycle(subject: DestinationSubject, found: Findings) -> None:
    """Close before opening, twice and in the middle of a read, and open again."""
    mode = subject.any_mode()
    async with trial(subject, found, "close twice, and before open") as at:
        await at.destination.close()
        await at.destination.close()
        at.destination = subject.watched(at.place.destination())
        await at.destination.close()
        await at.destination.open()
        await at.complete(mode, 1)
        at.rows_are(page(1), "after a read", ordered=False)
    async with trial(subject, found, "open, close, open of one object") as at:
        await _again(at, mode)
    async with trial(subject, found, "open twice") as at:
        await _twice(at, mode)
    for each in subject.modes():
        async with trial(subject, found, f"{each}, close in the middle of a read") as at:
            await _in_the_middle(at, each)
    said = subject.places().destination().modes
    if unknown := sorted(set(said) - {"append", "upsert", "replace"}):
        found.broken(
            f"modes has {', '.join(map(repr, unknown))}", expected="append, upsert, replace or some of them"
        )


async def _again(at: Trial, mode: Mode) -> None:
    await at.complete(mode, 1)
    await at.destination.close()
    await at.destination.open()
    await at.stored_is(at.last(), "opened again")
    await at.complete(mode, 2)
    wanted = page(2) if mode == "replace" else pages(1, 2)
    at.rows_are(wanted, "after another read", ordered=False)


async def _twice(at: Trial, mode: Mode) -> None:
    try:
        await at.destination.open()
    except ConnectorError as error:
        at.unchecked(f"a second open: refused ({error})")
    await at.complete(mode, 1)
    at.rows_are(page(1), "after a read", ordered=False)


async def _in_the_middle(at: Trial, mode: Mode) -> None:
    mend = "store a page in write(), or at the latest in close()"
    await at.start(mode)
    await at.write(1)
    await at.write(2)
    await at.reopen()
    await at.stored_is(2, "opened again", mend=mend)
    at.given_is(await at.start(mode), 2, "the next start", mend=mend)
    if mode != "replace":
        at.rows_are(pages(1, 2), "after the next start", mend=mend, ordered=False)
    await at.finish()
    at.rows_are(pages(1, 2), "after finish", mend=mend, ordered=False)
