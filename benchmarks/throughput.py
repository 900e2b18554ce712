"""Records per second from the mock connector through `sync` into a destination, beside the bare loop that does as much.

The bare loops use the same encoder and the same page per transaction. They keep no checkpoint and have no second chance.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, TypeAlias

import anyio
import msgspec

from connector_kit.connectors.mock import MockConfig, MockConnector
from connector_kit.destinations import JsonlDestination, SQLiteDestination
from connector_kit.runtime.sync import sync

if TYPE_CHECKING:
    from rounds import Measure

__all__ = ["contestants"]

RECORDS = 50_000
ENTITY = "orders"
ENCODER = msgspec.json.Encoder()
NOT_SQL = (list, dict, datetime)

Work: TypeAlias = Callable[[MockConnector, Path], Awaitable[None]]


async def read_only(mock: MockConnector, folder: Path) -> None:
    del folder
    await mock.connect()
    async for _ in mock.fetch_data(ENTITY):
        pass


async def bare_jsonl(mock: MockConnector, folder: Path) -> None:
    await mock.connect()
    with (folder / "orders.jsonl").open("wb") as lines:
        async for page in mock.fetch_data(ENTITY):
            lines.write(ENCODER.encode_lines(page.records))


async def bare_sqlite(mock: MockConnector, folder: Path) -> None:
    await mock.connect()
    database = sqlite3.connect(folder / "orders.sqlite")
    database.execute("PRAGMA journal_mode=WAL")
    names: list[str] = []
    async for page in mock.fetch_data(ENTITY):
        if not names:
            names = list(page.records[0])
            database.execute(f"CREATE TABLE orders ({', '.join(names)}, PRIMARY KEY (id))")
        rows = (
            [
                ENCODER.encode(value).decode() if isinstance(value, NOT_SQL) else value
                for value in record.values()
            ]
            for record in page.records
        )
        with database:
            database.executemany(f"INSERT INTO orders VALUES ({', '.join('?' * len(names))})", rows)
    database.close()


async def synced_jsonl(mock: MockConnector, folder: Path) -> None:
    report = await sync(mock, JsonlDestination(folder / "out"), entities=[ENTITY])
    assert report.rows == RECORDS


async def synced_sqlite(mock: MockConnector, folder: Path) -> None:
    report = await sync(mock, SQLiteDestination(folder / "out.sqlite"), entities=[ENTITY])
    assert report.rows == RECORDS


def doing(work: Work) -> Measure:
    """Do the work once in a fresh folder and give the seconds per record."""

    def measured() -> float:
        with TemporaryDirectory() as folder:
            mock = MockConnector(MockConfig(size=RECORDS, page_size=1_000))
            started = perf_counter()
            anyio.run(work, mock, Path(folder))
            return (perf_counter() - started) / RECORDS

    return measured


def contestants() -> dict[str, Measure]:
    """The mock alone, then each destination after its bare loop."""
    return {
        "records: mock, read and dropped": doing(read_only),
        "records: mock to JSONL, bare loop": doing(bare_jsonl),
        "records: mock to JSONL, sync": doing(synced_jsonl),
        "records: mock to SQLite, bare loop": doing(bare_sqlite),
        "records: mock to SQLite, sync": doing(synced_sqlite),
    }
