"""Wrong in what is stored together: atomic pages, checkpoints, provisional rows, cancellation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import attrs
import msgspec

from connector_kit.records.checkpoint import Checkpoint, EntityState

from .shelf import Generation, Shelf, Stored, Versioned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector_kit.records.page import Record

    from .disk import Disk


def _with_checkpoints_of(stored: Stored, other: Stored) -> Stored:
    """Give the rows of one with the checkpoints of another."""
    mixed = attrs.evolve(stored, current=attrs.evolve(stored.current, checkpoint=other.current.checkpoint))
    if stored.following is not None and other.following is not None:
        mixed.following = attrs.evolve(stored.following, checkpoint=other.following.checkpoint)
    return mixed


class CheckpointFirst(Shelf):
    """Stores the checkpoint, and the rows in a second transaction."""

    def save(self, stored: Stored) -> None:
        before = self.load(stored.name) or Stored(stored.name)
        self.disk.put(self.place_of(stored.name), _with_checkpoints_of(before, stored))
        super().save(stored)


class RowsFirst(Shelf):
    """Stores the rows, and the checkpoint in a second transaction."""

    def save(self, stored: Stored) -> None:
        before = self.load(stored.name) or Stored(stored.name)
        self.disk.put(self.place_of(stored.name), _with_checkpoints_of(stored, before))
        super().save(stored)


class NoteBeforeVersion(Versioned):
    """Notes that a version counts before the version is there."""

    def store_version(self, place: str, version: int, stored: Stored) -> None:
        self.disk.put(f"{place} version", version)
        self.disk.put(f"{place} {version}", stored)


class OldRowsGoFirst(Shelf):
    """Empties the table before the new generation takes over, in a transaction of its own."""

    def swap(self, stored: Stored) -> None:
        empty = attrs.evolve(stored, current=Generation(checkpoint=stored.current.checkpoint), following=None)
        self.disk.put(self.place_of(stored.name), empty)
        super().swap(stored)


class CursorAsText(Shelf):
    """Stores the cursor as its text, in a column of that type."""

    def kept(self, checkpoint: Checkpoint) -> bytes:
        return attrs.evolve(checkpoint, cursor=str(checkpoint.cursor)).to_json()


class CursorThroughFloats(Shelf):
    """Reads the cursor with a parser whose numbers are floats."""

    def given(self, kept: bytes | None) -> Checkpoint | None:
        checkpoint = super().given(kept)
        if (
            checkpoint is None
            or not isinstance(checkpoint.cursor, int)
            or isinstance(checkpoint.cursor, bool)
        ):
            return checkpoint
        return attrs.evolve(checkpoint, cursor=int(float(checkpoint.cursor)))


class ShortCursors(Shelf):
    """Cuts cursors that are longer than their column."""

    def kept(self, checkpoint: Checkpoint) -> bytes:
        cursor = checkpoint.cursor
        return attrs.evolve(checkpoint, cursor=cursor[:255] if isinstance(cursor, str) else cursor).to_json()


class LocalTimes(Shelf):
    """Stores the times of a checkpoint without their zone."""

    def given(self, kept: bytes | None) -> Checkpoint | None:
        checkpoint = super().given(kept)
        if checkpoint is None or checkpoint.watermark is None:
            return checkpoint
        return attrs.evolve(checkpoint, watermark=checkpoint.watermark.replace(tzinfo=None))


class CheckpointOnlyAtTheEnd(Shelf):
    """Stores a checkpoint when the read is finished, and none with its pages."""

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        await super().write(entity, records, None)


class CheckpointOfNothing(Shelf):
    """Gives a checkpoint of an entity of which nothing is stored."""

    async def states(self) -> Mapping[str, EntityState]:
        nothing = EntityState("orders", Checkpoint("shop", "orders", "append"))
        return {"orders": nothing, **await super().states()}


class NoCheckpointOfEmptyPages(Shelf):
    """Has nothing to do for a page without records, and forgets its checkpoint."""

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        if records:
            await super().write(entity, records, checkpoint)


class ProvisionalRowsStay(Shelf):
    """Does not drop the rows that no checkpoint covers."""

    def drop_provisional(self, generation: Generation) -> None:
        generation.before = list(generation.rows)


class ProvisionalRowsStayAtRestart(Shelf):
    """Drops provisional rows when it is opened, and not when a read is started again."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self.cleaned: set[str] = set()

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        self.cleaned.add(entity)
        await super().write(entity, records, checkpoint)

    def save(self, stored: Stored) -> None:
        if stored.name in self.cleaned:
            for generation in (stored.current, stored.following):
                if generation is not None:
                    generation.before = list(generation.rows)
        super().save(stored)


class DroppedUpsertsTakeTheirKeys(Shelf):
    """Deletes the rows that a provisional page has changed, instead of giving them back as they were."""

    def drop_provisional(self, generation: Generation) -> None:
        generation.rows = [row for row in generation.rows if row in generation.before]
        generation.before = list(generation.rows)


class EachCheckpointCoversItsPage(Shelf):
    """Lets a checkpoint cover its own page, and not the provisional ones before it."""

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        if checkpoint is not None:
            reading = self.reading(entity)
            stored = self.found(reading)
            self.target(stored, reading.mode).drop_provisional()
            self.save(stored)
        await super().write(entity, records, checkpoint)


class TwoAwaits(Shelf):
    """Waits between the rows and their checkpoint, where it can be cancelled."""

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        reading = self.reading(entity)
        stored = self.found(reading)
        before = _with_checkpoints_of(stored, stored)
        generation = self.target(stored, reading.mode)
        self.add(generation, self.copies(records), reading)
        generation.before = list(generation.rows)
        super().save(_with_checkpoints_of(stored, before))
        await anyio.lowlevel.checkpoint()
        await super().write(entity, [], checkpoint)


class LockThatStays(Shelf):
    """Takes a lock without giving it back when it is cancelled."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self.lock = anyio.Semaphore(1)

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        await self.lock.acquire()
        await super().write(entity, records, checkpoint)
        self.lock.release()

    async def close(self) -> None:
        async with self.lock:
            await super().close()


class CheckpointThroughJson(Shelf):
    """Right: the checkpoint goes through a parser that orders the names of objects."""

    def kept(self, checkpoint: Checkpoint) -> bytes:
        return msgspec.json.encode(msgspec.json.decode(checkpoint.to_json()), order="sorted")
