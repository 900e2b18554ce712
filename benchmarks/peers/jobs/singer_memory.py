"""A tap of singer-sdk over pages in memory: `Stream.get_records`; messages on stdout. See singer_tap.py.

python singer_memory.py RECORDS FOLDER
"""

# pyright: reportMissingModuleSource=false
# What it needs is in an environment of its own; what is used of it is declared in typings/.

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from memory_pages import made
from singer_sdk import Stream, Tap
from singer_sdk import typing as th
from singer_sdk.contrib.msgspec import MsgSpecWriter

RECORDS, FOLDER = sys.argv[1:]


class Records(Stream):
    """The one stream."""

    name = "records"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType),
        th.Property("name", th.StringType),
        th.Property("amount", th.NumberType),
    ).to_dict()

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:
        """Give the records, one by one."""
        del context
        for page in made(int(RECORDS), FOLDER):
            yield from page


class InMemory(Tap):
    """The tap."""

    name = "tap-memory"
    config_jsonschema = th.PropertiesList().to_dict()
    message_writer_class = MsgSpecWriter

    def discover_streams(self) -> list[Records]:
        """Give the one stream."""
        return [Records(tap=self)]


config = Path(FOLDER, "config.json")
config.write_text(json.dumps({}))
InMemory.cli(["--config", str(config)])
