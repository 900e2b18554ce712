"""Which values have others inside: questions for code that goes through what records hold, with types that checkers know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeGuard

__all__ = ["is_collection", "is_json_array", "is_json_object", "is_mapping", "is_sequence", "is_set"]


def is_mapping(value: object) -> TypeGuard[Mapping[Any, object]]:
    """Whether this is a mapping of any class."""
    return isinstance(value, Mapping)


def is_sequence(value: object) -> TypeGuard[Sequence[object]]:
    """Whether this is a sequence of any class, but neither text nor bytes."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview)


def is_set(value: object) -> TypeGuard[AbstractSet[object]]:
    """Whether this is a set of any class."""
    return isinstance(value, AbstractSet)


def is_collection(
    value: object,
) -> TypeGuard[list[object] | tuple[object, ...] | set[object] | frozenset[object]]:
    """Whether this is one of Python's own lists, tuples and sets."""
    return isinstance(value, list | tuple | set | frozenset)


def is_json_object(value: object) -> TypeGuard[dict[Any, object]]:
    """Whether JSON writes this as an object. Its keys may be anything."""
    return isinstance(value, dict)


def is_json_array(value: object) -> TypeGuard[Sequence[object]]:
    """Whether JSON writes this as an array and reads it back as an equal one, but for a tuple."""
    return isinstance(value, list | tuple)
