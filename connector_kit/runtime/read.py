"""One read of one entity, as a value: where it begins, what a page adds, and what its checkpoints say. Pure functions.

`Read` knows; the transfer in `sync` moves the pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import attrs

from connector_kit.errors import ConfigError, DataError, SchemaMismatchError
from connector_kit.records.bad_records import without
from connector_kit.records.catalog import Entity
from connector_kit.records.checkpoint import Checkpoint, Mode
from connector_kit.records.page import Cursor, Record

from .boundary import Boundary
from .options import EntityOptions
from .watermark import watermark_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from connector_kit.records.page import Page

__all__ = ["Read", "Step", "choose_mode", "default_mode", "steps"]


def default_mode(entity: Entity, modes: AbstractSet[Mode]) -> Mode:
    """Return the mode that keeps every row exactly once with the least reading.

    Over the old row where there is a primary key; behind the old rows where the last cursor says what is new;
    otherwise all anew.
    """
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
    which `fetch_data` is called to go on; `watermark`, the largest replication key seen; `rows` and `pages`, counted over
    all the runs that the read takes. `boundary` tells new records from stored ones in mode "append". `resumed` says that
    an earlier run began it.
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
    boundary: Boundary = attrs.field(factory=Boundary)
    resumed: bool = False

    def begin(self, last: Checkpoint | None) -> Read:
        """Return the read at its beginning, after the destination's last checkpoint.

        Raises `ConfigError` where the options cannot work, or the checkpoint is one that must not be continued.
        """
        self._refuse_options()
        if last is not None:
            self._refuse_checkpoint(last)
            if not last.complete:
                return self._continue(last)
            if self.mode != "replace" and self.entity.incremental is not None:
                return self._begin_behind(last)
        return attrs.evolve(self, since=self.options.start)

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

        Raises `SchemaMismatchError` for a replication key that is no time, or a new field where fields are frozen.
        """
        entity, boundary, records = self.entity, self.boundary, page.records
        has_boundary = self.mode == "append" and entity.incremental == "since"
        if has_boundary:
            boundary, records = boundary.leave_out(entity, records, self.since)
        watermark = watermark_of(entity, records, self.watermark)
        if has_boundary:
            boundary = boundary.grown(entity, records, self.watermark, watermark)
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
        )
        return behind, self._fit_fields(records)

    def with_fewer(self, rows: int) -> Read:
        """Return the read with so many rows fewer, which turned out not to be stored."""
        return attrs.evolve(self, rows=self.rows - rows) if rows else self

    @property
    def coverable(self) -> bool:
        """Whether a later run could go on exactly here.

        Without a cursor, an ordered entity can go on at its watermark where writing a record again is harmless.
        """
        if self.cursor is not None:
            return True
        at_watermark = self.mode == "upsert" and self.entity.ordered and self.entity.incremental == "since"
        return at_watermark and self.watermark is not None

    def cover(self, now: datetime) -> Checkpoint | None:
        """Return the checkpoint from which a later run goes on here; None where it could not go on exactly."""
        if not self.coverable:
            return None
        return self._checkpoint(now, self.watermark if self.cursor is None else self.since)

    def finish(self, now: datetime) -> Checkpoint:
        """Return the checkpoint of the read that has ended. Raises `DataError` where the next run could not use it."""
        if self.entity.incremental == "cursor" and self.cursor is None and self.pages:
            raise DataError(
                f"entity {self.entity.name!r} is read by cursor, but its last page carries none, so the next run could not tell what is new; "
                "let the connector give a cursor with every page, or declare another way (`incremental`)"
            )
        self.boundary.check(self.entity)
        return self._checkpoint(now, self.since, complete=True)

    def without_cursor(self) -> Read | None:
        """Return where to begin when the source no longer accepts the cursor; None where that would repeat rows."""
        if self.mode == "append":
            return None
        if self.mode == "replace" or self.entity.incremental != "since":
            return Read(self.connector, self.entity, self.mode, self.options, since=self.since)
        return attrs.evolve(self, cursor=None)

    def _refuse_options(self) -> None:
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
        if not last.complete and last.mode != self.mode:
            raise ConfigError(
                f"entity {self.entity.name!r} has an unfinished read in mode {last.mode!r}, but the mode is {self.mode!r} now; run once more with "
                f"{last.mode!r} to finish it, or reset the entity's state"
            )

    def _continue(self, last: Checkpoint) -> Read:
        return attrs.evolve(
            self,
            since=last.since,
            cursor=last.cursor,
            watermark=last.watermark,
            rows=last.rows,
            pages=last.pages,
            boundary=Boundary(last.seen, last.stored),
            resumed=True,
        )

    def _begin_behind(self, last: Checkpoint) -> Read:
        """Return the read of what is new after a complete one."""
        if self.entity.incremental == "cursor":
            return attrs.evolve(self, cursor=last.cursor, watermark=last.watermark)
        boundary = Boundary()
        if self.mode == "append":
            boundary = Boundary.after(self.entity, last)
        since = _since(last.watermark, self.options)
        return attrs.evolve(self, since=since, watermark=last.watermark, boundary=boundary)

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

    def _checkpoint(self, now: datetime, since: datetime | None, *, complete: bool = False) -> Checkpoint:
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
            seen=self.boundary.seen,
            stored=self.boundary.stored,
        )


def _since(watermark: datetime | None, options: EntityOptions) -> datetime | None:
    """Return the lower bound of the next read: the lookback before the watermark, but never before the start."""
    if watermark is None:
        return options.start
    try:
        since = watermark - options.lookback.timedelta
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
