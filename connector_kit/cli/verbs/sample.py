"""`connector-kit sample`: a few records of an entity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import click

from connector_kit.cli.options import (
    Diagnostics,
    connector_argument,
    diagnostics_options,
    entities_options,
    examples_epilog,
)
from connector_kit.cli.output import print_line, tell_errors, write
from connector_kit.cli.session import opened
from connector_kit.cli.settings import settings_option
from connector_kit.cli.tables import Table, show
from connector_kit.errors import DataError
from connector_kit.records.bad_records import unusable, without
from connector_kit.records.json_lines import ENCODER
from connector_kit.records.page import Record
from connector_kit.registry.connectors import Located, locate

if TYPE_CHECKING:
    from connector_kit.cli.exit_codes import Code

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
@entities_options
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
    settings: dict[str, Any],
    *,
    entities: tuple[str, ...],
    limit: int,
    as_json: bool,
) -> Code:
    """Show a few records of an ENTITY of CONNECTOR, or of each of several. Long values are cut in the table.

    Without an ENTITY, those that the file selects, or all. An entity that cannot be read stops none of the others.

    """
    found = anyio.run(_samples, locate(connector, settings), entities, limit, diagnostics)
    for number, (entity, records) in enumerate(found.records.items()):
        if as_json:
            for record in records:
                write(_json_line(record if found.alone else {"entity": entity, "record": record}))
            continue
        if not found.alone:
            print_line(("\n" if number else "") + f"{entity}:")
        if records:
            show(_table(records))
        else:
            print_line(f"{entity} has no records")
    return tell_errors(found.errors, with_traceback=diagnostics.traceback)


@attrs.define
class _Samples:
    """The records of each entity, and the errors of those that gave none. `alone`: one entity was asked for."""

    alone: bool
    records: dict[str, Sequence[Record]] = attrs.field(factory=dict[str, Sequence[Record]])
    errors: dict[str, Exception] = attrs.field(factory=dict[str, Exception])


async def _samples(
    located: Located, entities: Sequence[str], limit: int, diagnostics: Diagnostics
) -> _Samples:
    async with opened(located, diagnostics) as connector:
        catalog = await connector.discover_schema()
        names = [catalog[name].name for name in dict.fromkeys(entities or located.select)] or catalog.names
        found = _Samples(alone=len(entities) == 1)
        for name in names:
            try:
                records = await connector.get_sample_data(name, limit)
                found.records[name] = without(records, unusable(name, records))
            except Exception as error:  # noqa: BLE001 - the other entities are shown all the same; it is told behind them
                found.errors[name] = error
    return found


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
