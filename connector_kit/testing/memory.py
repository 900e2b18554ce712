"""A destination in memory, for tests of runs: all three modes, and the rules of the real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import attrs

from connector_kit.errors import ConfigError, DestinationError, SchemaMismatchError
from connector_kit.records.checkpoint import Checkpoint, Mode
from connector_kit.records.page import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector_kit.records.catalog import Entity

__all__ = ["MemoryDestination"]

_MODES: frozenset[Mode] = frozenset({"append", "upsert", "replace"})


@attrs.define(eq=False)
class _Generation:
    """The rows of one generation and what it takes to undo those that no checkpoint covers."""

    rows: list[Record] = attrs.field(factory=list)
    checkpoint: bytes | None = None
    settled: int = 0
    overwritten: list[tuple[int, Record]] = attrs.field(factory=list)
    """Rows as they were before a provisional upsert, with their positions."""

    def settle(self, checkpoint: bytes) -> None:
        self.checkpoint = checkpoint
        self.settled = len(self.rows)
        self.overwritten.clear()

    def drop_provisional(self) -> None:
        for position, record in reversed(self.overwritten):
            self.rows[position] = record
        self.overwritten.clear()
        del self.rows[self.settled :]


@attrs.define(eq=False)
class _Stored:
    """What outlives a run: the generation that is shown, and the one that a replace is still building."""

    current: _Generation = attrs.field(factory=_Generation)
    following: _Generation | None = None


@attrs.define(eq=False)
class _Reading:
    """What a started read knows and a crash forgets."""

    mode: Mode
    target: _Generation
    primary_key: tuple[str, ...]
    positions: dict[tuple[Any, ...], int]


@attrs.define(eq=False)
class MemoryDestination:
    """Records and checkpoints in memory. Everything survives `close`; a killed run is a run without `finish`.

    >>> destination = MemoryDestination()
    >>> destination.rows("orders")
    []
    """

    _stored: dict[str, _Stored] = attrs.field(factory=dict, init=False)
    _reading: dict[str, _Reading] = attrs.field(factory=dict, init=False)
    _opened: bool = attrs.field(default=False, init=False)

    def rows(self, entity: str) -> list[Record]:
        """Give what a reader of the destination sees now: no row of an unfinished generation, provisional ones too."""
        stored = self._stored.get(entity)
        return [dict(record) for record in stored.current.rows] if stored else []

    @property
    def modes(self) -> frozenset[Mode]:
        """All three."""
        return _MODES

    async def open(self) -> None:
        """Make ready; forgets which reads had been started."""
        await anyio.lowlevel.checkpoint()
        self._reading.clear()
        self._opened = True

    async def close(self) -> None:
        """Forget which reads had been started; rows and checkpoints stay."""
        self._reading.clear()
        self._opened = False

    async def start(self, entity: Entity, mode: Mode, /, *, resume: bool = True) -> Checkpoint | None:
        """Drop provisional rows and give the last checkpoint of the generation that records will go to."""
        await anyio.lowlevel.checkpoint()
        self._require_open()
        if mode not in _MODES:
            raise ConfigError(
                f"mode {mode!r} is unknown; expected append, upsert or replace; choose one of them"
            )
        if mode == "upsert" and not entity.primary_key:
            raise ConfigError(
                f"entity {entity.name!r} has no primary_key, and mode 'upsert' needs one; "
                "name its primary key or use mode 'append' or 'replace'"
            )
        self._reading.pop(entity.name, None)
        stored = self._stored.setdefault(entity.name, _Stored())
        stored.current.drop_provisional()
        if mode == "replace":
            following = stored.following
            if following is None or following.checkpoint is None or not resume:
                following = _Generation()
            following.drop_provisional()
            target = stored.following = following
            reading = _Reading(mode, target, (), {})
        else:
            target = stored.current
            keys = entity.primary_key if mode == "upsert" else ()
            reading = _Reading(mode, target, keys, _positions(entity.name, keys, target.rows))
            stored.following = None
        self._reading[entity.name] = reading
        return _decoded(target.checkpoint)

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        """Store the records, and the checkpoint that covers them if there is one."""
        await anyio.lowlevel.checkpoint()
        reading = self._require_started(entity)
        covered = None if checkpoint is None else checkpoint.to_json()
        copies = [dict(record) for record in records]
        if reading.primary_key:
            _upsert(reading, [(_key(entity, reading.primary_key, record), record) for record in copies])
        else:
            reading.target.rows.extend(copies)
        if covered is not None:
            reading.target.settle(covered)

    async def finish(self, entity: str, checkpoint: Checkpoint, /) -> None:
        """Store the read's last checkpoint; with mode "replace", show the new generation from now on."""
        await anyio.lowlevel.checkpoint()
        reading = self._require_started(entity)
        reading.target.settle(checkpoint.to_json())
        if reading.mode == "replace":
            self._stored[entity] = _Stored(current=reading.target)
        del self._reading[entity]

    async def checkpoints(self) -> Mapping[str, Checkpoint]:
        """Give the last checkpoint of every entity: of its unfinished generation, if that has one."""
        await anyio.lowlevel.checkpoint()
        self._require_open()
        found = {}
        for name, stored in self._stored.items():
            following = _decoded(stored.following.checkpoint) if stored.following else None
            last = following or _decoded(stored.current.checkpoint)
            if last is not None:
                found[name] = last
        return found

    async def reset(self, entity: str, /) -> None:
        """Forget the checkpoint and what no complete page covers; other rows stay."""
        await anyio.lowlevel.checkpoint()
        self._require_open()
        self._reading.pop(entity, None)
        if stored := self._stored.get(entity):
            stored.following = None
            stored.current.drop_provisional()
            stored.current.checkpoint = None

    def _require_open(self) -> None:
        if not self._opened:
            raise DestinationError(
                "the destination in memory is not open; expected open() before; call it first"
            )

    def _require_started(self, entity: str) -> _Reading:
        self._require_open()
        try:
            return self._reading[entity]
        except KeyError:
            raise DestinationError(
                f"no read of entity {entity!r} has been started; expected start() before write() and finish(); "
                "call it first"
            ) from None


def _upsert(reading: _Reading, keyed: list[tuple[tuple[Any, ...], Record]]) -> None:
    target = reading.target
    for key, record in keyed:
        position = reading.positions.setdefault(key, len(target.rows))
        if position == len(target.rows):
            target.rows.append(record)
        else:
            target.overwritten.append((position, target.rows[position]))
            target.rows[position] = record


def _positions(entity: str, names: tuple[str, ...], rows: list[Record]) -> dict[tuple[Any, ...], int]:
    """Say where the row of each key is, for mode "upsert"; nothing is known for no names."""
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


def _decoded(checkpoint: bytes | None) -> Checkpoint | None:
    return None if checkpoint is None else Checkpoint.from_json(checkpoint)
