"""Hypothesis strategies for tests of connectors, wrappers and destinations: catalogs, records, pages, cursors, faults."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any

from connector_kit.errors import ConfigError, ConnectionFailedError, ServiceUnavailableError, TimedOutError
from connector_kit.records.catalog import Catalog, Entity, Field, FieldType, ListOf, Scalar, Struct
from connector_kit.records.page import Cursor, Page
from connector_kit.testing.conformance.reading import text_of
from connector_kit.testing.conformance.wire import one_after_each, wire_plans
from connector_kit.wrappers.fault_injection.wrapper import Cut, Fail, Fault, Refuse, Schedule, Stall

from .drawing import st

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypothesis.strategies import DrawFn, SearchStrategy

    from connector_kit.records.catalog import Incremental
    from connector_kit.records.page import JsonValue

__all__ = [
    "catalogs",
    "cursors",
    "entities",
    "faults",
    "field_types",
    "fields",
    "json_values",
    "pages",
    "reads",
    "records",
    "schedules",
    "wire_plans",
]


_MOST_ITEMS = 4
_EARLIEST, _LATEST = datetime(1900, 1, 1), datetime(2100, 1, 1)  # noqa: DTZ001 - hypothesis adds the time zone
_ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-7)), timezone(timedelta(hours=5, minutes=30))])

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
"""Any text that has a UTF-8 form. The default of `text` asks the codec about every character first, which takes seconds."""

_INTEGER = st.integers(-(2**63), 2**63 - 1)
_NUMBER = _INTEGER | st.floats(allow_nan=False, allow_infinity=False)


def json_values() -> SearchStrategy[JsonValue]:
    """Return JSON values that come back from JSON text as they were: no NaN, keys are text, integers of 64 bits."""
    return st.recursive(
        st.none() | st.booleans() | _NUMBER | _TEXT,
        lambda inner: (
            st.lists(inner, max_size=_MOST_ITEMS) | st.dictionaries(_TEXT, inner, max_size=_MOST_ITEMS)
        ),
        max_leaves=6,
    )


def names() -> SearchStrategy[str]:
    """Return names of entities and fields: mostly plain ones, now and then what a database has to quote."""
    plain = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=8)
    strange = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=12)
    return plain | plain | strange


def values(kind: FieldType, *, as_json: bool = False) -> SearchStrategy[Any]:
    """Return values that fit a type, never None by itself; with `as_json` only in the form that JSON has for them."""
    if isinstance(kind, Struct):
        return nested(kind.fields, as_json=as_json)
    if isinstance(kind, ListOf):
        return st.lists(st.none() | values(kind.item, as_json=as_json), max_size=_MOST_ITEMS)
    if kind is Scalar.JSON:
        return json_values().filter(lambda value: value is not None)
    text = natives(kind).map(as_text)
    return text if as_json else natives(kind) | text


def natives(kind: Scalar) -> SearchStrategy[Any]:
    """Return values of a type in Python's own form, in which they can be sorted. Not for `JSON`."""
    return _NATIVES[kind]


def nested(fields: tuple[Field, ...], *, as_json: bool = False) -> SearchStrategy[dict[str, Any]]:
    """Return mappings that have a value for every field; a nullable one may be None or missing."""
    return st.fixed_dictionaries(
        {field.name: values(field.type, as_json=as_json) for field in fields if not field.nullable},
        optional={
            field.name: st.none() | values(field.type, as_json=as_json) for field in fields if field.nullable
        },
    )


def as_text(value: object) -> object:
    """Return what JSON has for a time, a decimal or bytes; other values as they are."""
    match value:
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            return b64encode(value).decode()
        case bool() | int() | float() | str():
            return value
        case _:
            return str(value)


_NATIVES: Mapping[Scalar, SearchStrategy[Any]] = {
    Scalar.STRING: _TEXT,
    Scalar.INTEGER: _INTEGER,
    Scalar.NUMBER: _NUMBER,
    Scalar.BOOLEAN: st.booleans(),
    Scalar.DATETIME: st.datetimes(_EARLIEST, _LATEST, timezones=_ZONES),
    Scalar.DATE: st.dates(_EARLIEST.date(), _LATEST.date()),
    Scalar.TIME: st.times(),
    Scalar.DECIMAL: st.decimals(allow_nan=False, allow_infinity=False),
    Scalar.BINARY: st.binary(max_size=20),
}


_ERRORS = (ConnectionFailedError, ServiceUnavailableError, TimedOutError)


def faults(*, max_seconds: float = 30.0) -> st.SearchStrategy[Fault]:
    """Return single transient faults; stalls and Retry-After take up to `max_seconds`."""
    seconds = st.floats(0, max_seconds)
    return st.one_of(
        st.builds(Fail, st.sampled_from(_ERRORS)),
        st.builds(Cut, st.sampled_from(_ERRORS)),
        st.builds(Refuse, st.none() | seconds),
        st.builds(Stall, seconds),
    )


def schedules(
    *, max_in_a_row: int = 3, max_size: int = 30, max_seconds: float = 30.0
) -> st.SearchStrategy[Schedule]:
    """Return schedules with at most `max_in_a_row` faults one after the other, for up to `max_size` requests.

    All faults are transient and none repeats a page: with more than `max_in_a_row` attempts for each request and
    enough time, a retry gets past all of them.
    """
    runs = st.lists(faults(max_seconds=max_seconds), max_size=max_in_a_row)
    return st.lists(runs, max_size=max_size).map(lambda parts: one_after_each(parts, max_size))


_MOST_FIELDS = 6
_KEYS = (Scalar.INTEGER, Scalar.STRING, Scalar.DATE)


def field_types(*, max_depth: int = 2) -> SearchStrategy[FieldType]:
    """Return types of fields, lists and structs in each other up to `max_depth` deep."""
    scalars: SearchStrategy[FieldType] = st.sampled_from(Scalar)
    if max_depth <= 0:
        return scalars
    inner = field_types(max_depth=max_depth - 1)
    structs = st.lists(st.builds(Field, names(), inner, st.booleans()), max_size=3, unique_by=_name)
    return st.one_of(scalars, st.builds(ListOf, inner), st.builds(Struct, structs))


def fields(*, max_depth: int = 2) -> SearchStrategy[Field]:
    """Return fields of any type."""
    return st.builds(Field, names(), field_types(max_depth=max_depth), st.booleans())


@st.composite
def entities(draw: DrawFn, *, name: str | None = None, max_depth: int = 2) -> Entity:
    """Return entities as sources have them: with and without keys, order, fields; read by since, by cursor or in full.

    `name` is theirs, any where None. A key is a required field of a type with an order.
    """
    keys = draw(st.lists(names(), max_size=2, unique=True))
    growing = draw(st.none() | names().filter(lambda each: each not in keys))
    ways: list[Incremental] = [None, "cursor"] if growing is None else [None, "cursor", "since"]
    required = [Field(key, draw(st.sampled_from(_KEYS)), nullable=False) for key in keys]
    required += [Field(growing, Scalar.DATETIME, nullable=False)] if growing is not None else []
    others = st.lists(fields(max_depth=max_depth), max_size=_MOST_FIELDS, unique_by=_name)
    free = [each for each in draw(others) if each.name not in {key.name for key in required}]
    known = draw(st.permutations([*required, *free]))
    return Entity(
        draw(names()) if name is None else name,
        fields=draw(st.sampled_from([known, known, known, []])),
        primary_key=tuple(keys),
        replication_key=growing,
        ordered=growing is not None and draw(st.booleans()),
        incremental=draw(st.sampled_from(ways)),
    )


def catalogs(*, max_size: int = 4) -> SearchStrategy[Catalog]:
    """Return catalogs of up to `max_size` entities."""
    return st.lists(entities(), max_size=max_size, unique_by=_name).map(Catalog)


def records(entity: Entity, *, as_json: bool = False) -> SearchStrategy[dict[str, Any]]:
    """Return records that fit the entity, with a value for each of its keys.

    Times, decimals and bytes come as Python's values and as the text that JSON has for them; with `as_json` as text only.
    """
    known = {field.name: field for field in entity.fields}
    for key in entity.primary_key:
        known[key] = Field(key, known[key].type if key in known else Scalar.INTEGER, nullable=False)
    if entity.replication_key is not None:
        known[entity.replication_key] = Field(entity.replication_key, _growing_type(entity), nullable=False)
    return nested(tuple(known.values()), as_json=as_json)


def cursors() -> SearchStrategy[Cursor]:
    """Return cursors: JSON values that survive a round trip through text, none of them None."""
    return json_values().filter(lambda value: value is not None)


def pages(entity: Entity, *, max_size: int = 10, as_json: bool = False) -> SearchStrategy[Page]:
    """Return single pages of up to `max_size` records of the entity, with a cursor or without."""
    batches = st.lists(records(entity, as_json=as_json), max_size=max_size, unique_by=_keys_of(entity))
    return st.builds(Page, batches, st.none() | cursors())


@st.composite
def reads(
    draw: DrawFn, entity: Entity, *, max_pages: int = 5, max_size: int = 5, as_json: bool = False
) -> tuple[Page, ...]:
    """Return the pages of one full read of the entity, as the laws want them.

    Primary keys are unique, records are in order where the entity promises it, and either no page has a cursor or each
    has one of its own. Pages may be empty, and there may be none.
    """
    one = records(entity, as_json=as_json)
    key = entity.replication_key if entity.ordered else None
    if key is not None:
        one = st.tuples(one, natives(_growing_type(entity))).map(lambda both: {**both[0], key: both[1]})
    read = draw(st.lists(one, max_size=max_pages * max_size, unique_by=_keys_of(entity)))
    if key is not None:
        read.sort(key=lambda record: record[key])
        if as_json or draw(st.booleans()):
            read = [{**record, key: as_text(record[key])} for record in read]
    parts = _parts(draw, read, max_pages, max_size)
    resumable = draw(st.booleans())
    return tuple(
        Page(part, {"page": number, "token": draw(cursors())} if resumable else None)
        for number, part in enumerate(parts, 1)
    )


def _parts(
    draw: DrawFn, rest: Sequence[dict[str, Any]], max_pages: int, max_size: int
) -> list[Sequence[dict[str, Any]]]:
    """Divide records into at most so many pages of at most so many records."""
    parts: list[Sequence[dict[str, Any]]] = []
    while rest or (len(parts) < max_pages and draw(st.booleans())):
        left = max_pages - len(parts) - 1
        size = draw(st.integers(max(0, len(rest) - left * max_size), min(max_size, len(rest))))
        parts.append(rest[:size])
        rest = rest[size:]
    return parts


def _name(named: Field | Entity) -> str:
    return named.name


def _growing_type(entity: Entity) -> Scalar:
    """Return the type of the replication key's values: times where nothing is said of it."""
    kinds = [field.type for field in entity.fields if field.name == entity.replication_key] or [
        Scalar.DATETIME
    ]
    if not isinstance(kinds[0], Scalar):
        raise ConfigError(
            f"the replication key {entity.replication_key!r} of entity {entity.name!r} is a list or a struct; "
            "expected values that grow; name another field"
        )
    return Scalar.DATETIME if kinds[0] is Scalar.JSON else kinds[0]


def _keys_of(entity: Entity) -> Any:
    """Return by what records are told apart: the values of their key, and the text of them. None without a key."""
    if not entity.primary_key:
        return None

    def as_values(record: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(_hashable(record[name]) for name in entity.primary_key)

    def as_texts(record: dict[str, Any]) -> tuple[str, ...]:
        return tuple(text_of(record[name]) for name in entity.primary_key)

    return as_values, as_texts


def _hashable(value: Any) -> Any:
    return text_of(value) if type(value) in (dict, list) else value
