"""A source of airbyte-cdk over pages in memory: `Stream.read_records`, read to stdout. See airbyte_source.py.

python airbyte_memory.py RECORDS FOLDER
"""

# pyright: reportMissingModuleSource=false
# What it needs is in an environment of its own; what is used of it is declared in typings/.

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from airbyte_cdk.entrypoint import launch
from airbyte_cdk.models import ConnectorSpecification
from airbyte_cdk.sources import AbstractSource
from airbyte_cdk.sources.streams import Stream
from memory_pages import made

RECORDS, FOLDER = sys.argv[1:]
SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "name": {"type": "string"}, "amount": {"type": "number"}},
}


class Records(Stream):
    """The one stream."""

    name = "records"
    primary_key = "id"

    def read_records(self, *_: Any, **__: Any) -> Iterable[Mapping[str, Any]]:
        """Give the records, one by one."""
        for page in made(int(RECORDS), FOLDER):
            yield from page

    def get_json_schema(self) -> Mapping[str, Any]:
        """Give the schema of the records."""
        return SCHEMA


class InMemory(AbstractSource):
    """The source."""

    def check_connection(self, logger: Any, config: Mapping[str, Any]) -> tuple[bool, Any]:
        """Say that all is well."""
        del logger, config
        return True, None

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        """Give the one stream."""
        del config
        return [Records()]

    def spec(self, logger: Any) -> ConnectorSpecification:
        """Say that there is nothing to configure."""
        del logger
        return ConnectorSpecification(connectionSpecification={"type": "object", "properties": {}})


STREAM = {"name": "records", "json_schema": SCHEMA, "supported_sync_modes": ["full_refresh"]}
config, catalog = Path(FOLDER, "config.json"), Path(FOLDER, "catalog.json")
config.write_text(json.dumps({}))
catalog.write_text(
    json.dumps(
        {"streams": [{"stream": STREAM, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}]}
    )
)
launch(InMemory(), ["read", "--config", str(config), "--catalog", str(catalog)])
