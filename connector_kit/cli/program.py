"""The verbs, and running a command line: whatever happens becomes a message and an exit code."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

import click

from .exit_codes import Code, code_of, error_text, usage_text
from .options import Diagnostics
from .output import ReaderGoneError, discard_output, print_to_stderr

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["VERBS", "program", "run"]


VERBS = {
    "list": "Show the connectors that are installed.",
    "spec": "Print the JSON Schema of a connector's settings.",
    "check": "Try settings, connection and catalog, step by step.",
    "discover": "Show the entities and their fields.",
    "sample": "Show a few records of an entity.",
    "read": "Print records as JSON lines.",
    "test": "Look whether a connector keeps the laws, under faults, too.",
    "sync": "Bring what is new into a destination, every row exactly once.",
    "state": "Show or reset how far a destination's entities were read.",
}


class Verbs(click.Group):
    """A group whose commands are modules of `connector_kit.cli.verbs`, each with the attribute `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the verbs in the order in which a newcomer needs them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb and return it; refuse an unknown name, with the nearest verb."""
        if cmd_name not in VERBS:
            return None if cmd_name.startswith("-") else _refuse(ctx, cmd_name)
        command = import_module(f".verbs.{cmd_name}", __package__).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


def _refuse(context: click.Context, name: str) -> NoReturn:
    near = get_close_matches(name, VERBS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(VERBS)}"
    raise click.UsageError(f"no verb {name!r}; {hint}", context)


@click.command(
    cls=Verbs,
    invoke_without_command=True,
    subcommand_metavar="VERB ...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nFirst steps:\n"
    "  connector-kit discover mock\n"
    "  connector-kit sync mock --to sqlite:mock.sqlite\n"
    "\b\nConnectors of your own: connector-kit check --help",
)
@click.version_option(package_name="connector-kit", prog_name="connector-kit")
@click.pass_context
def program(context: click.Context) -> None:
    """Bring the records of any source into a destination, every row exactly once.

    CONNECTOR is the name of an installed connector (`mock`), a TOML file (`flights.toml`), or `module:factory`.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def run(arguments: Sequence[str] | None) -> int:
    """Run the command with these arguments, those of the process for None, and return its exit code."""
    diagnostics = Diagnostics()
    try:
        code = program.main(arguments, prog_name="connector-kit", standalone_mode=False, obj=diagnostics)
    except click.ClickException as error:
        print_to_stderr(usage_text(error))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        print_to_stderr("interrupted; what is stored is sound, and the next run goes on from there")
        return Code.INTERRUPTED
    except ReaderGoneError:
        discard_output()
        return Code.OK
    except Exception as error:  # noqa: BLE001 - the end of the line: everything becomes a message and a code
        print_to_stderr(error_text(error, with_traceback=diagnostics.traceback))
        return code_of(error)
    return code or Code.OK
