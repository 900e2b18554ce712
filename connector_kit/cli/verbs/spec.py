"""`connector-kit spec`: what a connector's settings look like, as JSON Schema."""

from __future__ import annotations

import click

from connector_kit.cli.options import connector_argument, diagnostics_options, examples_epilog
from connector_kit.cli.output import print_json
from connector_kit.config.json_schema import json_schema
from connector_kit.registry.connector_config import ConnectorConfig
from connector_kit.registry.connectors import config_class

__all__ = ["command"]


@click.command(
    "spec",
    epilog=examples_epilog(
        "spec mock",
        "spec rest --file",
        then="write a file that names the connector and has its settings, and try it: connector-kit check FILE.toml",
    ),
)
@connector_argument
@click.option(
    "--file", "whole_file", is_flag=True, help="The schema of the TOML file around the settings instead."
)
@diagnostics_options
def command(connector: str, *, whole_file: bool) -> None:
    """Print the JSON Schema of CONNECTOR's settings: the table [settings] of a TOML file, or what --set takes.

    Nothing is connected. Editors complete and check a file by such a schema.

    """
    settings = config_class(connector)
    print_json(json_schema(ConnectorConfig if whole_file else settings))
