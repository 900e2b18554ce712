"""One line for each primary key in a generation: the last one that was written.

Whether a key may come twice is looked at page by page, where that is cheap: keys that only ever grow, or as many different
ones as are kept in memory, need no more. Otherwise the finished file is gone through once, with its keys in a temporary
database whose cache is bounded.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from operator import lt
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from connector_kit.records.canonical import canonical_key
from connector_kit.records.catalog import Scalar
from connector_kit.records.json_records import JsonRecords
from connector_kit.records.keys import column_at

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from connector_kit.records.catalog import Entity
    from connector_kit.records.page import Record

__all__ = ["MAX_KEYS", "Keys"]

MAX_KEYS = 100_000
"""Kept in memory for one read: some ten megabytes."""
_CACHE_KIB = 16 * 1024
_BLOCK = 1024 * 1024
_KINDS = (frozenset({int}), frozenset({str}))
"""Where all values are of one of these types, different values are different keys."""
_ENCODER = msgspec.json.Encoder(order="deterministic")


@attrs.define(eq=False)
class Keys:
    """The primary keys of a generation, as far as it takes to say that none came twice.

    `times` are those whose texts are times: two texts may be one moment. `complete` says that all rows of the generation
    pass here.
    """

    _names: tuple[str, ...]
    _times: frozenset[str]
    _complete: bool
    _kinds: list[frozenset[type]] = attrs.field(factory=list[frozenset[type]], init=False)
    _held: list[Sequence[Any]] = attrs.field(factory=list[Sequence[Any]], init=False)
    """The keys of each page, as long as they grow and are few: what it takes to look for others among them."""
    _different: set[Any] = attrs.field(factory=set[Any], init=False)
    _rows: int = attrs.field(default=0, init=False)
    _last: Any = attrs.field(default=None, init=False)
    _growing: bool = attrs.field(default=True, init=False)
    """Whether each key was greater than the one before."""

    @classmethod
    def of(cls, entity: Entity, *, complete: bool) -> Keys:
        """Return those of an entity, of a generation that has no rows yet if it is `complete`."""
        times = {field.name for field in entity.fields if field.type is Scalar.DATETIME}
        return cls(entity.primary_key, frozenset(times.intersection(entity.primary_key)), complete)

    def add(self, records: Sequence[Record]) -> None:
        """Take note of the keys of records that are about to be written."""
        if not self._names or not self._complete or not records:
            return
        columns = [column_at(records, name) for name in self._names]
        kinds = [frozenset(map(type, column)) for column in columns]
        self._kinds = self._kinds or kinds
        if self._times or kinds != self._kinds or not all(kind in _KINDS for kind in kinds):
            self._forget()
            return
        keys: Sequence[Any] = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
        self._rows += len(keys)
        if self._growing:
            self._growing = (self._last is None or self._last < keys[0]) and all(map(lt, keys, keys[1:]))
            self._last = keys[-1]
            self._held.append(keys)
            if self._rows > MAX_KEYS:
                self._held.clear()
        if self._growing:
            return
        self._different.update(*self._held, keys)
        self._held.clear()
        if self._rows > MAX_KEYS:
            self._forget()

    @property
    def may_repeat(self) -> bool:
        """Whether a key may have come twice."""
        return bool(self._names) and not (
            self._complete and (self._growing or len(self._different) == self._rows)
        )

    @contextmanager
    def last_lines(self, file: Path) -> Generator[Iterator[bytes] | None]:
        """Yield the last line of each key, in the order of the file; None where no key came twice.

        A line that lacks a part of its key stays.
        """
        with closing(sqlite3.connect("")) as keys:
            keys.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            keys.execute("CREATE TABLE lines (number INTEGER PRIMARY KEY, key BLOB UNIQUE)")
            number = 0
            for block in _blocks(file):
                rows = list(enumerate(self._keys_in(b"".join(block)), number))
                keys.executemany("INSERT OR REPLACE INTO lines VALUES (?, ?)", rows)
                number += len(rows)
            [different] = keys.execute("SELECT count(*) FROM lines").fetchone()
            found = (number for [number] in keys.execute("SELECT number FROM lines ORDER BY number"))
            yield None if different == number else _lines_at(file, found)

    def _keys_in(self, lines: bytes) -> Iterator[bytes | None]:
        records = JsonRecords.of_lines(lines)
        columns = [
            map(_moment, column_at(records, name)) if name in self._times else column_at(records, name)
            for name in self._names
        ]
        for values in zip(*columns, strict=True):
            yield None if None in values else _ENCODER.encode(canonical_key(values))

    def _forget(self) -> None:
        self._complete = False
        self._held.clear()
        self._different.clear()


def _blocks(file: Path) -> Iterator[list[bytes]]:
    with file.open("rb") as content:
        while block := content.readlines(_BLOCK):
            yield block


def _lines_at(file: Path, numbers: Iterator[int]) -> Iterator[bytes]:
    begin = 0
    wanted = next(numbers, None)
    for block in _blocks(file):
        kept: list[bytes] = []
        while wanted is not None and wanted < begin + len(block):
            kept.append(block[wanted - begin])
            wanted = next(numbers, None)
        begin += len(block)
        yield b"".join(kept)


def _moment(value: object) -> object:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return value
