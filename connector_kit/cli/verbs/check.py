"""`connector-kit check`: settings, connection and catalog, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import attrs
import click

from connector_kit.capabilities import validate
from connector_kit.cli.event_log import log_observer
from connector_kit.cli.options import (
    Diagnostics,
    connector_argument,
    diagnostics_options,
    entities_options,
    examples_epilog,
)
from connector_kit.cli.output import print_json, print_line, tell_errors
from connector_kit.cli.settings import settings_option
from connector_kit.registry.connectors import Located, locate
from connector_kit.runtime.discovery import discover
from connector_kit.runtime.session import disconnect_surely
from connector_kit.text import counted
from connector_kit.wrappers.stack.protect import protect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from connector_kit.cli.exit_codes import Code
    from connector_kit.protocols import FullConnector

__all__ = ["command"]


@attrs.frozen
class CheckStep:
    """One thing that was tried, and what came of it."""

    step: str
    ok: bool
    found: str


@click.command(
    "check",
    epilog=examples_epilog(
        "check flights.toml",
        "check my_package.shop:make_shop",
        then="connector-kit discover CONNECTOR shows what it has.",
    ),
)
@connector_argument
@entities_options
@settings_option
@click.option("--json", "as_json", is_flag=True, help="A JSON list of the steps instead of a line for each.")
@diagnostics_options
@click.pass_obj
def command(
    diagnostics: Diagnostics,
    connector: str,
    settings: dict[str, Any],
    *,
    entities: tuple[str, ...],
    as_json: bool,
) -> Code:
    """Try CONNECTOR: are its settings right, can it connect, does it give a catalog?

    Of entities without announced fields, of all or of those that are named, a first page is read; one that cannot be read
    stops none of the others.

    The first step that fails ends it, with the error and its exit code.

    """
    steps: list[CheckStep] = []

    def done(step: CheckStep) -> None:
        steps.append(step)
        if not as_json:
            print_line(
                f"{step.step:<14}{'ok' if step.ok else 'failed'}{': ' if step.found else ''}{step.found}"
            )

    try:
        errors = anyio.run(_check, connector, settings, entities, diagnostics, done)
    finally:
        if as_json:
            print_json([attrs.asdict(step) for step in steps])
    return tell_errors(errors, with_traceback=diagnostics.traceback)


async def _check(
    text: str,
    settings: dict[str, Any],
    entities: Sequence[str],
    diagnostics: Diagnostics,
    done: Callable[[CheckStep], None],
) -> Mapping[str, Exception]:
    """Try one step after the other, and return the errors of entities that cannot be synced, or whose fields cannot be inferred."""

    async def attempt(step: str, call: Callable[[], Awaitable[str]]) -> None:
        try:
            found = await call()
        except Exception:
            done(CheckStep(step, ok=False, found=""))
            raise
        done(CheckStep(step, ok=True, found=found))

    stack: list[FullConnector] = []
    chosen: list[str] = list(entities)
    errors: dict[str, Exception] = {}
    problems: dict[str, Exception] = {}

    async def configure() -> str:
        located: Located = locate(text, settings)
        stack.append(protect(located.make(), located.resilience, observer=log_observer(diagnostics)))
        validate(stack[0])
        chosen.extend(() if chosen else located.select)
        return f"checkpoints are kept under the name {located.name!r}"

    async def connect() -> str:
        await stack[0].connect()
        return ""

    async def find() -> str:
        found = await discover(stack[0], chosen or None)
        errors.update({**found.problems, **found.errors})
        problems.update(found.problems)
        names = found.catalog.names
        others = f"; not looked at: {', '.join(found.left_out)}" if found.left_out else ""
        return f"{counted(len(names), 'entity', 'entities')}: {', '.join(names)}{others}"

    await attempt("settings", configure)
    try:
        await attempt("connection", connect)
        await attempt("catalog", find)
    finally:
        await disconnect_surely(stack[0])
    for name, error in errors.items():
        found = (
            "it cannot be read by since" if error is problems.get(name) else "its fields cannot be inferred"
        )
        done(CheckStep(name, ok=False, found=found))
    return errors
