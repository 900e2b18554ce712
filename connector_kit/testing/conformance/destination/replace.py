"""Law 6: replacing shows the old rows until the new ones are complete, and then the new ones alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .samples import page, pages
from .subject import DESTINATION_LAWS
from .trial import Trial, trial

if TYPE_CHECKING:
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["replace"]


_BESIDE = "build the new generation beside the current one, and swap them in finish()"
_CONTINUE = "keep the unfinished generation with its checkpoint, and give both back together"
_DROP = "drop the unfinished generation in start(resume=False)"


@DESTINATION_LAWS.law(
    6,
    "replace",
    "The old rows are there until finish, then the new generation alone. An unfinished generation is gone on with if "
    "resume is true, else dropped; a full table is never replaced by the tail of a read.",
)
async def replace(subject: DestinationSubject, found: Findings) -> None:
    """Replace over a complete read, interrupted and not, resumed and not."""
    if "replace" not in subject.modes():
        return found.unchecked("it has no mode replace")
    async with trial(subject, found, "one generation after another") as at:
        await at.complete("replace", 1, 2)
        await _second(at)
    for name in ("crash", "close", "start again"):
        async with trial(subject, found, f"a generation that is gone on with after {name}") as at:
            await _resumed(at, name)
    async with trial(subject, found, "a generation that is dropped") as at:
        await _dropped(at)
    async with trial(subject, found, "a new generation without rows") as at:
        await at.complete("replace", 1)
        await at.start("replace")
        await at.finish()
        at.rows_are([], "after finish", mend="let an empty generation take over, too")
        await at.complete("replace", 2)
        at.rows_are(page(2), "after the next generation", mend=_BESIDE)
    if "append" in subject.modes():
        async with trial(subject, found, "appending before and after a replace") as at:
            await at.complete("append", 1, 2)
            at.given_is(await at.start("replace"), None, "a new generation", mend=_CONTINUE)
            await at.write(3)
            at.rows_are(pages(1, 2), "before finish", mend=_BESIDE)
            await at.finish()
            at.rows_are(page(3), "after finish", mend=_BESIDE)
            await at.complete("append", 4)
            at.rows_are(pages(3, 4), "after appending to the new generation")
    return None


async def _second(at: Trial) -> None:
    given = await at.start("replace")
    at.given_is(given, None, "a new generation", mend="give a checkpoint only for an unfinished generation")
    at.rows_are(pages(1, 2), "after start", mend=_BESIDE)
    await at.write(3)
    at.rows_are(pages(1, 2), "after a page of the new generation", mend=_BESIDE)
    await at.write(4, covered=False)
    await at.finish()
    at.rows_are(pages(3, 4), "after finish", mend="let the new generation take over in finish()")
    await at.stored_is(at.last(), "after finish")
    await at.reopen()
    at.rows_are(pages(3, 4), "after it was opened again", mend=_BESIDE)


async def _resumed(at: Trial, way: str) -> None:
    await at.complete("replace", 1)
    await at.start("replace")
    await at.write(2)
    await at.write(3)
    await at.stored_is(3, "with an unfinished generation", mend=_CONTINUE)
    if way == "crash":
        await at.crash()
    elif way == "close":
        await at.reopen()
    at.rows_are(page(1), "before it is gone on with", mend=_BESIDE)
    at.given_is(await at.start("replace"), 3, "the next start", mend=_CONTINUE)
    at.rows_are(page(1), "after the next start", mend=_BESIDE)
    await at.write(4)
    await at.finish()
    at.rows_are(pages(2, 3, 4), "after finish", mend=_CONTINUE)


async def _dropped(at: Trial) -> None:
    await at.complete("replace", 1)
    await at.start("replace")
    await at.write(2)
    await at.crash()
    at.given_is(await at.start("replace", resume=False), None, "start(resume=False)", mend=_DROP)
    at.rows_are(page(1), "after start(resume=False)", mend=_BESIDE)
    await at.write(3, covered=False)
    await at.crash()
    at.given_is(await at.start("replace"), None, "the start after that", mend=_DROP)
    await at.write(4)
    await at.finish()
    at.rows_are(page(4), "after finish", mend=_DROP)
