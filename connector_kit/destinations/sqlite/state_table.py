"""The tables in which the database keeps an entry of the ledger for each entity, its columns, and its log of fingerprints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from connector_kit.destinations.ledger import Entry, Generation, Phase, decoded_state, refuse_gap
from connector_kit.errors import ConfigError

from .tables import LOG_TABLE, STATE_TABLE, is_taken

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from connector_kit.records.checkpoint import EntityState, FingerprintLog

__all__ = [
    "CREATE_STATES",
    "all_states",
    "find",
    "find_or_new",
    "forget_log",
    "load_log",
    "log_size",
    "made_columns",
    "promote_log",
    "save",
    "save_columns",
    "save_log",
    "stored_run",
]

CREATE_STATES = (
    f"""
CREATE TABLE {STATE_TABLE} (
    entity TEXT PRIMARY KEY NOT NULL,
    run INTEGER NOT NULL,
    made INTEGER NOT NULL,
    checkpoint TEXT,
    provisional INTEGER,
    next_checkpoint TEXT,
    next_provisional INTEGER,
    columns TEXT NOT NULL DEFAULT '[]'
)""",
    f"""
CREATE TABLE {LOG_TABLE} (
    entity TEXT NOT NULL,
    next INTEGER NOT NULL,
    start INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (entity, next, start)
)""",
)
"""`columns` are those of the entity's table that the kit has made. In the log, `next` is 1 for the generation that a replace
builds, and `start` is how many bytes of the log come before."""

_NAMES = ("entity", "run", "made", "checkpoint", "provisional", "next_checkpoint", "next_provisional")
_COLUMNS = ", ".join(_NAMES)
_UPDATES = ", ".join(f"{name} = excluded.{name}" for name in _NAMES)


def find(connection: sqlite3.Connection, entity: str) -> Entry | None:
    """Return what is kept of an entity, if anything is."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM {STATE_TABLE} WHERE entity = ?",  # noqa: S608 - two constants
        (entity,),
    ).fetchone()
    return None if row is None else _entry(*row)


def find_or_new(connection: sqlite3.Connection, entity: str) -> Entry:
    """Return what is kept of an entity, or a new entry.

    Raise `ConfigError` where another entity has the same name but for its case: they would share a table.
    """
    twin = connection.execute(
        f"SELECT entity, made FROM {STATE_TABLE} WHERE entity = ? COLLATE NOCASE AND entity <> ?",  # noqa: S608 - a constant
        (entity, entity),
    ).fetchone()
    if twin is not None and (not twin[1] or is_taken(connection, entity)):
        raise ConfigError(
            f"entities {entity!r} and {twin[0]!r} differ only in case; SQLite's table names ignore case, so that they "
            "cannot be told apart; give one of them another name there with its option `table`"
        )
    return find(connection, entity) or Entry(entity)


def stored_run(connection: sqlite3.Connection, entity: str) -> int | None:
    """Return the run that started or reset the entity last."""
    row = connection.execute(
        f"SELECT run FROM {STATE_TABLE} WHERE entity = ?",  # noqa: S608 - a constant
        (entity,),
    ).fetchone()
    return None if row is None else int(row[0])


def save(connection: sqlite3.Connection, entry: Entry) -> None:
    """Store what is to be kept of an entity."""
    following = entry.following or Generation()
    connection.execute(
        f"INSERT INTO {STATE_TABLE} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (entity) DO UPDATE SET {_UPDATES}",  # noqa: S608 - constants
        (
            entry.entity,
            entry.run,
            entry.owned,
            _text(entry.current),
            entry.current.covered,
            _text(following),
            following.covered,
        ),
    )


def made_columns(connection: sqlite3.Connection, entity: str) -> frozenset[str]:
    """Return the columns of the entity's table that this destination made."""
    row = connection.execute(
        f"SELECT columns FROM {STATE_TABLE} WHERE entity = ?",  # noqa: S608 - a constant
        (entity,),
    ).fetchone()
    return frozenset(msgspec.json.decode(row[0], type=list[str])) if row else frozenset()


def save_columns(connection: sqlite3.Connection, entity: str, columns: Iterable[str]) -> None:
    """Store which columns of the entity's table this destination made; the entity has to be there."""
    connection.execute(
        f"UPDATE {STATE_TABLE} SET columns = ? WHERE entity = ?",  # noqa: S608 - a constant
        (msgspec.json.encode(list(columns)).decode(), entity),
    )


def all_states(connection: sqlite3.Connection) -> dict[str, EntityState]:
    """Return what is kept of each entity: of its unfinished generation, if that has a checkpoint.

    An entity whose table somebody has dropped is none any more.
    """
    rows = connection.execute(
        f"SELECT entity, made, coalesce(next_checkpoint, checkpoint) AS last FROM {STATE_TABLE} "  # noqa: S608 - a constant
        "WHERE last IS NOT NULL ORDER BY entity"
    ).fetchall()
    return {
        entity: decoded_state(entity, encoded)
        for entity, made, encoded in rows
        if not made or is_taken(connection, entity)
    }


# -- the log of fingerprints ---------------------------------------------------------------------------------------------


def log_size(connection: sqlite3.Connection, entity: str, *, following: bool) -> int:
    """Return the length of an entity's log in bytes."""
    [size] = connection.execute(
        f"SELECT coalesce(sum(length(bytes)), 0) FROM {LOG_TABLE} WHERE entity = ? AND next = ?",  # noqa: S608 - a constant
        (entity, following),
    ).fetchone()
    return int(size)


def load_log(connection: sqlite3.Connection, entity: str, *, following: bool) -> bytes:
    """Return the whole log of an entity's generation."""
    rows = connection.execute(
        f"SELECT bytes FROM {LOG_TABLE} WHERE entity = ? AND next = ? ORDER BY start",  # noqa: S608 - a constant
        (entity, following),
    )
    return b"".join(part for (part,) in rows)


def save_log(
    connection: sqlite3.Connection, entity: str, log: FingerprintLog, known: int, *, following: bool
) -> int:
    """Let the log be as this one says, where it has `known` bytes; return how many it has then."""
    refuse_gap(entity, log, known)
    where = (entity, following, log.keep)
    if log.keep < known:
        connection.execute(
            f"DELETE FROM {LOG_TABLE} WHERE entity = ? AND next = ? AND start >= ?",  # noqa: S608 - a constant
            where,
        )
        connection.execute(
            f"UPDATE {LOG_TABLE} SET bytes = substr(bytes, 1, ?3 - start) "  # noqa: S608 - a constant
            "WHERE entity = ?1 AND next = ?2 AND start + length(bytes) > ?3",
            where,
        )
    if log.added:
        connection.execute(f"INSERT INTO {LOG_TABLE} VALUES (?, ?, ?, ?)", (*where, log.added))  # noqa: S608 - a constant
    return log.size


def forget_log(connection: sqlite3.Connection, entity: str, *, following: bool) -> None:
    """Remove the log of one generation."""
    connection.execute(
        f"DELETE FROM {LOG_TABLE} WHERE entity = ? AND next = ?",  # noqa: S608 - a constant
        (entity, following),
    )


def promote_log(connection: sqlite3.Connection, entity: str) -> None:
    """Put the log of the following generation in the place of the current one's."""
    forget_log(connection, entity, following=False)
    connection.execute(f"UPDATE {LOG_TABLE} SET next = 0 WHERE entity = ?", (entity,))  # noqa: S608 - a constant


def _entry(
    entity: str,
    run: int,
    made: int,
    checkpoint: str | None,
    provisional: int | None,
    next_checkpoint: str | None,
    next_provisional: int | None,
) -> Entry:
    """Return the entry of a row. Where no row of the entity is provisional, it does not matter what is under way."""
    current = _generation(checkpoint, provisional)
    if next_checkpoint is not None or next_provisional is not None:
        following = _generation(next_checkpoint, next_provisional)
        return Entry(entity, run, bool(made), Phase.REPLACING, current, following)
    return Entry(entity, run, bool(made), Phase.IDLE if provisional is None else Phase.APPENDING, current)


def _generation(checkpoint: str | None, covered: int | None) -> Generation:
    return Generation(None if checkpoint is None else checkpoint.encode(), covered)


def _text(generation: Generation) -> str | None:
    return None if generation.checkpoint is None else generation.checkpoint.decode()
