"""Structuring lists, tuples, sets and mappings: every item is looked at, whatever is wrong with the one before."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, MutableMapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, TypeAlias, get_args, get_origin

from connector_kit.errors import Problem

from .findings import Findings, Refused
from .scalars import Hook, Text
from .wording import expectation, kind, step

if TYPE_CHECKING:
    import cattrs

__all__ = ["as_table", "container_hook", "is_container", "unpacked"]

_LISTS = (list, Sequence, tuple)
_SETS = (set, frozenset, AbstractSet)
_TABLES = (dict, Mapping, MutableMapping)

_Item: TypeAlias = Callable[[Any, Any], Any]


def _origin(annotation: Any) -> Any:
    return get_origin(annotation) or annotation


def is_container(annotation: Any) -> bool:
    """Whether `container_hook` knows the type."""
    return _origin(annotation) in (*_LISTS, *_SETS, *_TABLES)


def container_hook(annotation: Any, converter: cattrs.Converter) -> Hook:
    """Give the hook for a type that `is_container`."""
    origin, args = _origin(annotation), get_args(annotation)
    if origin in _TABLES:
        key, value = args or (str, Any)
        return _mapping_hook(key, value, converter.structure)
    if origin in _SETS:
        make = set if origin is set else frozenset
        return _set_hook(make, args[0] if args else Any, converter.structure)
    if origin is tuple and args and args[-1] is not ...:
        return _row_hook(args, converter.structure)
    item = args[0] if args else Any
    return _list_hook(list if origin is list else tuple, item, converter.structure)


def unpacked(given: Any, expected: str) -> Any:
    """Give the value; where it is `Text`, what it says as JSON."""
    if not isinstance(given, Text):
        return given
    try:
        return json.loads(given)
    except (ValueError, RecursionError):
        pass
    raise Refused(Problem("", "a string that is no JSON", f"{expected}, as JSON"))


def as_table(given: Any, expected: str) -> Mapping[Any, Any]:
    """Give the value as a table; it is not shown where it is none, for a secret may have been put there."""
    given = unpacked(given, expected)
    if not isinstance(given, Mapping):
        raise Refused(Problem("", kind(given), expected))
    return given


def _as_list(given: Any, target: Any) -> list[Any]:
    given = unpacked(given, expectation(target))
    if isinstance(given, str | bytes) or not isinstance(given, Sequence | AbstractSet):
        raise Refused(Problem("", kind(given), expectation(target)))
    return list(given)


def _items(given: list[Any], types: Sequence[Any], item: _Item, findings: Findings) -> list[Any]:
    structured = []
    for index, (value, annotation) in enumerate(zip(given, types, strict=True)):
        with findings.at(f"[{index}]"):
            structured.append(item(value, annotation))
    return structured


def _list_hook(make: Callable[[list[Any]], Any], annotation: Any, item: _Item) -> Hook:
    def structure(given: Any, target: Any) -> Any:
        given, findings = _as_list(given, target), Findings()
        structured = _items(given, [annotation] * len(given), item, findings)
        findings.settle()
        return make(structured)

    return structure


def _row_hook(types: Sequence[Any], item: _Item) -> Hook:
    def structure(given: Any, target: Any) -> Any:
        given, findings = _as_list(given, target), Findings()
        if len(given) != len(types):
            raise Refused(Problem("", f"a list of {len(given)}", f"a list of exactly {len(types)}"))
        structured = _items(given, types, item, findings)
        findings.settle()
        return tuple(structured)

    return structure


def _set_hook(make: type[set[Any] | frozenset[Any]], annotation: Any, item: _Item) -> Hook:
    def structure(given: Any, target: Any) -> Any:
        given, findings = _as_list(given, target), Findings()
        first: dict[Any, int] = {}
        for index, value in enumerate(given):
            with findings.at(f"[{index}]"):
                if not isinstance(value, Hashable):
                    raise Refused(Problem("", kind(value), "a single value"))
                at = first.setdefault(item(value, annotation), index)
                if at != index:
                    raise Refused(
                        Problem("", f"the same as [{at}]", "values that differ", "remove one of them")
                    )
        findings.settle()
        return make(list(first))

    return structure


def _mapping_hook(key_type: Any, value_type: Any, item: _Item) -> Hook:
    def structure(given: Any, target: Any) -> dict[Any, Any]:
        findings, structured = Findings(), {}
        for key, value in as_table(given, expectation(target)).items():
            with findings.at(step(key)):
                if not isinstance(key, str):
                    raise Refused(Problem("", f"{kind(key)} as the key", "a string as the key"))
                name = item(key, key_type)
                structured[name] = item(value, value_type)
        findings.settle()
        return structured

    return structure
