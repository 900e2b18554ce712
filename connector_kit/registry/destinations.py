"""From the text a person types to a destination: `SCHEME:REST`, of which the scheme is the name of an entry point.

A package declares it in the entry-point group `connector_kit.destinations`: a callable that takes the rest of the text and
returns a destination that is not open.
"""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeGuard

from connector_kit.errors import ConfigError
from connector_kit.protocols import Destination

from .entry_points import installed, loaded

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint

__all__ = ["GROUP", "open_destination"]

GROUP = "connector_kit.destinations"
"""The entry-point group in which a package declares its destinations."""

_MEMBERS = tuple(name for name in vars(Destination) if not name.startswith("_"))


def open_destination(spec: str) -> Destination:
    """Return the destination that a text names, not yet opened. Raise `ConfigError` where it names none.

    >>> open_destination("sqlite:flights.sqlite").path.name
    'flights.sqlite'
    """
    points = installed(GROUP)
    expected = " or ".join(f"{name}:..." for name in points) or "SCHEME:... (none is installed)"
    scheme, colon, rest = spec.partition(":")
    if not colon:
        meant = " or ".join(f"'{name}:{spec}'" for name in points)
        hint = f"did you mean {meant}?" if meant else "install a package that has destinations"
        raise ConfigError(f"no destination is named by {spec!r}; expected {expected}; {hint}")
    if scheme not in points:
        # What follows the colon is not shown: in a URL, it may be a password.
        near = get_close_matches(scheme.lower(), points, n=1)
        hint = (
            f"did you mean {near[0]}:?" if near else "choose one of them, or install the package that has it"
        )
        raise ConfigError(f"there is no kind of destination {scheme!r}; expected {expected}; {hint}")
    return _made(points[scheme], rest)


def _made(point: EntryPoint, rest: str) -> Destination:
    make = loaded(point)
    if not callable(make) or not _takes_text(make):
        raise ConfigError(
            f"{_whose(point)} is {make!r}; expected a class or a function that takes the text behind {point.name}: and "
            "returns a destination; correct the entry point"
        )
    made: object = make(rest)
    if not _is_destination(made):
        if inspect.iscoroutine(made):
            made.close()
        missing = ", ".join(name for name in _MEMBERS if not hasattr(made, name))
        raise ConfigError(
            f"{_whose(point)} returns {type(made).__name__!r}, which is no destination; expected an object with "
            f"{', '.join(_MEMBERS)}; write what it lacks: {missing}"
        )
    return made


def _takes_text(make: Callable[..., object]) -> bool:
    try:
        inspect.signature(make).bind("")
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        return True
    return True


def _is_destination(made: object) -> TypeGuard[Destination]:
    return all(hasattr(made, name) for name in _MEMBERS)


def _whose(point: EntryPoint) -> str:
    whose = f" of package {point.dist.name}" if point.dist is not None else ""
    return f"entry point {point.name} = {point.value!r}{whose}"
