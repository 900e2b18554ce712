"""One connection, and a transaction for each call that brings rows and the ledger's entry into the database together.

Synchronous; never used by two threads at once.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.destinations.ledger import Entry, Phase, started_read
from connector_kit.destinations.sqlite import state_table, tables
from connector_kit.errors import DestinationError, SchemaMismatchError
from connector_kit.records.batches import parts_of
from connector_kit.records.catalog import Entity, Scalar
from connector_kit.records.checkpoint import Mode

from .bad_records import bad_records
from .file import close_database
from .rows import Columns, arranged, by_names
from .tables import SQLiteTable, next_table, table_name, transaction
from .values import ColumnType, Fitted, column_type, fitted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector_kit.records.checkpoint import Checkpoint, EntityState, FingerprintLog
    from connector_kit.records.page import Record

__all__ = ["Database"]

_UNUSABLE = (SchemaMismatchError, TypeError, ValueError, AttributeError, RecursionError)
"""What a record raises that cannot be stored, or that is none. Text with lone surrogates is a ValueError to sqlite3."""


@attrs.frozen
class _Read:
    """A read that has been started: its entry as it is stored, and the table its rows go to, beside the one that is shown.

    `log` is how many bytes the stored log of fingerprints has.
    """

    entity: Entity
    mode: Mode
    entry: Entry
    table: SQLiteTable
    current: SQLiteTable
    log: int

    @property
    def replacing(self) -> bool:
        """Whether the table is that of a new generation."""
        return self.mode == "replace"

    @property
    def key(self) -> tuple[str, ...]:
        """The primary key that rows are told apart by."""
        return () if self.mode == "append" else self.entity.primary_key

    @property
    def decimals(self) -> frozenset[str]:
        """The fields whose text stands for decimals."""
        return frozenset(field.name for field in self.entity.fields if field.type is Scalar.DECIMAL)

    @property
    def paths(self) -> tuple[str, ...]:
        """The keys that lead into nested records; each has a column of its own."""
        return tuple(name for name in self.entity.primary_key if "." in name)


@attrs.define(eq=False)
class Database:
    """The rows and checkpoints in one database. Where a call raises, its transaction has been rolled back."""

    _connection: sqlite3.Connection
    _reads: dict[str, _Read] = attrs.field(factory=dict[str, _Read], init=False)

    def close(self) -> None:
        """Release the database. What is stored is safe without this, too."""
        close_database(self._connection)

    def start(self, entity: Entity, mode: Mode, *, resume: bool) -> Checkpoint | None:
        """Drop what no checkpoint covers, prepare the table, and return the checkpoint of its rows."""
        name = table_name(entity.name)
        self._reads.pop(name, None)
        with transaction(self._connection):
            entry = state_table.find_or_new(self._connection, name)
            current = self._find_current(name)
            if not current.is_there:
                entry = self._forgotten(entry)
            following = tables.find_table(self._connection, next_table(name), others=current.others)
            start = entry.start(mode, resume=resume, unfinished=following.is_there)
            tables.cut(self._connection, current, start.keep_current)
            if start.continued:
                tables.cut(self._connection, following, start.keep_following)
            else:
                tables.drop(self._connection, following.name)
                state_table.forget_log(self._connection, name, following=True)
                following = SQLiteTable(following.name)
            if mode == "replace":
                self._refuse_added(entity, current)
                table = self._prepared(entity, following, entity.primary_key, current)
            else:
                current = table = self._prepared(
                    entity, current, entity.primary_key if mode == "upsert" else ()
                )
            entry = attrs.evolve(start.entry, owned=current.is_there)
            checkpoint = entry.target.decoded()
            if checkpoint is not None:
                log = state_table.load_log(self._connection, name, following=mode == "replace")
                checkpoint = checkpoint.with_log(log)
            state_table.save(self._connection, entry)
            state_table.save_columns(self._connection, name, current.columns)
        size = 0 if checkpoint is None else checkpoint.log.size
        self._reads[name] = _Read(entity, mode, entry, table, current, size)
        return checkpoint

    def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None) -> None:
        """Store records and checkpoint in one transaction. Raise `BadRecordError` for records that cannot be stored."""
        read = started_read(self._reads, entity, "write")
        encoded = None if checkpoint is None else (checkpoint.to_json(), checkpoint.log)
        try:
            self._reads[entity] = self._written(read, records, encoded)
        except _UNUSABLE as error:
            bad = bad_records(
                entity,
                read.table,
                read.key,
                records,
                needs_key=read.mode == "upsert",
                most_columns=self._most_columns,
            )
            if bad is None:
                raise
            raise bad from error

    def finish(self, entity: str, checkpoint: Checkpoint) -> None:
        """Store the last checkpoint; with mode "replace", put the new generation in the place of the old one."""
        read = started_read(self._reads, entity, "finish")
        made = read.table.is_there
        entry = attrs.evolve(read.entry.finish(checkpoint.to_json()), owned=made)
        with transaction(self._connection):
            read.entry.refuse_superseded(state_table.stored_run(self._connection, entity))
            state_table.save_log(self._connection, entity, checkpoint.log, read.log, following=read.replacing)
            if read.replacing:
                state_table.promote_log(self._connection, entity)
            if read.replacing and made:
                tables.swap(self._connection, read.current, read.table)
            state_table.save(self._connection, entry)
            state_table.save_columns(self._connection, entity, read.table.columns)
        del self._reads[entity]

    def states(self) -> Mapping[str, EntityState]:
        """Return each entity's last checkpoint: of its unfinished generation, if that has one."""
        return state_table.all_states(self._connection)

    def count(self, entity: str) -> int:
        """Return the number of rows that are shown."""
        return tables.count(self._connection, self._find_current(entity))

    def reset(self, entity: str) -> None:
        """Forget the checkpoint, the rows that none covers, and an unfinished generation."""
        self._reads.pop(entity, None)
        with transaction(self._connection):
            entry = state_table.find(self._connection, entity)
            if entry is None:
                return
            current = self._find_current(entity)
            tables.cut(self._connection, current, entry.current.covered)
            tables.drop(self._connection, next_table(entity))
            state_table.forget_log(self._connection, entity, following=False)
            state_table.forget_log(self._connection, entity, following=True)
            state_table.save(self._connection, attrs.evolve(entry.reset(), owned=current.is_there))

    @property
    def _most_columns(self) -> int:
        return self._connection.getlimit(sqlite3.SQLITE_LIMIT_COLUMN)

    def _find_current(self, entity: str) -> SQLiteTable:
        """Return the entity's table. Raise `DestinationError` for one that somebody else made."""
        entry = state_table.find(self._connection, entity)
        if (entry is None or not entry.owned) and tables.is_taken(self._connection, entity):
            raise DestinationError(
                f"a table named {entity!r} is there and was not made by this destination; expected the name to be "
                "free; rename that table, or give the entity another name there with its option `table`"
            )
        ours = state_table.made_columns(self._connection, entity)
        return tables.find_table(self._connection, entity, ours=ours)

    def _forgotten(self, entry: Entry) -> Entry:
        """Return an entry without its checkpoint where it had a table and somebody has dropped it: all is read again."""
        if not entry.owned:
            return entry
        state_table.forget_log(self._connection, entry.entity, following=False)
        return Entry(entry.entity, entry.run, following=entry.following, phase=_phase_of(entry))

    def _refuse_added(self, entity: Entity, current: SQLiteTable) -> None:
        """Refuse to replace a table with values of somebody's that no new row could be given."""
        if current.others and not (entity.primary_key and {*entity.primary_key} <= {*current.types}):
            raise DestinationError(
                f"table {entity.name!r} has columns that somebody added ({', '.join(current.others)}), and a replace would lose "
                "their values; expected none, or a primary key to carry them over by; keep them in a table of your own with a "
                "view over both, or use another mode"
            )

    def _prepared(
        self, entity: Entity, table: SQLiteTable, key: tuple[str, ...], model: SQLiteTable | None = None
    ) -> SQLiteTable:
        """Return the table, made or changed, with columns for all fields that are known, and this primary key."""
        announced = {field.name: column_type(field.type) for field in entity.fields}
        names = (*announced, *entity.primary_key)
        if table.is_there:
            tables.refuse_columns(entity.name, table, names, self._most_columns)
            new = {name: announced.get(name, ColumnType.ANY) for name in names if name not in table.types}
            table = tables.change(self._connection, table, new)
            return tables.set_key(self._connection, table, key)
        # With the old columns, too: the views and indexes that people made on them go on working.
        old = SQLiteTable(table.name).types if model is None else model.types
        types = {**old, **{name: announced.get(name, old.get(name, ColumnType.ANY)) for name in names}}
        return self._created(entity.name, table, types, key, model)

    def _created(
        self,
        entity: str,
        table: SQLiteTable,
        types: Mapping[str, ColumnType],
        key: tuple[str, ...],
        model: SQLiteTable | None = None,
    ) -> SQLiteTable:
        if not types:
            return table
        model = model if model is not None and model.is_there else None
        others = () if model is None else model.others
        tables.refuse_columns(entity, SQLiteTable(table.name, others=others), types, self._most_columns)
        return tables.create(self._connection, table.name, types, key, model)

    def _written(
        self, read: _Read, records: Sequence[Record], checkpoint: tuple[bytes, FingerprintLog] | None
    ) -> _Read:
        entity = read.entry.entity
        with transaction(self._connection):
            read.entry.refuse_superseded(state_table.stored_run(self._connection, entity))
            table, log = read.table, read.log
            if checkpoint is not None:
                entry = read.entry.cover(checkpoint[0])
                log = state_table.save_log(
                    self._connection, entity, checkpoint[1], log, following=read.replacing
                )
            elif read.mode == "upsert" or read.entry.target.covered is not None:
                entry = read.entry.leave_provisional()  # upserted rows may stay
            else:
                entry = read.entry.leave_provisional(tables.last_row(self._connection, table))
            for part in parts_of(records):  # one after the other: rows take many times what their JSON takes
                table = self._store(read, table, list(part))
            if not read.replacing:
                entry = attrs.evolve(entry, owned=True) if table.is_there and not entry.owned else entry
            state_table.save(self._connection, entry)
            if not read.replacing and table.columns != read.table.columns:
                state_table.save_columns(self._connection, entity, table.columns)
        return attrs.evolve(
            read, entry=entry, table=table, current=read.current if read.replacing else table, log=log
        )

    def _store(self, read: _Read, table: SQLiteTable, batch: list[Record]) -> SQLiteTable:
        """Store the records, whose fields the table gets first; return the table as it is then."""
        if not batch:
            return table
        columns = arranged(batch, read.paths)
        self._connection.execute("SAVEPOINT part")
        try:
            table = self._insert(read, table, columns)
        except OverflowError:  # an integer beyond 64 bits
            self._connection.execute("ROLLBACK TO part")
            table = self._insert(read, table, columns, any_integer=True)
        self._connection.execute("RELEASE part")
        return table

    def _insert(
        self, read: _Read, table: SQLiteTable, columns: Columns, *, any_integer: bool = False
    ) -> SQLiteTable:
        table, fits = self._fitted(read, table, columns, any_integer=any_integer)
        if not table.is_there:
            raise SchemaMismatchError(
                f"the first records of entity {read.entity.name!r} have no fields, and its catalog entry has none; expected at "
                "least one, since SQLite has no table without columns; name the entity's fields in the catalog"
            )
        _refuse_unusable_keys(read, columns, fits)
        if columns.positions is None:
            names, rows = columns.stored_rows(fits)
            self._connection.executemany(tables.insert(table, names), rows)
        else:
            self._insert_sparse(table, columns, fits)
        return table

    def _insert_sparse(self, table: SQLiteTable, columns: Columns, fits: Mapping[str, Fitted]) -> None:
        """Store each record with the columns alone that it has: a row of thousands takes as long as many narrow ones."""
        rows, over = columns.sparse_rows(fits), False
        key = table.key
        if key:
            last: dict[Any, int] = {}
            values = [dict(zip(names, stored, strict=True)) for names, stored in rows]
            keys = [tuple(map(each.get, key)) for each in values]
            last.update((value, index) for index, value in enumerate(keys) if None not in value)
            rows = [
                row for index, row in enumerate(rows) if None in keys[index] or last[keys[index]] == index
            ]
            over = self._connection.executemany(tables.clear(table), list(last)).rowcount > 0
        for names, stored in by_names(rows):
            sql = tables.insert(table, names, over=over, all_columns=False)
            self._connection.executemany(sql, stored)

    def _fitted(
        self, read: _Read, table: SQLiteTable, columns: Columns, *, any_integer: bool
    ) -> tuple[SQLiteTable, dict[str, Fitted]]:
        """Return the values as the table's columns keep them, and the table with the columns and types they need."""
        entity = read.entity.name
        if not table.types.keys() >= columns.values.keys():
            tables.refuse_columns(entity, table, columns.values, self._most_columns)
        fits, mixed = dict[str, Fitted](), list[str]()
        for name, values in columns.values.items():
            kind = table.types.get(name)
            untyped = kind is None
            if (
                kind is ColumnType.ANY
                and name not in table.mixed
                and any(value is not None for value in values)
            ):
                untyped = tables.is_all_null(self._connection, table, name)
                mixed.append(name)
            try:
                fits[name] = fitted(
                    kind or ColumnType.ANY,
                    values,
                    untyped=untyped,
                    any_integer=any_integer,
                    decimal_texts=name in read.decimals,
                    key=name in read.entity.primary_key,
                )
            except (TypeError, ValueError, RecursionError) as error:
                raise SchemaMismatchError(
                    f"a value of field {name!r} of entity {entity!r} cannot be stored: {error}; expected what JSON has, a date, "
                    "a time, a Decimal or bytes; convert it in the connector"
                ) from error
        types = {name: fit.type for name, fit in fits.items()}
        if not table.is_there:
            table = self._created(entity, table, types, read.key)
        digits = [name for name, fit in fits.items() if fit.digits is not None]
        table = tables.change(self._connection, table, types, digits) if table.is_there else table
        return (attrs.evolve(table, mixed=table.mixed | set(mixed)) if mixed else table), fits


def _phase_of(entry: Entry) -> Phase:
    return Phase.REPLACING if entry.following else Phase.IDLE


def _refuse_unusable_keys(read: _Read, columns: Columns, fits: Mapping[str, Fitted]) -> None:
    for key in read.key:
        values = fits[key].values if key in fits else ()
        if read.mode == "upsert" and (len(values) < columns.count or None in values):
            raise SchemaMismatchError(
                f"a record of entity {read.entity.name!r} has no value for {key!r} of its primary key; expected one in "
                "every record; name another primary key or use mode 'append' or 'replace'"
            )
        if float in set(map(type, values)) and any(value != value for value in values):  # noqa: PLR0124 - that is what tells NaN
            raise SchemaMismatchError(
                f"{key!r} of a primary key of entity {read.entity.name!r} is NaN; expected a value that equals itself; "
                "name another primary key"
            )
