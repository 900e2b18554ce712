"""`connector-kit sample`: a few records of an entity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import click

from connector_kit.cli.options import Diagnostics, connector_argument, diagnostics_options, examples_epilog
from connector_kit.cli.output import print_line, write
from connector_kit.cli.session import opened
from connector_kit.cli.settings import settings_option
from connector_kit.cli.tables import Table, show
from connector_kit.errors import DataError
from connector_kit.records.json_lines import ENCODER
from connector_kit.registry.connectors import Located, locate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.page import Record

__all__ = ["command"]

_LONGEST = 40


@click.command(
    "sample",
    epilog=examples_epilog(
        "sample mock orders",
        "sample flights.toml flights -n 3 --json",
        then="connector-kit sync CONNECTOR --to sqlite:FILE stores all of them.",
    ),
)
@connector_argument
@click.argument("entity")
@settings_option
@click.option(
    "-n", "limit", type=click.IntRange(min=1), default=10, show_default=True, help="How many records at most."
)
@click.option("--json", "as_json", is_flag=True, help="JSON lines, values in full, instead of a table.")
@diagnostics_options
@click.pass_obj
def command(
    diagnostics: Diagnostics,
    connector: str,
    entity: str,
    settings: dict[str, Any],
    *,
    limit: int,
    as_json: bool,
) -> None:
    """Show a few records of one ENTITY of CONNECTOR. Long values are cut in the table."""
    records = anyio.run(_sample, locate(connector, settings), entity, limit, diagnostics)
    if as_json:
        for record in records:
            write(_json_line(record))
    elif records:
        show(_table(records))
    else:
        print_line(f"{entity} has no records")


async def _sample(located: Located, entity: str, limit: int, diagnostics: Diagnostics) -> Sequence[Record]:
    async with opened(located, diagnostics) as connector:
        (await connector.discover_schema())[entity]
        return await connector.get_sample_data(entity, limit)


def _table(records: Sequence[Record]) -> Table:
    columns = tuple(dict.fromkeys(name for record in records for name in record))
    return Table(columns, [[_short(record.get(name)) for name in columns] for record in records])


def _short(value: object) -> str:
    text = (
        value if isinstance(value, str) else "" if value is None else _json_line(value).decode().rstrip("\n")
    )
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _json_line(value: object) -> bytes:
    """Return the value as a line of JSON. Raises `DataError` where it has no such form."""
    try:
        return ENCODER.encode(value) + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(
            f"a record cannot be written as JSON: {error}; expected values that JSON has a form for; let the connector "
            "turn them into text"
        ) from error
