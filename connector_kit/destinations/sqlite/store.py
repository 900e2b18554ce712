"""The mechanism: one connection, one transaction per call. Synchronous; never used by two threads at once."""

from __future__ import annotations

import sqlite3
from operator import itemgetter
from typing import TYPE_CHECKING

import attrs

from connector_kit.destinations.sqlite import tables
from connector_kit.errors import DestinationError, SchemaMismatchError
from connector_kit.records.batches import parts_of
from connector_kit.records.checkpoint import Checkpoint, Mode

from .state import Extent, State, all_checkpoints, claim, find, held, save
from .statements import Table, insert, next_table, table_name
from .transaction import transaction
from .values import Row, arranged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector_kit.records.catalog import Entity
    from connector_kit.records.page import Record

__all__ = ["Store"]


@attrs.frozen
class _Reading:
    """A read that has been started, and where its rows go. `key` is the primary key in mode "upsert", else empty."""

    entity: str
    run: int
    mode: Mode
    key: tuple[str, ...]
    table: Table


@attrs.define(eq=False)
class Store:
    """The rows and checkpoints in one database. Where a call raises, its transaction has been rolled back."""

    _connection: sqlite3.Connection
    _readings: dict[str, _Reading] = attrs.field(factory=dict, init=False)

    def close(self) -> None:
        """Release the database. What is stored is safe without this, too."""
        self._connection.close()

    def start(self, entity: Entity, mode: Mode, *, resume: bool) -> Checkpoint | None:
        """Drop what no checkpoint covers, prepare the table, and give the checkpoint of its rows."""
        name = table_name(entity.name)
        fields = (*(field.name for field in entity.fields), *entity.primary_key)
        key = entity.primary_key if mode == "upsert" else ()
        self._readings.pop(name, None)
        with transaction(self._connection):
            state = claim(self._connection, name)
            current = tables.found(self._connection, name)
            self._refuse_wrong_table(state, current, mode)
            state = self._cut_current(state, current)
            if mode == "replace":
                state, table = self._continue_or_begin(state, current, resume=resume)
                # With the old columns, too: the views and indexes that people made on them go on working.
                wanted = table.with_columns(name, (*current.columns, *fields))
                table = tables.extended(self._connection, table, wanted)
                checkpoint = state.following.decoded()
            else:
                tables.drop(self._connection, next_table(name))
                table = tables.extended(self._connection, current, current.with_columns(name, fields))
                tables.fit_key(self._connection, table, name, key)
                state = attrs.evolve(state, made=bool(table.columns), following=Extent())
                checkpoint = state.current.decoded()
            save(self._connection, state)
        self._readings[name] = _Reading(name, state.run, mode, key, table)
        return checkpoint

    def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None) -> None:
        """Store records and checkpoint in one transaction."""
        reading = self._reading(entity)
        encoded = None if checkpoint is None else checkpoint.to_json().decode()
        try:
            self._insert(reading, records, encoded)
        except UnicodeEncodeError as error:
            raise SchemaMismatchError(
                f"a text of entity {entity!r} cannot be stored: {error}; expected Unicode without lone surrogates; "
                "mend it in the connector"
            ) from error

    def finish(self, entity: str, checkpoint: Checkpoint) -> None:
        """Store the last checkpoint; with mode "replace", put the new generation in the place of the old one."""
        reading = self._reading(entity)
        extent = Extent(checkpoint.to_json().decode())
        with transaction(self._connection):
            state = held(self._connection, entity, reading.run)
            made = bool(reading.table.columns)
            if reading.mode == "replace" and made:
                tables.swap(self._connection, entity)
            save(self._connection, attrs.evolve(state, made=made, current=extent, following=Extent()))
        del self._readings[entity]

    def checkpoints(self) -> Mapping[str, Checkpoint]:
        """Give each entity's last checkpoint: of its unfinished generation, if that has one."""
        return all_checkpoints(self._connection)

    def reset(self, entity: str) -> None:
        """Forget the checkpoint, the rows that none covers, and an unfinished generation."""
        self._readings.pop(entity, None)
        with transaction(self._connection):
            state = find(self._connection, entity)
            if state is None:
                return
            current = tables.found(self._connection, entity)
            self._cut_current(state, current)
            tables.drop(self._connection, next_table(entity))
            save(self._connection, State(entity, run=state.run + 1, made=bool(current.columns)))

    def _reading(self, entity: str) -> _Reading:
        try:
            return self._readings[entity]
        except KeyError:
            raise DestinationError(
                f"no read of entity {entity!r} has been started; expected start() before write() and finish(); "
                "call it first"
            ) from None

    def _refuse_wrong_table(self, state: State, current: Table, mode: Mode) -> None:
        """Refuse a table that somebody else made, and a missing one whose checkpoint would skip its rows."""
        if not state.made and tables.is_taken(self._connection, state.entity):
            raise DestinationError(
                f"a table named {state.entity!r} is there and was not made by this destination; expected the name to be "
                "free; rename that table or write to another file"
            )
        if state.made and not current.columns and mode != "replace" and state.current.checkpoint:
            raise DestinationError(
                f"table {state.entity!r} is gone, but its checkpoint says that it has rows; expected both or neither; "
                "restore the table, or reset the entity's state to read it from the start"
            )

    def _cut_current(self, state: State, current: Table) -> State:
        tables.cut(self._connection, current, state.current.provisional)
        return attrs.evolve(state, current=Extent(state.current.checkpoint))

    def _continue_or_begin(self, state: State, current: Table, *, resume: bool) -> tuple[State, Table]:
        """Give the unfinished generation, cut back to its checkpoint; without one or if not to resume, a new one."""
        name = next_table(state.entity)
        unfinished = tables.found(self._connection, name)
        state = attrs.evolve(state, made=bool(current.columns))
        if resume and state.following.checkpoint and unfinished.columns:
            tables.cut(self._connection, unfinished, state.following.provisional)
            return attrs.evolve(state, following=Extent(state.following.checkpoint)), unfinished
        tables.drop(self._connection, name)
        return attrs.evolve(state, following=Extent()), Table(name)

    def _insert(self, reading: _Reading, records: Sequence[Record], checkpoint: str | None) -> None:
        replacing = reading.mode == "replace"
        with transaction(self._connection):
            state = held(self._connection, reading.entity, reading.run)
            table, extent = reading.table, state.following if replacing else state.current
            if checkpoint is not None:
                extent = Extent(checkpoint)
            elif extent.provisional is None and not reading.key:  # upserted rows may stay
                extent = Extent(extent.checkpoint, provisional=tables.last_row(self._connection, table))
            for part in parts_of(records):  # one after the other: rows take many times what their JSON takes
                table = self._insert_part(reading, table, list(part))
            state = (
                attrs.evolve(state, following=extent)
                if replacing
                else attrs.evolve(state, current=extent, made=bool(table.columns))
            )
            save(self._connection, state)
        self._readings[reading.entity] = attrs.evolve(reading, table=table)

    def _insert_part(self, reading: _Reading, table: Table, batch: list[Record]) -> Table:
        """Insert the records, whose fields the table is given first; give the table as it is then."""
        names, rows = arranged(reading.entity, batch)
        table = tables.extended(self._connection, table, table.with_columns(reading.entity, names))
        if rows:
            _refuse_unusable(reading, table, names, rows)
            sql = insert(table, names, reading.key)
            self._connection.execute("SAVEPOINT part")
            try:
                self._connection.executemany(sql, rows)
            except OverflowError:
                self._connection.execute("ROLLBACK TO part")
                self._connection.executemany(sql, arranged(reading.entity, batch, any_integer=True)[1])
            self._connection.execute("RELEASE part")
        return table


def _refuse_unusable(reading: _Reading, table: Table, names: tuple[str, ...], rows: list[Row]) -> None:
    if not table.columns:
        raise SchemaMismatchError(
            f"the first records of entity {reading.entity!r} have no fields, and its catalog entry has none; expected at "
            "least one, since SQLite has no table without columns; name the entity's fields in the catalog"
        )
    for key in reading.key:
        if key not in names or None in map(itemgetter(names.index(key)), rows):
            raise SchemaMismatchError(
                f"a record of entity {reading.entity!r} has no value for {key!r} of its primary key; expected one in "
                "every record; name another primary key or use mode 'append' or 'replace'"
            )
