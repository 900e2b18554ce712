"""The shipped destinations as `check_destination` needs them: with every method a fixture can have."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.destinations.jsonl import JsonlDestination
from connector_kit.destinations.jsonl.files import LocalFiles
from connector_kit.destinations.jsonl.folder import file_name
from connector_kit.destinations.memory import MemoryDestination
from connector_kit.destinations.sqlite import SQLiteDestination
from connector_kit.testing.conformance.destination.fixture import Killed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connector_kit.protocols import Destination
    from connector_kit.records.page import Record

__all__ = ["JsonlFixture", "MemoryFixture", "SQLiteFixture"]


@attrs.define
class MemoryFixture:
    """It has no crash points: what is in memory is gone with its process."""

    _memory: MemoryDestination = attrs.field(factory=MemoryDestination)

    @classmethod
    def inside(cls, folder: Path) -> MemoryFixture:
        """Give a new one; the folder is for those that need one."""
        return cls()

    def destination(self) -> Destination:
        return self._memory

    def rows(self, entity: str, /) -> list[Record]:
        return self._memory.rows(entity)

    def abandon(self, destination: Destination, /) -> None:
        """Nothing to release: opening forgets what was under way."""

    def damage(self, entity: str, /) -> None:
        stored = self._memory._stored[entity]
        stored.entry = attrs.evolve(stored.entry, current=attrs.evolve(stored.entry.current, checkpoint=b"{"))


@attrs.define
class SQLiteFixture:
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "data.sqlite"

    def destination(self) -> Destination:
        return SQLiteDestination(self.file)

    def rows(self, entity: str, /) -> list[Record]:
        if not self.file.exists():
            return []
        with closing(sqlite3.connect(self.file)) as connection:
            connection.row_factory = sqlite3.Row
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (entity,)).fetchone():
                return []
            quoted = entity.replace('"', '""')
            return [_whole(row) for row in connection.execute(f'SELECT * FROM "{quoted}" ORDER BY _rowid_')]

    def abandon(self, destination: Destination, /) -> None:
        assert isinstance(destination, SQLiteDestination)
        if destination._database is not None:
            destination._database._connection.close()

    def crashing(self, point: int, /) -> Destination:
        return SQLiteDestination(self.file, connection=_killed_at(point))

    def damage(self, entity: str, /) -> None:
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute("UPDATE _connector_kit_state SET checkpoint = '{' WHERE entity = ?", (entity,))

    def occupy(self, entity: str, /) -> None:
        with closing(sqlite3.connect(self.file)) as connection:
            connection.execute(f"CREATE TABLE {entity} (theirs)")

    def theirs(self) -> object:
        return self.file.read_bytes()


def _whole(row: sqlite3.Row) -> Record:
    """Give a row as a reader does who wants all digits of its numbers."""
    record = dict(row)
    for name in [name for name in record if name.partition(".")[0] in record.keys() - {name}]:
        del record[name]  # a key that leads into nested records has a column of its own
    for name in [name for name in record if name.startswith("_digits_")]:
        digits = record.pop(name)
        field = name.removeprefix("_digits_")
        record[field] = digits or record[field]
    return record


def _killed_at(at: int) -> type[sqlite3.Connection]:
    """Give connections that are gone before statement number `at`, or in the middle of its rows."""
    numbers = count()

    class Dying(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            if next(numbers) >= at:
                raise Killed
            return super().execute(sql, *parameters)

        def executemany(self, sql: str, rows: Any) -> sqlite3.Cursor:
            number = next(numbers)
            if number < at:
                return super().executemany(sql, rows)
            if number == at:
                super().executemany(sql, list(rows)[: len(rows) // 2])
            raise Killed

    return Dying


@attrs.define
class JsonlFixture:
    path: Path

    @property
    def folder(self) -> Path:
        return self.path / "data"

    def destination(self) -> Destination:
        return JsonlDestination(self.folder)

    def rows(self, entity: str, /) -> list[Record]:
        file = self.folder / f"{file_name(entity)}.jsonl"
        return [json.loads(line) for line in file.read_bytes().splitlines()] if file.exists() else []

    def abandon(self, destination: Destination, /) -> None:
        assert isinstance(destination, JsonlDestination)
        if destination._opened is not None:
            destination._opened._lock.release()

    def crashing(self, point: int, /) -> Destination:
        return JsonlDestination(self.folder, files=_DyingFiles(point // 2, half=bool(point % 2)))

    def damage(self, entity: str, /) -> None:
        (self.folder / ".connector_kit" / f"{file_name(entity)}.json").write_text("{\n")

    def occupy(self, entity: str, /) -> None:
        self.folder.mkdir()
        (self.folder / f"{entity}.jsonl").write_text('{"theirs": 1}\n')

    def theirs(self) -> object:
        return {file.name: file.read_bytes() for file in self.folder.glob("*.jsonl")}


@attrs.define
class _DyingFiles:
    """The real files until operation number `at`, of which nothing is done, or half where it writes something."""

    at: int
    half: bool
    _files: LocalFiles = attrs.field(factory=LocalFiles)
    _numbers: Iterator[int] = attrs.field(factory=count)

    def append(self, path: Path, pieces: Iterable[bytes], /) -> int:
        content = b"".join(pieces)
        if self._lives():
            return self._files.append(path, [content])
        self._files.append(path, [content[: len(content) // 2]])
        raise Killed

    def write(self, path: Path, content: bytes, /, *, durable: bool) -> None:
        if self._lives():
            return self._files.write(path, content, durable=durable)
        self._files.write(path, content[: len(content) // 2], durable=durable)
        raise Killed

    def truncate(self, path: Path, length: int, /) -> None:
        if not self._lives():
            raise Killed
        self._files.truncate(path, length)

    def replace(self, source: Path, target: Path, /) -> None:
        if not self._lives():
            raise Killed
        self._files.replace(source, target)

    def remove(self, path: Path, /) -> None:
        if not self._lives():
            raise Killed
        self._files.remove(path)

    def sync(self, path: Path, /) -> None:
        if not self._lives():
            raise Killed
        self._files.sync(path)

    def _lives(self) -> bool:
        """Tell whether the next operation is carried out, and end everything unless it is or is half done."""
        number = next(self._numbers)
        if number > self.at or (number == self.at and not self.half):
            raise Killed
        return number < self.at
