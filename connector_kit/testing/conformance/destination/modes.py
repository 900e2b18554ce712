"""What each mode of a read does to the rows that are there: append, upsert, replace."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from connector_kit.records.catalog import Entity, Field, Scalar, Struct

from .scenario import Scenario, scenario
from .subject import DESTINATION_LAWS, ORDERS, pages

if TYPE_CHECKING:
    from connector_kit.records.page import Record
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["append", "replace", "upsert"]

_LINES = Entity(
    "lines",
    (Field("order", Scalar.INTEGER), Field("line", Scalar.STRING), Field("note", Scalar.STRING)),
    primary_key=("order", "line"),
)
_NESTED = Entity(
    "nested",
    (Field("sys", Struct((Field("id", Scalar.INTEGER),))), Field("note", Scalar.STRING)),
    primary_key="sys.id",
)
_BESIDE = "build the new generation beside the current one, and swap them in finish()"
_CONTINUE = "keep the unfinished generation with its checkpoint, and give both back together"
_DROP = "drop the unfinished generation in start(resume=False)"


@DESTINATION_LAWS.law(
    4,
    "append",
    "Appended rows are there once each, after those that were there, also where their keys repeat.",
)
async def append(subject: DestinationSubject, found: Findings) -> None:
    """Append in several reads, with repeated keys and pages without records."""
    if "append" not in subject.modes():
        return found.unchecked("it has no mode append")
    at_new = partial(scenario, subject, found, mend_rows="add the rows and change none that is there")
    async with at_new("two reads, one after the other") as at:
        await at.complete("append", 1, 2)
        await at.reopen()
        await at.start_gives(at.last(), "append", "the second start")
        at.rows_are(pages(1, 2), "after the second start")
        await at.write(3)
        at.rows_are(pages(1, 2, 3), "after a page of the second read")
        await at.finish()
        at.rows_are(pages(1, 2, 3), "after the second read")
    async with at_new("the same records again") as at:
        await at.begin("append", 1)
        await at.write(2, [*pages(1), pages(1)[0]])
        await at.finish()
        at.rows_are([*pages(1, 1), pages(1)[0]], "after finish")
    async with at_new("pages without records, and a read without pages") as at:
        await at.start("append")
        await at.write(1, [])
        await at.stored_is(
            1, "after a page without records", mend="store the checkpoint of an empty page, too"
        )
        await at.write(2, pages(1))
        await at.write(3, [])
        await at.crash()
        await at.start_gives(3, "append", "after a page without records and a crash")
        await at.finish()
        await at.complete("append")
        at.rows_are(pages(1), "after a read without pages")
        await at.stored_is(at.last(), "after a read without pages")
    return None


@DESTINATION_LAWS.law(
    5,
    "upsert",
    "There is one row for each primary key, the whole of the last record written, also within a page, and for a key of "
    "several fields or one in nested records.",
)
async def upsert(subject: DestinationSubject, found: Findings) -> None:
    """Write the same keys again: in a page, between pages, between reads, with fields that are gone."""
    if "upsert" not in subject.modes():
        return found.unchecked("it has no mode upsert")
    mend = "write over the row with the same primary key, all of its fields"
    at_new = partial(scenario, subject, found, mend_rows=mend)
    first, second = pages(1)
    async with at_new("a key in two pages and in two reads") as at:
        await at.complete("upsert", 1, 2)
        changed = [{**record, "name": "changed"} for record in pages(1)]
        await at.start("upsert")
        await at.write(3, [*pages(3), *changed])
        at.rows_are([*changed, *pages(2, 3)], "after keys that were there")
        await at.write(4, [{**first, "name": "again"}])
        await at.finish()
        await at.reopen()
        again: list[Record] = [{**first, "name": "again"}, changed[1], *pages(2, 3)]
        at.rows_are(again, "after a second change")
    async with at_new("a key twice in one page") as at:
        await at.start("upsert")
        last = {**first, "name": "last"}
        await at.write(1, [first, second, {**first, "name": "middle"}, last])
        at.rows_are([last, second], "after the page")
        await at.write(2, [{**first, "name": "b"}, {**second, "name": "b"}, {**first, "name": "c"}])
        await at.finish()
        at.rows_are([{**first, "name": "c"}, {**second, "name": "b"}], "after the same keys again")
    async with at_new("a key of two fields") as at:
        keys = ((1, "1"), (1, "2"), (2, "1"), (11, ""), (1, "11"))
        rows = [_line(order, line, note) for (order, line), note in zip(keys, "abcde", strict=True)]
        await at.store("upsert", _LINES, rows, [_line(1, "2", "new")])
        at.rows_are([rows[0], _line(1, "2", "new"), *rows[2:]], "after finish", entity="lines")
    async with at_new("a key that leads into nested records") as at:
        await at.store("upsert", _NESTED, [_deep(1, "a"), _deep(2, "a")], [_deep(1, "b")])
        at.rows_are([_deep(1, "b"), _deep(2, "a")], "after finish", entity="nested")
    async with at_new("a field that became empty") as at:
        first, second = pages(1)
        await at.begin("upsert", 1)
        await at.write(2, [{**first, "name": None}, {"id": second["id"], "at": second["at"]}])
        await at.finish()
        empty: list[Record] = [{**first, "name": None}, {**second, "name": None}]
        at.rows_are(empty, "after records without the field")
    return None


def _deep(key: int, note: str) -> Record:
    return {"sys": {"id": key}, "note": note}


def _line(order: int, line: str, note: str) -> Record:
    return {"order": order, "line": line, "note": note}


@DESTINATION_LAWS.law(
    6,
    "replace",
    "The old rows are there until finish, then the new generation alone, with the last record of each primary key. An "
    "unfinished generation is gone on with if resume is true, else dropped; a full table is never replaced by the tail of a "
    "read.",
)
async def replace(subject: DestinationSubject, found: Findings) -> None:
    """Replace over a complete read, interrupted and not, resumed and not."""
    if "replace" not in subject.modes():
        return found.unchecked("it has no mode replace")
    at_new = partial(scenario, subject, found, mend_rows=_BESIDE, mend_checkpoint=_CONTINUE)
    async with at_new("one generation after another") as at:
        await at.complete("replace", 1, 2)
        await _second(at)
    for way in ("crash", "close", "start again"):
        async with at_new(f"a generation that is gone on with after {way}") as at:
            await _resumed(at, way)
    async with at_new("a generation that is dropped", mend_checkpoint=_DROP) as at:
        await _dropped(at)
    async with at_new("a new generation without rows") as at:
        await at.complete("replace", 1)
        await at.complete("replace")
        at.rows_are([], "after finish", mend="let an empty generation take over, too")
        await at.complete("replace", 2)
        at.rows_are(pages(2), "after the next generation")
    await _keys_twice(subject, found)
    if "append" in subject.modes():
        async with at_new("appending before and after a replace") as at:
            await at.complete("append", 1, 2)
            await at.start_gives(None, "replace", "a new generation")
            await at.write(3)
            at.rows_are(pages(1, 2), "before finish")
            await at.finish()
            at.rows_are(pages(3), "after finish")
            await at.complete("append", 4)
            at.rows_are(pages(3, 4), "after appending to the new generation", mend="")
    return None


async def _keys_twice(subject: DestinationSubject, found: Findings) -> None:
    """Let keys come twice in a page, in two pages, in a read that was interrupted, and deep in the records."""
    mend = "of the records with one primary key, let the last one stay"
    at_new = partial(scenario, subject, found, mend_rows=mend)
    first, second = pages(1)
    changed = {**first, "name": "changed"}
    for name, written in (
        ("twice in one page", [[first, second, changed]]),
        ("in two pages", [[first, second], pages(2), [changed]]),
    ):
        async with at_new(f"a key {name} of a generation") as at:
            await at.store("replace", ORDERS, *written)
            rest = pages(2) if len(written) > 1 else []
            at.rows_are([changed, second, *rest], "after finish", ordered=False)
    async with at_new("a key again after an interruption") as at:
        await at.begin("replace", 1, 2)
        await at.crash()
        await at.start("replace")
        await at.write(3, [changed])
        await at.finish()
        at.rows_are([changed, second, *pages(2)], "after finish", ordered=False)
    async with at_new("a key that leads into nested records") as at:
        await at.store("replace", _NESTED, [_deep(1, "a"), _deep(2, "a")], [_deep(1, "b")])
        at.rows_are([_deep(1, "b"), _deep(2, "a")], "after finish", entity="nested", ordered=False)


async def _second(at: Scenario) -> None:
    mend = "give a checkpoint only for an unfinished generation"
    await at.start_gives(None, "replace", "a new generation", mend=mend)
    at.rows_are(pages(1, 2), "after start")
    await at.write(3)
    at.rows_are(pages(1, 2), "after a page of the new generation")
    await at.write(4, covered=False)
    await at.finish()
    at.rows_are(pages(3, 4), "after finish", mend="let the new generation take over in finish()")
    await at.stored_is(at.last(), "after finish", mend="")
    await at.reopen()
    at.rows_are(pages(3, 4), "after it was opened again")


async def _resumed(at: Scenario, way: str) -> None:
    await at.complete("replace", 1)
    await at.begin("replace", 2, 3)
    await at.stored_is(3, "with an unfinished generation")
    await at.interrupt(way)
    at.rows_are(pages(1), "before it is gone on with")
    await at.start_gives(3, "replace", "the next start")
    at.rows_are(pages(1), "after the next start")
    await at.finish(4)
    at.rows_are(pages(2, 3, 4), "after finish", mend=_CONTINUE)


async def _dropped(at: Scenario) -> None:
    await at.complete("replace", 1)
    await at.begin("replace", 2)
    await at.crash()
    at.checkpoint_is(await at.start("replace", resume=False), None, "start(resume=False)")
    at.rows_are(pages(1), "after start(resume=False)")
    await at.write(3, covered=False)
    await at.crash()
    await at.start_gives(None, "replace", "the start after that")
    await at.finish(4)
    at.rows_are(pages(4), "after finish", mend=_DROP)
