"""Tables: their names, columns and statements, and what is done to them within a transaction."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING

import attrs

from connector_kit.errors import ConfigError, DestinationError, SchemaMismatchError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

__all__ = [
    "STATE_TABLE",
    "SQLiteTable",
    "count_rows",
    "cut",
    "drop",
    "extend",
    "find_table",
    "fold",
    "insert",
    "is_taken",
    "last_row",
    "next_table",
    "set_key_index",
    "swap",
    "table_name",
    "transaction",
]

STATE_TABLE = "_connector_kit_state"
_OURS = "_connector_kit"
_RESERVED = (_OURS, "sqlite_")
_ROWIDS = ("rowid", "_rowid_", "oid")
_FOLDED = str.maketrans(ascii_uppercase, ascii_lowercase)


def fold(name: str) -> str:
    """Return the form in which SQLite compares names: it ignores the case of ASCII letters, and of no others."""
    return name.translate(_FOLDED)


def quoted(name: str) -> str:
    """Quote an identifier; any name without NUL is safe in SQL text then."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def table_name(entity: str) -> str:
    """Return the table of an entity: its own name. Raise `ConfigError` for one that SQLite or the kit reserves."""
    if not entity or fold(entity).startswith(_RESERVED) or not _is_writable(entity):
        raise ConfigError(
            f"entity {entity!r} cannot be a table of SQLite; expected a name that is valid text, not empty, and does not "
            f"begin with {' or '.join(_RESERVED)}; give the entity another name"
        )
    return entity


def count_rows(connection: sqlite3.Connection, table: SQLiteTable) -> int:
    """Return how many rows a table has."""
    [count] = connection.execute(f"SELECT count(*) FROM {quoted(table.name)}").fetchone()  # noqa: S608 - quoted
    return int(count)


def next_table(entity: str) -> str:
    """Return the table in which a replace builds its new generation."""
    return f"{_OURS}_next_{entity}"


def _key_index(entity: str) -> str:
    """Return the unique index that upsert goes by."""
    return f"{_OURS}_key_{entity}"


@attrs.frozen
class SQLiteTable:
    """A table as far as it matters here. Without columns it is not there yet: SQLite has no table with none.

    Columns have no declared type, hence no affinity: SQLite changes no value on the way in ("007" stays text).
    """

    name: str
    columns: tuple[str, ...] = ()
    _known: frozenset[str] = attrs.field(
        default=attrs.Factory(lambda self: frozenset(self.columns), takes_self=True),
        init=False,
        eq=False,
        repr=False,
    )

    @property
    def rowid(self) -> str:
        """The quoted name under which SQLite has the row number: the first one that no column has taken."""
        folded = {fold(column) for column in self.columns}
        return quoted(next(name for name in _ROWIDS if name not in folded))

    def with_columns(self, entity: str, names: Iterable[str]) -> SQLiteTable:
        """Return the table with these columns too; itself if it has them all.

        Raise `SchemaMismatchError` for a name that cannot be a column beside the others.
        """
        if self._known.issuperset(names):
            return self
        columns = {fold(column): column for column in self.columns}
        for name in names:
            _refuse_unwritable(entity, name)
            _refuse_clash(entity, name, columns.setdefault(fold(name), name))
        if columns.keys() >= set(_ROWIDS):
            raise SchemaMismatchError(
                f"entity {entity!r} has fields named {', '.join(_ROWIDS)}; SQLite needs one of these names to number "
                "rows; rename one of the fields in the connector"
            )
        return SQLiteTable(self.name, tuple(columns.values()))


def _refuse_unwritable(entity: str, name: object) -> None:
    if not isinstance(name, str) or not _is_writable(name):
        raise SchemaMismatchError(
            f"a record of entity {entity!r} has a field named {name!r}; expected a name that is valid text; "
            "rename it in the connector"
        )


def _refuse_clash(entity: str, name: str, taken: str) -> None:
    if name != taken:
        raise SchemaMismatchError(
            f"entity {entity!r} has the fields {taken!r} and {name!r}; SQLite's column names ignore case, so that "
            "they cannot be told apart; rename or drop one of them in the connector"
        )


def _is_writable(name: str) -> bool:
    """Return whether SQL text can hold the name: no NUL, no lone surrogate."""
    return "\0" not in name and not any("\ud800" <= letter <= "\udfff" for letter in name)


def _extensions(before: SQLiteTable, after: SQLiteTable) -> list[str]:
    """Return the statements that turn one state of a table into the other, which has the same columns and more."""
    if not before.columns:
        columns = ", ".join(map(quoted, after.columns))
        return [f"CREATE TABLE {quoted(after.name)} ({columns})"] if columns else []
    return [
        f"ALTER TABLE {quoted(after.name)} ADD COLUMN {quoted(column)}"
        for column in after.columns[len(before.columns) :]
    ]


def insert(table: SQLiteTable, names: tuple[str, ...], key: tuple[str, ...] = ()) -> str:
    """Return the statement that stores one row; with a `key`, over the row that has the same one.

    The whole row is replaced: a column that is not among `names` becomes NULL.
    """
    into = f"INSERT INTO {quoted(table.name)}"
    if not names:  # records without a single field
        return f"{into} DEFAULT VALUES"
    sql = f"{into} ({', '.join(map(quoted, names))}) VALUES ({', '.join('?' * len(names))})"
    if not key:
        return sql
    others = [quoted(column) for column in table.columns if column not in key]
    update = (
        f"UPDATE SET {', '.join(f'{column} = excluded.{column}' for column in others)}"
        if others
        else "NOTHING"
    )
    return f"{sql} ON CONFLICT ({', '.join(map(quoted, key))}) DO {update}"


# -- within a transaction --------------------------------------------------------------------------------


@contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """Commit at the end, or roll back. The lock is taken at once, so that nothing read in here is out of date."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # after some errors SQLite has rolled back already
            connection.execute("ROLLBACK")
        raise


def find_table(connection: sqlite3.Connection, name: str) -> SQLiteTable:
    """Return a table with the columns it has; without any where it is not there."""
    rows = connection.execute(
        # generated columns (hidden is not 0) were added by somebody and cannot be written to
        "SELECT x.name FROM sqlite_master m, pragma_table_xinfo(m.name) x "
        "WHERE m.type = 'table' AND m.name = ? COLLATE NOCASE AND x.hidden = 0 ORDER BY x.cid",
        (name,),
    )
    return SQLiteTable(name, tuple(column for (column,) in rows))


def is_taken(connection: sqlite3.Connection, name: str) -> bool:
    """Return whether there is a table, view or index of that name."""
    return bool(
        connection.execute("SELECT 1 FROM sqlite_master WHERE name = ? COLLATE NOCASE", (name,)).fetchone()
    )


def extend(connection: sqlite3.Connection, before: SQLiteTable, after: SQLiteTable) -> SQLiteTable:
    """Create the table or add its missing columns, and return it as it is then."""
    for statement in _extensions(before, after):
        connection.execute(statement)
    return after


def drop(connection: sqlite3.Connection, name: str) -> None:
    """Drop a table, if it is there."""
    connection.execute(f"DROP TABLE IF EXISTS {quoted(name)}")


def last_row(connection: sqlite3.Connection, table: SQLiteTable) -> int:
    """Return the number of the last row; 0 where there is none. SQLite gives each new row a higher one."""
    if not table.columns:
        return 0
    sql = f"SELECT coalesce(max({table.rowid}), 0) FROM {quoted(table.name)}"  # noqa: S608 - both quoted
    [number] = connection.execute(sql).fetchone()
    return int(number)


def cut(connection: sqlite3.Connection, table: SQLiteTable, last: int | None) -> None:
    """Delete the rows after number `last`; None deletes nothing."""
    if table.columns and last is not None:
        connection.execute(f"DELETE FROM {quoted(table.name)} WHERE {table.rowid} > ?", (last,))  # noqa: S608 - both quoted


def set_key_index(
    connection: sqlite3.Connection, table: SQLiteTable, entity: str, key: tuple[str, ...]
) -> None:
    """Let the table have the unique index that upsert goes by, or none for an empty `key`.

    An index and not a PRIMARY KEY, so that one table can be appended to, upserted into and again appended to.
    """
    index = _key_index(entity)
    indexed = connection.execute("SELECT name FROM pragma_index_info(?) ORDER BY seqno", (index,)).fetchall()
    if indexed == [(column,) for column in key]:
        return
    connection.execute(f"DROP INDEX IF EXISTS {quoted(index)}")
    if not key:
        return
    columns = ", ".join(map(quoted, key))
    try:
        connection.execute(f"CREATE UNIQUE INDEX {quoted(index)} ON {quoted(table.name)} ({columns})")
    except sqlite3.IntegrityError as error:
        raise DestinationError(
            f"table {table.name!r} has several rows with the same primary key ({', '.join(key)}), and mode 'upsert' "
            "needs at most one; use mode 'replace' or 'append', or delete the repeated rows"
        ) from error


def swap(connection: sqlite3.Connection, entity: str) -> None:
    """Put the new generation in the place of the old one, with the indexes and triggers people made on that."""
    made_by_people = connection.execute(
        "SELECT sql FROM sqlite_master WHERE tbl_name = ? COLLATE NOCASE AND type IN ('index', 'trigger') "
        "AND sql IS NOT NULL AND name <> ? COLLATE NOCASE",
        (entity, _key_index(entity)),
    ).fetchall()
    drop(connection, entity)
    connection.execute(f"ALTER TABLE {quoted(next_table(entity))} RENAME TO {quoted(entity)}")
    for (sql,) in made_by_people:
        connection.execute(sql)
