"""Wrong in how calls and entities are kept apart: names, several reads, lifecycle, refusals, resets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.errors import DestinationError

from .shelf import Generation, Holding, Reading, Shelf, Stored, Versioned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.catalog import Entity
    from connector_kit.records.checkpoint import Checkpoint, Mode
    from connector_kit.records.page import Record

    from .disk import Disk


class CaseIsFolded(Shelf):
    """Takes names that differ only in case for one."""

    def place_of(self, entity: str) -> str:
        return entity.lower()


class OddLettersBecomeUnderscores(Shelf):
    """Makes a safe name of an entity's, the same one for two of them."""

    def place_of(self, entity: str) -> str:
        return "".join(letter if letter.isalnum() else "_" for letter in entity)


class FieldsAreFolded(Shelf):
    """Lowers the names of fields."""

    def copies(self, records: Sequence[Record]) -> list[dict[str, Any]]:
        return [{name.lower(): value for name, value in row.items()} for row in super().copies(records)]


class QuotesAreDropped(Shelf):
    """Takes quotes out of the names of fields instead of quoting them."""

    def copies(self, records: Sequence[Record]) -> list[dict[str, Any]]:
        return [
            {name.replace('"', ""): value for name, value in row.items()} for row in super().copies(records)
        ]


class OneReadForAll(Shelf):
    """Keeps the read that was started last in one variable."""

    _last: Reading | None = None

    def remember(self, entity: Entity, mode: Mode) -> None:
        super().remember(entity, mode)
        self._last = self.readings[entity.name]

    def reading(self, entity: str) -> Reading:
        reading = super().reading(entity)
        return self._last or reading


class OneHeldPageForAll(Holding):
    """Holds the provisional pages of all entities in one list."""

    def remember(self, entity: Entity, mode: Mode) -> None:
        Shelf.remember(self, entity, mode)
        shared = next(iter(self.held.values()), [])
        self.held[entity.name] = shared
        shared.clear()


class FinishEndsAllReads(Shelf):
    """Forgets all reads when one of them is finished."""

    async def finish(self, entity: str, checkpoint: Checkpoint, /) -> None:
        await super().finish(entity, checkpoint)
        self.readings.clear()


class CloseLosesPages(Holding):
    """Holds pages until there are three of them, and close does not store what is held."""

    _pages = 0

    def holds(self, checkpoint: Checkpoint | None) -> bool:
        self._pages += 1
        return self._pages % 3 != 0


class ClosesOnce(Shelf):
    """Cannot be closed when it is not open."""

    async def close(self) -> None:
        self.require_open()
        await super().close()


class OpensOnce(Shelf):
    """Cannot be opened again once it was closed."""

    _used = False

    async def open(self) -> None:
        if self._used and not self.opened:
            raise DestinationError("it was closed")
        self._used = True
        await super().open()


class ModesOfItsOwn(Shelf):
    """Says that it has a mode which nobody knows."""

    modes = frozenset({"append", "merge"})  # type: ignore[arg-type]  # the mistake


class EmptiesAtOpen(Shelf):
    """Begins with an unfinished read's rows gone."""

    async def open(self) -> None:
        await super().open()
        for name in list(self.disk.contents):
            stored = self.load(name)
            if isinstance(stored, Stored) and b'"complete":false' in (stored.current.checkpoint or b""):
                self.save(Stored(stored.name))


class WritesWithoutAStart(Shelf):
    """Starts a read by itself for a write that no start came before."""

    def reading(self, entity: str) -> Reading:
        self.require_open()
        if entity not in self.readings:
            self.save(self.load(entity) or Stored(entity))
            self.readings[entity] = Reading(entity, "append", ())
        return self.readings[entity]


class UnknownModesAppend(Shelf):
    """Takes a mode it does not know for append."""

    def refuse(self, entity: Entity, mode: Mode) -> None:
        if mode in self.modes:
            super().refuse(entity, mode)


class DoesMoreThanItSays(Shelf):
    """Says that it can only append, and takes any mode."""

    modes = frozenset({"append"})

    def refuse(self, entity: Entity, mode: Mode) -> None:
        """Take all of them."""


class ErrorsOfItsOwn(Shelf):
    """Lets a KeyError out."""

    def reading(self, entity: str) -> Reading:
        self.require_open()
        return self.readings[entity]


class HalfAPageOfWhatItRefuses(Shelf):
    """Stores the records before the one that it refuses."""

    def copies(self, records: Sequence[Record]) -> list[dict[str, Any]]:
        for record in records:
            if type(record.get("name")) is object:
                self.keep_the_rest(records)
        return super().copies(records)

    def keep_the_rest(self, records: Sequence[Record]) -> None:
        reading = next(iter(self.readings.values()))
        stored = self.found(reading)
        self.add(self.target(stored, reading.mode), super().copies(records[:-1]), reading)
        self.save(stored)


class WritesOverOthers(Shelf):
    """Writes where somebody else's is."""

    def load(self, entity: str) -> Stored | None:
        stored: object = self.disk.get(self.place_of(entity))
        return stored if isinstance(stored, Stored) else None


class WorksAfterClose(Shelf):
    """Goes on with a read after it was closed."""

    async def close(self) -> None:
        """Keep everything open."""


class ResetDeletesRows(Shelf):
    """Deletes the rows with the checkpoint."""

    def forget(self, stored: Stored) -> None:
        stored.current, stored.following = Generation(), None


class ResetOnlyInMemory(Shelf):
    """Forgets the checkpoint until it is opened again."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self.forgotten: set[str] = set()

    def forget(self, stored: Stored) -> None:
        self.forgotten.add(stored.name)

    def load(self, entity: str) -> Stored | None:
        stored = super().load(entity)
        if isinstance(stored, Stored) and entity in self.forgotten:
            super().forget(stored)
        return stored


class ResetKeepsTheGeneration(Shelf):
    """Forgets the checkpoint of the rows that are shown, and not that of the unfinished generation."""

    def forget(self, stored: Stored) -> None:
        stored.current.checkpoint = None


class ReplaceKeepsProvisionalRows(Shelf):
    """Does not drop the provisional rows of an append when a replace is started."""

    def begin_or_continue(self, stored: Stored, *, resume: bool) -> None:
        before = self.load(stored.name)
        if before is not None:
            stored.current = attrs.evolve(before.current, before=before.current.rows)
        super().begin_or_continue(stored, resume=resume)


class AppendAfterReplaceForgets(Versioned):
    """Takes the first append after a replace for one into an empty table."""

    def refuse(self, entity: Entity, mode: Mode) -> None:
        super().refuse(entity, mode)
        stored = self.load(entity.name)
        if stored is not None and mode == "append" and b'"replace"' in (stored.current.checkpoint or b""):
            self.save(Stored(entity.name))
