"""Law 5: upserting leaves one row for each key, the last one written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.records.catalog import Entity, Field, Scalar

from .samples import page, pages
from .subject import DESTINATION_LAWS
from .trial import Trial, trial

if TYPE_CHECKING:
    from connector_kit.records.page import Record
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["upsert"]


_LINES = Entity(
    "lines",
    (
        Field("order", Scalar.INTEGER),
        Field("line", Scalar.STRING),
        Field("note", Scalar.STRING),
    ),
    primary_key=("order", "line"),
)
_MEND = "write over the row with the same primary key, all of its fields"


@DESTINATION_LAWS.law(
    5,
    "upsert",
    "There is one row for each primary key, the whole of the last record written, also within a page and for a key of "
    "several fields.",
)
async def upsert(subject: DestinationSubject, found: Findings) -> None:
    """Write the same keys again: in a page, between pages, between reads, with fields that are gone."""
    if "upsert" not in subject.modes():
        return found.unchecked("it has no mode upsert")
    async with trial(subject, found, "a key in two pages and in two reads") as at:
        await at.complete("upsert", 1, 2)
        changed = [{**record, "name": "changed"} for record in page(1)]
        await at.start("upsert")
        await at.write(3, [*page(3), *changed])
        _are(at, [*changed, *pages(2, 3)], "after keys that were there")
        await at.write(4, [{**changed[0], "name": "again"}])
        await at.finish()
        await at.reopen()
        _are(at, [{**changed[0], "name": "again"}, changed[1], *pages(2, 3)], "after a second change")
    async with trial(subject, found, "a key twice in one page") as at:
        first, second = page(1)
        await at.start("upsert")
        last = {**first, "name": "last"}
        await at.write(1, [first, second, {**first, "name": "middle"}, last])
        _are(at, [last, second], "after the page")
        await at.write(2, [{**first, "name": "b"}, {**second, "name": "b"}, {**first, "name": "c"}])
        await at.finish()
        _are(at, [{**first, "name": "c"}, {**second, "name": "b"}], "after the same keys again")
    async with trial(subject, found, "a key of two fields") as at:
        await at.start("upsert", _LINES)
        rows = [
            _line(1, "1", "a"),
            _line(1, "2", "b"),
            _line(2, "1", "c"),
            _line(11, "", "d"),
            _line(1, "11", "e"),
        ]
        await at.write(1, rows, entity="lines")
        await at.write(2, [_line(1, "2", "new")], entity="lines")
        await at.finish("lines")
        _are(at, [rows[0], _line(1, "2", "new"), *rows[2:]], "after finish", entity="lines")
    async with trial(subject, found, "a field that became empty") as at:
        await at.start("upsert")
        await at.write(1)
        first, second = page(1)
        await at.write(2, [{**first, "name": None}, {"id": second["id"], "at": second["at"]}])
        await at.finish()
        _are(at, [{**first, "name": None}, {**second, "name": None}], "after records without the field")
    return None


def _line(order: int, line: str, note: str) -> Record:
    return {"order": order, "line": line, "note": note}


def _are(at: Trial, wanted: list[Record], when: str, *, entity: str = "orders") -> None:
    """Compare; where a row stands is not promised."""
    at.rows_are(wanted, when, mend=_MEND, entity=entity, ordered=False)
