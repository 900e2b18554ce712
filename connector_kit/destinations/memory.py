"""A destination in memory, for tests of runs: all three modes, and the rules of the real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import anyio.lowlevel
import attrs

from connector_kit.errors import DestinationError
from connector_kit.records.canonical import canonical_key
from connector_kit.records.catalog import Entity
from connector_kit.records.keys import value_at
from connector_kit.records.page import Record

from .bad_records import bad_records, refuse_unencodable, refuse_unusable
from .ledger import Entry, refuse_gap, refuse_mode, started_read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector_kit.records.checkpoint import Checkpoint, EntityState, FingerprintLog, Mode

__all__ = ["MemoryDestination"]

_MODES: frozenset[Mode] = frozenset({"append", "upsert", "replace"})


@attrs.define(eq=False)
class _Rows:
    """The rows of one generation, and what undoes upserts that no checkpoint covers."""

    records: list[Record] = attrs.field(factory=list[Record])
    overwritten: list[tuple[int, Record]] = attrs.field(factory=list[tuple[int, Record]])
    """Rows as they were before a provisional upsert, with their positions."""
    log: bytearray = attrs.field(factory=bytearray)

    def cover(self, log: FingerprintLog) -> None:
        """Let a checkpoint cover all rows, and store its log."""
        self.overwritten.clear()
        del self.log[log.keep :]
        self.log += log.added

    def cut(self, length: int | None) -> None:
        """Keep as many rows; all where it is None."""
        for position, record in reversed(self.overwritten):
            self.records[position] = record
        self.overwritten.clear()
        if length is not None:
            del self.records[length:]


@attrs.define(eq=False)
class _StoredEntity:
    """What outlives a run: the ledger's entry, the rows that are shown, and those that a replace is still building."""

    entry: Entry
    current: _Rows = attrs.field(factory=_Rows)
    following: _Rows = attrs.field(factory=_Rows)


_Key: TypeAlias = "tuple[Any, ...] | None"
"""A primary key in the form in which equal keys are equal; None where a part of it is missing."""


@attrs.frozen
class _Read:
    """A read that has been started, and where the row of each key is, unless rows are appended."""

    entity: Entity
    stored: _StoredEntity
    rows: _Rows
    primary_key: tuple[str, ...]
    positions: dict[tuple[Any, ...], int]
    upserting: bool

    def keys(self, records: Sequence[Record]) -> list[_Key]:
        """Return the key of each record. Raise `BadRecordError` for those that an upsert cannot find a row for."""
        found = [_key(self.primary_key, record) for record in records]
        if self.upserting and (
            bad := {position: key for position, key in enumerate(found) if isinstance(key, str)}
        ):
            raise bad_records(self.entity, records, bad)
        return [None if isinstance(key, str) else key for key in found]

    def put(self, keys: Sequence[_Key], records: Sequence[Record]) -> None:
        """Store records over the rows with the same keys, and behind all where there is none."""
        rows = self.rows.records
        for key, record in zip(keys, records, strict=True):
            position = len(rows) if key is None else self.positions.setdefault(key, len(rows))
            if position == len(rows):
                rows.append(record)
            else:
                self.rows.overwritten.append((position, rows[position]))
                rows[position] = record


@attrs.define(eq=False)
class MemoryDestination:
    """Records and checkpoints in memory. Everything survives `close`; a killed run is a run without `finish`.

    >>> destination = MemoryDestination()
    >>> destination.rows("orders")
    []
    """

    _stored: dict[str, _StoredEntity] = attrs.field(factory=dict[str, _StoredEntity], init=False)
    _reads: dict[str, _Read] = attrs.field(factory=dict[str, _Read], init=False)
    _opened: bool = attrs.field(default=False, init=False)

    def rows(self, entity: str) -> list[Record]:
        """Return what a reader of the destination sees now: no row of an unfinished generation, provisional ones too."""
        stored = self._stored.get(entity)
        return [dict(record) for record in stored.current.records] if stored else []

    @property
    def modes(self) -> frozenset[Mode]:
        """All three."""
        return _MODES

    async def open(self) -> None:
        """Make ready; forgets which reads had been started."""
        await anyio.lowlevel.checkpoint()
        self._reads.clear()
        self._opened = True

    async def close(self) -> None:
        """Forget which reads had been started; rows and checkpoints stay."""
        self._reads.clear()
        self._opened = False

    async def start(self, entity: Entity, mode: Mode, /, *, resume: bool = True) -> Checkpoint | None:
        """Drop provisional rows and return the last checkpoint of the generation that records will go to."""
        await anyio.lowlevel.checkpoint()
        self._require_open()
        refuse_mode(mode, _MODES, entity, "the destination in memory")
        self._reads.pop(entity.name, None)
        stored = self._stored.setdefault(entity.name, _StoredEntity(Entry(entity.name)))
        start = stored.entry.start(mode, resume=resume)
        stored.current.cut(start.keep_current)
        if mode == "upsert":
            _refuse_repeated(entity, stored.current.records)
        if start.continued:
            stored.following.cut(start.keep_following)
        else:
            stored.following = _Rows()
        stored.entry = start.entry
        rows = stored.following if mode == "replace" else stored.current
        names = entity.primary_key if mode != "append" else ()
        positions = _positions(names, rows.records)
        self._reads[entity.name] = _Read(entity, stored, rows, names, positions, upserting=mode == "upsert")
        checkpoint = start.entry.target.decoded()
        return checkpoint and checkpoint.with_log(bytes(rows.log))

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        """Store the records, and the checkpoint that covers them if there is one.

        Raise `BadRecordError` for those that have no usable key in mode "upsert" or no JSON form, before anything is stored.
        """
        await anyio.lowlevel.checkpoint()
        self._require_open()
        read = started_read(self._reads, entity, "write")
        entry, rows = read.stored.entry, read.rows
        if checkpoint is None:
            entry = entry.leave_provisional(len(rows.records))
        else:
            refuse_gap(entity, checkpoint.log, len(rows.log))
            entry = entry.cover(checkpoint.to_json())
        refuse_unusable(read.entity, records)
        copies = [dict(record) for record in records]
        refuse_unencodable(read.entity, copies)
        if read.primary_key:
            read.put(read.keys(copies), copies)
        else:
            rows.records.extend(copies)
        if checkpoint is not None:
            rows.cover(checkpoint.log)
        read.stored.entry = entry

    async def finish(self, entity: str, checkpoint: Checkpoint, /) -> None:
        """Store the read's last checkpoint; with mode "replace", show the new generation from now on."""
        await anyio.lowlevel.checkpoint()
        self._require_open()
        read = started_read(self._reads, entity, "finish")
        refuse_gap(entity, checkpoint.log, len(read.rows.log))
        entry = read.stored.entry.finish(checkpoint.to_json())
        read.rows.cover(checkpoint.log)
        self._stored[entity] = _StoredEntity(entry, current=read.rows)
        del self._reads[entity]

    async def states(self) -> Mapping[str, EntityState]:
        """Return the last checkpoint of every entity: of its unfinished generation, if that has one."""
        await anyio.lowlevel.checkpoint()
        self._require_open()
        return {
            name: state for name, stored in self._stored.items() if (state := stored.entry.state) is not None
        }

    async def count(self, entity: str, /) -> int:
        """Return the number of `rows`."""
        await anyio.lowlevel.checkpoint()
        self._require_open()
        stored = self._stored.get(entity)
        return len(stored.current.records) if stored else 0

    async def reset(self, entity: str, /) -> None:
        """Forget the checkpoint and what no complete page covers; other rows stay."""
        await anyio.lowlevel.checkpoint()
        self._require_open()
        self._reads.pop(entity, None)
        if stored := self._stored.get(entity):
            stored.current.cut(stored.entry.current.covered)
            stored.current.log.clear()
            stored.following = _Rows()
            stored.entry = stored.entry.reset()

    def _require_open(self) -> None:
        if not self._opened:
            raise DestinationError(
                "the destination in memory is not open; expected open() before; call it first"
            )


def _positions(names: tuple[str, ...], rows: list[Record]) -> dict[tuple[Any, ...], int]:
    """Return the index of the last row of each key."""
    keys = [_key(names, row) for row in rows] if names else []
    return {key: position for position, key in enumerate(keys) if not isinstance(key, str)}


def _refuse_repeated(entity: Entity, rows: list[Record]) -> None:
    keys = [key for row in rows if not isinstance(key := _key(entity.primary_key, row), str)]
    if len(keys) != len(set(keys)):
        raise DestinationError(
            f"entity {entity.name!r} has several rows with the same primary key ({', '.join(entity.primary_key)}), and mode "
            "'upsert' needs at most one; use mode 'replace' or 'append'"
        )


def _key(names: tuple[str, ...], record: Record) -> tuple[Any, ...] | str:
    """Return a record's primary key in the form in which equal keys are equal, or say why it has none."""
    values = [value_at(record, name) for name in names]
    for name, value in zip(names, values, strict=True):
        if value is None:
            return f"no value for {name!r} of its primary key"
    try:
        return canonical_key(values)
    except (TypeError, ValueError, RecursionError) as error:
        return f"a primary key ({', '.join(names)}) that cannot be compared: {error}"
