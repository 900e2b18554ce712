"""Tables: their names, columns and statements, and what is done to them within a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import contextmanager
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING

import attrs

from connector_kit.errors import ConfigError, DestinationError, SchemaMismatchError

from .definition import Definition, column, quoted
from .values import ColumnType

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

__all__ = [
    "LOG_TABLE",
    "STATE_TABLE",
    "SQLiteTable",
    "change",
    "clear",
    "count",
    "create",
    "cut",
    "digits_of",
    "drop",
    "find_table",
    "fold",
    "insert",
    "is_all_null",
    "is_taken",
    "last_row",
    "next_table",
    "refuse_columns",
    "set_key",
    "swap",
    "table_name",
    "transaction",
]

STATE_TABLE = "_connector_kit_state"
LOG_TABLE = "_connector_kit_log"
_OURS = "_connector_kit"
_RESERVED = (_OURS, "sqlite_")
_DIGITS = "_digits_"
_ROWIDS = ("rowid", "_rowid_", "oid")
_FOLDED = str.maketrans(ascii_uppercase, ascii_lowercase)
_LARGE = 2**53
"""A float holds all integers up to here."""


def fold(name: str) -> str:
    """Return the form in which SQLite compares names: it ignores the case of ASCII letters, and of no others."""
    return name.translate(_FOLDED)


def table_name(entity: str) -> str:
    """Return the table of an entity: its own name. Raise `ConfigError` for one that SQLite or the kit reserves."""
    if not entity or fold(entity).startswith(_RESERVED) or not _is_writable(entity):
        raise ConfigError(
            f"entity {entity!r} cannot be a table of SQLite; expected a name that is valid text, not empty, and does not "
            f"begin with {' or '.join(_RESERVED)}; give it another name there with its option `table`"
        )
    return entity


def next_table(entity: str) -> str:
    """Return the table in which a replace builds its new generation."""
    return f"{_OURS}_next_{entity}"


def digits_of(field: str) -> str:
    """Return the column that has the digits of a field's numbers, where those are stored rounded."""
    return f"{_DIGITS}{field}"


@attrs.frozen
class SQLiteTable:
    """A table as far as it matters here. Without columns it is not there yet: SQLite has no table with none.

    `types` are those of our columns for fields, `digits` the fields that have a column for digits, too. `key` are the
    fields of its primary key. `others` are columns that people added and that can be written to; `hidden` counts the
    generated ones among them. `mixed` are columns without a declared type that are known to have values.
    """

    name: str
    types: Mapping[str, ColumnType] = attrs.field(factory=dict[str, ColumnType])
    digits: frozenset[str] = frozenset()
    key: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    mixed: frozenset[str] = frozenset()

    @property
    def is_there(self) -> bool:
        """Whether there is such a table."""
        return bool(self.types)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that we made."""
        return (*self.types, *map(digits_of, self.digits))

    @property
    def rowid(self) -> str:
        """The quoted name under which SQLite has the row number: the first one that no column has taken."""
        folded = {fold(name) for name in (*self.types, *self.others)}
        return quoted(next(name for name in _ROWIDS if name not in folded))


def refuse_columns(entity: str, table: SQLiteTable, names: Iterable[object], most: int) -> None:
    """Raise `SchemaMismatchError` where the fields of these names cannot all be columns of the table."""
    columns = {fold(name): name for name in (*table.columns, *table.others)}
    reserved = {*table.others, *map(digits_of, table.digits)}
    for name in names:
        if not isinstance(name, str) or not _is_writable(name):
            raise SchemaMismatchError(
                f"a record of entity {entity!r} has a field named {name!r}; expected a name that is valid text; give it "
                "another one in the connector"
            )
        taken = columns.setdefault(fold(name), name)
        if name != taken:
            raise SchemaMismatchError(
                f"entity {entity!r} has the fields {taken!r} and {name!r}; SQLite's column names ignore case, so that "
                "they cannot be told apart; name one of them anew with the entity's option `rename`"
            )
        if name in reserved:
            raise SchemaMismatchError(
                f"table {entity!r} has a column {name!r} that is not for a field of that name; expected another name; name the "
                "field anew with the entity's option `rename`, or rename the column if you have added it"
            )
    if columns.keys() >= set(_ROWIDS):
        raise SchemaMismatchError(
            f"entity {entity!r} has fields named {', '.join(_ROWIDS)}; SQLite needs one of these names to number "
            "rows; name one of the fields anew with the entity's option `rename`"
        )
    if len(columns) > most:
        raise SchemaMismatchError(
            f"entity {entity!r} has {len(columns):,} fields; expected at most {most:,}, as many columns as a table of SQLite "
            "can have; choose some of them with `new_fields`, or write to another kind of destination"
        )


def _is_writable(name: str) -> bool:
    """Return whether SQL text can hold the name: no NUL, no lone surrogate."""
    return "\0" not in name and not any("\ud800" <= letter <= "\udfff" for letter in name)


def insert(table: SQLiteTable, names: Sequence[str], *, over: bool = True, all_columns: bool = True) -> str:
    """Return the statement that stores one row; over the one that has the same key, if the table has a key.

    The whole row is replaced then: a column that is not among `names` becomes NULL, unless `all_columns` is false. What
    people added stays.
    """
    into = f"INSERT INTO {quoted(table.name)}"
    if not names:  # records without a single field
        return f"{into} DEFAULT VALUES"
    sql = f"{into} ({', '.join(map(quoted, names))}) VALUES ({', '.join('?' * len(names))})"
    if not (table.key and over):
        return sql
    key = table.key
    others = [quoted(name) for name in (table.columns if all_columns else names) if name not in key]
    update = (
        f"UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in others)}" if others else "NOTHING"
    )
    return f"{sql} ON CONFLICT ({', '.join(map(quoted, key))}) DO {update}"


def clear(table: SQLiteTable) -> str:
    """Return the statement that makes NULL of all in the row of a key but the key."""
    key = table.key
    names = [
        *(f"{quoted(name)} = NULL" for name in table.types if name not in key),
        *(f"{quoted(digits_of(name))} = ''" for name in table.digits),
    ]
    where = " AND ".join(f"{quoted(name)} = ?" for name in key)
    first = quoted(key[0])
    return f"UPDATE {quoted(table.name)} SET {', '.join(names) or f'{first} = {first}'} WHERE {where}"  # noqa: S608 - all quoted


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


def find_table(
    connection: sqlite3.Connection,
    name: str,
    *,
    ours: frozenset[str] | None = None,
    others: Sequence[str] = (),
) -> SQLiteTable:
    """Return a table with the columns it has; without any where it is not there.

    `ours` are the columns that this destination made, all by default but `others`.
    """
    rows = _columns(connection, name)
    mine = {column for column, *_ in rows} - set(others) if ours is None else ours
    types, digits, key, added = dict[str, ColumnType](), set[str](), list[tuple[int, str]](), list[str]()
    for column_name, kind, not_null, position, hidden in rows:
        field = column_name.removeprefix(_DIGITS)
        if hidden:  # generated: it cannot be written to
            continue
        if column_name not in mine:
            added.append(column_name)
        elif field in types and not_null and column_name == digits_of(field):
            digits.add(field)
        else:
            types[column_name] = _TYPES.get(kind, ColumnType.ANY)
            if position:
                key.append((position, column_name))
    return SQLiteTable(name, types, frozenset(digits), tuple(field for _, field in sorted(key)), tuple(added))


_TYPES = {kind.value: kind for kind in ColumnType}


def _columns(connection: sqlite3.Connection, name: str) -> list[tuple[str, str, int, int, int]]:
    """Return of each column the name, the declared type, whether it is NOT NULL, its position in the primary key, whether generated."""
    return connection.execute(
        'SELECT x.name, x.type, x."notnull", x.pk, x.hidden FROM sqlite_master m, pragma_table_xinfo(m.name) x '
        "WHERE m.type = 'table' AND m.name = ? COLLATE NOCASE ORDER BY x.cid",
        (name,),
    ).fetchall()


def is_taken(connection: sqlite3.Connection, name: str) -> bool:
    """Return whether there is a table, view or index of that name."""
    return bool(
        connection.execute("SELECT 1 FROM sqlite_master WHERE name = ? COLLATE NOCASE", (name,)).fetchone()
    )


def create(
    connection: sqlite3.Connection,
    name: str,
    types: Mapping[str, ColumnType],
    key: tuple[str, ...],
    model: SQLiteTable | None = None,
) -> SQLiteTable:
    """Create a table with these columns, and those that people have added to its model, which has to be there."""
    parts = [column(field, kind) for field, kind in types.items()]
    table = SQLiteTable(name, types, key=key)
    if model is not None:
        digits = [field for field in types if field in model.digits and field not in key]
        parts += [*map(_digits_column, digits), *_added_parts(connection, model)]
        table = attrs.evolve(table, digits=frozenset(digits), others=model.others)
    definition = Definition(parts).with_key(len(parts), key)
    connection.execute(definition.sql(name))
    return table


def _digits_column(field: str) -> str:
    return f"\n  {quoted(digits_of(field))} TEXT NOT NULL DEFAULT ''"


def _added_parts(connection: sqlite3.Connection, table: SQLiteTable) -> list[str]:
    """Return the definitions of the columns that people added, generated ones too."""
    parts, rows = _definition(connection, table.name).parts, _columns(connection, table.name)
    ours = {*table.columns}
    return [part for part, (name, *_) in zip(parts, rows, strict=False) if name not in ours]


def change(
    connection: sqlite3.Connection,
    table: SQLiteTable,
    types: Mapping[str, ColumnType],
    digits: Iterable[str] = (),
) -> SQLiteTable:
    """Give columns these types, new ones too, and add columns for the digits of some fields; return the table as it is then.

    Only the table's definition is changed, whatever its size: each type stores values of the narrower ones as they do.
    """
    new_digits = [field for field in dict.fromkeys(digits) if field not in table.digits]
    types = {name: kind for name, kind in types.items() if table.types.get(name) is not kind}
    if not types and not new_digits:
        return table
    for field in new_digits:
        _refuse_digits(table, field)
    types = {name: _holding(connection, table, name, kind) for name, kind in types.items()}
    rows = [name for name, *_ in _columns(connection, table.name)]
    definition = _definition(connection, table.name).changed(
        len(rows),
        {rows.index(name): column(name, kind) for name, kind in types.items() if name in table.types},
        [
            *(column(name, kind) for name, kind in types.items() if name not in table.types),
            *map(_digits_column, new_digits),
        ],
    )
    table = attrs.evolve(table, types={**table.types, **types}, digits=table.digits | set(new_digits))
    _redefine(connection, table, definition)
    return table


def _refuse_digits(table: SQLiteTable, field: str) -> None:
    taken = {fold(name): name for name in (*table.types, *table.others)}.get(fold(digits_of(field)))
    if taken is not None:
        raise SchemaMismatchError(
            f"field {field!r} of table {table.name!r} has a number whose digits need a column {digits_of(field)!r}, and "
            f"{taken!r} is there; expected that name to be free; name that one anew with the entity's option `rename`"
        )


def _holding(connection: sqlite3.Connection, table: SQLiteTable, name: str, kind: ColumnType) -> ColumnType:
    """Return the type, or the next one where the column has integers that it would round."""
    if kind is ColumnType.REAL and table.types.get(name) is ColumnType.INTEGER:
        sql = f"SELECT 1 FROM {quoted(table.name)} WHERE {quoted(name)} NOT BETWEEN ? AND ? LIMIT 1"  # noqa: S608 - both quoted
        if connection.execute(sql, (-_LARGE, _LARGE)).fetchone():
            return ColumnType.NUMERIC
    return kind


def _definition(connection: sqlite3.Connection, name: str) -> Definition:
    [sql] = connection.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE", (name,)
    ).fetchone()
    return Definition.of(sql)


def _redefine(connection: sqlite3.Connection, table: SQLiteTable, definition: Definition) -> None:
    """Let the table have this definition, which has the same columns in the same places and perhaps more behind them.

    This way is SQLite's own for what does not touch the content (lang_altertable.html, section 7); `ALTER TABLE`, a column
    at a time, takes seconds for a thousand. Where SQLite is told to be defensive, as on macOS, the rows are copied.
    """
    connection.execute("PRAGMA writable_schema = ON")
    try:
        connection.execute(
            "UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = ? COLLATE NOCASE",
            (definition.sql(table.name), table.name),
        )
        [version] = connection.execute("PRAGMA schema_version").fetchone()
        connection.execute(f"PRAGMA schema_version = {version + 1}")
    except sqlite3.OperationalError as error:
        if "may not be modified" not in str(error):
            raise
        _copy(connection, table, definition)
    finally:
        connection.execute("PRAGMA writable_schema = RESET")  # and read the schema anew
    rows = {name: kind for name, kind, *_ in _columns(connection, table.name)}
    if {name: rows.get(name) for name in table.types} != {
        name: kind.value for name, kind in table.types.items()
    }:
        raise DestinationError(
            f"the definition of table {table.name!r} cannot be changed; expected it as this destination made it, with columns "
            "added behind; make a table of your own and a view over both"
        )


def set_key(connection: sqlite3.Connection, table: SQLiteTable, key: tuple[str, ...]) -> SQLiteTable:
    """Return the table with this primary key, for which its rows are copied. Raise `DestinationError` for equal keys."""
    if table.key == key or not table.is_there:
        return table
    if rounded := [field for field in key if field in table.digits]:
        raise DestinationError(
            f"field {rounded[0]!r} of table {table.name!r} has numbers that are stored rounded, and is to be in its primary key now; "
            "expected keys as they came; use mode 'replace'"
        )
    columns = len(_columns(connection, table.name))
    definition = _definition(connection, table.name).with_key(columns, key)
    try:
        _copy(connection, table, definition)
    except sqlite3.IntegrityError as error:
        raise DestinationError(
            f"table {table.name!r} has several rows with the same primary key ({', '.join(key)}), and mode 'upsert' "
            "needs at most one; use mode 'replace' or 'append', or delete the repeated rows"
        ) from error
    return attrs.evolve(table, key=key)


def _copy(connection: sqlite3.Connection, table: SQLiteTable, definition: Definition) -> None:
    """Make the table anew with this definition, with all rows under their numbers, indexes and triggers."""
    copy = f"{_OURS}_copy_{table.name}"
    connection.execute(definition.sql(copy))
    columns = ", ".join(
        [
            table.rowid,
            *(quoted(name) for name, *_, hidden in _columns(connection, table.name) if not hidden),
        ]
    )
    connection.execute(
        f"INSERT INTO {quoted(copy)} ({columns}) SELECT {columns} FROM {quoted(table.name)} ORDER BY {table.rowid}"  # noqa: S608 - all quoted
    )
    _put_in_place(connection, copy, table.name)


def _put_in_place(connection: sqlite3.Connection, new: str, name: str) -> None:
    """Give a table the name of another one, which it takes the place of, and the indexes and triggers people made on that."""
    made_by_people = connection.execute(
        "SELECT sql FROM sqlite_master WHERE tbl_name = ? COLLATE NOCASE AND type IN ('index', 'trigger') AND sql IS NOT NULL",
        (name,),
    ).fetchall()
    drop(connection, name)
    connection.execute(f"ALTER TABLE {quoted(new)} RENAME TO {quoted(name)}")
    for (sql,) in made_by_people:
        connection.execute(sql)


def drop(connection: sqlite3.Connection, name: str) -> None:
    """Drop a table, if it is there."""
    connection.execute(f"DROP TABLE IF EXISTS {quoted(name)}")


def count(connection: sqlite3.Connection, table: SQLiteTable) -> int:
    """Return the number of rows."""
    if not table.is_there:
        return 0
    [rows] = connection.execute(f"SELECT count(*) FROM {quoted(table.name)}").fetchone()  # noqa: S608 - quoted
    return int(rows)


def is_all_null(connection: sqlite3.Connection, table: SQLiteTable, name: str) -> bool:
    """Return whether a column has no value in any row."""
    sql = f"SELECT 1 FROM {quoted(table.name)} WHERE {quoted(name)} IS NOT NULL LIMIT 1"  # noqa: S608 - both quoted
    return connection.execute(sql).fetchone() is None


def last_row(connection: sqlite3.Connection, table: SQLiteTable) -> int:
    """Return the number of the last row; 0 where there is none. SQLite gives each new row a higher one."""
    if not table.is_there:
        return 0
    sql = f"SELECT coalesce(max({table.rowid}), 0) FROM {quoted(table.name)}"  # noqa: S608 - both quoted
    [number] = connection.execute(sql).fetchone()
    return int(number)


def cut(connection: sqlite3.Connection, table: SQLiteTable, last: int | None) -> None:
    """Delete the rows after number `last`; None deletes nothing."""
    if table.is_there and last is not None:
        connection.execute(f"DELETE FROM {quoted(table.name)} WHERE {table.rowid} > ?", (last,))  # noqa: S608 - both quoted


def swap(connection: sqlite3.Connection, current: SQLiteTable, following: SQLiteTable) -> None:
    """Put the new generation in the place of the old one, with what people had put on that.

    The values of columns that they added go over by the primary key.
    """
    key = following.key
    if current.others and key and {*key} <= {*current.columns}:
        new, old = quoted(following.name), quoted(current.name)
        names = ", ".join(map(quoted, current.others))
        same = " AND ".join(f"o.{quoted(name)} = {new}.{quoted(name)}" for name in key)
        where = f"FROM {old} o WHERE {same}"
        connection.execute(
            f"UPDATE {new} SET ({names}) = (SELECT {names} {where}) WHERE EXISTS (SELECT 1 {where})"  # noqa: S608 - all quoted
        )
    _put_in_place(connection, following.name, current.name)
