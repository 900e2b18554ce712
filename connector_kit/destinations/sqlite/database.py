"""One connection, and a transaction for each call that brings rows and the ledger's entry into the database together.

Synchronous; never used by two threads at once.
"""

from __future__ import annotations

import sqlite3
from operator import itemgetter
from typing import TYPE_CHECKING

import attrs

from connector_kit.destinations.ledger import Entry, Phase, started_read
from connector_kit.destinations.sqlite import tables
from connector_kit.errors import DestinationError, SchemaMismatchError
from connector_kit.records.batches import parts_of

from .state_table import all_states, find, find_or_new, save, stored_run
from .tables import SQLiteTable, insert, next_table, table_name, transaction
from .values import Row, to_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector_kit.records.catalog import Entity
    from connector_kit.records.checkpoint import Checkpoint, EntityState, Mode
    from connector_kit.records.page import Record

__all__ = ["Database"]


@attrs.frozen
class _Read:
    """A read that has been started: its entry as it is stored, and the table its rows go to.

    `key` is the primary key in mode "upsert", else empty.
    """

    entry: Entry
    table: SQLiteTable
    key: tuple[str, ...]

    @property
    def replacing(self) -> bool:
        """Whether the table is that of a new generation."""
        return self.entry.phase is Phase.REPLACING


@attrs.define(eq=False)
class Database:
    """The rows and checkpoints in one database. Where a call raises, its transaction has been rolled back."""

    _connection: sqlite3.Connection
    _reads: dict[str, _Read] = attrs.field(factory=dict[str, _Read], init=False)

    def close(self) -> None:
        """Release the database. What is stored is safe without this, too."""
        self._connection.close()

    def start(self, entity: Entity, mode: Mode, *, resume: bool) -> Checkpoint | None:
        """Drop what no checkpoint covers, prepare the table, and return the checkpoint of its rows."""
        name = table_name(entity.name)
        fields = (*(field.name for field in entity.fields), *entity.primary_key)
        key = entity.primary_key if mode == "upsert" else ()
        self._reads.pop(name, None)
        with transaction(self._connection):
            entry = find_or_new(self._connection, name)
            current = tables.find_table(self._connection, name)
            following = tables.find_table(self._connection, next_table(name))
            self._refuse_wrong_table(entry, current, mode)
            start = entry.start(mode, resume=resume, unfinished=bool(following.columns))
            tables.cut(self._connection, current, start.keep_current)
            if start.continued:
                tables.cut(self._connection, following, start.keep_following)
            else:
                tables.drop(self._connection, following.name)
                following = SQLiteTable(following.name)
            if mode == "replace":
                # With the old columns, too: the views and indexes that people made on them go on working.
                wanted = following.with_columns(name, (*current.columns, *fields))
                table = tables.extend(self._connection, following, wanted)
            else:
                table = tables.extend(self._connection, current, current.with_columns(name, fields))
                tables.set_key_index(self._connection, table, name, key)
                current = table
            entry = attrs.evolve(start.entry, owned=bool(current.columns))
            checkpoint = entry.target.decoded()
            save(self._connection, entry)
        self._reads[name] = _Read(entry, table, key)
        return checkpoint

    def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None) -> None:
        """Store records and checkpoint in one transaction."""
        read = started_read(self._reads, entity, "write")
        encoded = None if checkpoint is None else checkpoint.to_json()
        try:
            self._insert(read, records, encoded)
        except UnicodeEncodeError as error:
            raise SchemaMismatchError(
                f"a text of entity {entity!r} cannot be stored: {error}; expected Unicode without lone surrogates; "
                "mend it in the connector"
            ) from error

    def finish(self, entity: str, checkpoint: Checkpoint) -> None:
        """Store the last checkpoint; with mode "replace", put the new generation in the place of the old one."""
        read = started_read(self._reads, entity, "finish")
        made = bool(read.table.columns)
        entry = attrs.evolve(read.entry.finish(checkpoint.to_json()), owned=made)
        with transaction(self._connection):
            read.entry.refuse_superseded(stored_run(self._connection, entity))
            if read.replacing and made:
                tables.swap(self._connection, entity)
            save(self._connection, entry)
        del self._reads[entity]

    def states(self) -> Mapping[str, EntityState]:
        """Return each entity's last checkpoint: of its unfinished generation, if that has one."""
        return all_states(self._connection)

    def count(self, entity: str) -> int:
        """Return how many rows the entity's table has; 0 where there is no table."""
        table = tables.find_table(self._connection, entity)
        return tables.count_rows(self._connection, table) if table.columns else 0

    def reset(self, entity: str) -> None:
        """Forget the checkpoint, the rows that none covers, and an unfinished generation."""
        self._reads.pop(entity, None)
        with transaction(self._connection):
            entry = find(self._connection, entity)
            if entry is None:
                return
            current = tables.find_table(self._connection, entity)
            tables.cut(self._connection, current, entry.current.covered)
            tables.drop(self._connection, next_table(entity))
            save(self._connection, attrs.evolve(entry.reset(), owned=bool(current.columns)))

    def _refuse_wrong_table(self, entry: Entry, current: SQLiteTable, mode: Mode) -> None:
        """Refuse a table that somebody else made, and a missing one whose checkpoint would skip its rows."""
        if not entry.owned and tables.is_taken(self._connection, entry.entity):
            raise DestinationError(
                f"a table named {entry.entity!r} is there and was not made by this destination; expected the name to be "
                "free; rename that table or write to another file"
            )
        if entry.owned and not current.columns and mode != "replace" and entry.current.checkpoint:
            raise DestinationError(
                f"table {entry.entity!r} is gone, but its checkpoint says that it has rows; expected both or neither; "
                "restore the table, or reset the entity's state to read it from the start"
            )

    def _insert(self, read: _Read, records: Sequence[Record], checkpoint: bytes | None) -> None:
        with transaction(self._connection):
            read.entry.refuse_superseded(stored_run(self._connection, read.entry.entity))
            table = read.table
            if checkpoint is not None:
                entry = read.entry.cover(checkpoint)
            elif read.key or read.entry.target.covered is not None:
                entry = read.entry.leave_provisional()  # upserted rows may stay
            else:
                entry = read.entry.leave_provisional(tables.last_row(self._connection, table))
            for part in parts_of(records):  # one after the other: rows take many times what their JSON takes
                table = self._insert_part(read, table, list(part))
            if table.columns and not (entry.owned or read.replacing):
                entry = attrs.evolve(entry, owned=True)
            save(self._connection, entry)
        self._reads[entry.entity] = _Read(entry, table, read.key)

    def _insert_part(self, read: _Read, table: SQLiteTable, batch: list[Record]) -> SQLiteTable:
        """Insert the records, whose fields the table gets first; return the table as it is then."""
        entity = read.entry.entity
        names, rows = to_rows(entity, batch)
        table = tables.extend(self._connection, table, table.with_columns(entity, names))
        if rows:
            _refuse_unusable(read, table, names, rows)
            sql = insert(table, names, read.key)
            self._connection.execute("SAVEPOINT part")
            try:
                self._connection.executemany(sql, rows)
            except OverflowError:
                self._connection.execute("ROLLBACK TO part")
                self._connection.executemany(sql, to_rows(entity, batch, any_integer=True)[1])
            self._connection.execute("RELEASE part")
        return table


def _refuse_unusable(read: _Read, table: SQLiteTable, names: tuple[str, ...], rows: list[Row]) -> None:
    if not table.columns:
        raise SchemaMismatchError(
            f"the first records of entity {read.entry.entity!r} have no fields, and its catalog entry has none; expected at "
            "least one, since SQLite has no table without columns; name the entity's fields in the catalog"
        )
    for key in read.key:
        if key not in names or None in map(itemgetter(names.index(key)), rows):
            raise SchemaMismatchError(
                f"a record of entity {read.entry.entity!r} has no value for {key!r} of its primary key; expected one in "
                "every record; name another primary key or use mode 'append' or 'replace'"
            )
