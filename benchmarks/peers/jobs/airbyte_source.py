"""A source of airbyte-cdk in Python: an `HttpStream` in an `AbstractSource`, read to stdout by its entry point.

    python airbyte_source.py URL FOLDER SECONDS

As https://docs.airbyte.com/platform/connector-development/cdk-python/http-streams and .../cdk-python/basic-concepts show.
SECONDS is given by `request_kwargs`, as its docstring says.
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
from airbyte_cdk.sources.streams.http import HttpStream
from served_fields import FIELDS

URL, FOLDER, SECONDS = sys.argv[1:]
SCHEMA = {
    "type": "object",
    "properties": {
        name: {"type": ["null", "string" if type_ == "datetime" else type_]} for name, type_ in FIELDS.items()
    },
}


class Records(HttpStream):
    """The API's one stream."""

    url_base = f"{URL}/"
    primary_key = "id"

    def path(self, **_: Any) -> str:
        """Give the path below `url_base`."""
        return "records"

    def next_page_token(self, response: Any) -> Mapping[str, Any] | None:
        """Take the next cursor from the body."""
        cursor = response.json()["next"]
        return {"cursor": cursor} if cursor else None

    def request_params(
        self,
        stream_state: Mapping[str, Any] | None,
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Ask for the page at a cursor."""
        del stream_state, stream_slice
        return dict(next_page_token or {})

    def request_kwargs(self, *_: Any, **__: Any) -> Mapping[str, Any]:
        """Give the time limit of a request."""
        return {"timeout": float(SECONDS)}

    def parse_response(self, response: Any, **_: Any) -> Iterable[Mapping[str, Any]]:
        """Give the records of a body."""
        yield from response.json()["data"]

    def get_json_schema(self) -> Mapping[str, Any]:
        """Give the schema of the records."""
        return SCHEMA


class Served(AbstractSource):
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


config, catalog = Path(FOLDER, "config.json"), Path(FOLDER, "catalog.json")
config.write_text(json.dumps({}))
catalog.write_text(
    json.dumps(
        {
            "streams": [
                {
                    "stream": {
                        "name": "records",
                        "json_schema": SCHEMA,
                        "supported_sync_modes": ["full_refresh"],
                    },
                    "sync_mode": "full_refresh",
                    "destination_sync_mode": "overwrite",
                }
            ]
        }
    )
)
launch(Served(), ["read", "--config", str(config), "--catalog", str(catalog)])
