"""What the schema of a config class says to an editor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import Enum
from typing import Any, Literal

import attrs
import pytest
from jsonschema import Draft202012Validator

from connector_kit.config.auth import Auth, Bearer
from connector_kit.config.json_schema import json_schema
from connector_kit.config.url import Url
from connector_kit.durations import Duration
from connector_kit.limiters.rates import Rates
from connector_kit.redaction import Secret
from connector_kit.registry.connector_config import ConnectorConfig


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@attrs.frozen
class Node:
    """One node of a tree."""

    name: str
    _children: tuple[Node, ...] = ()


def _other_node() -> type[Any]:
    @attrs.frozen
    class Node:
        size: int = 1

    return Node


OtherNode = _other_node()


@attrs.frozen
class Everything:
    """All types there are."""

    url: Url
    secret: Secret
    auth: Auth
    either: Bearer | str | None = None
    tagged: Auth | str = "x"
    node: Node = Node("root")
    other: OtherNode = attrs.field(factory=OtherNode)  # type: ignore[valid-type]  # a class that is made in a function
    rate: Rates | None = None
    wait: Duration = attrs.field(default=Duration(30))
    colour: Colour = Colour.RED
    words: frozenset[Literal["a", "b"]] = frozenset()
    pair: tuple[int, bool] = (1, True)
    scores: Mapping[Literal["x"], float] = attrs.field(factory=dict)
    names: Mapping[str, date] = attrs.field(factory=dict)
    anything: Any = None
    bare: list = attrs.field(factory=list)  # type: ignore[type-arg]  # as an author may write it
    blob: bytes = b""
    token: Secret = attrs.field(default=Secret("s3cr3t"))
    hidden: str = attrs.field(default="s3cr3t", repr=False)
    derived: int = attrs.field(default=attrs.Factory(lambda self: len(self.bare), takes_self=True))


SCHEMA = json_schema(Everything)
PROPERTIES = SCHEMA["$defs"]["Everything"]["properties"]


def test_is_a_complete_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["$ref"] == "#/$defs/Everything"
    assert set(SCHEMA["$defs"]) == {
        "Everything",
        "Secret",
        "NoAuth",
        "ApiKey",
        "Basic",
        "Bearer",
        "Node",
        "Node2",
    }


def test_a_class_is_a_closed_object_with_its_docstring() -> None:
    assert SCHEMA["$defs"]["Node"] == {
        "title": "Node",
        "description": "One node of a tree.",
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}, "default": []},
        },
        "required": ["name"],
        "additionalProperties": False,
    }
    assert SCHEMA["$defs"]["Node2"]["properties"] == {"size": {"type": "integer", "default": 1}}
    assert SCHEMA["$defs"]["Everything"]["required"] == ["url", "secret", "auth"]


def test_a_tagged_union_is_one_of_its_classes_by_a_constant() -> None:
    tagged = PROPERTIES["auth"]["oneOf"]
    assert [option["properties"]["type"]["const"] for option in tagged] == [
        "none",
        "api_key",
        "basic",
        "bearer",
    ]
    assert all(option["required"] == ["type"] for option in tagged)
    assert tagged[3]["$ref"] == "#/$defs/Bearer"
    assert PROPERTIES["tagged"]["anyOf"] == [PROPERTIES["auth"], {"type": "string"}]
    assert PROPERTIES["either"]["anyOf"] == [{"$ref": "#/$defs/Bearer"}, {"type": "string"}, {"type": "null"}]


@pytest.mark.parametrize(
    ("key", "schema"),
    [
        ("url", {"type": ["string", "object"], "examples": ["https://api.example.com/v1"]}),
        ("wait", {"type": ["string", "number"], "default": "30s"}),
        ("colour", {"enum": ["red", "blue"], "default": "red"}),
        ("words", {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True}),
        (
            "pair",
            {
                "type": "array",
                "minItems": 2,
                "maxItems": 2,
                "prefixItems": [{"type": "integer"}, {"type": "boolean"}],
            },
        ),
        ("scores", {"propertyNames": {"const": "x"}, "additionalProperties": {"type": "number"}}),
        ("names", {"type": "object", "additionalProperties": {"type": "string", "format": "date"}}),
        ("anything", {"default": None}),
        ("bare", {"type": "array", "items": {}}),
        ("blob", {"description": "a value for bytes"}),
        ("node", {"$ref": "#/$defs/Node", "default": {"name": "root", "children": []}}),
    ],
)
def test_each_type_has_its_schema(key: str, schema: Mapping[str, Any]) -> None:
    assert schema.items() <= PROPERTIES[key].items()


def test_text_types_say_what_they_want_by_example() -> None:
    rate = PROPERTIES["rate"]["anyOf"]
    assert rate[0]["examples"] == ["10/s", "100/15min", "10000/day"]
    assert rate[1:] == [{"type": "null"}, {"const": "none", "description": rate[2]["description"]}]
    assert "30s" in PROPERTIES["wait"]["examples"]


def test_secrets_are_write_only_and_no_default_tells_one() -> None:
    secret = SCHEMA["$defs"]["Secret"]
    assert secret["writeOnly"] is True
    check = Draft202012Validator(SCHEMA | {"$ref": "#/$defs/Secret"})
    assert all(check.is_valid(value) for value in ("x", {"env": "X"}, {"file": "x"}))
    assert not any(
        check.is_valid(value) for value in (5, {}, {"env": "X", "file": "x"}, {"env": ""}, {"enw": "X"})
    )
    assert "s3cr3t" not in str(SCHEMA)
    assert [key for key in ("token", "hidden", "derived") if "default" in PROPERTIES[key]] == []


def test_the_schema_of_a_connectors_file_takes_the_example() -> None:
    check = Draft202012Validator(json_schema(ConnectorConfig))
    check.validate(
        {
            "connector": "rest",
            "settings": {"base_url": "https://example.com"},
            "auth": {"type": "bearer", "token": {"env": "TOKEN"}},
            "resilience": {"rate": "50/s", "deadline": "none", "retry": {"attempts": 3}},
            "entities": {"flights": {"mode": "upsert", "lookback": "1d", "start": "2013-01-01T00:00:00Z"}},
        }
    )
    assert not check.is_valid({"connector": "rest", "resilence": {}})
    assert not check.is_valid({"connector": "rest", "entities": {"flights": {"mode": "merge"}}})
