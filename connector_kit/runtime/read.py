"""One read of one entity, as a value: where it begins, what a page adds, and what its checkpoints say. Pure functions.

`Read` knows; the transfer in `sync` moves the pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.errors import ConfigError, DataError, SchemaMismatchError
from connector_kit.records.bad_records import without
from connector_kit.records.canonical import Fingerprints
from connector_kit.records.catalog import Entity
from connector_kit.records.checkpoint import Checkpoint, FingerprintLog, Mode, Reading
from connector_kit.records.instants import refuse_key
from connector_kit.records.page import Cursor, Record
from connector_kit.text import counted

from .boundary import MAX_FINGERPRINTS, Boundary
from .options import EntityOptions
from .watermark import Bounds, KeysSeen, instants, last_instants, moved

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from connector_kit.records.page import Page

__all__ = ["Read", "Step", "choose_mode", "default_mode", "steps"]


def default_mode(entity: Entity, modes: AbstractSet[Mode]) -> Mode:
    """Return the mode that keeps every row exactly once with the least reading.

    Instead of all rows where every run reads all, so that what is gone at the source is gone; else over the old row where there
    is a primary key; behind the old rows where the last cursor says what is new; otherwise all anew.
    """
    if entity.incremental is None and "replace" in modes:
        return "replace"
    if entity.primary_key and "upsert" in modes:
        return "upsert"
    if entity.incremental == "cursor" and "append" in modes:
        return "append"
    return "replace" if "replace" in modes else "append"


def choose_mode(entity: Entity, wanted: Mode | None, modes: AbstractSet[Mode]) -> Mode:
    """Return the mode to use; raise `ConfigError` where the wanted one, or any at all, cannot work."""
    chosen = wanted or default_mode(entity, modes)
    if chosen not in modes:
        raise ConfigError(
            f"mode {chosen!r} for entity {entity.name!r}: this destination can do {', '.join(sorted(modes))}; "
            "choose one of these, or another destination"
        )
    if chosen == "upsert" and not entity.primary_key:
        raise ConfigError(
            f"mode 'upsert' for entity {entity.name!r}: it has no primary key to tell its records apart by; use 'append' or "
            "'replace', or let the connector name a primary key"
        )
    if chosen == "append" and entity.incremental is None:
        raise ConfigError(
            f"mode 'append' for entity {entity.name!r}: it is read in full by every run, so that each would store all its rows once "
            "more; use 'replace' or 'upsert', or let the connector say how what is new is read (`incremental`)"
        )
    return chosen


@attrs.frozen
class Read:
    """One read of one entity.

    What is read and how: `connector` (its name), `entity`, `mode`, `options`. Where it is: `since` and `cursor`, with
    which `fetch_data` is called to go on; `watermark`, how far its replication keys have come; `rows` and `pages`, counted over
    all the runs that the read takes. `began` is when the first of them began. `resumed` says that an earlier run began it.

    `boundary` tells new records from stored ones: in mode "append" of what is read by `since`, and in mode "replace" for an
    "append" that follows. `keys` is what this run has seen of the replication keys. `notes` are sentences for the operator.
    """

    connector: str
    entity: Entity
    mode: Mode
    options: EntityOptions = attrs.field(factory=EntityOptions)
    since: datetime | None = None
    cursor: Cursor = None
    watermark: datetime | None = None
    rows: int = 0
    pages: int = 0
    boundary: Boundary | None = None
    resumed: bool = False
    began: datetime | None = None
    keys: KeysSeen = attrs.field(factory=KeysSeen)
    notes: tuple[str, ...] = ()
    _bounds: Bounds | None = attrs.field(default=None, eq=False, repr=False)
    _fingerprints: Fingerprints = attrs.field(factory=Fingerprints, eq=False, repr=False)

    def begin(self, last: Checkpoint | None, now: datetime) -> Read:
        """Return the read at its beginning, after the destination's last checkpoint.

        Raises `ConfigError` where the options cannot work, or the checkpoint is one that must not be continued.
        """
        self._refuse_options()
        if last is None:
            return self._from_the_start(now)
        self._refuse_checkpoint(last)
        if last.complete and (self.mode == "replace" or self.entity.incremental is None):
            return self._from_the_start(now)  # all is read anyway
        if reason := self._anew_because(last, now):
            if self.mode == "append":
                raise ConfigError(
                    f"entity {self.entity.name!r} cannot be appended to: {reason}; expected what its last checkpoint was made with: go back to "
                    "that, or run once with mode 'replace', which reads everything anew"
                )
            return attrs.evolve(
                self._from_the_start(now), notes=(f"begun anew from the start, since {reason}",)
            )
        return self._behind(last, now) if last.complete else self._continue(last)

    def refuse_owner(self, stored: Checkpoint | None, table: str) -> None:
        """Raise `ConfigError` where what the destination has under the name `table` is another connector's or entity's."""
        if stored is None or (stored.connector, stored.entity) == (self.connector, self.entity.name):
            return
        whose = f"the connector {stored.connector!r}, not {self.connector!r}"
        if stored.connector == self.connector:
            whose = f"entity {stored.entity!r}, not {self.entity.name!r}"
        raise ConfigError(
            f"{table!r} in this destination was written by {whose}; use another destination, let both live side by side with a "
            f"`prefix` of the run or `table` of the entity, give this connector the same name, or reset the state of {table!r}"
        )

    def advance(self, page: Page) -> tuple[Read, Sequence[Record]]:
        """Return the read behind a page, and the records that are to be written: the new ones, with the fields let through.

        Raises `SchemaMismatchError` for a new field where fields are frozen, and `DataError` where what mode "append" must
        remember is too much.
        """
        entity, records = self.entity, page.records
        watermark, boundary, keys, notes = self.watermark, self.boundary, self.keys, self.notes
        if entity.incremental == "since" and records:
            if boundary is None:
                latest = None if self._bounds is None else self._bounds.latest
                seen = last_instants(entity, records, latest)
            else:
                seen = instants(entity, records)
            usable = seen.usable
            keys = keys.and_those_of(seen, usable)
            if seen.zoneless and not self.keys.zoneless:
                notes = (*notes, self._zoneless_note())
            if self._bounds is not None:
                watermark = self._bounds.watermark(watermark, usable)
            if boundary is not None:
                boundary, records = self._past_boundary(boundary, records, seen.at, watermark)
        behind = Read(  # written out: `evolve` takes several times as long, for every page
            self.connector,
            entity,
            self.mode,
            self.options,
            self.since,
            page.cursor,
            watermark,
            self.rows + len(records),
            self.pages + 1,
            boundary,
            self.resumed,
            self.began,
            keys,
            notes,
            self._bounds,
            self._fingerprints,
        )
        return behind, self._fit_fields(records)

    def with_fewer(self, rows: int) -> Read:
        """Return the read with so many rows fewer, which turned out not to be stored."""
        return attrs.evolve(self, rows=self.rows - rows) if rows else self

    @property
    def reading(self) -> Reading:
        """What the read goes by."""
        return self.entity.incremental or "full"

    @property
    def coverable(self) -> bool:
        """Whether a later run could go on exactly here.

        Without a cursor, an ordered entity can go on at its watermark where writing a record again is harmless.
        """
        if self.cursor is not None:
            return True
        at_watermark = self.mode == "upsert" and self.entity.ordered and self.entity.incremental == "since"
        return at_watermark and self.watermark is not None

    def cover(self, now: datetime, stored: Read | None = None) -> Checkpoint | None:
        """Return the checkpoint from which a later run goes on here; None where it could not go on exactly.

        `stored` is the read behind the last page that the destination has a checkpoint of: its log is there.
        """
        if not self.coverable:
            return None
        log = FingerprintLog()
        if self.boundary is not None:
            log = self.boundary.log_behind(None if stored is None else stored.boundary)
        return self._checkpoint(now, self.watermark if self.cursor is None else self.since, log)

    def finish(self, now: datetime) -> Checkpoint:
        """Return the checkpoint of the read that has ended. Raises `DataError` where the next run could not use it."""
        if self.entity.incremental == "cursor" and self.cursor is None and self.pages:
            raise DataError(
                f"entity {self.entity.name!r} is read by cursor, but its last page carries none, so the next run could not tell what is new; "
                "let the connector give a cursor with every page, or declare another way (`incremental`)"
            )
        log = FingerprintLog() if self.boundary is None else self.boundary.ended(self.watermark)
        return self._checkpoint(now, self.since, log, complete=True)

    def without_cursor(self, now: datetime) -> Read | None:
        """Return where to begin when the source no longer accepts the cursor; None where that would repeat rows."""
        if self.mode == "append":
            return None
        if self.mode == "replace" or self.entity.incremental != "since":
            anew = Read(self.connector, self.entity, self.mode, self.options, since=self.since)
            return anew._begun(now)
        return attrs.evolve(self, cursor=None)

    @property
    def leaves_changes_behind(self) -> bool:
        """Whether another read has to follow for all that was there when this run began: what changed before the place where it went on."""
        return self.resumed and self.mode != "replace" and self.entity.incremental == "since"

    @property
    def held_back(self) -> datetime | None:
        """The watermark that the keys alone would have allowed, where the read leaves an earlier one."""
        largest = self.keys.largest
        passed = largest is None or (self.watermark is not None and self.watermark >= largest)
        return None if passed else largest

    @property
    def held_note(self) -> str:
        """Why the watermark was held back, where it was."""
        began = None if self.began is None else self.began.isoformat(timespec="seconds")
        reached = "not set" if self.watermark is None else f"held back at {self.watermark.isoformat()}"
        why = "they are later than that" if self.entity.ordered else "some may have changed behind the reader"
        return (
            f"the watermark is {reached}, though keys go up to {self.keys.largest}: the read began at {began}, and {why}; the next run reads what "
            "is above the watermark again"
        )

    def warnings(self, now: datetime) -> Iterator[str]:
        """Yield what an operator should know of the keys of a read that has ended."""
        key, largest = self.entity.replication_key, self.held_back
        if self.keys.unusable:
            yield (
                f"{counted(self.keys.unusable, 'record has', 'records have')} no usable time in the replication key {key!r}: they are stored, and do "
                "not move the watermark; mend them at the source, or say how the key is written (replication_format)"
            )
        if largest is not None and largest > moved(now, self.options.clock_tolerance.timedelta):
            yield (
                f"the replication key {key!r} of a record is {largest.isoformat()}, in the future: it does not move the watermark, and every run "
                "reads the record again until then; mend it at the source, or raise clock_tolerance where the clocks differ"
            )

    def _refuse_options(self) -> None:
        refuse_key(self.entity)
        if self.options.start is not None and self.entity.incremental != "since":
            raise ConfigError(
                f"entity {self.entity.name!r} has a start, but is not read by since; leave `start` out, or declare its replication key"
            )
        if self.options.lookback and self.mode == "append":
            raise ConfigError(
                f"entity {self.entity.name!r} has a lookback, but mode 'append' would store once more what it reads again; use 'upsert', or "
                "leave `lookback` out"
            )

    def _refuse_checkpoint(self, last: Checkpoint) -> None:
        """Raise `ConfigError` for a checkpoint that this read must not continue."""
        if last.began is None and self.mode != "replace":
            raise ConfigError(
                f"the checkpoint of entity {self.entity.name!r} was made by an earlier version; expected one that says which revision, replication key "
                "and way of reading it belongs to; run once with mode 'replace', or reset the entity's state"
            )
        if not last.complete and last.mode != self.mode:
            raise ConfigError(
                f"entity {self.entity.name!r} has an unfinished read in mode {last.mode!r}, but the mode is {self.mode!r} now; run once more with "
                f"{last.mode!r} to finish it, or reset the entity's state"
            )

    def _zoneless_note(self) -> str:
        return (
            f"the replication key {self.entity.replication_key!r} names no time zone, so its times are taken to be in UTC; declare the zone "
            "(replication_zone) where it is another one"
        )

    def _anew_because(self, last: Checkpoint, now: datetime) -> str:
        """Return why an unfinished read, or the watermark or cursor of a complete one, must not be gone on with; "" where it may."""
        if last.began is None:
            return "an earlier version has made the checkpoint of the unfinished replace"
        if last.reading != self.reading:
            return f"it was read by {last.reading!r} and now it is by {self.reading!r}"
        if last.replication_key != self.entity.replication_key:
            return f"its replication key was {last.replication_key!r} and now it is {self.entity.replication_key!r}"
        if last.revision != self.entity.revision:
            return "what decides which records it has (its revision) is not what it was"
        too_old = moved(last.began, self.options.generation_max_age.timedelta)
        if self.mode == "replace" and now > too_old:
            return (
                f"the unfinished replace is of {last.began.isoformat(timespec='seconds')}, older than {self.options.generation_max_age} "
                "(generation_max_age)"
            )
        return ""

    def _begun(self, began: datetime | None, **changes: Any) -> Read:
        """Return the read as it begins, with what depends on that moment."""
        bounds = None
        if began is not None and self.entity.incremental == "since":
            bounds = Bounds.of(self.entity, began, self.options.clock_tolerance.timedelta)
        return attrs.evolve(
            self,
            began=began,
            bounds=bounds,
            fingerprints=Fingerprints.of(self.entity, self.options.volatile),
            **{"boundary": Boundary.empty() if self._has_boundary else None, **changes},
        )

    @property
    def _has_boundary(self) -> bool:
        return self.mode != "upsert" and self.entity.incremental == "since"

    def _from_the_start(self, now: datetime) -> Read:
        return self._begun(now, since=self.options.start)

    def _continue(self, last: Checkpoint) -> Read:
        return self._begun(
            last.began,
            since=last.since,
            cursor=last.cursor,
            watermark=last.watermark,
            rows=last.rows,
            pages=last.pages,
            boundary=self._boundary_of(last),
            resumed=True,
        )

    def _behind(self, last: Checkpoint, now: datetime) -> Read:
        """Return the read of what is new after a complete one."""
        if self.entity.incremental == "cursor":
            return self._begun(now, cursor=last.cursor, watermark=last.watermark)
        since = _since(last, self.options)
        boundary = self._boundary_of(last)
        return self._begun(now, since=since, watermark=last.watermark, boundary=boundary)

    def _boundary_of(self, last: Checkpoint) -> Boundary | None:
        """Return the boundary that a checkpoint comes with. Raise `ConfigError` where mode "append" needs one and it has none."""
        if not self._has_boundary or (self.mode == "replace" and not last.log.size):
            return None
        if not last.log.size:
            raise ConfigError(
                f"entity {self.entity.name!r} was last written in mode {last.mode!r}, which does not keep what mode 'append' needs to leave out "
                f"records it has stored; go on with {last.mode!r}, or run once with mode 'replace', behind which 'append' can go on"
            )
        return Boundary.of(last.log)

    def _past_boundary(
        self,
        boundary: Boundary,
        records: Sequence[Record],
        keys: Sequence[datetime | None],
        watermark: datetime | None,
    ) -> tuple[Boundary | None, Sequence[Record]]:
        behind, new = boundary.advance(
            self.entity.name,
            records,
            keys,
            since=self.since if self.mode == "append" else None,
            watermark=watermark,
            fingerprints=self._fingerprints,
        )
        if (
            behind is None and self.mode == "append"
        ):  # a replace does without; only an append that follows it needs one
            raise DataError(
                f"more than {MAX_FINGERPRINTS:,} records of entity {self.entity.name!r} are as late as its watermark, so that a run in mode 'append' "
                "could not tell them from new ones the next time; use mode 'upsert' or 'replace', or a shorter clock_tolerance"
            )
        return behind, new

    def _fit_fields(self, records: Sequence[Record]) -> Sequence[Record]:
        """Return the records with the fields that `new_fields` lets through.

        "evolve" keeps all and does not look; "discard" drops fields that the catalog does not have; "freeze" raises
        `SchemaMismatchError` for one. An entity of which no fields are known lets everything through.
        """
        policy, entity = self.options.new_fields, self.entity
        if policy == "evolve" or not entity.fields:
            return records
        known = {field.name for field in entity.fields}
        if policy == "discard":
            return [
                record
                if known.issuperset(record)
                else {name: record[name] for name in record if name in known}
                for record in records
            ]
        for record in records:
            if not known.issuperset(record):
                new = ", ".join(sorted(set(record) - known))
                raise SchemaMismatchError(
                    f"entity {entity.name!r} has a new field: {new}; its fields are frozen, so add it to the catalog or set "
                    'new_fields to "evolve" or "discard"'
                )
        return records

    def _checkpoint(
        self, now: datetime, since: datetime | None, log: FingerprintLog, *, complete: bool = False
    ) -> Checkpoint:
        return Checkpoint(
            connector=self.connector,
            entity=self.entity.name,
            mode=self.mode,
            since=since,
            cursor=self.cursor,
            watermark=self.watermark,
            rows=self.rows,
            pages=self.pages,
            complete=complete,
            updated=now,
            revision=self.entity.revision,
            replication_key=self.entity.replication_key,
            reading=self.reading,
            began=self.began,
            log=log,
        )


def _since(last: Checkpoint, options: EntityOptions) -> datetime | None:
    """Return the lower bound of the next read: the lookback before the watermark, but never before the start.

    What was committed late while the last read went on is late by the clock of then, and not by the last key of an ordered read.
    """
    since = last.watermark
    if since is None:
        return options.start
    if options.lookback and last.began is not None:
        since = min(since, moved(last.began, -options.clock_tolerance.timedelta))
    try:
        since -= options.lookback.timedelta
    except OverflowError:  # further back than the calendar goes
        return options.start
    return since if options.start is None else max(since, options.start)


@attrs.frozen
class Step:
    """What a destination stores at once: the records of one or more pages, a part each, and the read behind each part."""

    parts: Sequence[Sequence[Record]]
    reads: Sequence[Read]

    @property
    def read(self) -> Read:
        """The read behind the last part."""
        return self.reads[-1]

    def pages(self) -> Iterator[Step]:
        """Yield a step for each part."""
        for records, read in zip(self.parts, self.reads, strict=True):
            yield Step([records], [read])

    def with_fewer(self, rows: int) -> Step:
        """Return the step after so many records before it were left out."""
        return Step(self.parts, [read.with_fewer(rows) for read in self.reads]) if rows else self

    def without(self, bad: AbstractSet[int]) -> Step:
        """Return the step without the records at these positions, which count over all parts."""
        parts, reads, first, left_out = list[Sequence[Record]](), list[Read](), 0, 0
        for records, read in zip(self.parts, self.reads, strict=True):
            here = {position - first for position in bad if first <= position < first + len(records)}
            first += len(records)
            left_out += len(here)
            parts.append(without(records, here) if here else records)
            reads.append(read.with_fewer(left_out))
        return Step(parts, reads)


def steps(read: Read, pages: Sequence[Page]) -> Iterator[Step]:
    """Yield the pages as one step, or as two: those that a checkpoint can cover now, and the rest.

    The first step ends with the last page from which a read could go on. Where a page cannot be written, those before it
    come first; then what is wrong with it is raised.
    """
    parts, reads = list[Sequence[Record]](), list[Read]()
    fault: Exception | None = None
    covered = 0
    for page in pages:
        try:
            behind, records = read.advance(page)
        except Exception as error:  # noqa: BLE001 - raised below, behind the pages before this one
            fault = error
            break
        read = behind
        parts.append(records)
        reads.append(read)
        if read.coverable:
            covered = len(parts)
    if covered:
        yield Step(parts[:covered], reads[:covered])
    if covered < len(parts):
        yield Step(parts[covered:], reads[covered:])
    if fault is not None:
        raise fault
