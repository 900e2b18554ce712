"""Exceptions as JSON, and back: the kit's own with all they carry, Python's own by their arguments."""

from __future__ import annotations

import builtins
import inspect
from typing import TYPE_CHECKING, Any

import attrs

import connector_kit.errors as kit
from connector_kit.errors import ConnectorError, Problem

from .errors import ReplayedError, UnrecordableError
from .values import plain, restored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .redaction import Redaction

__all__ = ["described", "raised"]

_KIT: Mapping[str, type[ConnectorError]] = {
    name: value
    for name in kit.__all__
    if isinstance(value := getattr(kit, name), type) and issubclass(value, ConnectorError)
}
_PYTHON: Mapping[str, type[Exception]] = {
    name: value
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, Exception) and value is not Exception
}
_PLACES = ("connector", "operation", "entity", "cursor", "attempt")
_CAUSES = 8
"""How long a chain of causes is kept."""


def described(error: BaseException, redaction: Redaction, depth: int = _CAUSES) -> dict[str, Any]:
    """Give an exception as JSON: class, message, what it carries, and its cause.

    A class of somebody's own is told by the nearest one it derives from, for which it is handled alike.
    """
    kind = _nearest(type(error))
    told: dict[str, Any] = {"class": kind.__name__}
    if type(error) is not kind:
        told["was"] = f"{type(error).__module__}.{type(error).__qualname__}"
    if isinstance(error, ConnectorError):
        told["message"] = redaction.text(error.message)
        places = {name: plain(getattr(error, name), redaction) for name in _PLACES}
        told |= {name: place for name, place in places.items() if place is not None}
        told |= {
            name: write(getattr(error, name), redaction, depth)
            for name, write in _CARRIED.items()
            if name in vars(error)
        }
    elif kind is ReplayedError:
        told["message"] = redaction.text(str(error))
    else:
        told["args"] = _arguments(error, redaction)
    if error.__cause__ is not None and depth:
        told["cause"] = described(error.__cause__, redaction, depth - 1)
    return told


def raised(told: Mapping[str, Any]) -> Exception:
    """Make the exception that was described. Raises `ValueError` for what describes none."""
    try:
        error = _made(told)
    except (KeyError, TypeError, AttributeError) as wrong:
        raise ValueError(f"{told!r} describes no error") from wrong
    if "cause" in told:
        error.__cause__ = raised(told["cause"])
    return error


def _made(told: Mapping[str, Any]) -> Exception:
    name = told["class"]
    if name in _PYTHON:
        try:
            return _PYTHON[name](*restored(told["args"]))
        except TypeError:  # one that takes other arguments than it keeps in `args`
            return ReplayedError(f"{name}: {told['args']}")
    if name == ReplayedError.__name__:
        error: ConnectorError = ReplayedError(f"{told['was']}: {told['message']}")
    else:
        kind = _KIT[name]
        takes = inspect.signature(kind).parameters
        carried = {name: read(told[name]) for name, read in _READ.items() if name in takes and name in told}
        error = kind(told["message"], **carried)
    error.locate(**{place: restored(told[place]) for place in _PLACES if place in told})
    return error


def _nearest(kind: type[BaseException]) -> type[BaseException]:
    for ancestor in kind.__mro__:
        if _KIT.get(ancestor.__name__) is ancestor or _PYTHON.get(ancestor.__name__) is ancestor:
            return ancestor
    return ReplayedError


def _arguments(error: BaseException, redaction: Redaction) -> list[Any]:
    try:
        return [plain(each, redaction) for each in error.args]
    except UnrecordableError:
        return [redaction.text(str(error))]


_CARRIED: Mapping[str, Callable[[Any, Redaction, int], Any]] = {
    "retry_after": lambda value, redaction, _: plain(value, redaction),
    "problems": lambda value, redaction, _: [plain(attrs.asdict(each), redaction) for each in value],
    "attempts": lambda value, redaction, depth: [
        described(each, redaction, depth - 1) for each in value if depth
    ],
}
_READ: Mapping[str, Callable[[Any], Any]] = {
    "retry_after": restored,
    "problems": lambda told: [Problem(**each) for each in told],
    "attempts": lambda told: [raised(each) for each in told],
}
