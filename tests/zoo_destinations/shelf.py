"""The right ones, written so that each promise is kept in one small method."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import attrs

from connector_kit.errors import BadRecordError, ConfigError, DataError, DestinationError, SchemaMismatchError
from connector_kit.records.checkpoint import Checkpoint, EntityState, FingerprintLog, Mode
from connector_kit.records.keys import value_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.catalog import Entity
    from connector_kit.records.page import Record

    from .disk import Disk

__all__ = ["Generation", "Holding", "Reading", "Shelf", "Stored", "Versioned"]


@attrs.define
class Generation:
    """Rows, the last checkpoint, the rows that it covers, and its log."""

    rows: list[dict[str, Any]] = attrs.field(factory=list)
    checkpoint: bytes | None = None
    before: list[dict[str, Any]] = attrs.field(factory=list)
    log: bytes = b""

    def cover(self, checkpoint: bytes) -> None:
        """Let the checkpoint cover all rows."""
        self.checkpoint = checkpoint
        self.before = list(self.rows)

    def drop_provisional(self) -> None:
        """Go back to what is covered."""
        self.rows = list(self.before)


@attrs.define
class Stored:
    """What is on the disk for one entity."""

    name: str
    current: Generation = attrs.field(factory=Generation)
    following: Generation | None = None


@attrs.frozen
class Reading:
    """A read that has been started."""

    entity: str
    mode: Mode
    key: tuple[str, ...]


class Shelf:
    """Stores all there is of an entity in one step, after each call."""

    modes: frozenset[Mode] = frozenset({"append", "upsert", "replace"})

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.opened = False
        self.readings: dict[str, Reading] = {}

    # -- the contract ---------------------------------------------------------------------------------------------

    async def open(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.opened = True
        self.readings.clear()

    async def close(self) -> None:
        self.opened = False
        self.readings.clear()

    async def start(self, entity: Entity, mode: Mode, /, *, resume: bool = True) -> Checkpoint | None:
        await anyio.lowlevel.checkpoint()
        self.require_open()
        self.refuse(entity, mode)
        stored = self.load(entity.name) or Stored(entity.name)
        self.drop_provisional(stored.current)
        if mode == "replace":
            self.begin_or_continue(stored, resume=resume)
        else:
            stored.following = None
        self.save(stored)
        self.remember(entity, mode)
        return self.given_whole(self.target(stored, mode))

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        reading = self.reading(entity)
        stored = self.found(reading)
        kept = None if checkpoint is None else self.kept(checkpoint)
        generation = self.target(stored, reading.mode)
        copies = self.copies(records)
        self.refuse_keys(copies, reading)
        self.add(generation, copies, reading)
        if checkpoint is not None and kept is not None:
            generation.cover(kept)
            self.keep_log(generation, checkpoint.log)
        await anyio.lowlevel.checkpoint()
        self.save(stored)

    async def finish(self, entity: str, checkpoint: Checkpoint, /) -> None:
        reading = self.reading(entity)
        stored = self.found(reading)
        generation = self.target(stored, reading.mode)
        generation.cover(self.kept(checkpoint))
        self.keep_log(generation, checkpoint.log)
        if reading.mode == "replace":
            self.swap(stored)
        await anyio.lowlevel.checkpoint()
        self.save(stored)
        del self.readings[entity]

    async def states(self) -> Mapping[str, EntityState]:
        await anyio.lowlevel.checkpoint()
        self.require_open()
        found = {}
        for name in self.entities():
            stored = self.load(name)
            if isinstance(stored, Stored):
                last = (stored.following and stored.following.checkpoint) or stored.current.checkpoint
                if last is not None:
                    found[stored.name] = self.state(stored.name, last)
        return found

    async def count(self, entity: str, /) -> int | None:
        await anyio.lowlevel.checkpoint()
        self.require_open()
        return len(self.shown(entity))

    async def reset(self, entity: str, /) -> None:
        await anyio.lowlevel.checkpoint()
        self.require_open()
        self.readings.pop(entity, None)
        if (stored := self.load(entity)) is not None:
            self.forget(stored)
            self.save(stored)

    def shown(self, entity: str) -> list[Record]:
        """Give what a reader sees."""
        stored = self.load(entity)
        return list(stored.current.rows) if isinstance(stored, Stored) else []

    # -- one promise each -----------------------------------------------------------------------------------------

    def require_open(self) -> None:
        if not self.opened:
            raise DestinationError("it is not open")

    def refuse(self, entity: Entity, mode: Mode) -> None:
        """Refuse what cannot be done."""
        if mode not in self.modes:
            raise ConfigError(f"there is no mode {mode!r}")
        if mode == "upsert" and not entity.primary_key:
            raise ConfigError("upsert needs a primary key")
        stored = self.load(entity.name)
        if stored is not None and not isinstance(stored, Stored):
            raise DestinationError(f"{entity.name!r} is somebody else's")

    def remember(self, entity: Entity, mode: Mode) -> None:
        """Take note of a read that has been started."""
        key = () if mode == "append" else entity.primary_key
        self.readings[entity.name] = Reading(entity.name, mode, key)

    def reading(self, entity: str) -> Reading:
        """Give the read of an entity."""
        self.require_open()
        if entity not in self.readings:
            raise DestinationError(f"no read of {entity!r} has been started")
        return self.readings[entity]

    def found(self, reading: Reading) -> Stored:
        """Give what is stored for a read that has been started."""
        stored = self.load(reading.entity)
        assert isinstance(stored, Stored), "start has made it"
        return stored

    def target(self, stored: Stored, mode: Mode) -> Generation:
        """Give the generation that records go to."""
        if mode != "replace":
            return stored.current
        assert stored.following is not None, "start has made it"
        return stored.following

    def begin_or_continue(self, stored: Stored, *, resume: bool) -> None:
        """Begin a generation, unless there is one to go on with."""
        if stored.following is None or stored.following.checkpoint is None or not resume:
            stored.following = Generation()
        self.drop_provisional(stored.following)

    def swap(self, stored: Stored) -> None:
        """Let the new generation take over."""
        assert stored.following is not None, "start has made it"
        stored.current, stored.following = stored.following, None

    def drop_provisional(self, generation: Generation) -> None:
        """Drop what no checkpoint covers."""
        generation.drop_provisional()

    def add(self, generation: Generation, records: list[dict[str, Any]], reading: Reading) -> None:
        """Add records to rows, over those with the same key if there is one."""
        if not reading.key:
            generation.rows += records
            return
        keyed: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in [*generation.rows, *records]:
            key = self.key(row, reading.key)
            keyed[(None, len(keyed)) if None in key else key] = row
        generation.rows = list(keyed.values())

    def key(self, row: Record, names: tuple[str, ...]) -> tuple[Any, ...]:
        """Give a row's primary key."""
        return tuple(value_at(row, name) for name in names)

    def refuse_keys(self, records: list[dict[str, Any]], reading: Reading) -> None:
        """Refuse records of an upsert whose key is none."""
        if reading.mode == "upsert":
            keys = [self.key(record, reading.key) for record in records]
            self.refuse_bad({at: "no key" for at, key in enumerate(keys) if any(map(is_no_key, key))})

    def copies(self, records: Sequence[Record]) -> list[dict[str, Any]]:
        """Give records as they are stored."""
        copies, bad = [], {}
        for position in range(len(records)):
            try:
                copies.append(self.copy(records[position]))
            except SchemaMismatchError as error:
                bad[position] = str(error)
        self.refuse_bad(bad)
        return copies

    def copy(self, record: Record) -> dict[str, Any]:
        """Give a record as it is stored."""
        if not isinstance(record, Mapping):
            raise SchemaMismatchError("it is no record")
        return {name: self.value(record[name]) for name in record}

    def refuse_bad(self, bad: dict[int, str]) -> None:
        """Refuse all bad records of a call."""
        if bad:
            raise BadRecordError(f"{len(bad)} records cannot be stored", bad)

    def value(self, value: Any) -> Any:
        """Give a value as it is stored."""
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if type(value) is object or (isinstance(value, str) and not is_text(value)):
            raise SchemaMismatchError(f"{value!r} cannot be stored")
        return value

    def keep_log(self, generation: Generation, log: FingerprintLog) -> None:
        """Keep the log of a checkpoint."""
        generation.log = generation.log[: log.keep] + log.added

    def given_whole(self, generation: Generation) -> Checkpoint | None:
        """Give a checkpoint back with its log."""
        checkpoint = self.given(generation.checkpoint)
        return checkpoint and checkpoint.with_log(generation.log)

    def kept(self, checkpoint: Checkpoint) -> bytes:
        """Give a checkpoint as it is stored."""
        return checkpoint.to_json()

    def given(self, kept: bytes | None) -> Checkpoint | None:
        """Give a checkpoint back."""
        return None if kept is None else Checkpoint.from_json(kept)

    def state(self, entity: str, kept: bytes) -> EntityState:
        """Give a checkpoint, or say why it cannot be given."""
        try:
            return EntityState(entity, self.given(kept))
        except DataError as error:
            return EntityState(entity, problem=str(error))

    def forget(self, stored: Stored) -> None:
        """Forget how far reads have come."""
        self.drop_provisional(stored.current)
        stored.current.checkpoint, stored.current.log = None, b""
        stored.following = None

    def place_of(self, entity: str) -> str:
        """Give the name on the disk."""
        return entity

    def entities(self) -> list[str]:
        """Give the names on the disk."""
        return list(self.disk.contents)

    def load(self, entity: str) -> Stored | None:
        """Give what is stored of an entity."""
        stored: Stored | None = self.disk.get(self.place_of(entity))
        return stored

    def save(self, stored: Stored) -> None:
        """Store it all in one step."""
        self.disk.put(self.place_of(stored.name), stored)


def is_no_key(part: object) -> bool:
    """Give whether a part of a key is nothing or NaN."""
    return part is None or (isinstance(part, float) and isnan(part))


def is_text(value: str) -> bool:
    """Give whether a text has a UTF-8 form."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


class Versioned(Shelf):
    """Stores a new version of it all in one step, and in the next one which version counts."""

    def entities(self) -> list[str]:
        ending = " version"
        return [name.removesuffix(ending) for name in self.disk.contents if name.endswith(ending)]

    def load(self, entity: str) -> Stored | None:
        place = self.place_of(entity)
        version = self.disk.get(f"{place} version")
        stored: Stored | None = self.disk.get(place if version is None else f"{place} {version}")
        return stored

    def save(self, stored: Stored) -> None:
        place = self.place_of(stored.name)
        version = (self.disk.get(f"{place} version") or 0) + 1
        self.store_version(place, version, stored)

    def store_version(self, place: str, version: int, stored: Stored) -> None:
        """Store what counts before the note that it does."""
        self.disk.put(f"{place} {version}", stored)
        self.disk.put(f"{place} version", version)


class Holding(Shelf):
    """Holds provisional pages in memory, and stores them with the next checkpoint: readers never see them before."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self.held: dict[str, list[dict[str, Any]]] = {}

    def remember(self, entity: Entity, mode: Mode) -> None:
        self.held[entity.name] = []
        super().remember(entity, mode)

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        copies = self.copies(records)
        self.refuse_keys(copies, self.reading(entity))
        page = [*self.held[entity], *copies]
        if self.holds(checkpoint):
            self.held[entity] = page
            return
        await super().write(entity, page, checkpoint)
        self.held[entity] = []

    async def finish(self, entity: str, checkpoint: Checkpoint, /) -> None:
        if self.held.get(entity):
            await self.write(entity, [], checkpoint)
        await super().finish(entity, checkpoint)

    def holds(self, checkpoint: Checkpoint | None) -> bool:
        """Whether a page waits for a later one."""
        return checkpoint is None
