"""A tap of singer-sdk: a `RESTStream` with a JSONPath to its records and one to the next cursor; messages on stdout.

    python singer_tap.py URL FOLDER SECONDS standard|msgspec

As https://sdk.meltano.com/en/latest/code_samples.html and .../classes/singer_sdk.RESTStream.html show; with `msgspec` the
writer of https://sdk.meltano.com/en/latest/guides/performance.html. SECONDS is the time limit of a request.
"""

# pyright: reportMissingModuleSource=false
# What it needs is in an environment of its own; what is used of it is declared in typings/.

import json
import sys
from pathlib import Path
from typing import Any

from served_fields import FIELDS
from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.contrib.msgspec import MsgSpecWriter

URL, FOLDER, SECONDS, WRITER = sys.argv[1:]
TYPES: dict[str, Any] = {
    "integer": th.IntegerType,
    "number": th.NumberType,
    "string": th.StringType,
    "datetime": th.DateTimeType,
    "boolean": th.BooleanType,
    "array": th.ArrayType(th.StringType),
    "object": th.ObjectType(
        th.Property("street", th.StringType),
        th.Property("city", th.StringType),
        th.Property("zip", th.StringType),
    ),
}


class Records(RESTStream[str]):
    """The API's one stream."""

    name = "records"
    path = "/records"
    url_base = URL
    primary_keys = ("id",)
    records_jsonpath = "$.data[*]"
    next_page_token_jsonpath = "$.next"
    schema = th.PropertiesList(*(th.Property(name, TYPES[type_]) for name, type_ in FIELDS.items())).to_dict()

    @property
    def timeout(self) -> int:
        """The time limit of a request, in seconds."""
        return int(SECONDS)

    def get_url_params(self, context: Any, next_page_token: str | None) -> dict[str, Any]:
        """Ask for the page at a cursor."""
        del context
        return {"cursor": next_page_token} if next_page_token else {}


class Served(Tap):
    """The tap."""

    name = "tap-served"
    config_jsonschema = th.PropertiesList().to_dict()

    def discover_streams(self) -> list[Records]:
        """Give the one stream."""
        return [Records(tap=self)]


class ServedByMsgspec(Served):
    """The same with the writer that its documentation recommends for speed."""

    message_writer_class = MsgSpecWriter


config = Path(FOLDER, "config.json")
config.write_text(json.dumps({}))
tap = ServedByMsgspec if WRITER == "msgspec" else Served
tap.cli(["--config", str(config)])
