"""Where something stands in a JSON body: `data.items` or, as a JSON pointer (RFC 6901), `/data/items`; and what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .page import JsonValue

__all__ = ["find", "follow", "kind_of", "steps_of"]


def find(body: JsonValue, path: str) -> JsonValue:
    """Give what stands at `path`; the empty path is the body itself. Raises `LookupError` where nothing does.

    >>> find({"data": {"items": [1, 2]}}, "data.items")
    [1, 2]
    >>> find({"a.b": ["x", "y"]}, "/a.b/1")
    'y'
    """
    return follow(body, steps_of(path))


def follow(body: JsonValue, steps: Sequence[str]) -> JsonValue:
    """Give what the steps of a path lead to. Raises `LookupError` where nothing stands there."""
    for step in steps:
        match body:
            case Mapping() if step in body:
                body = body[step]
            case Sequence() if not isinstance(body, str) and step.isdecimal() and int(step) < len(body):
                body = body[int(step)]
            case _:
                raise LookupError(step)
    return body


def kind_of(value: JsonValue) -> str:
    """Name the kind of a JSON value for a message; the value itself may be long, or nobody's business."""
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")


def steps_of(path: str) -> list[str]:
    """Give the names, or the places in lists, that lead to what stands at `path`."""
    if path.startswith("/"):
        return [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]
    return path.split(".") if path else []
