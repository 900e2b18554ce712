"""Law 3: what no checkpoint covers does not count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.testing.conformance.reading import text_of

from .alike import alike_records
from .samples import ORDERS, page, pages
from .subject import DESTINATION_LAWS
from .trial import Trial, trial

if TYPE_CHECKING:
    from connector_kit.records.checkpoint import Mode
    from connector_kit.records.page import Record
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["provisional"]


_DROP = "note with each checkpoint how far it reaches, and delete what lies beyond it in start()"
_KEEP = "let a checkpoint cover all rows written before it"


@DESTINATION_LAWS.law(
    3,
    "provisional",
    "Rows written without a checkpoint count once a later write or finish brings one; otherwise the next start drops "
    "them (in mode upsert they may stay).",
)
async def provisional(subject: DestinationSubject, found: Findings) -> None:
    """Write pages without a checkpoint, and see what is left of them after a crash, a close and another start."""
    for mode in subject.modes():
        for way in ("crash", "close", "start again"):
            async with trial(subject, found, f"{mode}, provisional rows and then {way}") as at:
                await _dropped(at, mode, way)
        async with trial(subject, found, f"{mode}, nothing but provisional rows and then a crash") as at:
            await _dropped_first(at, mode)
        async with trial(subject, found, f"{mode}, provisional rows that a later checkpoint covers") as at:
            await _covered_later(at, mode)
        async with trial(subject, found, f"{mode}, provisional rows that finish() covers") as at:
            await _covered_by_finish(at, mode)


async def _interrupt(at: Trial, way: str) -> None:
    if way == "crash":
        await at.crash()
    elif way == "close":
        await at.reopen()


async def _dropped(at: Trial, mode: Mode, way: str) -> None:
    """The page before is covered, the provisional one changes one of its rows and adds another."""
    await at.start(mode)
    await at.write(1)
    changed = {**page(1)[0], "name": "provisional"} if mode == "upsert" else page(2)[0]
    await at.write(2, [changed, page(2)[1]], covered=False)
    await _interrupt(at, way)
    at.given_is(await at.start(mode), 1, "the next start", entity=ORDERS.name)
    if mode == "append":
        at.rows_are(page(1), "after the next start", mend=_DROP)
    elif mode == "upsert":
        _are_of_these(at, [*page(1), changed, page(2)[1]], keys={record["id"] for record in page(1)})
        return
    await at.write(2)
    await at.finish()
    at.rows_are(pages(1, 2), "after the read has gone on", mend=_DROP)


def _are_of_these(at: Trial, allowed: list[Record], *, keys: set[int]) -> None:
    """Upserted rows may stay or not: look for rows that nobody wrote, and for keys that are missing or there twice."""
    rows = at.place.rows(ORDERS.name)
    found = [row.get("id") for row in rows]
    strange = [row for row in rows if not any(alike_records(one, row) for one in allowed)]
    if strange or len(found) != len(set(found)) or not keys.issubset(found):
        told = tuple(f"is there: {text_of(dict(row))}" for row in rows)
        at.broken(
            "after the next start the rows are neither those that are covered nor those written since",
            mend=_DROP,
            entity=ORDERS.name,
            records=told,
        )


async def _dropped_first(at: Trial, mode: Mode) -> None:
    await at.start(mode)
    await at.write(1, covered=False)
    await at.crash()
    at.given_is(await at.start(mode), None, "the next start", mend=_DROP)
    if mode != "upsert":
        at.rows_are([], "after the next start", mend=_DROP)
    await at.write(2)
    await at.finish()
    if mode != "upsert":
        at.rows_are(page(2), "after another read", mend=_DROP)


async def _covered_later(at: Trial, mode: Mode) -> None:
    await at.start(mode)
    await at.write(1)
    await at.write(2, covered=False)
    await at.write(3, covered=False)
    await at.write(4)
    await at.crash()
    at.given_is(await at.start(mode), 4, "the next start", mend=_KEEP)
    if mode != "replace":
        at.rows_are(pages(1, 2, 3, 4), "after the next start", mend=_KEEP, ordered=mode == "append")
    await at.finish()
    at.rows_are(pages(1, 2, 3, 4), "after finish", mend=_KEEP, ordered=mode != "upsert")


async def _covered_by_finish(at: Trial, mode: Mode) -> None:
    await at.start(mode)
    await at.write(1, covered=False)
    await at.write(2, covered=False)
    await at.finish()
    at.rows_are(pages(1, 2), "after finish", mend=_KEEP, ordered=mode != "upsert")
    await at.crash()
    if mode == "append":
        at.given_is(await at.start(mode), at.last(), "the next start", mend=_KEEP)
    at.rows_are(pages(1, 2), "after a crash", mend=_KEEP, ordered=mode != "upsert")
