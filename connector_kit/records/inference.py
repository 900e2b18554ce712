"""Field types from records: what is announced of an entity whose source does not describe itself.

While they are being found out, what is known of a type is a shape: a set of kinds, so that merging is a union and does
not depend on the order. Only `field_type` decides which type a set of kinds amounts to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum, auto
from typing import TYPE_CHECKING

import attrs

from .catalog import Field, FieldType, ListOf, Scalar, Struct
from .fitting import is_date, is_datetime
from .values import is_mapping, is_sequence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .page import Record

__all__ = [
    "ANYTHING",
    "MAX_DEPTH",
    "NOTHING",
    "Kind",
    "Shape",
    "field_of",
    "field_type",
    "infer_fields",
    "limited",
    "merge",
    "merge_names",
    "shape_of",
]


MAX_DEPTH = 32
"""What is nested deeper is JSON."""


class Kind(Enum):
    """The kinds of values that are told apart. Text that reads as a time is a kind of its own; OTHER may be anything."""

    NULL = auto()
    BOOLEAN = auto()
    INTEGER = auto()
    FLOAT = auto()
    DECIMAL = auto()
    TEXT = auto()
    DATETIME = auto()
    DATETIME_TEXT = auto()
    DATE = auto()
    DATE_TEXT = auto()
    TIME = auto()
    TIME_TEXT = auto()
    BINARY = auto()
    LIST = auto()
    OBJECT = auto()
    OTHER = auto()


@attrs.frozen
class Shape:
    """The kinds seen in one place; for lists the shape of all items, for objects the shape of each name.

    A name that one object lacks has the kind NULL there. With the kind OTHER nothing more is known.
    """

    kinds: frozenset[Kind] = frozenset()
    item: Shape | None = None
    names: Mapping[str, Shape] = attrs.field(factory=dict[str, "Shape"])


NOTHING = Shape()
"""No value seen."""

ANYTHING = Shape(frozenset({Kind.NULL, Kind.OTHER}))
"""Any value at all, None included."""

_MISSING = Shape(frozenset({Kind.NULL}))


def merge(one: Shape, other: Shape, *, max_names: int | None = None) -> Shape:
    """Return the shape of what has either shape. Commutative, associative and idempotent, with `NOTHING` as its zero.

    An object with more than `max_names` names becomes of kind OTHER, on every level.
    """
    if one == other:
        return one
    kinds = one.kinds | other.kinds
    if Kind.OTHER in kinds:
        return Shape(kinds & ANYTHING.kinds)
    if one.item is None or other.item is None:
        item = one.item or other.item
    else:
        item = merge(one.item, other.item, max_names=max_names)
    if Kind.OBJECT in one.kinds and Kind.OBJECT in other.kinds:
        names = merge_names(one.names, other.names, max_names=max_names)
    else:  # where only one side has seen objects, it alone says what their names are
        names = {**one.names, **other.names}
    return limited(Shape(kinds, item, names), max_names)


def merge_names(
    one: Mapping[str, Shape], other: Mapping[str, Shape], *, max_names: int | None = None
) -> dict[str, Shape]:
    """Merge the names of two objects; what one of them lacks is NULL there."""
    return {
        name: merge(one.get(name, _MISSING), other.get(name, _MISSING), max_names=max_names)
        for name in {**one, **other}
    }


def limited(shape: Shape, max_names: int | None) -> Shape:
    """Return the shape, or where it has too many names, the kind OTHER in its place."""
    if max_names is None or len(shape.names) <= max_names:
        return shape
    return Shape(shape.kinds & ANYTHING.kinds | {Kind.OTHER})


_TYPES: tuple[tuple[frozenset[Kind], Scalar], ...] = (
    (frozenset({Kind.BOOLEAN}), Scalar.BOOLEAN),
    (frozenset({Kind.INTEGER}), Scalar.INTEGER),
    (frozenset({Kind.INTEGER, Kind.FLOAT}), Scalar.NUMBER),
    (frozenset({Kind.INTEGER, Kind.FLOAT, Kind.DECIMAL}), Scalar.DECIMAL),
    (frozenset({Kind.DATETIME, Kind.DATETIME_TEXT}), Scalar.DATETIME),
    (frozenset({Kind.DATE, Kind.DATE_TEXT}), Scalar.DATE),
    (frozenset({Kind.TIME, Kind.TIME_TEXT}), Scalar.TIME),
    (frozenset({Kind.TEXT, Kind.DATETIME_TEXT, Kind.DATE_TEXT, Kind.TIME_TEXT}), Scalar.STRING),
    (frozenset({Kind.BINARY}), Scalar.BINARY),
)
"""The scalar types and the kinds that fit each, narrower ones first."""


def field_type(shape: Shape) -> FieldType:
    """Return the narrowest type that everything of this shape fits; JSON where nothing but None was seen."""
    kinds = shape.kinds - {Kind.NULL}
    if kinds == frozenset({Kind.LIST}):
        return ListOf(field_type(shape.item or NOTHING))
    if kinds == frozenset({Kind.OBJECT}):
        return Struct(field_of(name, each) for name, each in shape.names.items())
    return next((kind for fitting, kind in _TYPES if kinds and kinds <= fitting), Scalar.JSON)


def field_of(name: str, shape: Shape) -> Field:
    """Return the field of that name; it is nullable where None was seen, or a record without it."""
    return Field(name, field_type(shape), nullable=not shape.kinds or Kind.NULL in shape.kinds)


MAX_NAMES = 256
"""A nested object with more names is taken for a mapping by key, whose names are data: its type is JSON."""


def infer_fields(records: Iterable[Record]) -> tuple[Field, ...]:
    """Return the narrowest fields that all these records fit, in the order of their first occurrence.

    Integers and floats together are numbers; text is a datetime or a date where all of it reads as one in ISO 8601;
    kinds that have nothing in common are JSON. A field that is missing or None somewhere is nullable. One pass; the
    memory goes with the number of fields, not of records. No records, no fields.
    """
    count, shapes, present = 0, dict[str, Shape](), Counter[str]()
    for count, record in enumerate(records, 1):  # noqa: B007 - the last one is how many there were
        for name, value in record.items():  # those alone that it has: there may be thousands of others
            shape, known = shape_of(value), shapes.get(name)
            shapes[name] = shape if known is None else merge(known, shape, max_names=MAX_NAMES)
        present.update(record.keys())
    return tuple(
        field_of(name, shape if present[name] == count else merge(shape, _MISSING))
        for name, shape in shapes.items()
    )


def shape_of(value: object, depth: int = MAX_DEPTH) -> Shape:
    """Return the shape of one value; below `depth` levels of nesting it is not looked at."""
    if depth < 0:
        return ANYTHING
    if isinstance(value, str):
        return _TEXT[is_datetime(value), is_date(value)]
    if is_mapping(value):
        names = {name: shape_of(each, depth - 1) for name, each in value.items()}
        return limited(Shape(frozenset({Kind.OBJECT}), names=names), MAX_NAMES)
    if is_sequence(value):
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
