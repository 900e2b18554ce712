"""`connector-kit list`: the connectors that are installed."""

from __future__ import annotations

import click

from connector_kit.cli.options import diagnostics_options, examples_epilog
from connector_kit.cli.output import print_json, print_line
from connector_kit.cli.tables import Table, show
from connector_kit.errors import ConfigError
from connector_kit.registry.entry_points import installed
from connector_kit.registry.factories import GROUP, find_factory

__all__ = ["command"]


@click.command(
    "list",
    epilog=examples_epilog(
        "list", "list --json", then="connector-kit spec NAME shows what a connector wants to know."
    ),
)
@click.option("--json", "as_json", is_flag=True, help="A JSON list instead of a table.")
@diagnostics_options
def command(*, as_json: bool) -> None:
    """Show the connectors that are installed, with what each is for.

    A package brings a connector by an entry point in the group `connector_kit.connectors`. Connectors that are not
    installed can be used all the same: as `module:factory`.

    """
    found = [
        {
            "name": name,
            "summary": _summary(name),
            "module": point.value,
            "package": point.dist.name if point.dist else "",
        }
        for name, point in installed(GROUP).items()
    ]
    if as_json:
        print_json(found)
    elif found:
        show(
            Table(
                ("name", "summary", "package"),
                [[row["name"], row["summary"], row["package"]] for row in found],
            )
        )
    else:
        print_line(f"no package declares a connector in the entry-point group {GROUP}")


def _summary(name: str) -> str:
    """Return what a connector is for, or what it lacks here."""
    try:
        return find_factory(name).summary
    except ConfigError as error:
        return f"not usable: {error.message}"
