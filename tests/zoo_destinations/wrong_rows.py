"""Wrong in what becomes of rows: appended, upserted, replaced, of new fields, of odd values, of lazy pages."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .shelf import Generation, Reading, Shelf, Stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.checkpoint import Checkpoint
    from connector_kit.records.page import Record


class RepeatedRowsGo(Shelf):
    """Leaves out an appended row whose key is there."""

    def add(self, generation: Generation, records: list[dict[str, Any]], reading: Reading) -> None:
        if reading.mode == "append":
            there = {row.get("id") for row in generation.rows}
            records = [record for record in records if record.get("id") not in there]
        super().add(generation, records, reading)


class NewestFirst(Shelf):
    """Puts what is appended before what is there."""

    def add(self, generation: Generation, records: list[dict[str, Any]], reading: Reading) -> None:
        super().add(generation, records, reading)
        if reading.mode == "append":
            generation.rows = [*records, *generation.rows[: len(generation.rows) - len(records)]]


class UpsertAppends(Shelf):
    """Adds a row for each upserted record."""

    def add(self, generation: Generation, records: list[dict[str, Any]], reading: Reading) -> None:
        generation.rows += records


class FirstWins(Shelf):
    """Keeps the first of two records of a page with the same key, by inserting in reverse."""

    def add(self, generation: Generation, records: list[dict[str, Any]], reading: Reading) -> None:
        super().add(generation, records[::-1] if reading.key else records, reading)


class UpsertMerges(Shelf):
    """Updates the fields that a record has, so that one that it lost keeps its old value."""

    def add(self, generation: Generation, records: list[dict[str, Any]], reading: Reading) -> None:
        there = {self.key(row, reading.key): row for row in generation.rows} if reading.key else {}
        for place, record in enumerate(records):
            if reading.key:
                old = there.get(self.key(record, reading.key), {})
                records[place] = there[self.key(record, reading.key)] = {**old, **record}
        super().add(generation, records, reading)


class KeyOfOneField(Shelf):
    """Goes by the first field of a primary key of two."""

    def key(self, row: Record, names: tuple[str, ...]) -> tuple[Any, ...]:
        return super().key(row, names[:1])


class KeyAsText(Shelf):
    """Joins the fields of a primary key, so that ("1", "11") is ("11", "1")."""

    def key(self, row: Record, names: tuple[str, ...]) -> tuple[Any, ...]:
        values = super().key(row, names)
        return values if None in values else ("".join(map(str, values)),)


class KeysOnTopOnly(Shelf):
    """Looks for a key among the fields of a record, and not in the records within it."""

    def key(self, row: Record, names: tuple[str, ...]) -> tuple[Any, ...]:
        return tuple(row.get(name) for name in names)


class BothRowsOfAKey(Shelf):
    """Keeps all records of a replace, those whose key comes again too."""

    def add(self, generation: Generation, records: list[dict[str, Any]], reading: Reading) -> None:
        if reading.mode == "replace":
            generation.rows += records
        else:
            super().add(generation, records, reading)


class FirstOfAReplaceWins(Shelf):
    """Leaves out a record of a replace whose key is there."""

    def add(self, generation: Generation, records: list[dict[str, Any]], reading: Reading) -> None:
        if reading.mode == "replace":
            there = {self.key(row, reading.key) for row in generation.rows}
            records = [record for record in records if self.key(record, reading.key) not in there]
        super().add(generation, records, reading)


class TruncatesAtStart(Shelf):
    """Empties the table at the start of a replace."""

    def begin_or_continue(self, stored: Stored, *, resume: bool) -> None:
        super().begin_or_continue(stored, resume=resume)
        stored.current.rows, stored.current.before = [], []


class ContinuedGenerationIsLost(Shelf):
    """Gives the checkpoint of an unfinished generation back, and drops its rows."""

    def begin_or_continue(self, stored: Stored, *, resume: bool) -> None:
        super().begin_or_continue(stored, resume=resume)
        assert stored.following is not None
        stored.following.rows, stored.following.before = [], []


class AlwaysResumes(Shelf):
    """Goes on with an unfinished generation where it is told not to."""

    def begin_or_continue(self, stored: Stored, *, resume: bool) -> None:
        super().begin_or_continue(stored, resume=True)


class NeverSwaps(Shelf):
    """Finishes a replace without showing the new generation."""

    def swap(self, stored: Stored) -> None:
        assert stored.following is not None
        stored.current.checkpoint = stored.following.checkpoint
        stored.following = None


class EmptyGenerationIsIgnored(Shelf):
    """Takes a new generation without rows for a mistake, and keeps the old one."""

    def swap(self, stored: Stored) -> None:
        assert stored.following is not None
        if not stored.following.rows:
            stored.following.rows, stored.following.before = stored.current.rows, stored.current.before
        super().swap(stored)


class OldCheckpointForANewGeneration(Shelf):
    """Gives the checkpoint of the rows that are to be replaced: the tail of a read would replace them."""

    def begin_or_continue(self, stored: Stored, *, resume: bool) -> None:
        super().begin_or_continue(stored, resume=resume)
        assert stored.following is not None
        if stored.following.checkpoint is None and resume:
            stored.following.checkpoint = stored.current.checkpoint


class NewFieldsAreIgnored(Shelf):
    """Stores the fields of the first row, and no others."""

    def add(self, generation: Generation, records: list[dict[str, Any]], reading: Reading) -> None:
        if generation.rows:
            known = set(generation.rows[0])
            records = [{name: record[name] for name in record if name in known} for record in records]
        super().add(generation, records, reading)


class NewFieldsStartOver(Shelf):
    """Makes the table anew for a new field, without its rows."""

    def add(self, generation: Generation, records: list[dict[str, Any]], reading: Reading) -> None:
        known = {name for row in generation.rows for name in row}
        if known and any(set(record) - known for record in records):
            generation.rows = []
        super().add(generation, records, reading)


class NumbersAreRounded(Shelf):
    """Keeps a column's type: a number that comes later becomes an integer like the first ones."""

    def add(self, generation: Generation, records: list[dict[str, Any]], reading: Reading) -> None:
        for record in records:
            for name, value in record.items():
                first = next((row[name] for row in generation.rows if name in row), None)
                if isinstance(value, float) and isinstance(first, int):
                    record[name] = int(value)
        super().add(generation, records, reading)


class IntegersAsFloats(Shelf):
    """Stores integers as floats, which have 53 bits."""

    def value(self, value: Any) -> Any:
        return float(value) if type(value) is int else super().value(value)


class TimesWithoutZone(Shelf):
    """Stores datetimes as what the clock on the wall says."""

    def value(self, value: Any) -> Any:
        return value.replace(tzinfo=None) if isinstance(value, datetime) else super().value(value)


class TimesToTheMillisecond(Shelf):
    """Cuts datetimes to milliseconds."""

    def value(self, value: Any) -> Any:
        if isinstance(value, datetime):
            return value.replace(microsecond=value.microsecond // 1_000 * 1_000)
        return super().value(value)


class DecimalsAsFloats(Shelf):
    """Stores decimals as floats."""

    def value(self, value: Any) -> Any:
        return float(value) if isinstance(value, Decimal) else super().value(value)


class EmptyTextIsNone(Shelf):
    """Takes an empty text for a missing one."""

    def value(self, value: Any) -> Any:
        return None if value == "" else super().value(value)


class ListsAsRepr(Shelf):
    """Stores nested values as Python writes them, which is no JSON."""

    def value(self, value: Any) -> Any:
        return repr(value) if isinstance(value, list | dict) else super().value(value)


class DictsOnly(Shelf):
    """Leaves out records that are no dicts."""

    def copies(self, records: Sequence[Record]) -> list[dict[str, Any]]:
        return super().copies([record for record in records if isinstance(record, dict)])


class KeepsWhatIsNotItsOwn(Shelf):
    """Stores a page with the next one, by reference, and sees what its owner did to it meanwhile."""

    _waiting: tuple[Sequence[Record], Checkpoint | None] | None = None

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        if self._waiting is not None:
            await super().write(entity, *self._waiting)
        self._waiting = (records, checkpoint)

    async def finish(self, entity: str, checkpoint: Checkpoint, /) -> None:
        if self._waiting is not None:
            await super().write(entity, *self._waiting)
        self._waiting = None
        await super().finish(entity, checkpoint)
