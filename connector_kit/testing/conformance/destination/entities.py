"""Entities and their names and fields: they do not disturb each other, any name works or is refused, fields change."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from connector_kit.errors import ConnectorError
from connector_kit.records.catalog import Entity, Field, Scalar

from .scenario import Scenario, scenario
from .subject import DESTINATION_LAWS, entity_named, pages

if TYPE_CHECKING:
    from connector_kit.records.checkpoint import Mode
    from connector_kit.records.page import Record
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["entities", "evolution", "names"]

_NAMES = ("orders", "customers", "events")
_BY_ENTITY = "keep what belongs to a read by its entity, not in one variable for all"

# -- law 10 ------------------------------------------------------------------------------------------------------------


@DESTINATION_LAWS.law(
    10,
    "entities",
    "Reads of several entities at once, call by call in turn or at the same time, leave what each would leave alone.",
)
async def entities(subject: DestinationSubject, found: Findings) -> None:
    """Read three entities in turn and at once, interrupted and not, in several modes."""
    modes = subject.modes()
    at_new = partial(scenario, subject, found, mend_rows=_BY_ENTITY, mend_checkpoint=_BY_ENTITY)
    for shift in range(len(modes)):
        of: dict[str, Mode] = {
            name: modes[(number + shift) % len(modes)] for number, name in enumerate(_NAMES)
        }
        words = ", ".join(f"{name} {mode}" for name, mode in of.items())
        async with at_new(f"in turn ({words})") as at:
            await _in_turn(at, of)
        async with at_new(f"at once ({words})") as at:
            await _at_once(at, of)
    async with at_new("a finish, a reset and a start beside a read") as at:
        await _beside(at, subject.any_mode())


async def _in_turn(at: Scenario, modes: dict[str, Mode]) -> None:
    for name, mode in modes.items():
        await at.start(mode, entity_named(name))
    for number in (1, 2):
        for name in modes:
            await at.write(number, pages(number, of=name), entity=name)
    for name in modes:
        await at.stored_is(2, f"{name} after two pages", entity=name)
    await at.crash()
    for name, mode in modes.items():
        given = await at.start(mode, entity_named(name))
        at.checkpoint_is(given, 2, f"the next start of {name}", entity=name)
    for name in reversed(modes):
        await at.write(3, pages(3, of=name), entity=name)
    for name in modes:
        await at.finish(entity=name)
    _are_complete(at, modes)


async def _at_once(at: Scenario, modes: dict[str, Mode]) -> None:
    async def read(name: str, mode: Mode) -> None:
        await at.start(mode, entity_named(name))
        for number in (1, 2, 3):
            await at.write(number, pages(number, of=name), entity=name)
        await at.finish(entity=name)

    try:
        async with anyio.create_task_group() as tasks:
            for name, mode in modes.items():
                tasks.start_soon(read, name, mode)
    except* Exception as errors:
        raise errors.exceptions[0] from errors
    _are_complete(at, modes)


def _are_complete(at: Scenario, names: dict[str, Mode]) -> None:
    for name in names:
        at.rows_are(pages(1, 2, 3, of=name), f"after {name} is finished", entity=name)


async def _beside(at: Scenario, mode: Mode) -> None:
    one, two, three = _NAMES
    await at.start(mode, entity_named(one))
    await at.write(1, pages(1, of=one), entity=one)
    await at.complete(mode, 4, entity=entity_named(two))
    await at.write(2, pages(2, of=one), entity=one, covered=False)
    await at.destination.reset(two)
    await at.start(mode, entity_named(three))
    await at.write(3, pages(3, of=one), entity=one)
    await at.stored_is(3, f"after {two} was reset", entity=one)
    await at.stored_is(None, "after its reset", entity=two)
    await at.finish(entity=one)
    await at.stored_is(at.last(one), "after finish", entity=one)
    at.rows_are(pages(1, 2, 3, of=one), "after finish", entity=one)
    at.rows_are(pages(4), "after its reset", entity=two, ordered=False)
    at.rows_are([], "after its start", entity=three)


# -- law 9 -------------------------------------------------------------------------------------------------------------

_ODD = (
    *("Order", "select", "with space", 'quo"te', "it's", "back`tick", "Zürich", "a.b", "a/b", "a\\b", ".."),
    *("1st", "semi;colon--", "100%", "id2", "[brackets]", "{braces}", ":colon", "?"),
)
_PAIRS = (("Orders", "orders"), ("a b", "a_b"), ("a.b", "a/b"), ("É", "é"), ("order", "order "))
_QUOTE = "quote or encode the name"
_APART = "tell them apart, or refuse the second one"


@DESTINATION_LAWS.law(
    9,
    "names",
    "Any name of an entity or a field works or is refused with an error; two names never share rows or values.",
)
async def names(subject: DestinationSubject, found: Findings) -> None:
    """Write entities and fields with odd names, and pairs of names that are nearly the same."""
    mode = subject.any_mode()
    quoting = partial(scenario, subject, found, mend_rows=_QUOTE, mend_checkpoint=_QUOTE)
    apart = partial(scenario, subject, found, mend_rows=_APART, mend_checkpoint=_APART)
    async with quoting("entities with odd names") as at:
        for name in _ODD:
            if refusal := await _refusal(at, mode, 1, name):
                at.found.unchecked(f"an entity named {name!r}: {refusal}")
            else:
                await _has_entity(at, 1, name)
    for name in _ODD:
        async with quoting(f"a field named {name!r}") as at:
            await _fields(at, mode, [{"id": 1, name: "a"}, {"id": 2, name: "b"}], at.name)
    for one, other in _PAIRS:
        async with apart(f"the entities {one!r} and {other!r}") as at:
            if refusal := await _refusal(at, mode, 1, one):
                at.skip(f"entity {one!r} beside {other!r}: {refusal}")
            if refusal := await _refusal(at, mode, 2, other):
                at.found.unchecked(f"entity {other!r} beside {one!r}: {refusal}")
            else:
                await _has_entity(at, 2, other)
            await _has_entity(at, 1, one)
        async with apart(f"the fields {one!r} and {other!r}") as at:
            record = {"id": 1, one: "one", other: "other"}
            await _fields(at, mode, [record], f"{at.name} in one record")


async def _refusal(at: Scenario, mode: Mode, number: int, name: str) -> str:
    try:
        await at.complete(mode, number, entity=entity_named(name))
    except ConnectorError as error:
        return f"refused ({error})"
    return ""


async def _has_entity(at: Scenario, number: int, name: str) -> None:
    at.rows_are(pages(number), f"entity {name!r}", entity=name, ordered=False)
    await at.stored_is(at.last(name), f"entity {name!r}", entity=name)


async def _fields(at: Scenario, mode: Mode, records: list[dict[str, Any]], what: str) -> None:
    _, *fields = records[0]
    kinds = (Field("id", Scalar.INTEGER), *(Field(name, Scalar.STRING) for name in fields))
    try:
        await at.store(mode, Entity("things", kinds, primary_key="id"), records)
    except ConnectorError as error:
        at.skip(f"{what}: refused ({error})")
    at.rows_are(records, "after finish", entity="things", ordered=False)


# -- law 7 -------------------------------------------------------------------------------------------------------------

_ID = Field("id", Scalar.INTEGER, nullable=False)
_NAME = Field("name", Scalar.STRING)
_SIZE = Field("size", Scalar.INTEGER)


@DESTINATION_LAWS.law(
    7,
    "evolution",
    "New fields are stored and earlier rows stay, whether the field comes in a record or in the catalog; a field that a "
    "record lacks is empty.",
)
async def evolution(subject: DestinationSubject, found: Findings) -> None:
    """Let fields come and go in a page, between pages, between reads, and let an integer become a number."""
    add = "add what holds the new field and leave the rows as they are"
    at_new = partial(scenario, subject, found, mend_rows=add)
    for mode in subject.modes():
        async with at_new(f"{mode}, new fields during a read") as at:
            await _during(at, mode)
        async with at_new(f"{mode}, new fields in the next read's catalog") as at:
            await _between(at, mode)
    mode = subject.any_mode()
    async with at_new("fields of which the catalog says nothing") as at:
        rows: list[Record] = [{"id": 1, "name": "a"}, {"id": 2, "size": 3}]
        await at.store(mode, Entity("orders", primary_key="id"), rows[:1], rows[1:])
        at.rows_are(rows, "after finish")
    async with at_new("an integer that becomes a number") as at:
        await _widened(at, mode)


def _entity(*fields: Field) -> Entity:
    return Entity("orders", (_ID, *fields), primary_key="id")


async def _during(at: Scenario, mode: Mode) -> None:
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
    at.checkpoint_is(await at.start(mode, _entity(_NAME)), 2, "the next start")
    await at.write(3, rows[4:])
    await at.finish()
    at.rows_are(rows, "after finish")


async def _between(at: Scenario, mode: Mode) -> None:
    before: list[Record] = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    after: list[Record] = [{"id": 3, "size": 1}, {"id": 4, "size": None}]
    last: list[Record] = [{"id": 5, "size": 2}]
    await at.store(mode, _entity(_NAME), before)
    await at.start(mode, _entity(_NAME, _SIZE))
    at.rows_are(before, "after a start with a new field")
    await at.write(2, after)
    await at.finish()
    wanted = after if mode == "replace" else [*before, *after]
    at.rows_are(wanted, "after the second read")
    await at.store(mode, _entity(_SIZE), last)
    wanted = last if mode == "replace" else [*wanted, *last]
    at.rows_are(wanted, "after a read whose catalog lacks a field", mend="keep the field and its values")


async def _widened(at: Scenario, mode: Mode) -> None:
    rows: list[Record] = [{"id": 1, "size": 1}, {"id": 2, "size": 2**53 + 1}, {"id": 3, "size": 1.5}]
    await at.start(mode, _entity(_SIZE))
    await at.write(1, rows[:2])
    try:
        await at.write(2, rows[2:])
    except ConnectorError as error:
        at.skip(f"{at.name}: refused ({error})")
    await at.finish()
    mend = "widen what holds the field so that no value of it changes, or refuse the page"
    at.rows_are(rows, "after finish", mend=mend)
