"""The three destinations as tests see them: opened anew after a crash, and read from outside, without their help."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from connector_kit.destinations.jsonl import JsonlDestination
from connector_kit.destinations.memory import MemoryDestination
from connector_kit.destinations.sqlite import SQLiteDestination

if TYPE_CHECKING:
    from connector_kit.protocols import Destination

__all__ = ["STORES", "JsonlStore", "MemoryStore", "SQLiteFileStore", "Store"]


class Store(Protocol):
    """Where a destination keeps its rows."""

    keeps_upserted: bool
    """Whether provisional rows stay in mode "upsert", as they may."""

    def destination(self) -> Destination:
        """Give a new destination for what is here."""
        ...

    def crash(self, destination: Destination, /) -> None:
        """Let go of a destination as the system does for a process that was killed."""
        ...

    def rows(self, entity: str, /) -> list[dict[str, Any]]:
        """Give the rows a reader sees, in order, without fields that are None."""
        ...


@attrs.define
class MemoryStore:
    folder: Path
    keeps_upserted: bool = False
    _memory: MemoryDestination = attrs.field(factory=MemoryDestination)

    def destination(self) -> Destination:
        return self._memory

    def crash(self, destination: Destination, /) -> None:
        """Nothing to release: opening forgets what was under way."""

    def rows(self, entity: str, /) -> list[dict[str, Any]]:
        return [_without_none(record) for record in self._memory.rows(entity)]


@attrs.define
class SQLiteFileStore:
    folder: Path
    keeps_upserted: bool = True

    @property
    def file(self) -> Path:
        return self.folder / "data.sqlite"

    def destination(self) -> Destination:
        return SQLiteDestination(self.file)

    def crash(self, destination: Destination, /) -> None:
        assert isinstance(destination, SQLiteDestination)
        if destination._database is not None:
            destination._database._connection.close()

    def rows(self, entity: str, /) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.file)) as connection:
            connection.row_factory = sqlite3.Row
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (entity,)).fetchone():
                return []
            quoted = entity.replace('"', '""')
            rows = connection.execute(f'SELECT * FROM "{quoted}" ORDER BY _rowid_').fetchall()
        return [_without_none(dict(row)) for row in rows]


@attrs.define
class JsonlStore:
    folder: Path
    keeps_upserted: bool = False

    @property
    def data_folder(self) -> Path:
        return self.folder / "data"

    def destination(self) -> Destination:
        return JsonlDestination(self.data_folder)

    def crash(self, destination: Destination, /) -> None:
        assert isinstance(destination, JsonlDestination)
        if destination._opened is not None:
            destination._opened._lock.release()

    def rows(self, entity: str, /) -> list[dict[str, Any]]:
        file = self.data_folder / f"{entity}.jsonl"
        if not file.exists():
            return []
        return [_without_none(json.loads(line)) for line in file.read_bytes().splitlines()]


def _without_none(record: Any) -> dict[str, Any]:
    return {name: value for name, value in dict(record).items() if value is not None}


STORES: tuple[type[MemoryStore | SQLiteFileStore | JsonlStore], ...] = (
    MemoryStore,
    SQLiteFileStore,
    JsonlStore,
)
