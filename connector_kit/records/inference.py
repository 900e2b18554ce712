"""Field types from records: what is announced of an entity whose source does not describe itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING

from .fitting import is_date, is_datetime
from .shapes import ANYTHING, MAX_DEPTH, NOTHING, Kind, Shape, field_of, limited, merge, merge_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .catalog import Field
    from .page import Record

__all__ = ["infer_fields", "shape_of"]

MAX_NAMES = 256
"""A nested object with more names is taken for a mapping by key, whose names are data: its type is JSON."""


def infer_fields(records: Iterable[Record]) -> tuple[Field, ...]:
    """Give the narrowest fields that all these records fit, in the order of their first occurrence.

    Integers and floats together are numbers; text is a datetime or a date where all of it reads as one in ISO 8601;
    kinds that have nothing in common are JSON. A field that is missing or None somewhere is nullable. One pass; the
    memory goes with the number of fields, not of records. No records, no fields.
    """
    seen: dict[str, Shape] | None = None
    for record in records:
        names = {name: shape_of(value) for name, value in record.items()}
        seen = names if seen is None else merge_names(seen, names, max_names=MAX_NAMES)
    return tuple(field_of(name, shape) for name, shape in (seen or {}).items())


def shape_of(value: object, depth: int = MAX_DEPTH) -> Shape:
    """Give the shape of one value; below `depth` levels of nesting it is not looked at."""
    if depth < 0:
        return ANYTHING
    if isinstance(value, str):
        return _TEXT[is_datetime(value), is_date(value)]
    if isinstance(value, Mapping):
        names = {name: shape_of(each, depth - 1) for name, each in value.items()}
        return limited(Shape(frozenset({Kind.OBJECT}), names=names), MAX_NAMES)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        item = NOTHING
        for each in value:
            item = merge(item, shape_of(each, depth - 1), max_names=MAX_NAMES)
        return Shape(frozenset({Kind.LIST}), item)
    return next((shape for kind, shape in _KINDS if isinstance(value, kind)), ANYTHING)


def _only(kind: Kind) -> Shape:
    return Shape(frozenset({kind}))


_TEXT = {
    (False, False): _only(Kind.TEXT),
    (True, False): _only(Kind.DATETIME_TEXT),
    (False, True): _only(Kind.DATE_TEXT),
}
_KINDS: tuple[tuple[type, Shape], ...] = (
    (bool, _only(Kind.BOOLEAN)),  # before int, which it is one of
    (int, _only(Kind.INTEGER)),
    (float, _only(Kind.FLOAT)),
    (type(None), _only(Kind.NULL)),
    (datetime, _only(Kind.DATETIME)),  # before date, which it is one of
    (date, _only(Kind.DATE)),
    (time, _only(Kind.TIME)),
    (Decimal, _only(Kind.DECIMAL)),
    (bytes, _only(Kind.BINARY)),
    (bytearray, _only(Kind.BINARY)),
    (memoryview, _only(Kind.BINARY)),
)
