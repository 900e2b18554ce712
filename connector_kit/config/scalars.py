"""Structuring single values, strictly: what a file has for a number, a word or a time, and nothing that looks like it.

The environment has text only, so `Text` from there is read as the type that is declared, by the spelling TOML has.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime
from enum import Enum
from types import NoneType
from typing import Any, Literal, TypeAlias, TypeGuard, get_args, get_origin

from connector_kit.errors import Problem

from .annotations import hides, parses, takes_numbers
from .findings import Refused
from .wording import expectation, kind, nearest, shorten, show

__all__ = ["Hook", "Text", "is_scalar", "scalar_hook"]

Hook: TypeAlias = Callable[[Any, Any], Any]
"""What cattrs calls with a value and the type it should become."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,1000}")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Text(str):
    """Text from a source that has no other types: an environment variable."""

    __slots__ = ()


def is_scalar(annotation: Any) -> bool:
    """Whether `scalar_hook` knows the type."""
    return (
        annotation in _HOOKS
        or get_origin(annotation) is Literal
        or _is_enum(annotation)
        or parses(annotation)
    )


def scalar_hook(annotation: Any) -> Hook:
    """Give the hook for a type that `is_scalar`."""
    if annotation in _HOOKS:
        return _HOOKS[annotation]
    if get_origin(annotation) is Literal:
        return _choice_hook({(type(value), value): value for value in get_args(annotation)})
    if _is_enum(annotation):
        return _choice_hook({(type(member.value), member.value): member for member in annotation})
    return _parse


def _is_enum(annotation: Any) -> TypeGuard[type[Enum]]:
    return isinstance(annotation, type) and issubclass(annotation, Enum)


def refused(given: object, target: Any, mend: str = "") -> Refused:
    """Make the exception for a value that is no such scalar; the value may be shown."""
    return Refused(Problem("", show(given), expectation(target), mend))


def _string(given: Any, target: Any) -> str:
    if not isinstance(given, str):
        quotable = isinstance(given, bool | int | float | date)
        raise refused(given, target, "write it in quotes" if quotable else "")
    return str(given)


def _unquoted(given: Any, pattern: re.Pattern[str]) -> str:
    return "write it without quotes" if isinstance(given, str) and pattern.fullmatch(given) else ""


def _integer(given: Any, target: Any) -> int:
    if isinstance(given, Text) and _INTEGER.fullmatch(given):
        return int(given)
    if type(given) is not int:
        raise refused(given, target, _unquoted(given, _INTEGER))
    return given


def _number(given: Any, target: Any) -> float:
    readable = isinstance(given, Text) and _NUMBER.fullmatch(given)
    if not readable and type(given) not in (int, float):
        raise refused(given, target, _unquoted(given, _NUMBER))
    try:
        number = float(given)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise refused(given, target, "give a finite one")
    return number


def _boolean(given: Any, target: Any) -> bool:
    if isinstance(given, Text) and given in ("true", "false"):
        return given == "true"
    if not isinstance(given, bool):
        raise refused(given, target, _unquoted(given, re.compile("true|false")))
    return given


def _time(given: Any, target: Any) -> datetime:
    time = given
    if isinstance(given, str):
        try:
            time = datetime.fromisoformat(given)
        except ValueError:
            time = None
    if not isinstance(time, datetime):
        raise refused(given, target)
    if time.utcoffset() is None:
        raise refused(given, target, "add the offset, Z for UTC")
    return time


def _date(given: Any, target: Any) -> date:
    day = given
    if isinstance(given, str):
        try:
            day = date.fromisoformat(given) if _DATE.fullmatch(given) else None
        except ValueError:
            day = None
    if not isinstance(day, date) or isinstance(day, datetime):
        raise refused(given, target)
    return day


def _null(given: Any, target: Any) -> None:
    if given is not None:
        raise refused(given, target)


def _anything(given: Any, _: Any) -> Any:
    return str(given) if isinstance(given, Text) else given


def _choice_hook(choices: dict[tuple[type, Any], Any]) -> Hook:
    def choose(given: Any, target: Any) -> Any:
        if isinstance(given, Enum) and given in choices.values():
            return given
        for (cls, value), choice in choices.items():
            # 1 == 1.0 == True in Python, but not in a file.
            spelled = value if cls is str else show(value)
            if given == spelled if isinstance(given, Text) else (type(given) is cls and given == value):
                return choice
        raise refused(given, target, nearest(given, [value for _, value in choices]))

    return choose


def _parse(given: Any, target: Any) -> Any:
    if isinstance(given, target):
        return given
    shown: object = given
    try:
        if isinstance(given, str):
            shown = target.redact(given) if hides(target) else given
            return target.parse(str(given))
        if takes_numbers(target) and type(given) in (int, float):
            return target.of(given)
        expected = expectation(target)
    except (ValueError, OverflowError) as error:
        expected = shorten(str(error))
    raise Refused(Problem("", kind(given) if shown is None else show(shown), expected))


_HOOKS: dict[Any, Hook] = {
    str: _string,
    int: _integer,
    float: _number,
    bool: _boolean,
    datetime: _time,
    date: _date,
    NoneType: _null,
    Any: _anything,
    object: _anything,
}
