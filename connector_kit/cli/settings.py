"""Settings from the command line: `--set size=1000 --set auth.token.env=TOKEN` becomes a table."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, TypeGuard

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["parse_settings", "parse_value", "settings_option"]


def parse_value(text: str) -> Any:
    """Read a TOML value (`1000`, `true`, `["a"]`); anything else is text, so that `30s` needs no quotes."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    return table["value"] if len(table) == 1 else text


def parse_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Make a table from `path=value` texts; dots in a path go one level down. Raises `ValueError`, without the value."""
    table: dict[str, Any] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        keys = path.strip().split(".")
        if not equals or not all(keys):
            raise ValueError("a setting is written name=value; expected something like --set size=1000")
        parent: dict[str, Any] | None = table
        for key in keys[:-1]:
            parent = _table_under(parent, key)
        if parent is None or keys[-1] in parent:
            raise ValueError(
                f"the setting {path.strip()!r} is given twice; expected one value; leave one out"
            )
        parent[keys[-1]] = parse_value(value.strip())
    return table


def _table_under(parent: dict[str, Any] | None, key: str) -> dict[str, Any] | None:
    """Return the table under a key, made if nothing is there; None where a value is."""
    found = None if parent is None else parent.setdefault(key, {})
    return found if _is_table(found) else None


def _is_table(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _parsed(_context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]) -> dict[str, Any]:
    try:
        return parse_settings(texts)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


settings_option = click.option(
    "--set",
    "settings",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_parsed,
    help="A setting of the connector, in place of the file's; may be repeated. Dots in NAME go one level down. VALUE as in TOML; the quotes of a text may be left out.",
)
"""The option, as a decorator."""
