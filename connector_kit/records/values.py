"""Which values have others inside: questions for code that goes through what records hold, with types that checkers know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

__all__ = ["is_json_array", "is_json_object", "is_mapping", "is_sequence"]


def is_mapping(value: object) -> TypeGuard[Mapping[Any, object]]:
    """Whether this is a mapping of any class."""
    return isinstance(value, Mapping)


def is_sequence(value: object) -> TypeGuard[Sequence[object]]:
    """Whether this is a sequence of any class, but neither text nor bytes."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview)


def is_json_object(value: object) -> TypeGuard[dict[Any, object]]:
    """Whether JSON writes this as an object. Its keys may be anything."""
    return isinstance(value, dict)


def is_json_array(value: object) -> TypeGuard[Sequence[object]]:
    """Whether JSON writes this as an array and reads it back as an equal one, but for a tuple."""
    return isinstance(value, list | tuple)
