"""`connector-kit read`: records as JSON lines, for pipes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
import click

from connector_kit.cli.options import (
    Diagnostics,
    connector_argument,
    diagnostics_options,
    entities_options,
    examples_epilog,
)
from connector_kit.cli.output import print_to_stderr, write
from connector_kit.cli.session import opened
from connector_kit.cli.settings import settings_option
from connector_kit.records.json_lines import json_lines, wrapped_lines
from connector_kit.registry.connectors import Located, locate
from connector_kit.runtime.bad_records import BadRecords
from connector_kit.runtime.options import EntityOptions
from connector_kit.runtime.session import stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connector_kit.records.catalog import Catalog, Entity
    from connector_kit.records.page import Record

__all__ = ["command"]


def _time(_context: click.Context, _parameter: click.Parameter, text: str | None) -> datetime | None:
    """Return a time written in ISO 8601; without an offset, it is in UTC."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no time; expected one like 2024-05-01 or 2024-05-01T12:00:00Z"
        ) from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


@click.command(
    "read",
    epilog=examples_epilog(
        "read mock orders --since 2024-02-01 | head -n 3",
        "read flights.toml > everything.jsonl",
        then="connector-kit sync CONNECTOR --to DESTINATION keeps what was read, and reads only what is new next time.",
    ),
)
@connector_argument
@entities_options
@settings_option
@click.option(
    "--since",
    metavar="TIME",
    callback=_time,
    help="Only records whose replication key is at or after this time (ISO 8601).",
)
@diagnostics_options
@click.pass_obj
def command(
    diagnostics: Diagnostics,
    connector: str,
    settings: dict[str, Any],
    since: datetime | None,
    *,
    entities: tuple[str, ...],
) -> None:
    """Print the records of CONNECTOR as JSON lines, one entity after the other. Nothing is stored or remembered.

    With exactly one ENTITY, a line is the record. With several, or none (which is those that the file selects, or all), a
    line says whose record it is: {"entity": "orders", "record": {...}}. Ends quietly when nobody reads on, as after `| head`.

    """
    anyio.run(_read, locate(connector, settings), entities, since, diagnostics)


async def _read(
    located: Located, entities: Sequence[str], since: datetime | None, diagnostics: Diagnostics
) -> None:
    async with opened(located, diagnostics) as connector:
        catalog = await connector.discover_schema()
        for name in _chosen(catalog, entities or located.select):
            start = since or (located.entities[name].start if name in located.entities else None)
            if start is not None and catalog[name].replication_key is None:
                print_to_stderr(f"{name} has no replication key to tell what is new by: all of it is read")
            bad = _bad_records(catalog[name], located.entities.get(name, EntityOptions()))
            async with stream(connector, name, since=start, bad_records=bad) as pages:
                async for page in pages:
                    # Not in a worker thread: a reader that is slower than the source is meant to hold it up.
                    for lines in _lines(name, page.records, alone=len(entities) == 1):
                        write(lines)


def _bad_records(entity: Entity, options: EntityOptions) -> BadRecords:
    """Return what becomes of bad records here: none is put aside, since nothing is stored."""
    return BadRecords(
        entity.name,
        primary_key=entity.primary_key,
        action="fail" if options.on_bad_record == "fail" else "skip",
        tell=lambda event: print_to_stderr(event.message),
    )


def _lines(entity: str, records: Sequence[Record], *, alone: bool) -> Iterator[bytes]:
    if alone:
        return json_lines(entity, records)
    return wrapped_lines(entity, records, lambda record: {"entity": entity, "record": record})


def _chosen(catalog: Catalog, names: Sequence[str]) -> Sequence[str]:
    """Return the entities to read, each of which is in the catalog."""
    return [catalog[name].name for name in dict.fromkeys(names)] or catalog.names
