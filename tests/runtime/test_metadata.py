"""Rows that say when they were written, and by which run, in any destination."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from connector_kit import Catalog, Entity, Field, Page, Scalar, sync
from connector_kit.destinations import JsonlDestination, SQLiteDestination
from connector_kit.destinations.memory import MemoryDestination
from connector_kit.errors import ConfigError, SchemaMismatchError
from connector_kit.records.json_records import JsonRecords

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from connector_kit.protocols import Destination
    from connector_kit.records.page import Record

pytestmark = pytest.mark.anyio


class Shop:
    """Two pages of orders, the second one as the JSON it came in."""

    def __init__(self, fields: Sequence[Field] = (), first: Sequence[Record] = ({"id": 1},)) -> None:
        self.entity = Entity("orders", fields, primary_key="id")
        self.first = first

    async def connect(self) -> None: ...

    async def disconnect(self) -> None: ...

    async def discover_schema(self) -> Catalog:
        return Catalog([self.entity])

    async def fetch_data(
        self, entity: str, /, *, since: Any = None, cursor: Any = None
    ) -> AsyncIterator[Page]:
        del entity, since, cursor
        yield Page(list(self.first), cursor=1)
        yield Page(JsonRecords.of_array(b'[{"id": 2}, {"id": 3, "note": "a}\\n,"}]'), cursor=2)


def stored(folder: Path, destination: Destination) -> list[dict[str, Any]]:
    if isinstance(destination, MemoryDestination):
        return [dict(row) for row in destination.rows("orders")]
    if isinstance(destination, JsonlDestination):
        return [json.loads(line) for line in (folder / "out/orders.jsonl").read_text().splitlines()]
    with closing(sqlite3.connect(folder / "out.sqlite")) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM orders")]


@pytest.mark.parametrize("kind", ["memory", "jsonl", "sqlite"])
async def test_each_row_says_when_it_was_written_and_by_which_run(tmp_path: Path, kind: str) -> None:
    made: dict[str, Destination] = {
        "memory": MemoryDestination(),
        "jsonl": JsonlDestination(tmp_path / "out"),
        "sqlite": SQLiteDestination(tmp_path / "out.sqlite"),
    }
    destination = made[kind]
    before = datetime.now(UTC)
    report = await sync(Shop(), destination, mode="replace", metadata=True)
    assert report.complete
    rows = stored(tmp_path, destination)
    assert [row["id"] for row in rows] == [1, 2, 3]
    assert {row["_run_id"] for row in rows} == {report.run_id}
    assert report.to_dict()["run_id"] == report.run_id
    for row in rows:
        at = row["_synced_at"]
        assert before <= (at if isinstance(at, datetime) else datetime.fromisoformat(at)) <= datetime.now(UTC)


async def test_two_runs_have_two_names_and_rows_have_none_by_default(tmp_path: Path) -> None:
    destination = SQLiteDestination(tmp_path / "out.sqlite")
    first, second = await sync(Shop(), destination), await sync(Shop(), destination)
    assert first.run_id != second.run_id
    assert list(stored(tmp_path, destination)[0]) == ["id", "note"]


async def test_announced_fields_are_joined_by_these_two(tmp_path: Path) -> None:
    destination = SQLiteDestination(tmp_path / "out.sqlite")
    await sync(Shop([Field("id", Scalar.INTEGER)]), destination, metadata=True)
    with closing(sqlite3.connect(tmp_path / "out.sqlite")) as connection:
        types = {row[1]: row[2] for row in connection.execute("PRAGMA table_info(orders)")}
    assert types == {"id": "BIGINT", "_synced_at": "DATETIME", "_run_id": "TEXT", "note": "TEXT"}


@pytest.mark.parametrize("announced", [True, False])
async def test_a_field_of_such_a_name_is_not_written_over(*, announced: bool) -> None:
    fields = [Field("id"), Field("_run_id")] if announced else []
    shop = Shop(fields, first=[{"id": 1, "_run_id": "mine"}])
    [entity] = (await sync(shop, MemoryDestination(), metadata=True)).entities
    assert isinstance(entity.error, ConfigError if announced else SchemaMismatchError)
    assert "rename" in str(entity.error)
