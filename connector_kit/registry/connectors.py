"""From what a person writes for a connector to something that can run: a name, `module:factory`, or a file."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from inspect import iscoroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.config.load import read
from connector_kit.errors import ConfigError
from connector_kit.runtime.options import EntityOptions
from connector_kit.structure.explain import require
from connector_kit.wrappers.stack.resilience import Resilience

from .connector_config import ConnectorConfig, load_connector
from .factories import Factory, find_factory

if TYPE_CHECKING:
    from connector_kit.protocols import Connector

__all__ = ["Located", "config_class", "locate"]

_SUFFIXES = (".toml", ".json")


@attrs.frozen
class Located:
    """A connector that has been found, with its settings, and what its file says about running it.

    `name` is what its checkpoints are kept under. `values` are its settings. `select` names the entities to read, none means
    all; `entities` says how some of them are read and stored.
    """

    name: str
    factory: Factory
    values: attrs.AttrsInstance
    resilience: Resilience = attrs.field(factory=Resilience)
    entities: Mapping[str, EntityOptions] = attrs.field(factory=dict[str, EntityOptions])
    select: tuple[str, ...] = ()

    @property
    def settings(self) -> type[attrs.AttrsInstance]:
        """The class of its settings."""
        return self.factory.settings

    def make(self) -> Connector:
        """Make a new connector. Raises `ConfigError` where what comes out is none."""
        return _checked(self.factory(self.values), self.factory.name)


def locate(text: str, settings: Mapping[str, Any] | None = None) -> Located:
    """Find a connector: an installed one's name (`mock`), `module:factory`, or a file that names one of these.

    `settings` are for a connector without a file, or take the place of those in the file. The name its checkpoints are
    kept under is the file's `name`, else the file's own name without its suffix, else the text. Raises `ConfigError`,
    with all problems of a file at once.
    """
    factories: list[Factory] = []

    def find(connector: str) -> type[attrs.AttrsInstance]:
        factories.append(find_factory(connector))
        return factories[0].settings

    path = _file(text)
    if path is None:
        find_factory(text)  # what is wrong with the name itself is said without the words for a file
    config, values = load_connector({"connector": text} if path is None else path, find, settings=settings)
    return _located(config, factories[0], values, config.name or (text if path is None else path.stem))


def config_class(text: str) -> type[attrs.AttrsInstance]:
    """Return the class of a connector's settings. Of a file only `connector` is looked at, so the rest may be missing."""
    path = _file(text)
    return find_factory(text if path is None else _named_in(path)).settings


def _located(config: ConnectorConfig, factory: Factory, values: attrs.AttrsInstance, name: str) -> Located:
    return Located(name, factory, values, config.resilience, config.entities, config.select)


def _file(text: str) -> Path | None:
    """Return the file that is meant, None where none is. Raises `ConfigError` for one that is not there."""
    path = Path(text)
    if path.suffix.lower() not in _SUFFIXES:
        return None
    if not path.is_file():
        there = sorted(each.name for each in path.parent.glob("*") if each.suffix.lower() in _SUFFIXES)
        near = get_close_matches(path.name, there, n=1)
        hint = f"did you mean {str(path.with_name(near[0]))!r}?" if near else "create it, or correct the path"
        raise ConfigError(f"no file {text!r}; expected a TOML file that says which connector; {hint}")
    return path


def _named_in(path: Path) -> str:
    """Return what a file says for `connector`."""
    connector = read(path, {}).table.get("connector")
    if not isinstance(connector, str):
        raise ConfigError(
            f'{path} does not say which connector it is for; expected a line like `connector = "mock"`; add it'
        )
    return connector


def _checked(made: Any, name: str) -> Connector:
    """Return back what a factory made, or raise `ConfigError` that says what it lacks of a connector."""
    if iscoroutine(made):
        made.close()
        raise ConfigError(
            f"{name} gives a coroutine; expected a plain function that gives a connector; write it without `async`, and "
            "do in `connect` what has to be awaited"
        )
    require(made, f"{name} gives")
    connector: Connector = made
    return connector
