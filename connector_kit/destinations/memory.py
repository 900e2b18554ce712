"""A destination in memory, for tests of runs: all three modes, and the rules of the real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import attrs

from connector_kit.errors import DestinationError, SchemaMismatchError
from connector_kit.records.page import Record

from .ledger import Entry, refuse_gap, refuse_mode, started_read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector_kit.records.catalog import Entity
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


@attrs.frozen
class _Read:
    """A read that has been started, and where the row of each key is in mode "upsert"."""

    stored: _StoredEntity
    rows: _Rows
    primary_key: tuple[str, ...]
    positions: dict[tuple[Any, ...], int]


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
        keys = entity.primary_key if mode == "upsert" else ()
        positions = _positions(entity.name, keys, stored.current.records)
        if start.continued:
            stored.following.cut(start.keep_following)
        else:
            stored.following = _Rows()
        stored.entry = start.entry
        rows = stored.following if mode == "replace" else stored.current
        self._reads[entity.name] = _Read(stored, rows, keys, positions)
        checkpoint = start.entry.target.decoded()
        return checkpoint and checkpoint.with_log(bytes(rows.log))

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        """Store the records, and the checkpoint that covers them if there is one."""
        await anyio.lowlevel.checkpoint()
        self._require_open()
        read = started_read(self._reads, entity, "write")
        entry, rows = read.stored.entry, read.rows
        if checkpoint is None:
            entry = entry.leave_provisional(len(rows.records))
        else:
            refuse_gap(entity, checkpoint.log, len(rows.log))
            entry = entry.cover(checkpoint.to_json())
        copies = [dict(record) for record in records]
        if read.primary_key:
            _upsert(read, [(_key(entity, read.primary_key, record), record) for record in copies])
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


def _upsert(read: _Read, keyed: list[tuple[tuple[Any, ...], Record]]) -> None:
    records = read.rows.records
    for key, record in keyed:
        position = read.positions.setdefault(key, len(records))
        if position == len(records):
            records.append(record)
        else:
            read.rows.overwritten.append((position, records[position]))
            records[position] = record


def _positions(entity: str, names: tuple[str, ...], rows: list[Record]) -> dict[tuple[Any, ...], int]:
    """Return the index of the row of each key, for mode "upsert"; empty without names."""
    if not names:
        return {}
    keys = [tuple(record.get(name) for name in names) for record in rows]
    positions = {key: position for position, key in enumerate(keys) if None not in key}
    if len(positions) != sum(None not in key for key in keys):
        raise DestinationError(
            f"entity {entity!r} has several rows with the same primary key ({', '.join(names)}), and mode 'upsert' "
            "needs at most one; use mode 'replace' or 'append'"
        )
    return positions


def _key(entity: str, names: tuple[str, ...], record: Record) -> tuple[Any, ...]:
    values = tuple(record.get(name) for name in names)
    if None in values:
        missing = names[values.index(None)]
        raise SchemaMismatchError(
            f"a record of entity {entity!r} has no value for {missing!r} of its primary key; expected one in every "
            "record; name another primary key or use mode 'append' or 'replace'"
        )
    return values
