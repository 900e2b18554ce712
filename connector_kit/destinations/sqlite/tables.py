"""What is done to tables: looked up, extended, cut back, swapped. Each function is part of somebody's transaction."""

from __future__ import annotations

import sqlite3

from connector_kit.errors import DestinationError

from .statements import Table, extend, key_index, next_table, quoted

__all__ = ["cut", "drop", "extended", "fit_key", "found", "is_taken", "last_row", "swap"]


def found(connection: sqlite3.Connection, name: str) -> Table:
    """Give a table with the columns it has; without any where it is not there."""
    rows = connection.execute(
        # generated columns (hidden is not 0) were added by somebody and cannot be written to
        "SELECT x.name FROM sqlite_master m, pragma_table_xinfo(m.name) x "
        "WHERE m.type = 'table' AND m.name = ? COLLATE NOCASE AND x.hidden = 0 ORDER BY x.cid",
        (name,),
    )
    return Table(name, tuple(column for (column,) in rows))


def is_taken(connection: sqlite3.Connection, name: str) -> bool:
    """Say whether there is a table, view or index of that name."""
    return bool(
        connection.execute("SELECT 1 FROM sqlite_master WHERE name = ? COLLATE NOCASE", (name,)).fetchone()
    )


def extended(connection: sqlite3.Connection, before: Table, after: Table) -> Table:
    """Create the table or add its missing columns, and give it as it is then."""
    for statement in extend(before, after):
        connection.execute(statement)
    return after


def drop(connection: sqlite3.Connection, name: str) -> None:
    """Drop a table, if it is there."""
    connection.execute(f"DROP TABLE IF EXISTS {quoted(name)}")


def last_row(connection: sqlite3.Connection, table: Table) -> int:
    """Give the number of the last row; 0 where there is none. SQLite gives each new row a higher one."""
    if not table.columns:
        return 0
    sql = f"SELECT coalesce(max({table.rowid}), 0) FROM {quoted(table.name)}"  # noqa: S608 - both quoted
    [number] = connection.execute(sql).fetchone()
    return int(number)


def cut(connection: sqlite3.Connection, table: Table, last: int | None) -> None:
    """Delete the rows after number `last`; None deletes nothing."""
    if table.columns and last is not None:
        connection.execute(f"DELETE FROM {quoted(table.name)} WHERE {table.rowid} > ?", (last,))  # noqa: S608 - both quoted


def fit_key(connection: sqlite3.Connection, table: Table, entity: str, key: tuple[str, ...]) -> None:
    """Let the table have the unique index that upsert goes by, or none for an empty `key`.

    An index and not a PRIMARY KEY, so that one table can be appended to, upserted into and again appended to.
    """
    index = key_index(entity)
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
    theirs = connection.execute(
        "SELECT sql FROM sqlite_master WHERE tbl_name = ? COLLATE NOCASE AND type IN ('index', 'trigger') "
        "AND sql IS NOT NULL AND name <> ? COLLATE NOCASE",
        (entity, key_index(entity)),
    ).fetchall()
    drop(connection, entity)
    connection.execute(f"ALTER TABLE {quoted(next_table(entity))} RENAME TO {quoted(entity)}")
    for (sql,) in theirs:
        connection.execute(sql)
