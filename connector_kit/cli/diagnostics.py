"""The options every verb has: how much it tells of what happens, and in which form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import attrs
import click

__all__ = ["Diagnostics", "diagnosed"]

F = TypeVar("F", bound=Callable[..., Any])


@attrs.define
class Diagnostics:
    """What the person wants to see besides the result. Filled while the command line is parsed, then only read."""

    log: Literal["json", "text"] | None = None
    verbose: bool = False
    traceback: bool = False


def _note(context: click.Context, parameter: click.Parameter, value: object) -> None:
    setattr(context.ensure_object(Diagnostics), str(parameter.name), value)


def diagnosed(command: F) -> F:
    """Add `--log`, `--verbose` and `--traceback` to a command; they go to the context's `Diagnostics`."""
    for option in (
        click.option(
            "--traceback",
            is_flag=True,
            expose_value=False,
            callback=_note,
            help="With an error, show where in the code.",
        ),
        click.option(
            "-v",
            "--verbose",
            is_flag=True,
            expose_value=False,
            callback=_note,
            help="Tell of every call and page.",
        ),
        click.option(
            "--log",
            type=click.Choice(["text", "json"]),
            expose_value=False,
            callback=_note,
            help="Events on standard error: brief lines, or one JSON object a line.",
        ),
    ):
        command = option(command)
    return command
