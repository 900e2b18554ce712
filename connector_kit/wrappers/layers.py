"""Looks into a stack of wrappers: all layers, or the one of a class."""

from __future__ import annotations

from typing import Protocol, TypeVar, runtime_checkable

from connector_kit.errors import ConfigError
from connector_kit.protocols import Connector

__all__ = ["asks_for", "innermost", "layers", "unwrap"]

T = TypeVar("T")


@runtime_checkable
class _Wrapper(Protocol):
    @property
    def inner(self) -> Connector: ...


def layers(connector: Connector, /) -> tuple[Connector, ...]:
    """Give the layers of a stack, outermost first; the last one is the connector that everything is around."""
    found = [connector]
    # A connector may have an `inner` of its own that is none: its client, say.
    while isinstance(found[-1], _Wrapper) and isinstance(found[-1].inner, Connector):
        found.append(found[-1].inner)
    return tuple(found)


def innermost(connector: Connector, /) -> Connector:
    """Give the connector that everything is around."""
    return layers(connector)[-1]


def asks_for(connector: Connector, capability: type[object], /) -> bool:
    """Tell whether an optional method is the connector's own, and not made up for by a wrapper, which has them all.

    A wrapper with a limit builds a sample that is not from its own `fetch_data`, so that every page passes the limit.
    """
    return all(isinstance(layer, capability) for layer in layers(connector))


def unwrap(connector: Connector, cls: type[T], /) -> T:
    """Give the outermost layer that is a `cls`; raises `ConfigError` where there is none."""
    stack = layers(connector)
    for layer in stack:
        if isinstance(layer, cls):
            return layer
    names = " > ".join(type(layer).__name__ for layer in stack)
    raise ConfigError(f"no {cls.__name__} in this stack; it has {names}")
