"""Names and SQL text. Pure: a `Table` says what is there, the functions give the statement to run."""

from __future__ import annotations

from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING

import attrs

from connector_kit.errors import ConfigError, SchemaMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "STATE_TABLE",
    "Table",
    "extend",
    "fold",
    "insert",
    "key_index",
    "next_table",
    "quoted",
    "table_name",
]

STATE_TABLE = "_connector_kit_state"
_OURS = "_connector_kit"
_RESERVED = (_OURS, "sqlite_")
_ROWIDS = ("rowid", "_rowid_", "oid")
_FOLDED = str.maketrans(ascii_uppercase, ascii_lowercase)


def fold(name: str) -> str:
    """Give the form in which SQLite compares names: it ignores the case of ASCII letters, and of no others."""
    return name.translate(_FOLDED)


def quoted(name: str) -> str:
    """Quote an identifier; any name without NUL is safe in SQL text then."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def table_name(entity: str) -> str:
    """Give the table of an entity: its own name. Raises `ConfigError` for one that SQLite or the kit reserves."""
    if not entity or fold(entity).startswith(_RESERVED) or not _is_writable(entity):
        raise ConfigError(
            f"entity {entity!r} cannot be a table of SQLite; expected a name that is valid text, not empty, and does not "
            f"begin with {' or '.join(_RESERVED)}; give the entity another name"
        )
    return entity


def next_table(entity: str) -> str:
    """Give the table in which a replace builds its new generation."""
    return f"{_OURS}_next_{entity}"


def key_index(entity: str) -> str:
    """Give the unique index that upsert goes by."""
    return f"{_OURS}_key_{entity}"


@attrs.frozen
class Table:
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

    def with_columns(self, entity: str, names: Iterable[str]) -> Table:
        """Give the table with these columns too; itself if it has them all.

        Raises `SchemaMismatchError` for a name that cannot be a column beside the others.
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
        return Table(self.name, tuple(columns.values()))


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
    """Say whether SQL text can hold the name: no NUL, no lone surrogate."""
    return "\0" not in name and not any("\ud800" <= letter <= "\udfff" for letter in name)


def extend(before: Table, after: Table) -> list[str]:
    """Give the statements that turn one state of a table into the other, which has the same columns and more."""
    if not before.columns:
        columns = ", ".join(map(quoted, after.columns))
        return [f"CREATE TABLE {quoted(after.name)} ({columns})"] if columns else []
    return [
        f"ALTER TABLE {quoted(after.name)} ADD COLUMN {quoted(column)}"
        for column in after.columns[len(before.columns) :]
    ]


def insert(table: Table, names: tuple[str, ...], key: tuple[str, ...] = ()) -> str:
    """Give the statement that stores one row; with a `key`, over the row that has the same one.

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
