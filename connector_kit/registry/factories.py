"""What makes a connector, found by name: an entry point, or `module:factory` from what can be imported.

No registry: the names are those that installed packages declare in the entry-point group `connector_kit.connectors`,
and the config class is read off the factory's first parameter.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_type_hints

import attrs

from connector_kit.config.annotations import is_config_class
from connector_kit.errors import ConfigError

from .entry_points import attribute, imported, installed

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["GROUP", "Factory", "NoSettings", "find_factory"]

GROUP = "connector_kit.connectors"
"""The entry-point group in which a package declares its connectors."""


@attrs.frozen
class NoSettings:
    """A connector that takes no settings."""


@attrs.frozen
class Factory:
    """What makes a connector: a class or a function, and the class of the settings it takes.

    `name` is what it was found by.
    """

    name: str
    make: Callable[..., object]
    settings: type[attrs.AttrsInstance] = NoSettings

    def __call__(self, settings: attrs.AttrsInstance) -> object:
        """Make what should be a connector."""
        return self.make() if self.settings is NoSettings else self.make(settings)

    @property
    def summary(self) -> str:
        """The first line of its documentation; empty where there is none."""
        return (inspect.getdoc(self.make) or "").partition("\n")[0]


def find_factory(text: str) -> Factory:
    """Find what makes the connector of that name. Raises `ConfigError` where there is none, or it cannot be imported."""
    points = installed(GROUP)
    if point := points.get(text):
        return _factory(text, imported(point.module, point), point.attr)
    if ":" in text:
        module, _, path = text.partition(":")
        return _factory(text, imported(module), path)
    near = get_close_matches(text, points, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "write one of these, or where yours is"
    raise ConfigError(
        f"no connector {text!r}; expected one of {', '.join(points) or '(none is installed)'}, a TOML file, or "
        f"module:factory; {hint}"
    )


def _factory(name: str, module: ModuleType, path: str) -> Factory:
    target = attribute(module, path)
    if not callable(target):
        raise ConfigError(
            f"{name} is {type(target).__name__!r}, which cannot be called; expected a class or a function that "
            f"gives a connector; write `def make(): return {path}` and name that"
        )
    return Factory(name, target, _settings_of(name, target))


def _settings_of(name: str, target: Callable[..., object]) -> type[attrs.AttrsInstance]:
    """Read the config class off the first parameter; refuse parameters that nobody could fill."""
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except ValueError:  # a builtin without a signature
        return NoSettings
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    first = parameters[0] if parameters and parameters[0].kind in positional else None
    settings = None if first is None else _class_of(first.annotation, target)
    fixed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    rest = parameters if settings is None else parameters[1:]
    open_ones = [each.name for each in rest if each.default is each.empty and each.kind not in fixed]
    if open_ones:
        raise ConfigError(
            f"{name} wants {', '.join(open_ones)}; expected no parameter without a default, or a first one annotated with "
            "an attrs class, which is filled from the settings; write a function that fills the others"
        )
    return settings or NoSettings


def _class_of(annotation: Any, target: Callable[..., object]) -> type[attrs.AttrsInstance] | None:
    """Return the attrs class that an annotation names, None where it is something else."""
    module = sys.modules.get(getattr(target, "__module__", ""))

    def holder() -> None: ...

    holder.__annotations__ = {"first": annotation}
    try:
        # Only this one: the other annotations may name what is there for type checkers alone.
        found = get_type_hints(holder, vars(module) if module else {})["first"]
    except (NameError, AttributeError, SyntaxError, TypeError):
        return None
    return found if is_config_class(found) else None
