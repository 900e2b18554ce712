"""Wrong in what is stored together: atomic pages, checkpoints, provisional rows, cancellation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import attrs
import msgspec

from connector_kit.errors import BadRecordError, DataError, SchemaMismatchError
from connector_kit.records.checkpoint import Checkpoint, EntityState, FingerprintLog

from .shelf import Generation, Shelf, Stored, Versioned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector_kit.records.page import Record

    from .disk import Disk


def _with_checkpoints_of(stored: Stored, other: Stored) -> Stored:
    """Give the rows of one with the checkpoints of another, and their logs."""
    mixed = attrs.evolve(stored, current=_covered_as(stored.current, other.current))
    if stored.following is not None and other.following is not None:
        mixed.following = _covered_as(stored.following, other.following)
    return mixed


def _covered_as(generation: Generation, other: Generation) -> Generation:
    return attrs.evolve(generation, checkpoint=other.checkpoint, log=other.log)


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


class LogFirst(Shelf):
    """Stores the log of fingerprints in a transaction before the one of the checkpoint that it belongs to."""

    def save(self, stored: Stored) -> None:
        before = self.load(stored.name) or Stored(stored.name)
        if stored.following is None or before.following is None:
            before.current.log = stored.current.log
        else:
            before.following.log = stored.following.log
        self.disk.put(self.place_of(stored.name), before)
        super().save(stored)


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


class LogForgotten(Shelf):
    """Gives a checkpoint back without its log."""

    def given_whole(self, generation: Generation) -> Checkpoint | None:
        checkpoint = self.given(generation.checkpoint)
        return checkpoint and attrs.evolve(checkpoint, log=FingerprintLog())


class LogOnlyGrows(Shelf):
    """Adds to the log, however little of it is to be kept."""

    def keep_log(self, generation: Generation, log: FingerprintLog) -> None:
        generation.log += log.added
        if not log.keep:
            generation.log = log.added

    def given_whole(self, generation: Generation) -> Checkpoint | None:
        checkpoint = self.given(generation.checkpoint)
        return checkpoint and attrs.evolve(checkpoint, log=FingerprintLog(0, generation.log))


class OneLogForTwoGenerations(Shelf):
    """Keeps a single log for the rows that are shown and those that a replace builds."""

    def keep_log(self, generation: Generation, log: FingerprintLog) -> None:
        super().keep_log(generation, log)
        self.disk.put("log", generation.log)

    def given_whole(self, generation: Generation) -> Checkpoint | None:
        checkpoint = self.given(generation.checkpoint)
        return checkpoint and attrs.evolve(checkpoint, log=FingerprintLog(0, self.disk.get("log") or b""))


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


class OneDamagedHidesAll(Shelf):
    """Lets the error of a checkpoint that cannot be decoded out of `states`."""

    def state(self, entity: str, kept: bytes) -> EntityState:
        return EntityState(entity, self.given(kept))


class DamagedIsNone(Shelf):
    """Takes a checkpoint that cannot be decoded for none, and reads everything again."""

    def given(self, kept: bytes | None) -> Checkpoint | None:
        try:
            return super().given(kept)
        except DataError:
            return None


class ResetDecodes(Shelf):
    """Looks at the checkpoint that it is to forget."""

    def forget(self, stored: Stored) -> None:
        self.given(stored.current.checkpoint)
        super().forget(stored)


class CountsTheLastRead(Shelf):
    """Gives the rows of the last read for those that are there."""

    async def count(self, entity: str, /) -> int | None:
        state = (await self.states()).get(entity)
        return 0 if state is None or state.checkpoint is None else state.checkpoint.rows


class OnlyTheFirstIsNamed(Shelf):
    """Stops at the first bad record of a call."""

    def refuse_bad(self, bad: dict[int, str]) -> None:
        super().refuse_bad(dict([*bad.items()][:1]))


class RefusalWithoutPositions(Shelf):
    """Says that something is wrong with a call, and not with which of its records."""

    def refuse_bad(self, bad: dict[int, str]) -> None:
        if bad:
            raise SchemaMismatchError(f"{len(bad)} records cannot be stored")


class RefusalEndsTheRead(Shelf):
    """Forgets the read when it refuses a record."""

    def refuse_bad(self, bad: dict[int, str]) -> None:
        if bad:
            self.readings.clear()
        super().refuse_bad(bad)


class OthersAreStoredAtOnce(Shelf):
    """Stores the other records of a call, and then says which ones were bad."""

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        try:
            await super().write(entity, records, checkpoint)
        except BadRecordError as error:
            others = [records[position] for position in range(len(records)) if position not in error.bad]
            await super().write(entity, others, checkpoint)
            raise
