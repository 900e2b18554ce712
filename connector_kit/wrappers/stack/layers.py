"""Looks into a stack of wrappers: all layers, the one of a class, or all of them in words."""

from __future__ import annotations

from reprlib import Repr
from typing import Any, Protocol, TypeVar, runtime_checkable

import attrs

from connector_kit.errors import ConfigError
from connector_kit.protocols import Connector

__all__ = ["asks_for", "innermost", "layers", "outline", "unwrap"]

T = TypeVar("T")


@runtime_checkable
class _HasInner(Protocol):
    @property
    def inner(self) -> object: ...


def layers(connector: Connector, /) -> tuple[Connector, ...]:
    """Return the layers of a stack, outermost first; the last one is the innermost connector."""
    found = [connector]
    # A connector may have an `inner` of its own that is none: its client, say.
    while isinstance(outer := found[-1], _HasInner) and isinstance(inner := outer.inner, Connector):
        found.append(inner)
    return tuple(found)


def innermost(connector: Connector, /) -> Connector:
    """Return the innermost connector."""
    return layers(connector)[-1]


def asks_for(connector: Connector, capability: type[object], /) -> bool:
    """Return whether an optional method is the connector's own, and not the default that every wrapper has.

    A wrapper with a limit builds a sample that is not from its own `fetch_data`, so that every page passes the limit.
    """
    return all(isinstance(layer, capability) for layer in layers(connector))


def unwrap(connector: Connector, cls: type[T], /) -> T:
    """Return the outermost layer that is a `cls`; raises `ConfigError` where there is none."""
    stack = layers(connector)
    for layer in stack:
        if isinstance(layer, cls):
            return layer
    names = " > ".join(type(layer).__name__ for layer in stack)
    raise ConfigError(f"no {cls.__name__} in this stack; it has {names}")


def outline(connector: Connector, /) -> str:
    """Describe a stack, one line for each layer, outermost first; arguments with their defaults are left out.

    It is what a wrapper shows as its `repr`.
    """
    *outer, last = layers(connector)
    return "\n".join([*(_in_words(layer, "inner") for layer in outer), _in_words(last)])


def _in_words(value: object, left_out: str = "") -> str:
    """Describe a value in one line, with the arguments that differ from their defaults."""
    cls = type(value)
    if not attrs.has(cls):
        shown = cls.__qualname__ if cls.__repr__ is object.__repr__ else _SHORT.repr(value)
        return " ".join(shown.split())
    arguments = [
        f"{field.alias}={field.repr(item) if callable(field.repr) else _in_words(item)}"
        for field in attrs.fields(cls)
        if field.repr and field.init and field.name != left_out
        for item in [getattr(value, field.name)]
        if not _is_default(field, item)
    ]
    return f"{cls.__qualname__}({', '.join(arguments)})"


def _is_default(field: attrs.Attribute[Any], item: object) -> bool:
    default: Any = field.default
    factory = getattr(default, "factory", None)
    if factory is None:
        return bool(item == default)
    return not default.takes_self and bool(item == factory())


_SHORT = Repr()
_SHORT.maxother = _SHORT.maxstring = 80
