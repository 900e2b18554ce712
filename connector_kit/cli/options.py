"""Options and arguments that verbs share, and how the help of a verb ends."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, TypeVar

import attrs
import click

__all__ = ["Diagnostics", "connector_argument", "diagnostics_options", "entities_options", "examples_epilog"]


F = TypeVar("F", bound=Callable[..., Any])

connector_argument = click.argument("connector")


def entities_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let entities be named behind the connector or by `--entity`, alike; the command gets all of them as `entities`."""

    @wraps(command)
    def with_entities(*arguments: Any, named: tuple[str, ...], also: tuple[str, ...], **values: Any) -> Any:
        return command(*arguments, entities=tuple(dict.fromkeys((*named, *also))), **values)

    option = click.option(
        "--entity", "also", multiple=True, metavar="NAME", help="The same as an ENTITY; may be repeated."
    )
    argument = click.argument("named", metavar="[ENTITY]...", nargs=-1)
    return argument(option(with_entities))


@attrs.define
class Diagnostics:
    """What to show besides the result. Filled while the command line is parsed, then only read."""

    log: Literal["json", "text"] | None = None
    verbose: bool = False
    traceback: bool = False


def _keep(context: click.Context, parameter: click.Parameter, value: object) -> None:
    setattr(context.ensure_object(Diagnostics), str(parameter.name), value)


def diagnostics_options(command: F) -> F:
    """Add `--log`, `--verbose` and `--traceback` to a command; they go to the context's `Diagnostics`."""
    for option in (
        click.option(
            "--traceback",
            is_flag=True,
            expose_value=False,
            callback=_keep,
            help="With an error, show where in the code.",
        ),
        click.option(
            "-v",
            "--verbose",
            is_flag=True,
            expose_value=False,
            callback=_keep,
            help="Tell of every call and page.",
        ),
        click.option(
            "--log",
            type=click.Choice(["text", "json"]),
            expose_value=False,
            callback=_keep,
            help="Events on standard error: brief lines, or one JSON object a line.",
        ),
    ):
        command = option(command)
    return command


def examples_epilog(*commands: str, then: str) -> str:
    """Return the end of a help text, in the form in which click leaves its lines alone."""
    lines = "\n".join(f"  connector-kit {command}" for command in commands)
    return f"\b\nExamples:\n{lines}\n\nNext: {then}"
