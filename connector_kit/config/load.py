"""From a file, a mapping or the environment to a frozen config value, or to one error with all its problems."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from connector_kit.errors import ConfigError

from .converter import failure, make_converter, structure
from .source import Source, read

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["load_config"]

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
