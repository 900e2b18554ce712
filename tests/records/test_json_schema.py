"""Fields to and from JSON Schema."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.records.catalog import Entity, Field, FieldType, ListOf, Scalar, Struct
from connector_kit.records.json_schema import entity_json_schema, fields_from_json_schema


def _fields(types: st.SearchStrategy[FieldType]) -> st.SearchStrategy[tuple[Field, ...]]:
    one = st.builds(Field, st.text(max_size=4), types, nullable=st.booleans())
    return st.lists(one, max_size=4, unique_by=lambda field: field.name).map(tuple)


types = st.recursive(
    st.sampled_from(Scalar),
    lambda inner: st.builds(ListOf, inner) | st.builds(Struct, _fields(inner)),
    max_leaves=12,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYWORDS = ["type", "properties", "items", "anyOf", "oneOf", "allOf", "enum", "const", "required", "format"]
KEYWORDS += ["$ref", "$defs", "nullable", "a", "contentEncoding"]
WORDS = [
    "string",
    "object",
    "array",
    "null",
    "integer",
    "date",
    "#",
    "#/$defs/a",
    "#/anyOf/0",
    "#/anyOf/x",
    "other",
]
schemas_of_a_sort = st.recursive(
    json_values | st.sampled_from(WORDS) | st.lists(st.sampled_from(WORDS), max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=5),
    max_leaves=25,
)


@given(_fields(types))
def test_fields_survive_the_way_through_json_schema(fields: tuple[Field, ...]) -> None:
    schema = json.loads(json.dumps(entity_json_schema(Entity("things", fields))))
    assert fields_from_json_schema(schema) == fields


@given(schemas_of_a_sort)
def test_no_schema_raises(schema: Any) -> None:
    Entity("things", fields_from_json_schema(schema))


@given(schemas_of_a_sort)
def test_a_field_of_any_schema_has_a_type(schema: Any) -> None:
    (field,) = fields_from_json_schema({"type": "object", "properties": {"it": schema}, "required": ["it"]})
    assert field.name == "it"
    if not isinstance(schema, dict):
        assert field == Field("it", Scalar.JSON)


@pytest.mark.parametrize(
    ("schema", "kind", "nullable"),
    [
        ({"type": "string"}, Scalar.STRING, False),
        ({"type": ["string", "null"]}, Scalar.STRING, True),
        ({"type": "string", "nullable": True}, Scalar.STRING, True),
        ({"type": ["null", "string"], "format": "date-time"}, Scalar.DATETIME, True),
        ({"type": "string", "format": "date"}, Scalar.DATE, False),
        ({"type": "string", "format": "time"}, Scalar.TIME, False),
        ({"type": "string", "format": "singer.decimal"}, Scalar.DECIMAL, False),
        ({"type": "string", "format": "email"}, Scalar.STRING, False),
        ({"type": "string", "format": "byte"}, Scalar.BINARY, False),
        ({"type": "string", "contentEncoding": "base64"}, Scalar.BINARY, False),
        ({"type": "integer", "format": "int64"}, Scalar.INTEGER, False),
        ({"type": ["integer", "number"]}, Scalar.NUMBER, False),
        ({"type": ["integer", "string"]}, Scalar.JSON, False),
        ({"type": ["integer", "string", "null"]}, Scalar.JSON, True),
        ({"type": "null"}, Scalar.JSON, True),
        ({"type": "whatever"}, Scalar.JSON, True),
        ({"type": "object"}, Scalar.JSON, False),
        ({"type": "object", "additionalProperties": {"type": "string"}}, Scalar.JSON, False),
        ({"type": "array"}, ListOf(Scalar.JSON), False),
        ({"type": "array", "items": [{"type": "string"}]}, ListOf(Scalar.JSON), False),
        ({"type": "array", "items": {"type": ["string", "null"]}}, ListOf(Scalar.STRING), False),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, Scalar.INTEGER, True),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, Scalar.NUMBER, False),
        ({"anyOf": [{"type": "string", "format": "date"}, {"type": "string"}]}, Scalar.STRING, False),
        (
            {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "string"}]},
            Scalar.JSON,
            False,
        ),
        ({"allOf": [{"type": "integer"}]}, Scalar.INTEGER, False),
        ({"allOf": [{"type": "integer"}, {"minimum": 1}]}, Scalar.JSON, True),
        ({"enum": ["a", "b", None]}, Scalar.STRING, True),
        ({"const": 3}, Scalar.INTEGER, False),
        ({"$ref": "#/$defs/name"}, Scalar.STRING, False),
        ({"$ref": "#/%24defs/a~1b~0"}, Scalar.BOOLEAN, False),
        ({"$ref": "#/$defs/choice/anyOf/0"}, Scalar.INTEGER, False),
        ({"$ref": "#/$defs/choice/anyOf/9"}, Scalar.JSON, True),
        ({"$ref": "#/$defs/name/type/0"}, Scalar.JSON, True),
        ({"$ref": "#/$defs/nowhere"}, Scalar.JSON, True),
        ({"$ref": "https://example.com/schema"}, Scalar.JSON, True),
        ({"$ref": "#/$defs/round"}, Scalar.JSON, True),
        ({"not": {"type": "string"}}, Scalar.JSON, True),
        ({}, Scalar.JSON, True),
        (True, Scalar.JSON, True),
    ],
)
def test_a_schema_gives_the_type_that_all_its_values_fit(
    schema: Any,
    kind: FieldType,
    nullable: bool,  # noqa: FBT001 - a column of the table
) -> None:
    document: dict[str, Any] = {
        "type": "object",
        "properties": {"it": schema},
        "required": ["it"],
        "$defs": {
            "name": {"type": "string"},
            "a/b~": {"type": "boolean"},
            "choice": {"anyOf": [{"type": "integer"}]},
            "round": {"$ref": "#/$defs/round"},
        },
    }
    assert fields_from_json_schema(document) == (Field("it", kind, nullable=nullable),)


def test_alternative_objects_are_one_struct_with_what_one_lacks_nullable() -> None:
    one: Any = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    two: Any = {"type": "object", "properties": {"a": {"type": "number"}, "b": {}}, "required": ["a", "b"]}
    assert fields_from_json_schema({"anyOf": [one, two]}) == (
        Field("a", Scalar.NUMBER, nullable=False),
        Field("b", Scalar.JSON, nullable=True),
    )


def test_a_schema_that_contains_itself_ends() -> None:
    tree: Any = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
        "required": ["name"],
    }
    children = Struct([Field("name", Scalar.STRING, nullable=False), Field("children", ListOf(Scalar.JSON))])
    assert fields_from_json_schema(tree) == (
        Field("name", Scalar.STRING, nullable=False),
        Field("children", ListOf(children)),
    )


def test_references_that_double_at_each_step_are_read_once_each() -> None:
    """Read naively, this small document has 2 to the power of 30 fields to look at."""
    defs: dict[str, Any] = {
        str(step): {"anyOf": [{"$ref": f"#/$defs/{step + 1}"}, {"$ref": f"#/$defs/{step + 1}"}]}
        for step in range(30)
    }
    document: Any = {"type": "object", "properties": {"it": {"$ref": "#/$defs/0"}}, "$defs": defs}
    assert fields_from_json_schema(document) == (Field("it", Scalar.JSON),)


def test_the_schema_of_an_entity_is_what_a_reader_expects() -> None:
    entity = Entity(
        "orders",
        [
            Field("id", Scalar.INTEGER, nullable=False),
            Field("paid", Scalar.DECIMAL),
            Field("tags", ListOf(Scalar.STRING)),
        ],
        primary_key="id",
    )
    assert entity_json_schema(entity) == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "orders",
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "paid": {"type": ["string", "null"], "format": "decimal"},
            "tags": {"type": ["array", "null"], "items": {"type": ["string", "null"]}},
        },
        "required": ["id"],
    }


def test_of_an_entity_without_fields_the_schema_says_only_that_records_are_objects() -> None:
    schema = entity_json_schema(Entity("things"))
    assert schema["type"] == "object"
    assert "properties" not in schema
    assert fields_from_json_schema(schema) == ()
