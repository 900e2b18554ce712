"""Structuring unions: None, one of several classes by its tag, or whichever of several types takes the value.

A file has no null in TOML and none in the environment, so where None is allowed, the word "none" says it (unless any
string may stand there).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, get_origin

from connector_kit.errors import Problem
from connector_kit.redaction import Secret

from .annotations import NONE, Tags, holds_secrets, is_config_class, members, says_none, tags
from .containers import is_container, unpacked
from .findings import Refused
from .scalars import Hook, Text, is_scalar
from .wording import expectation, kind, nearest, one_of, show, step

if TYPE_CHECKING:
    import cattrs

__all__ = ["union_hook"]


def union_hook(union: Any, converter: cattrs.Converter) -> Hook:
    """Give the hook for a union. Raises `TypeError` where its classes cannot be told apart."""
    types = members(union)
    classes = tuple(member for member in types if is_config_class(member))
    others = tuple(member for member in types if not is_config_class(member))
    told = tags(classes) if len(classes) > 1 else None
    none_said = says_none(types)
    for member in others:
        # A member that no hook takes is the author's error: told now, not once a file has such a value.
        converter.get_structure_hook(member)

    def structure(given: Any, _: Any) -> Any:
        if NoneType in types and (given is None or (none_said and given == NONE)):
            return None
        if isinstance(given, Text) and not any(
            _takes(member, given) for member in others if member is not NoneType
        ):
            given = unpacked(given, expectation(union))
        if isinstance(given, Mapping) and classes:
            return converter.structure(given, _tagged(given, told) if told else classes[0])
        if isinstance(given, classes):
            return given
        return _first_that_takes(given, union, others, converter)

    return structure


def _tagged(given: Mapping[Any, Any], told: Tags) -> Any:
    tag = given.get(told.key)
    if isinstance(tag, str) and tag in told.classes:
        return told.classes[tag]
    shown = show(tag) if told.key in given else "missing"
    mend = nearest(tag, told.classes) if told.key in given else f"add {step(told.key)} = …"
    raise Refused(Problem(step(told.key), shown, one_of(told.classes), mend))


def _takes(member: Any, given: object) -> bool:
    """Whether a value of this shape could be of the type at all; if one type alone takes it, its problems are told."""
    if member is Any or not (is_scalar(member) or is_container(member) or member in (Secret, Path)):
        return True
    if isinstance(given, Mapping):
        is_table = is_container(member) and issubclass(get_origin(member) or member, Mapping)
        return is_table or member is Secret
    if isinstance(given, Sequence | AbstractSet) and not isinstance(given, str | bytes):
        return is_container(member) and not issubclass(get_origin(member) or member, Mapping)
    return is_scalar(member) or member in (Secret, Path)


def _first_that_takes(given: Any, union: Any, types: tuple[Any, ...], converter: cattrs.Converter) -> Any:
    able = [member for member in types if member is not NoneType and _takes(member, given)]
    if len(able) == 1:
        return converter.structure(given, able[0])
    # 1 is an integer before it is a number; text of the environment is a string only where it is nothing else.
    able.sort(key=lambda member: (member is str) if isinstance(given, Text) else type(given) is not member)
    for member in able:
        try:
            return converter.structure(given, member)
        except Refused:
            continue
    raise Refused(Problem("", kind(given) if holds_secrets(union) else show(given), expectation(union)))
