"""From the text a person types to a destination: `sqlite:FILE`, `jsonl:FOLDER`."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from connector_kit.destinations.jsonl import JsonlDestination
from connector_kit.destinations.sqlite import SqliteDestination
from connector_kit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_kit.protocols import Destination

__all__ = ["open_destination"]

_MAKERS: dict[str, tuple[str, Callable[[str], Destination]]] = {
    "sqlite": ("sqlite:FILE", SqliteDestination),
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
    if scheme in _LATER:
        raise ConfigError(
            f"the destination {scheme!r} is not available in this version; expected {_AVAILABLE}; use one"
        )
    if not colon or scheme not in _MAKERS:
        raise ConfigError(
            f"no destination is named by {spec!r}; expected {_AVAILABLE}; {_hint(spec, scheme)}"
        )
    form, make = _MAKERS[scheme]
    if not place:
        raise ConfigError(
            f"the destination {spec!r} names no place; expected {form}; write where the data should go"
        )
    if place.startswith("//"):
        raise ConfigError(
            f"the destination {spec!r} is written as a URL; expected {form}; leave out the slashes, but for the one that an "
            "absolute path begins with"
        )
    return make(place)


def _hint(spec: str, scheme: str) -> str:
    near = get_close_matches(scheme.lower(), _MAKERS, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    if scheme == spec:
        return f"did you mean 'sqlite:{spec}'?"
    return "choose one of them"
