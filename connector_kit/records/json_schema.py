"""Field types to and from JSON Schema (draft 2020-12).

A decimal is a string with the format `decimal`, since a JSON number is read as a float nearly everywhere; binary is a
string with the content encoding base64. A field is nullable where it is not required or may be null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

from .catalog import ListOf, Scalar
from .inference import ANYTHING, MAX_DEPTH, NOTHING, Kind, Shape, field_of, merge, shape_of
from .json_body import find

if TYPE_CHECKING:
    from .catalog import Entity, Field, FieldType
    from .page import JsonValue

__all__ = ["entity_json_schema", "fields_from_json_schema"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_WRITTEN: Mapping[Scalar, Mapping[str, JsonValue]] = {
    Scalar.STRING: {"type": "string"},
    Scalar.INTEGER: {"type": "integer"},
    Scalar.NUMBER: {"type": "number"},
    Scalar.BOOLEAN: {"type": "boolean"},
    Scalar.DATETIME: {"type": "string", "format": "date-time"},
    Scalar.DATE: {"type": "string", "format": "date"},
    Scalar.TIME: {"type": "string", "format": "time"},
    Scalar.DECIMAL: {"type": "string", "format": "decimal"},
    Scalar.BINARY: {"type": "string", "contentEncoding": "base64"},
    Scalar.JSON: {"type": ["array", "boolean", "number", "object", "string"]},
}

_TYPES: Mapping[str, frozenset[Kind]] = {
    "null": frozenset({Kind.NULL}),
    "boolean": frozenset({Kind.BOOLEAN}),
    "integer": frozenset({Kind.INTEGER}),
    "number": frozenset({Kind.INTEGER, Kind.FLOAT}),
    "object": frozenset({Kind.OTHER}),  # without properties, it is a mapping of anything
}

_FORMATS: Mapping[str, Kind] = {
    "date-time": Kind.DATETIME_TEXT,
    "date": Kind.DATE_TEXT,
    "time": Kind.TIME_TEXT,
    "decimal": Kind.DECIMAL,
    "singer.decimal": Kind.DECIMAL,
    "byte": Kind.BINARY,
    "binary": Kind.BINARY,
}


def entity_json_schema(entity: Entity) -> dict[str, JsonValue]:
    """Return the JSON Schema of the entity's records. Fields beyond those announced are allowed."""
    schema: dict[str, JsonValue] = {"$schema": DIALECT, "title": entity.name, "type": "object"}
    return schema | _properties(entity.fields) if entity.fields else schema


def fields_from_json_schema(schema: JsonValue) -> tuple[Field, ...]:
    """Return the fields of the records that a JSON Schema describes.

    Local references, several types, anyOf and oneOf are followed; all of what a value may be has to fit its type.
    What has no type here (allOf of several, conditions, mappings by key, remote or circular references, nesting
    beyond 32 levels) is JSON. No schema raises; what describes no object has no fields.
    """
    shape = _Reader(schema).shape(schema, MAX_DEPTH + 1)
    return tuple(field_of(name, each) for name, each in shape.names.items())


def _properties(fields: Sequence[Field]) -> dict[str, JsonValue]:
    return {
        "properties": {field.name: _written(field.type, nullable=field.nullable) for field in fields},
        "required": [field.name for field in fields if not field.nullable],
    }


def _written(kind: FieldType, *, nullable: bool) -> dict[str, JsonValue]:
    """Write a type. Where anything may stand, the schema says nothing."""
    if kind is Scalar.JSON and nullable:
        return {}
    schema = _written_type(kind)
    return {**schema, "type": [schema["type"], "null"]} if nullable else schema


def _written_type(kind: FieldType) -> dict[str, JsonValue]:
    if isinstance(kind, Scalar):
        return dict(_WRITTEN[kind])
    if isinstance(kind, ListOf):
        return {"type": "array", "items": _written(kind.item, nullable=True)}
    return {"type": "object", **_properties(kind.fields)}


class _Reader:
    """Reads the parts of one document into shapes; each reference is read once."""

    def __init__(self, document: JsonValue) -> None:
        self._document = document
        self._read: dict[str, Shape] = {}

    def shape(self, schema: JsonValue, depth: int) -> Shape:
        """Return the shape of what a schema admits."""
        if depth < 0 or not isinstance(schema, Mapping):
            return ANYTHING
        shape = self._plain(schema, depth)
        return merge(shape, Shape(_TYPES["null"])) if schema.get("nullable") is True else shape

    def _plain(self, schema: Mapping[str, JsonValue], depth: int) -> Shape:  # noqa: PLR0911 - one for each form
        match schema:
            case {"$ref": str(reference)}:
                return self._referred(reference, depth)
            case {"anyOf": [_, *_] as choices} | {"oneOf": [_, *_] as choices}:
                return self._either(choices, depth)
            case {"allOf": [single]}:
                return self.shape(single, depth)
            case {"type": str(name)}:
                return self._typed(name, schema, depth)
            case {"type": [_, *_] as names}:
                return self._either([{**schema, "type": name, "nullable": False} for name in names], depth)
            case {"const": value}:
                return shape_of(value)
            case {"enum": [_, *_] as values}:
                return shape_of(values).item or NOTHING
            case _:
                return ANYTHING

    def _either(self, choices: Sequence[JsonValue], depth: int) -> Shape:
        shape = NOTHING
        for choice in choices:
            shape = merge(shape, self.shape(choice, depth - 1))
        return shape

    def _referred(self, reference: str, depth: int) -> Shape:
        if reference not in self._read:
            self._read[reference] = ANYTHING  # what a circular reference finds
            self._read[reference] = self.shape(_pointed_at(self._document, reference), depth - 1)
        return self._read[reference]

    def _typed(self, name: str, schema: Mapping[str, JsonValue], depth: int) -> Shape:  # noqa: PLR0911 - one for each type
        match name, schema:
            case "string", {"contentEncoding": "base64"}:
                return Shape(frozenset({Kind.BINARY}))
            case "string", {"format": str(format_)}:
                return Shape(frozenset({_FORMATS.get(format_, Kind.TEXT)}))
            case "string", _:
                return Shape(frozenset({Kind.TEXT}))
            case "array", {"items": Mapping() as items}:
                return Shape(frozenset({Kind.LIST}), item=self.shape(items, depth - 1))
            case "array", _:
                return Shape(frozenset({Kind.LIST}), item=ANYTHING)
            case "object", {"properties": Mapping() as properties}:
                return self._object(properties, schema.get("required"), depth)
            case _:
                return Shape(
                    _TYPES.get(name, ANYTHING.kinds if name != "object" else frozenset({Kind.OTHER}))
                )

    def _object(self, properties: Mapping[str, JsonValue], required: JsonValue, depth: int) -> Shape:
        always = required if isinstance(required, Sequence) else ()
        names: dict[str, Shape] = {}
        for name, schema in properties.items():
            shape = self.shape(schema, depth - 1)
            names[name] = shape if name in always else merge(shape, Shape(_TYPES["null"]))
        return Shape(frozenset({Kind.OBJECT}), names=names)


def _pointed_at(document: JsonValue, reference: str) -> JsonValue:
    """Follow a JSON pointer in a fragment (`#/$defs/address`); None, which is no schema, where it leads nowhere."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    try:
        return find(document, unquote(reference)[1:])
    except LookupError:
        return None
