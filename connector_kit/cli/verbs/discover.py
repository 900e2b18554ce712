"""`connector-kit discover`: the entities of a connector and their fields."""

from __future__ import annotations

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
from connector_kit.cli.output import print_json, print_line, tell_errors
from connector_kit.cli.session import opened
from connector_kit.cli.settings import settings_option
from connector_kit.cli.tables import Table, show
from connector_kit.records.catalog import Entity, FieldType, ListOf, Scalar, Struct
from connector_kit.records.json_schema import entity_json_schema
from connector_kit.registry.connectors import Located, locate
from connector_kit.runtime.discovery import Discovery, discover

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.cli.exit_codes import Code

__all__ = ["command"]


@click.command(
    "discover",
    epilog=examples_epilog(
        "discover mock",
        "discover flights.toml --json",
        then="connector-kit sample CONNECTOR ENTITY shows a few records.",
    ),
)
@connector_argument
@entities_options
@settings_option
@click.option("--json", "as_json", is_flag=True, help="JSON, with the JSON Schema of each entity's records.")
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
    """Show the entities of CONNECTOR, or those that are named: keys, fields, how what is new is read.

    Where the connector announces no fields, they are inferred from a first page. An entity of which that cannot be read is
    shown without fields, with the error behind; the others are shown all the same.

    """
    located = locate(connector, settings)
    found = anyio.run(_discovered, located, entities or located.select or None, diagnostics)
    if as_json:
        print_json({"entities": [_described(entity) for entity in found.catalog]})
    else:
        _show(found)
    return tell_errors(found.errors, with_traceback=diagnostics.traceback)


def _show(found: Discovery) -> None:
    for number, entity in enumerate(found.catalog):
        print_line(("\n" if number else "") + _heading(entity))
        if entity.fields:
            rows = [
                (field.name, _type(field.type), "" if field.nullable else "always there")
                for field in entity.fields
            ]
            show(Table(("field", "type", "required"), rows))
    if found.left_out:
        print_line(f"\nnot looked at, since others were chosen: {', '.join(found.left_out)}")


async def _discovered(
    located: Located, entities: Sequence[str] | None, diagnostics: Diagnostics
) -> Discovery:
    async with opened(located, diagnostics) as connector:
        return await discover(connector, entities)


def _described(entity: Entity) -> dict[str, Any]:
    facts = {
        name: getattr(entity, name) for name in ("primary_key", "replication_key", "ordered", "incremental")
    }
    return {"name": entity.name, **facts, "schema": entity_json_schema(entity)}


def _heading(entity: Entity) -> str:
    new = {
        "since": f"new records by {entity.replication_key}{' (in order)' if entity.ordered else ''}",
        "cursor": "new records by cursor",
        None: "always read in full",
    }[entity.incremental]
    key = f"primary key {', '.join(entity.primary_key)}" if entity.primary_key else "no primary key"
    fields = "" if entity.fields else "; fields are not known before it is read"
    return f"{entity.name}: {key}; {new}{fields}"


def _type(kind: FieldType) -> str:
    match kind:
        case Scalar():
            return kind.value
        case ListOf(item):
            return f"list of {_type(item)}"
        case Struct(fields):
            return f"{{{', '.join(field.name for field in fields)}}}"
