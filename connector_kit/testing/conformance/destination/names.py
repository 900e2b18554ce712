"""Law 9: any name works or is refused; no two names share their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.errors import ConnectorError
from connector_kit.records.catalog import Entity, Field, Scalar

from .samples import entity_named, page
from .subject import DESTINATION_LAWS
from .trial import Trial, trial

if TYPE_CHECKING:
    from connector_kit.records.checkpoint import Mode
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["names"]


_ODD = (
    "Order",
    "select",
    "with space",
    'quo"te',
    "it's",
    "back`tick",
    "Zürich",
    "a.b",
    "a/b",
    "a\\b",
    "..",
    "1st",
    "semi;colon--",
    "100%",
    "id2",
    "[brackets]",
    "{braces}",
    ":colon",
    "?",
)
_PAIRS = (("Orders", "orders"), ("a b", "a_b"), ("a.b", "a/b"), ("É", "é"), ("order", "order "))
_APART = "tell them apart, or refuse the second one"


@DESTINATION_LAWS.law(
    9,
    "names",
    "Any name of an entity or a field works or is refused with an error; two names never share rows or values.",
)
async def names(subject: DestinationSubject, found: Findings) -> None:
    """Write entities and fields with odd names, and pairs of names that are nearly the same."""
    mode = subject.any_mode()
    async with trial(subject, found, "entities with odd names") as at:
        for name in _ODD:
            await _entity(at, mode, name)
    for name in _ODD:
        async with trial(subject, found, f"a field named {name!r}") as at:
            await _field(at, mode, name)
    for one, other in _PAIRS:
        async with trial(subject, found, f"the entities {one!r} and {other!r}") as at:
            await _entities(at, mode, one, other)
        async with trial(subject, found, f"the fields {one!r} and {other!r}") as at:
            await _fields(at, mode, one, other)


async def _entity(at: Trial, mode: Mode, name: str) -> None:
    try:
        await at.complete(mode, 1, entity=entity_named(name))
    except ConnectorError as error:
        at.unchecked(f"an entity named {name!r}: refused ({error})")
        return
    at.rows_are(page(1), f"entity {name!r}", entity=name, mend="quote or encode the name", ordered=False)
    await at.stored_is(at.last(name), f"entity {name!r}", entity=name, mend="quote or encode the name")


async def _field(at: Trial, mode: Mode, name: str) -> None:
    entity = Entity("things", (Field("id", Scalar.INTEGER), Field(name, Scalar.STRING)), primary_key="id")
    records = [{"id": 1, name: "a"}, {"id": 2, name: "b"}]
    try:
        await at.start(mode, entity)
        await at.write(1, records, entity="things")
        await at.finish("things")
    except ConnectorError as error:
        at.skip(f"a field named {name!r}: refused ({error})")
    at.rows_are(records, "after finish", entity="things", mend="quote or encode the name", ordered=False)


async def _entities(at: Trial, mode: Mode, one: str, other: str) -> None:
    try:
        await at.complete(mode, 1, entity=entity_named(one))
    except ConnectorError as error:
        at.skip(f"entity {one!r} beside {other!r}: refused ({error})")
    try:
        await at.complete(mode, 2, entity=entity_named(other))
    except ConnectorError as error:
        at.unchecked(f"entity {other!r} beside {one!r}: refused ({error})")
    else:
        at.rows_are(page(2), f"entity {other!r}", entity=other, mend=_APART, ordered=False)
        await at.stored_is(at.last(other), f"entity {other!r}", entity=other, mend=_APART)
    at.rows_are(page(1), f"entity {one!r}", entity=one, mend=_APART, ordered=False)
    await at.stored_is(at.last(one), f"entity {one!r}", entity=one, mend=_APART)


async def _fields(at: Trial, mode: Mode, one: str, other: str) -> None:
    kinds = (Field("id", Scalar.INTEGER), Field(one, Scalar.STRING), Field(other, Scalar.STRING))
    record = {"id": 1, one: "one", other: "other"}
    try:
        await at.start(mode, Entity("things", kinds, primary_key="id"))
        await at.write(1, [record], entity="things")
        await at.finish("things")
    except ConnectorError as error:
        at.skip(f"the fields {one!r} and {other!r} in one record: refused ({error})")
    at.rows_are([record], "after finish", entity="things", mend=_APART)
