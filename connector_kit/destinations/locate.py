"""From the text a person types to a destination: `sqlite:FILE`, `jsonl:FOLDER`."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from connector_kit.errors import ConfigError

from .jsonl import JsonlDestination
from .sqlite import SQLiteDestination

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_kit.protocols import Destination

__all__ = ["open_destination"]

_MAKERS: dict[str, tuple[str, Callable[[str], Destination]]] = {
    "sqlite": ("sqlite:FILE", SQLiteDestination),
    "jsonl": ("jsonl:FOLDER", JsonlDestination),
}
_LATER = ("duckdb", "parquet", "postgres", "postgresql")
_AVAILABLE = " or ".join(form for form, _ in _MAKERS.values())


def open_destination(spec: str) -> Destination:
    """Give the destination that a text names, not yet opened. Raises `ConfigError` where it names none.

    >>> open_destination("sqlite:flights.sqlite").path.name
    'flights.sqlite'
    """
    scheme, colon, place = spec.partition(":")
    if not colon:
        raise ConfigError(
            f"no destination is named by {spec!r}; expected {_AVAILABLE}; did you mean 'sqlite:{spec}' or 'jsonl:{spec}'?"
        )
    # What follows the colon is not shown: in a URL, it may be a password.
    if scheme in _LATER:
        raise ConfigError(
            f"destination {scheme}: is not available in this version; expected {_AVAILABLE}; use one"
        )
    if scheme not in _MAKERS:
        near = get_close_matches(scheme.lower(), _MAKERS, n=1)
        hint = f"did you mean {near[0]}:?" if near else "choose one of them"
        raise ConfigError(f"there is no kind of destination {scheme!r}; expected {_AVAILABLE}; {hint}")
    form, make = _MAKERS[scheme]
    if not place:
        raise ConfigError(
            f"destination {scheme}: names no place; expected {form}; write where the data should go"
        )
    if place.startswith("//"):
        raise ConfigError(
            f"destination {scheme}: is written as a URL; expected {form}; leave out the slashes, but for the one that an "
            "absolute path begins with"
        )
    return make(place)
