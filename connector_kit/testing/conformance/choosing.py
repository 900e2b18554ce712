"""Which laws are looked at, chosen by their names, and on which event loop: the same for every kind of subject."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, TypeVar

from connector_kit.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .verdict import Law

__all__ = ["chosen", "require_backend"]

F = TypeVar("F")

_BACKENDS: Final = ("asyncio", "trio")


def chosen(laws: Sequence[tuple[Law, F]], names: Sequence[str], whose: str) -> tuple[tuple[Law, F], ...]:
    """Give the laws of these names with their functions, in the order of `laws`; all of them for no names.

    `whose` they are is told in the error: "a connector". Raises `ConfigError` for a name that is none, with the nearest
    one that is.
    """
    known = [law.name for law, _ in laws]
    problems = [_unknown(name, known) for name in names if name not in known]
    if problems:
        raise ConfigError(f"there is no such law of {whose}", problems)
    return tuple((law, look) for law, look in laws if not names or law.name in names)


def _unknown(name: str, known: Sequence[str]) -> Problem:
    near = get_close_matches(name, known, n=1)
    return Problem("laws", repr(name), f"one of {', '.join(known)}", f"use {near[0]!r}" if near else "")


def require_backend(backend: str) -> None:
    """Raise `ConfigError` for an event loop that there is not, or that is not installed."""
    if backend not in _BACKENDS:
        raise ConfigError(
            f"no backend {backend!r}; expected one of {', '.join(_BACKENDS)}; name the one you run on"
        )
    if find_spec(backend) is None:
        raise ConfigError(
            f"the backend {backend!r} is not installed; expected one that is; pip install 'connector-kit[testing]'"
        )
