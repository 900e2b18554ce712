"""Where something stands in a JSON body, and its records in one pass.

A path is `data.items` or, as a JSON pointer (RFC 6901), `/data/items`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeGuard

import attrs
import msgspec
from msgspec import UNSET, Raw, UnsetType

from .json_records import Documents, JsonRecords

if TYPE_CHECKING:
    from .page import JsonValue

__all__ = ["find", "follow", "kind_of", "split_json", "steps_of"]


def find(body: JsonValue, path: str) -> JsonValue:
    """Return what stands at `path`; the empty path is the body itself. Raises `LookupError` where nothing does.

    >>> find({"data": {"items": [1, 2]}}, "data.items")
    [1, 2]
    >>> find({"a.b": ["x", "y"]}, "/a.b/1")
    'y'
    """
    return follow(body, steps_of(path))


def follow(body: JsonValue, steps: Sequence[str]) -> JsonValue:
    """Return what the steps of a path lead to. Raises `LookupError` where nothing stands there."""
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
    kinds: dict[object, str] = {
        dict: "an object",
        list: "a list",
        str: "a string",
        bool: "a boolean",
        type(None): "null",
    }
    return kinds.get(type(value), "a number")


def steps_of(path: str) -> list[str]:
    """Return the names and list indexes that lead to what stands at `path`."""
    if path.startswith("/"):
        return [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]
    return path.split(".") if path else []


_MARK = b"\xef\xbb\xbf"  # what some servers begin UTF-8 with
_PLANS_KEPT = 256  # one for each resource: where its records stand, and what its pagination looks at


def split_json(body: bytes, path: str, values: tuple[str, ...] = ()) -> tuple[JsonRecords, JsonValue]:
    """Return the records at `path`, and the body with nothing in it but what stands at the paths of `values`.

    Paths are those of `find`, through objects only. Raises `ValueError` (or `RecursionError`) for a body that
    is no JSON, that has no list of objects at `path`, or for paths that cannot be followed this way: then decode it all.

    >>> split_json(b'{"data": {"items": [{"id": 1}], "next": "x", "took": 3}}', "data.items", ("data.next",))
    (<JsonRecords: 1 records>, {'data': {'next': 'x'}})
    """
    body = body.removeprefix(_MARK)
    plan = _plan(path, values)
    rest: JsonValue = None

    def split(content: bytes) -> list[Raw]:
        nonlocal rest
        found: Any = plan.decoder.decode(content)
        rest = _values(found, plan.tree)
        for slot in plan.slots:
            found = getattr(found, slot, None)
        if not _is_list_of_raws(found):
            raise ValueError(f"there is no list at {path!r}")
        return found

    return JsonRecords(Documents.split(body, split)), rest


def _is_list_of_raws(value: object) -> TypeGuard[list[Raw]]:
    """Whether this is a list: what stands there is decoded as nothing else, if it stands there."""
    return isinstance(value, list)


@attrs.define
class _Tree:
    """The names that matter in an object: what matters below each, or the type that its value is decoded to."""

    below: dict[str, object] = attrs.field(factory=dict[str, object])


@attrs.frozen
class _Plan:
    """How bodies of one shape are decoded: `slots` are the attributes that lead to the records."""

    decoder: msgspec.json.Decoder[Any]
    tree: _Tree
    slots: tuple[str, ...]


@lru_cache(_PLANS_KEPT)
def _plan(path: str, values: tuple[str, ...]) -> _Plan:
    steps = steps_of(path)
    if not steps:  # the whole body is the list: nothing stands beside it
        return _Plan(msgspec.json.Decoder(list[Raw]), _Tree(), ())
    tree = _Tree()
    _grow(tree, steps, list[Raw])
    for value in dict.fromkeys(values):
        _grow(tree, steps_of(value), Any)
    slots: list[str] = []
    at: object = tree
    for step in steps:
        if isinstance(at, _Tree):
            slots.append(_slot(list(at.below).index(step)))
            at = at.below[step]
    return _Plan(msgspec.json.Decoder(_type(tree)), tree, tuple(slots))


def _grow(tree: _Tree, steps: Sequence[str], kind: object) -> None:
    """Let the tree lead to one more value. Raises `ValueError` where another one is in the way."""
    for step in steps[:-1]:
        below = tree.below.setdefault(step, _Tree())
        if not isinstance(below, _Tree):
            raise ValueError(f"{step!r} is a value by itself and on the way to {steps[-1]!r}")  # noqa: TRY004 - as above
        tree = below
    if not steps or steps[-1] in tree.below:
        raise ValueError(f"{'.'.join(steps)!r} is on the way to another value")
    tree.below[steps[-1]] = kind


def _slot(position: int) -> str:
    return f"value{position}"


def _type(tree: _Tree) -> type:
    """Make the type of an object in which nothing is looked at but the names of the tree. Any of them may be missing."""
    fields: list[tuple[str, Any, Any]] = []
    for position, below in enumerate(tree.below.values()):
        kind: Any = _type(below) | None if isinstance(below, _Tree) else below
        fields.append((_slot(position), kind | UnsetType if kind is not Any else Any, UNSET))
    return msgspec.defstruct(
        "Body", fields, rename={_slot(position): name for position, name in enumerate(tree.below)}
    )


def _values(found: object, tree: _Tree) -> JsonValue:
    """Return what was decoded, without the records, as the nested objects it stood in."""
    values: dict[str, JsonValue] = {}
    for position, (name, below) in enumerate(tree.below.items()):
        value = getattr(found, _slot(position))
        if isinstance(below, _Tree) and value is not None and value is not UNSET:
            if inside := _values(value, below):
                values[name] = inside
        elif value is not UNSET and (below is Any or value is None):
            values[name] = value
    return values
