"""`explain` and `conforms`: whether an object is a connector, and if not, what to write.

Names alone do not tell: an `async def` without `yield` has the right name and fails at the first read. Signatures do.
"""

from __future__ import annotations

import inspect
from functools import cached_property
from types import FunctionType, MemberDescriptorType, MethodType
from typing import Final
from weakref import WeakKeyDictionary

from connector_kit.errors import ConfigError, Problem

from .expected import CAPABILITIES, METHODS, Expected
from .explanation import Explanation, Finding, Status
from .signatures import Look, look_at

__all__ = ["conforms", "explain", "require"]

_ABSENT: Final = object()
_ALL: Final = (*METHODS, *CAPABILITIES)
_KNOWN: WeakKeyDictionary[type, Explanation] = WeakKeyDictionary()
"""What is known of classes whose instances are all alike. A class that is changed afterwards keeps its entry."""


def explain(obj: object, /) -> Explanation:
    """Say of each of a connector's methods whether it is there and fits, what is expected, and the line to write.

    Looks at signatures: none of the methods is called, and no property is read. An attribute that only a `__getattr__`
    gives is asked for. The answer is kept per class, unless an instance has methods of its own.

    >>> class Shop:
    ...     async def connect(self) -> None: ...
    ...     async def disconnect(self) -> None: ...
    ...     async def discover_schema(self): ...
    ...     async def fetch_data(self, entity, since=None): ...
    >>> for problem in explain(Shop()).problems:
    ...     print(problem.path, "-", problem.given)
    fetch_data - `async def` without `yield`: a coroutine, no iterator; no `cursor`
    """
    cls = type(obj)
    if any(each.name in getattr(obj, "__dict__", {}) for each in _ALL):
        return _explained(obj)
    explanation = _KNOWN.get(cls)
    if explanation is None:
        explanation = _explained(obj)
        if _alike(cls):
            _KNOWN[cls] = explanation
    return explanation


def conforms(obj: object, /) -> bool:
    """Tell whether an object is a connector; `explain` says what it lacks."""
    return explain(obj).ok


def require(obj: object, what: str, /) -> None:
    """Raise `ConfigError` with the explanation where an object is no connector. `what` says whose it is."""
    explanation = explain(obj)
    if not explanation.ok:
        raise ConfigError(
            f"{what} {explanation.name!r}, which is no connector; expected an object with the four async methods "
            f"{', '.join(each.name for each in METHODS)}; mend what is listed:",
            explanation.problems,
        )


def _alike(cls: type) -> bool:
    """Tell whether instances of a class without methods of their own are alike: no slots for methods, no forwarding."""
    return (
        not issubclass(cls, type)
        and not hasattr(cls, "__getattr__")
        and not any(isinstance(_of_class(cls, each.name), MemberDescriptorType) for each in _ALL)
    )


def _explained(obj: object) -> Explanation:
    looks = {each.name: _look(obj, each) for each in _ALL}
    name = obj.__name__ if isinstance(obj, type) else type(obj).__name__
    findings = [_finding(each, looks[each.name], optional=each in CAPABILITIES) for each in _ALL]
    return Explanation(name, tuple(findings), tuple(_remarks(obj, name, looks)))


def _look(obj: object, expected: Expected) -> Look | None:
    """Look at one method of an object; None where it has none of that name."""
    held = _of_class(type(obj), expected.name)
    if isinstance(held, property | cached_property):
        return Look("property, not looked into")  # reading it could do anything
    if isinstance(obj, type):
        held = _of_class(obj, expected.name)
        if isinstance(held, FunctionType):
            return look_at(MethodType(held, obj), expected)  # as its instances would have it
        if isinstance(held, property | cached_property | MemberDescriptorType):
            return Look("attribute of instances")
    try:
        found = getattr(obj, expected.name, _ABSENT)
    except Exception:  # noqa: BLE001 - a `__getattr__` may raise anything; it gives no method in any case
        return None
    return None if found is _ABSENT else look_at(found, expected)


def _of_class(cls: type, name: str) -> object:
    """Give what a class holds under a name, as it is, without binding or computing it."""
    return inspect.getattr_static(cls, name, None)


def _finding(expected: Expected, look: Look | None, *, optional: bool) -> Finding:
    status: Status
    if look is None:
        status, found = (
            ("defaulted", "not there: the kit's default") if optional else ("missing", "not there")
        )
    else:
        status, found = "malformed" if look.faults else "present", look.found
    return Finding(expected.name, status, found, expected.words, expected.line)


def _remarks(obj: object, name: str, looks: dict[str, Look | None]) -> list[Problem]:
    """Say what mends the object as a whole."""
    remarks = []
    if isinstance(obj, type) and any(isinstance(_of_class(obj, each.name), FunctionType) for each in METHODS):
        remarks.append(Problem("", f"{name} is a class", "an instance", f"call it: `{name}(...)`"))
    *calls, stream = [looks[each.name] for each in METHODS]
    if all(look is not None and look.synchronous for look in calls):
        remarks.append(
            Problem(
                "", f"{name} is synchronous", "async methods", f"wrap it: `Threaded({name}(...))`, or write:"
            )
        )
    if stream is not None and stream.record_wise:
        remarks.append(
            Problem(
                "", f"{name} yields single records", "pages", f"wrap it: `Paged({name}(...), 500)`, or write:"
            )
        )
    return remarks
