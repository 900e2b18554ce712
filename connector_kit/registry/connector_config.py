"""What a config file says about one connector: which it is, its settings, and how it is run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from connector_kit.config.annotations import is_config_class, parts
from connector_kit.config.auth import Auth, NoAuth
from connector_kit.config.load import Source, read
from connector_kit.config.problems import Refused
from connector_kit.config.structuring import as_table, failure, make_converter, structure
from connector_kit.errors import ConfigError, Problem
from connector_kit.records.values import is_mapping
from connector_kit.runtime.options import EntityOptions
from connector_kit.wrappers.stack.resilience import Resilience

if TYPE_CHECKING:
    import cattrs

__all__ = ["ConnectorConfig", "load_connector", "settings_for"]

_T = TypeVar("_T")


def _keys(settings: Mapping[str, Any]) -> str:
    return f"{{{', '.join(map(str, settings))}}}"


@attrs.frozen
class ConnectorConfig:
    """One connector: which (`connector`), what it is called here (`name`), its settings, and how it is run.

    `settings` are structured into the connector's own config class by `settings_for`; until then they are not shown,
    for they may hold secrets. `select` names the entities to read; with none, all of them are. `entities` says how some of
    them are read, and selects nothing.
    """

    connector: str = attrs.field(validator=attrs.validators.min_len(1))
    name: str | None = None
    settings: Mapping[str, Any] = attrs.field(factory=dict[str, Any], repr=_keys)
    auth: Auth | None = None
    resilience: Resilience = attrs.field(factory=Resilience)
    select: tuple[str, ...] = ()
    entities: Mapping[str, EntityOptions] = attrs.field(factory=dict[str, EntityOptions])


def settings_for(config: ConnectorConfig, cls: type[_T], converter: cattrs.Converter) -> _T:
    """Structure a connector's settings into its own config class.

    A class with a field `auth` gets the `auth` of the top level. Raises `ConfigError` with every problem, as paths of
    the whole file: below `settings`, or below `auth`.
    """
    return _merged(config.settings, config.auth, cls, converter)


def load_connector(
    source: Source,
    find: Callable[[str], type[_T]],
    *,
    settings: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
) -> tuple[ConnectorConfig, _T]:
    """Load a connector's config and its settings, with the problems of both in one `ConfigError`.

    `find` gives the config class for the connector's name; what it refuses (with `ConfigError`) is a problem of
    `connector`. `settings` take the place of the source's own, name by name and table by table.
    """
    env = os.environ if env is None else env
    given = read(source, env)
    if settings:
        own = _raw_settings(given.table)
        given = attrs.evolve(given, table={**given.table, "settings": _overlaid(own, settings)})
    converter = make_converter(env, given.base)
    config, structured, problems = None, None, list[Problem]()
    try:
        config = structure(ConnectorConfig, given.table, converter)
    except ConfigError as error:
        problems.extend(error.problems)
    try:
        # With the values as they stand in the file, so that the settings are judged whatever is wrong beside them.
        structured = _merged(
            _raw_settings(given.table), given.table.get("auth"), _found(given.table, find), converter
        )
    except ConfigError as error:
        problems.extend(error.problems)
    if config is not None and structured is not None and not problems:
        return config, structured
    raise failure(given.name, [given.located(problem) for problem in dict.fromkeys(problems)])


def _raw_settings(table: Mapping[str, Any]) -> Mapping[str, Any]:
    # What is no table is a problem of the connector's config, and told there.
    try:
        return as_table(table.get("settings", {}), "a table")
    except Refused:
        return {}


def _overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one table over another: tables that are in both become one, everything else is taken from above."""
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        both = isinstance(under, Mapping) and isinstance(value, Mapping)
        merged[name] = _overlaid(under, value) if both else value  # type: ignore[arg-type]  # `both` has looked
    return merged


def _found(table: Mapping[str, Any], find: Callable[[str], type[_T]]) -> type[_T]:
    connector = table.get("connector")
    if not isinstance(connector, str) or not connector:
        raise ConfigError("no connector")
    try:
        return find(str(connector))
    except ConfigError as error:
        problem = Problem("connector", error.message, "a connector that can be found")
    raise failure("connector", [problem])


def _merged(settings: Mapping[str, Any], auth: object, cls: type[_T], converter: cattrs.Converter) -> _T:
    """Structure settings and auth together; `auth` may be a value, or the table it is to be made from."""
    table, problems = dict(settings), list[Problem]()
    if auth is not None and not _says_no_auth(auth):
        if "auth" in settings:
            problems.append(
                Problem("settings.auth", "given beside auth", "one of the two", "remove one of them")
            )
        elif _has_auth(cls):
            table["auth"] = auth
        else:
            problems.append(
                Problem("auth", "given", f"no auth, for {cls.__name__} has no such field", "remove it")
            )
    try:
        structured = structure(cls, table, converter)
    except ConfigError as error:
        ours = "auth" not in settings
        problems.extend(
            problem if ours and _is_auths(problem) else problem.under("settings")
            for problem in error.problems
        )
    else:
        if not problems:
            return structured
    raise failure(f"the configuration for {cls.__name__}", problems)


def _has_auth(cls: type[Any]) -> bool:
    return is_config_class(cls) and any(part.key == "auth" for part in parts(cls))


def _says_no_auth(auth: object) -> bool:
    return isinstance(auth, NoAuth) or (is_mapping(auth) and auth.get("type") == "none")


def _is_auths(problem: Problem) -> bool:
    return problem.path == "auth" or problem.path.startswith("auth.")
