"""Where a configuration comes from and how it is loaded: a mapping, a TOML or JSON file, the environment."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeAlias, TypeVar

import attrs

from connector_kit.errors import ConfigError, Problem
from connector_kit.records.values import is_mapping

from .problems import kind, step
from .structuring import Text, failure, make_converter, structure

__all__ = ["Environment", "Given", "Source", "load_config", "read"]


@attrs.frozen
class Environment:
    """The environment variables that begin with `prefix`, as a source of configuration.

    With the prefix `GITHUB_`, the variable `GITHUB_BASE_URL` gives `base_url` and `GITHUB_AUTH__TOKEN` gives
    `auth.token`: two underscores go one level down. Lists and tables may be given as JSON. Every variable with the
    prefix must be known to the config class, so choose a prefix that is yours alone.
    """

    prefix: str = attrs.field(validator=attrs.validators.min_len(1))


Source: TypeAlias = Mapping[str, Any] | str | Path | Environment
"""What configuration is loaded from; a string is a file's path."""


@attrs.frozen
class Given:
    """What a source has: a `name` for messages, the values, the folder that paths in it are relative to."""

    name: str
    table: Mapping[str, Any] = attrs.field(repr=False)
    base: Path = Path()
    prefix: str | None = None

    def located(self, problem: Problem) -> Problem:
        """Return the problem as the source would have it: in the environment, a place is a variable."""
        if self.prefix is None:
            return problem
        keys, bracket, index = problem.path.partition("[")
        variable = self.prefix + keys.replace(".", "__").upper()
        mend = f"export {variable}=…" if problem.given == "missing" and not bracket else problem.mend
        return attrs.evolve(problem, path=f"{variable}{bracket}{index}", mend=mend)


def read(source: Source, env: Mapping[str, str]) -> Given:
    """Read a source. Raises `ConfigError` where a file cannot be read or is no TOML or JSON table."""
    if isinstance(source, Environment):
        return Given(f"the environment ({source.prefix}…)", _nested(source.prefix, env), prefix=source.prefix)
    if isinstance(source, Mapping):
        return Given("the configuration", source)
    path = Path(source)
    parse = {".toml": _toml, ".json": _json}.get(path.suffix.lower())
    if parse is None:
        raise ConfigError(
            f"{path} is no configuration file; expected a file that ends in .toml or .json; rename it"
        )
    return Given(str(path), parse(path, _text(path)), path.parent)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror or error}; expected a configuration file; create it or correct the path"
        ) from error
    except ValueError:
        # Neither shown nor chained: a decoding error carries the whole file.
        reason = "it is no UTF-8 text"
    raise ConfigError(f"{path} cannot be read: {reason}; expected a TOML or JSON file; save it as UTF-8")


def _toml(path: Path, text: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        reason = _reason(error)
    raise ConfigError(
        f'{path} is no valid TOML: {reason}; expected lines like `name = "value"`; correct that place'
    )


def _json(path: Path, text: str) -> Mapping[str, Any]:
    try:
        table: Any = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        reason = _reason(error)
    else:
        if is_mapping(table):
            return table
        raise ConfigError(
            f"{path} holds {kind(table)}; expected a JSON object at the top level; put braces around it"
        )
    raise ConfigError(f"{path} is no valid JSON: {reason}; expected one JSON object; correct that place")


def _reason(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise ValueError(f"the key {step(key)} is there twice")
        table[key] = value
    return table


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


def _nested(prefix: str, env: Mapping[str, str]) -> dict[str, Any]:
    """Turn `PREFIX_A__B=text` into `{"a": {"b": text}}`. A variable that is both a value and a table is refused."""
    tree: Any = {}
    clashes: list[Problem] = []
    # Sorted, a value comes before what lies below it.
    for name in sorted(name for name in env if name.startswith(prefix) and name != prefix):
        *above, last = name.removeprefix(prefix).lower().split("__")
        table = tree
        for key in above:
            table = table if isinstance(table, Text) else table.setdefault(key, {})
        if isinstance(table, Text) or last in table:
            clashes.append(
                Problem(name, "set beside a variable of the same place", "one of them", f"unset {name}")
            )
        else:
            table[last] = Text(env[name])
    if clashes:
        raise ConfigError(f"the environment ({prefix}…) contradicts itself:", clashes)
    found: dict[str, Any] = tree
    return found


_T = TypeVar("_T")


def load_config(cls: type[_T], source: Source, *, env: Mapping[str, str] | None = None) -> _T:
    """Load a config class from a mapping, a `.toml` or `.json` file, or an `Environment`.

    `env` is where environment variables are looked up; the process's environment where it is left out. Paths in a
    file are relative to the file's folder. Raises `ConfigError` with every problem of the whole source: unknown and
    missing keys, values of another type, failing validators, secrets that are not there. No secret is in it.
    """
    env = os.environ if env is None else env
    given = read(source, env)
    try:
        return structure(cls, given.table, make_converter(env, given.base))
    except ConfigError as error:
        problems = [given.located(problem) for problem in error.problems]
    raise failure(given.name, problems)
