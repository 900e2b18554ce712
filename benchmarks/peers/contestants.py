"""Who takes part: each with its environment, its job, and where its rows end up."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs
from environments import KIT
from written_rows import Form

__all__ = ["CONTESTANTS", "FAULTED", "Contestant", "Group"]

Group: TypeAlias = Literal["jsonl", "sqlite", "memory"]
"""HTTP to JSON lines, HTTP to SQLite, memory to JSON lines."""
PEER_EVERY = 2
"""Peers take so long that they are in every second round only."""
PEER_RECORDS = 100_000
"""Of memory, where a million would take minutes."""


@attrs.frozen
class Contestant:
    """One job. `every` is in which rounds it takes part; `records` of memory is how many, where it is not all."""

    name: str
    group: Group
    environment: str
    job: str
    arguments: tuple[str, ...] = ()
    form: Form = "lines"
    every: int = 1
    records: int | None = None


CONTESTANTS = (
    Contestant("connector_kit", "jsonl", KIT, "kit_sync", ("jsonl",)),
    Contestant("raw bytes, httpx2", "jsonl", KIT, "raw_httpx2", form="pages"),
    Contestant("raw bytes, aiohttp", "jsonl", "floors", "raw_aiohttp", form="pages"),
    Contestant("bare httpx2 + msgspec", "jsonl", KIT, "bare_httpx2", ("msgspec",)),
    Contestant("bare httpx2 + orjson", "jsonl", "floors", "bare_httpx2", ("orjson",)),
    Contestant("bare aiohttp + msgspec", "jsonl", "floors", "bare_aiohttp", ("msgspec",)),
    Contestant("bare aiohttp + orjson", "jsonl", "floors", "bare_aiohttp", ("orjson",)),
    Contestant(
        "airbyte-cdk, Python", "jsonl", "airbyte-cdk", "airbyte_source", form="airbyte", every=PEER_EVERY
    ),
    Contestant(
        "airbyte-cdk, declarative",
        "jsonl",
        "airbyte-cdk",
        "airbyte_manifest",
        form="airbyte",
        every=PEER_EVERY,
    ),
    Contestant(
        "singer-sdk", "jsonl", "singer-sdk", "singer_tap", ("standard",), form="singer", every=PEER_EVERY
    ),
    Contestant(
        "singer-sdk, msgspec writer",
        "jsonl",
        "singer-sdk",
        "singer_tap",
        ("msgspec",),
        form="singer",
        every=PEER_EVERY,
    ),
    Contestant("dlt", "jsonl", "dlt", "dlt_pipeline", ("flat",), form="dlt", every=PEER_EVERY),
    Contestant(
        "dlt, nested values kept", "jsonl", "dlt", "dlt_pipeline", ("nested",), form="dlt", every=PEER_EVERY
    ),
    Contestant("connector_kit", "sqlite", KIT, "kit_sync", ("sqlite",), form="sqlite"),
    Contestant("bare httpx2 + msgspec + executemany", "sqlite", KIT, "bare_sqlite", form="sqlite"),
    Contestant("connector_kit", "memory", KIT, "kit_memory"),
    Contestant("plain async generator + msgspec", "memory", KIT, "plain_memory"),
    Contestant(
        "airbyte-cdk, Python",
        "memory",
        "airbyte-cdk",
        "airbyte_memory",
        form="airbyte",
        every=PEER_EVERY,
        records=PEER_RECORDS,
    ),
    Contestant(
        "singer-sdk, msgspec writer",
        "memory",
        "singer-sdk",
        "singer_memory",
        form="singer",
        every=PEER_EVERY,
        records=PEER_RECORDS,
    ),
    Contestant("dlt", "memory", "dlt", "dlt_memory", form="dlt", every=PEER_EVERY, records=PEER_RECORDS),
)

SAME = ("singer-sdk, msgspec writer", "dlt, nested values kept")
"""What they write differs, not how they read."""
FAULTED = tuple(each for each in CONTESTANTS if each.group != "memory" and each.name not in SAME)
"""Who is also run under faults."""
