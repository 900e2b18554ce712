"""Law 7: records may change their fields, during a read and between two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_kit.errors import ConnectorError
from connector_kit.records.catalog import Entity, Field, Scalar

from .subject import DESTINATION_LAWS
from .trial import Trial, trial

if TYPE_CHECKING:
    from connector_kit.records.checkpoint import Mode
    from connector_kit.records.page import Record
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["evolution"]


_ID = Field("id", Scalar.INTEGER, nullable=False)
_NAME = Field("name", Scalar.STRING)
_SIZE = Field("size", Scalar.INTEGER)
_ADD = "add what holds the new field and leave the rows as they are"


@DESTINATION_LAWS.law(
    7,
    "evolution",
    "New fields are stored and earlier rows stay, whether the field comes in a record or in the catalog; a field that a "
    "record lacks is empty.",
)
async def evolution(subject: DestinationSubject, found: Findings) -> None:
    """Let fields come and go in a page, between pages, between reads, and let an integer become a number."""
    for mode in subject.modes():
        async with trial(subject, found, f"{mode}, new fields during a read") as at:
            await _during(at, mode)
        async with trial(subject, found, f"{mode}, new fields in the next read's catalog") as at:
            await _between(at, mode)
    async with trial(subject, found, "fields of which the catalog says nothing") as at:
        await _unannounced(at, subject.any_mode())
    async with trial(subject, found, "an integer that becomes a number") as at:
        await _widened(at, subject.any_mode())


def _entity(*fields: Field) -> Entity:
    return Entity("orders", (_ID, *fields), primary_key="id")


async def _during(at: Trial, mode: Mode) -> None:
    rows: list[Record] = [
        {"id": 1, "name": "a"},
        {"id": 2, "name": "b", "size": 5},
        {"id": 3},
        {"id": 4, "size": 6, "colour": "red"},
        {"id": 5, "name": "c"},
    ]
    await at.start(mode, _entity(_NAME))
    await at.write(1, rows[:2])
    await at.write(2, rows[2:4])
    await at.crash()
    at.given_is(await at.start(mode, _entity(_NAME)), 2, "the next start")
    await at.write(3, rows[4:])
    await at.finish()
    at.rows_are(rows, "after finish", mend=_ADD, ordered=mode != "upsert")


async def _between(at: Trial, mode: Mode) -> None:
    before: list[Record] = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    after: list[Record] = [{"id": 3, "size": 1}, {"id": 4, "size": None}]
    await at.start(mode, _entity(_NAME))
    await at.write(1, before)
    await at.finish()
    await at.start(mode, _entity(_NAME, _SIZE))
    at.rows_are(before, "after a start with a new field", mend=_ADD, ordered=mode != "upsert")
    await at.write(2, after)
    await at.finish()
    wanted = after if mode == "replace" else [*before, *after]
    at.rows_are(wanted, "after the second read", mend=_ADD, ordered=mode != "upsert")
    await at.start(mode, _entity(_SIZE))
    await at.write(3, [{"id": 5, "size": 2}])
    await at.finish()
    wanted = [{"id": 5, "size": 2}] if mode == "replace" else [*wanted, {"id": 5, "size": 2}]
    at.rows_are(
        wanted,
        "after a read whose catalog lacks a field",
        mend="keep the field and its values",
        ordered=mode != "upsert",
    )


async def _unannounced(at: Trial, mode: Mode) -> None:
    bare = Entity("orders", primary_key="id")
    rows: list[Record] = [{"id": 1, "name": "a"}, {"id": 2, "size": 3}]
    await at.start(mode, bare)
    await at.write(1, rows[:1])
    await at.write(2, rows[1:])
    await at.finish()
    at.rows_are(rows, "after finish", mend=_ADD, ordered=mode != "upsert")


async def _widened(at: Trial, mode: Mode) -> None:
    rows: list[dict[str, Any]] = [{"id": 1, "size": 1}, {"id": 2, "size": 2**53 + 1}, {"id": 3, "size": 1.5}]
    await at.start(mode, _entity(_SIZE))
    await at.write(1, rows[:2])
    try:
        await at.write(2, rows[2:])
    except ConnectorError as error:
        at.skip(f"an integer that becomes a number: refused ({error})")
    await at.finish()
    at.rows_are(
        rows,
        "after finish",
        mend="widen what holds the field so that no value of it changes, or refuse the page",
        ordered=mode != "upsert",
    )
