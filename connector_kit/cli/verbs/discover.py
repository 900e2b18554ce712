"""`connector-kit discover`: the entities of a connector and their fields."""

from __future__ import annotations

from typing import Any

import anyio
import click

from connector_kit.cli.options import Diagnostics, connector_argument, diagnostics_options, examples_epilog
from connector_kit.cli.output import print_json, print_line
from connector_kit.cli.session import opened
from connector_kit.cli.settings import settings_option
from connector_kit.cli.tables import Table, show
from connector_kit.records.catalog import Catalog, Entity, FieldType, ListOf, Scalar, Struct
from connector_kit.records.json_schema import entity_json_schema
from connector_kit.registry.connectors import Located, locate

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
@settings_option
@click.option("--json", "as_json", is_flag=True, help="JSON, with the JSON Schema of each entity's records.")
@diagnostics_options
@click.pass_obj
def command(diagnostics: Diagnostics, connector: str, settings: dict[str, Any], *, as_json: bool) -> None:
    """Show the entities of CONNECTOR: their keys, how what is new is read, and their fields."""
    catalog = anyio.run(_catalog, locate(connector, settings), diagnostics)
    if as_json:
        print_json({"entities": [_described(entity) for entity in catalog]})
        return
    for number, entity in enumerate(catalog):
        print_line(("\n" if number else "") + _heading(entity))
        if entity.fields:
            rows = [
                (field.name, _type(field.type), "" if field.nullable else "always there")
                for field in entity.fields
            ]
            show(Table(("field", "type", "required"), rows))


async def _catalog(located: Located, diagnostics: Diagnostics) -> Catalog:
    async with opened(located, diagnostics) as connector:
        return await connector.discover_schema()


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
