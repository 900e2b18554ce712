"""`connector-kit state`: how far a destination's entities were read."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING

import anyio
import attrs
import click
import msgspec

from connector_kit.cli.options import diagnostics_options, examples_epilog
from connector_kit.cli.output import print_json, print_line, print_to_stderr
from connector_kit.cli.tables import Table, show
from connector_kit.errors import ConfigError, UnknownEntityError
from connector_kit.protocols import SupportsExists
from connector_kit.records.checkpoint import EntityState
from connector_kit.registry.destinations import open_destination
from connector_kit.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector_kit.protocols import Destination

__all__ = ["command"]

_COLUMNS = ("entity", "connector", "mode", "read", "rows", "since", "watermark", "updated")
_NOTHING = "no entity has a checkpoint here"


@attrs.frozen
class _Shown:
    """What is shown of an entity: its state, and how many rows it has where the destination can tell."""

    state: EntityState
    rows: int | None

    def as_json(self) -> dict[str, object]:
        checkpoint = self.state.checkpoint
        return {
            "rows": self.rows,
            "problem": self.state.problem,
            "checkpoint": None if checkpoint is None else msgspec.json.decode(checkpoint.to_json()),
        }

    def cells(self) -> tuple[object, ...]:
        rows = "" if self.rows is None else self.rows
        checkpoint = self.state.checkpoint
        if checkpoint is None:
            return (self.state.entity, "", "", "unreadable", rows, "", "", "")
        times = (
            "" if time is None else time.isoformat(timespec="seconds")
            for time in (checkpoint.since, checkpoint.watermark, checkpoint.updated)
        )
        read = "to its end" if checkpoint.complete else "in part"
        return (self.state.entity, checkpoint.connector, checkpoint.mode, read, rows, *times)


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
@click.option(
    "--json", "as_json", is_flag=True, help="Rows, and the checkpoints as they are stored, cursors too."
)
@diagnostics_options
def show_command(destination: str, entity: str | None, *, as_json: bool) -> None:
    """Show how far each entity of DESTINATION, or one ENTITY, was read, and how many rows it has there.

    A checkpoint that cannot be read is told for its entity alone; `state reset` helps there.

    """
    found = anyio.run(_shown, _existing(destination), entity)
    if as_json:
        print_json({each.state.entity: each.as_json() for each in found})
    elif found:
        show(Table(_COLUMNS, [each.cells() for each in found], frozenset({"rows"})))
    else:
        print_line(_NOTHING)
    for each in found:
        if each.state.problem:
            print_to_stderr(printable(f"{each.state.entity}: {each.state.problem}"))


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
    names = list(anyio.run(_states, opened, entity))
    if not names:
        print_line(_NOTHING)
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
    """Make a destination of its text; refuse one whose place is not there, if it can tell: opening would make it."""
    made = open_destination(destination)
    if isinstance(made, SupportsExists) and not made.exists():
        kind, _, place = destination.partition(":")
        raise ConfigError(
            f"there is no {place!r}; expected what `sync --to {kind}:...` has made; correct the path"
        )
    return made


async def _states(destination: Destination, entity: str | None) -> Mapping[str, EntityState]:
    await destination.open()
    try:
        return _chosen(await destination.states(), entity)
    finally:
        await destination.close()


async def _shown(destination: Destination, entity: str | None) -> list[_Shown]:
    await destination.open()
    try:
        states = _chosen(await destination.states(), entity)
        return [_Shown(state, await destination.count(name)) for name, state in states.items()]
    finally:
        await destination.close()


async def _reset(destination: Destination, names: list[str]) -> None:
    await destination.open()
    try:
        for name in names:
            await destination.reset(name)
    finally:
        await destination.close()


def _chosen(found: Mapping[str, EntityState], entity: str | None) -> Mapping[str, EntityState]:
    if entity is None or entity in found:
        return {name: each for name, each in found.items() if entity in {None, name}}
    near = get_close_matches(entity, found, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(found) or 'none'}"
    raise UnknownEntityError(f"no checkpoint of an entity {entity!r}; expected one that was read; {hint}")
