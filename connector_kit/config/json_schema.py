"""The JSON Schema (2020-12) of a config class: for `spec`, and for editors that complete and check a file.

It accepts whatever the converter accepts from a JSON file. The converter is stricter where a schema cannot say it:
validators, spellings of times and rates, variables that must be set.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import attrs

from connector_kit.redaction import Secret

from .annotations import (
    NONE,
    Part,
    Tags,
    choices,
    is_config_class,
    members,
    parses,
    parts,
    plain,
    says_none,
    tags,
    takes_numbers,
)
from .dump import dumped
from .problems import expectation
from .structuring import is_container
from .url import Url

__all__ = ["json_schema"]

_SCALARS: Mapping[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    Path: {"type": "string"},
    NoneType: {"type": "null"},
    Any: {},
    object: {},
}

_PLACES: list[dict[str, Any]] = [
    {
        "type": "object",
        "properties": {place: {"type": "string", "minLength": 1}},
        "required": [place],
        "additionalProperties": False,
    }
    for place in ("env", "file")
]

_SECRET = {
    "description": "A secret: as it is, or where it is. A file's path is relative to the configuration's folder.",
    "oneOf": [{"type": "string", "writeOnly": True}, *_PLACES],
    "writeOnly": True,
}


def json_schema(cls: type[attrs.AttrsInstance]) -> dict[str, Any]:
    """Return the schema of a config class, complete in itself: every class and `Secret` is in its `$defs`."""
    schemas = _Schemas()
    reference = schemas.of(cls)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **reference,
        "$defs": schemas.definitions,
    }


class _Schemas:
    """The schemas of types, and the definitions they refer to."""

    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}
        self._names: dict[Any, str] = {}

    def of(self, annotation: Any) -> dict[str, Any]:
        annotation = plain(annotation)
        if union := members(annotation):
            return self._union(union)
        if annotation in _SCALARS:
            return dict(_SCALARS[annotation])
        if annotation is Secret or is_config_class(annotation):
            return self._defined(annotation)
        if annotation is Url:
            text = _value(Url)
            return text | {"type": ["string", "object"], "oneOf": [{"type": text["type"]}, *_PLACES]}
        if is_container(annotation):
            return self._container(get_origin(annotation) or annotation, get_args(annotation))
        return _choice(values) if (values := choices(annotation)) else _value(annotation)

    def _defined(self, cls: Any) -> dict[str, Any]:
        if cls not in self._names:
            taken = sum(known.__name__ == cls.__name__ for known in self._names)
            self._names[cls] = f"{cls.__name__}{taken + 1 if taken else ''}"
            # The name is taken before its schema is made: a class may refer to itself.
            self.definitions[self._names[cls]] = {}
            self.definitions[self._names[cls]] = _SECRET if cls is Secret else self._table(cls)
        return {"$ref": f"#/$defs/{self._names[cls]}"}

    def _table(self, cls: type[attrs.AttrsInstance]) -> dict[str, Any]:
        keys = parts(cls)
        return {
            "title": cls.__name__,
            "description": inspect.getdoc(cls) or "",
            "type": "object",
            "properties": {part.key: self.of(part.type) | _default(part) for part in keys},
            "required": [part.key for part in keys if part.required],
            "additionalProperties": False,
        }

    def _container(self, origin: Any, args: tuple[Any, ...]) -> dict[str, Any]:
        if issubclass(origin, Mapping):
            key, value = args or (str, Any)
            names = self.of(key)
            schema = {"type": "object", "additionalProperties": self.of(value)}
            return schema if names == _SCALARS[str] else schema | {"propertyNames": names}
        if origin is tuple and args and args[-1] is not ...:
            rows = [self.of(arg) for arg in args]
            return {"type": "array", "prefixItems": rows, "minItems": len(rows), "maxItems": len(rows)}
        unique = {"uniqueItems": True} if issubclass(origin, AbstractSet) else {}
        return {"type": "array", "items": self.of(args[0] if args else Any)} | unique

    def _union(self, union: tuple[Any, ...]) -> dict[str, Any]:
        classes = tuple(member for member in union if is_config_class(member))
        schemas = [self.of(member) for member in union if len(classes) < 2 or member not in classes]  # noqa: PLR2004 (one class needs no tag)
        if len(classes) > 1:
            told = tags(classes)
            tagged = {"oneOf": [self._tagged(cls, told) for cls in classes]}
            if not schemas:
                return tagged
            schemas.insert(0, tagged)
        if says_none(union):
            schemas.append({"const": NONE, "description": "The same as leaving nothing: TOML has no null."})
        return {"anyOf": schemas}

    def _tagged(self, cls: type[attrs.AttrsInstance], told: Tags) -> dict[str, Any]:
        words = [word for word, known in told.classes.items() if known is cls]
        return {**self.of(cls), "properties": {told.key: _choice(tuple(words))}, "required": [told.key]}


def _choice(values: tuple[Any, ...]) -> dict[str, Any]:
    return {"const": values[0]} if len(values) == 1 else {"enum": list(values)}


def _value(annotation: Any) -> dict[str, Any]:
    said = expectation(annotation)
    if not parses(annotation):
        # Of a type that an author has a hook for, nothing else is known.
        return {"description": said}
    examples = re.findall(r'"([^"]+)"', said)
    schema = {"type": ["string", "number"] if takes_numbers(annotation) else "string", "description": said}
    return schema | ({"examples": examples} if examples else {})


def _default(part: Part) -> dict[str, Any]:
    default: Any = part.attribute.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # typed as a function in attrs' stubs
        default = attrs.NOTHING if default.takes_self else default.factory()
    if default is attrs.NOTHING or isinstance(default, Secret) or part.attribute.repr is not True:
        return {}
    return {"default": dumped(default)}
