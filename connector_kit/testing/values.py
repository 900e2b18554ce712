"""Hypothesis strategies for values: any JSON value, names, and what fits a field's type."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any

from connector_kit.records.catalog import Field, FieldType, ListOf, Scalar, Struct

from .drawing import st

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import SearchStrategy

    from connector_kit.records.page import JsonValue

__all__ = ["as_text", "json_values", "names", "natives", "nested", "values"]

_MOST_ITEMS = 4
_EARLIEST, _LATEST = datetime(1900, 1, 1), datetime(2100, 1, 1)  # noqa: DTZ001 - hypothesis adds the time zone
_ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-7)), timezone(timedelta(hours=5, minutes=30))])

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
"""Any text that has a UTF-8 form. The default of `text` asks the codec about every character first, which takes seconds."""


def json_values() -> SearchStrategy[JsonValue]:
    """Give JSON values that come back from JSON text as they were: no NaN, keys are text, integers of 64 bits."""
    return st.recursive(
        st.none() | st.booleans() | _integers() | _finite() | _TEXT,
        lambda inner: (
            st.lists(inner, max_size=_MOST_ITEMS) | st.dictionaries(_TEXT, inner, max_size=_MOST_ITEMS)
        ),
        max_leaves=6,
    )


def names() -> SearchStrategy[str]:
    """Give names of entities and fields: mostly plain ones, now and then what a database has to quote."""
    plain = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=8)
    strange = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=12)
    return plain | plain | strange


def _moments() -> SearchStrategy[datetime]:
    """Give times from 1900 to 2100, each with an offset."""
    return st.datetimes(_EARLIEST, _LATEST, timezones=_ZONES)


def values(kind: FieldType, *, as_json: bool = False) -> SearchStrategy[Any]:
    """Give values that fit a type, never None by itself; with `as_json` only in the form that JSON has for them."""
    if isinstance(kind, Struct):
        return nested(kind.fields, as_json=as_json)
    if isinstance(kind, ListOf):
        return st.lists(st.none() | values(kind.item, as_json=as_json), max_size=_MOST_ITEMS)
    if kind is Scalar.JSON:
        return json_values().filter(lambda value: value is not None)
    text = natives(kind).map(as_text)
    return text if as_json else natives(kind) | text


def natives(kind: Scalar) -> SearchStrategy[Any]:
    """Give values of a type in Python's own form, in which they can be sorted. Not for `JSON`."""
    return _NATIVES[kind]


def nested(fields: tuple[Field, ...], *, as_json: bool = False) -> SearchStrategy[dict[str, Any]]:
    """Give mappings that have a value for every field; a nullable one may be None or missing."""
    return st.fixed_dictionaries(
        {field.name: values(field.type, as_json=as_json) for field in fields if not field.nullable},
        optional={
            field.name: st.none() | values(field.type, as_json=as_json) for field in fields if field.nullable
        },
    )


def as_text(value: object) -> object:
    """Give what JSON has for a time, a decimal or bytes; other values as they are."""
    match value:
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            return b64encode(value).decode()
        case bool() | int() | float() | str():
            return value
        case _:
            return str(value)


def _integers() -> SearchStrategy[int]:
    return st.integers(-(2**63), 2**63 - 1)


def _finite() -> SearchStrategy[float]:
    return st.floats(allow_nan=False, allow_infinity=False)


_NATIVES: Mapping[Scalar, SearchStrategy[Any]] = {
    Scalar.STRING: _TEXT,
    Scalar.INTEGER: _integers(),
    Scalar.NUMBER: _integers() | _finite(),
    Scalar.BOOLEAN: st.booleans(),
    Scalar.DATETIME: _moments(),
    Scalar.DATE: st.dates(_EARLIEST.date(), _LATEST.date()),
    Scalar.TIME: st.times(),
    Scalar.DECIMAL: st.decimals(allow_nan=False, allow_infinity=False),
    Scalar.BINARY: st.binary(max_size=20),
}
