"""What is known of a value's type while it is being found out: which kinds were seen, merged in any order.

A shape is a set of kinds, so that merging is a union and does not depend on the order. Only `field_type` decides which
type a set of kinds amounts to.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

import attrs

from .catalog import Field, FieldType, ListOf, Scalar, Struct

__all__ = [
    "ANYTHING",
    "MAX_DEPTH",
    "NOTHING",
    "Kind",
    "Shape",
    "field_of",
    "field_type",
    "limited",
    "merge",
    "merge_names",
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
    names: Mapping[str, Shape] = attrs.field(factory=dict)


NOTHING = Shape()
"""No value seen."""

ANYTHING = Shape(frozenset({Kind.NULL, Kind.OTHER}))
"""Any value at all, None included."""

_MISSING = Shape(frozenset({Kind.NULL}))


def merge(one: Shape, other: Shape, *, max_names: int | None = None) -> Shape:
    """Give the shape of what has either shape. Commutative, associative and idempotent, with `NOTHING` as its zero.

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
    """Give the shape, or where it has too many names, the kind OTHER in its place."""
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
    """Give the narrowest type that everything of this shape fits; JSON where nothing but None was seen."""
    kinds = shape.kinds - {Kind.NULL}
    if kinds == {Kind.LIST}:
        return ListOf(field_type(shape.item or NOTHING))
    if kinds == {Kind.OBJECT}:
        return Struct(field_of(name, each) for name, each in shape.names.items())
    return next((kind for fitting, kind in _TYPES if kinds and kinds <= fitting), Scalar.JSON)


def field_of(name: str, shape: Shape) -> Field:
    """Give the field of that name; it is nullable where None was seen, or a record without it."""
    return Field(name, field_type(shape), nullable=not shape.kinds or Kind.NULL in shape.kinds)
