"""`connector-kit state`: how far a destination's entities were read."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click
import msgspec

from connector_kit.cli.options import diagnostics_options, examples_epilog
from connector_kit.cli.output import print_json, print_line, print_to_stderr
from connector_kit.cli.tables import Table, show
from connector_kit.errors import ConfigError, UnknownEntityError
from connector_kit.registry.destinations import open_destination

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector_kit.protocols import Destination
    from connector_kit.records.checkpoint import Checkpoint

__all__ = ["command"]

_COLUMNS = ("entity", "connector", "mode", "read", "rows", "pages", "since", "watermark", "updated")


@click.group(
    "state",
    no_args_is_help=False,
    epilog=examples_epilog(
        "state show sqlite:flights.sqlite",
        "state reset sqlite:flights.sqlite flights",
        then="connector-kit sync CONNECTOR --to DESTINATION goes on from there.",
    ),
)
def command() -> None:
    """Show or reset how far the entities of a destination were read.

    A destination keeps a checkpoint for each entity, beside its rows. The next `sync` begins there.

    """


@command.command(
    "show",
    epilog=examples_epilog(
        "state show sqlite:flights.sqlite",
        "state show jsonl:flights orders --json",
        then="`connector-kit state reset` forgets a checkpoint, so that everything is read again.",
    ),
)
@click.argument("destination")
@click.argument("entity", required=False)
@click.option("--json", "as_json", is_flag=True, help="The checkpoints as they are stored, cursors too.")
@diagnostics_options
def show_command(destination: str, entity: str | None, *, as_json: bool) -> None:
    """Show the last checkpoint of each entity of DESTINATION, or of one ENTITY."""
    found = _chosen(anyio.run(_checkpoints, _existing(destination)), entity)
    if as_json:
        print_json({name: msgspec.json.decode(each.to_json()) for name, each in found.items()})
    elif found:
        numbers = frozenset({"rows", "pages"})
        show(Table(_COLUMNS, [_cells(name, each) for name, each in found.items()], numbers))
    else:
        print_line("no entity has a checkpoint here")


@command.command(
    "reset",
    epilog=examples_epilog(
        "state reset sqlite:flights.sqlite flights",
        "state reset jsonl:flights --yes",
        then="connector-kit sync CONNECTOR --to DESTINATION reads everything again.",
    ),
)
@click.argument("destination")
@click.argument("entity", required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@diagnostics_options
def reset_command(destination: str, entity: str | None, *, yes: bool) -> None:
    """Forget the checkpoints of DESTINATION, or of one ENTITY, so that the next run reads from the start.

    Rows that are complete stay: the next run writes over them (upsert), replaces them, or adds them once more
    (append). Asks first on a terminal; elsewhere, say --yes.

    """
    opened = _existing(destination)
    names = list(_chosen(anyio.run(_checkpoints, opened), entity))
    if not names:
        print_line("no entity has a checkpoint here")
        return
    if not yes and not _confirmed(names):
        print_to_stderr("nothing was changed")
        return
    anyio.run(_reset, opened, names)
    print_line(f"reset: {', '.join(names)}")


def _confirmed(names: list[str]) -> bool:
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here; expected --yes to reset without a question")
    return click.confirm(f"Forget how far {', '.join(names)} were read?", err=True)


def _existing(destination: str) -> Destination:
    """Open a destination's spec; refuse a file or folder that is not there, which opening would make."""
    opened = open_destination(destination)
    kind, _, path = destination.partition(":")
    if not path.startswith("//") and not Path(path).exists():
        raise ConfigError(
            f"there is no {path!r}; expected what `sync --to {kind}:...` has made; correct the path"
        )
    return opened


async def _checkpoints(destination: Destination) -> Mapping[str, Checkpoint]:
    await destination.open()
    try:
        return await destination.checkpoints()
    finally:
        await destination.close()


async def _reset(destination: Destination, names: list[str]) -> None:
    await destination.open()
    try:
        for name in names:
            await destination.reset(name)
    finally:
        await destination.close()


def _chosen(found: Mapping[str, Checkpoint], entity: str | None) -> Mapping[str, Checkpoint]:
    if entity is None or entity in found:
        return {name: each for name, each in found.items() if entity in {None, name}}
    near = get_close_matches(entity, found, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(found) or 'none'}"
    raise UnknownEntityError(f"no checkpoint of an entity {entity!r}; expected one that was read; {hint}")


def _cells(name: str, each: Checkpoint) -> tuple[object, ...]:
    times = (
        "" if time is None else time.isoformat(timespec="seconds")
        for time in (each.since, each.watermark, each.updated)
    )
    return (
        name,
        each.connector,
        each.mode,
        "to its end" if each.complete else "in part",
        each.rows,
        each.pages,
        *times,
    )
