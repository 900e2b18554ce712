"""The table in which the database keeps an entry of the ledger for each entity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.destinations.ledger import Entry, Generation, Phase, decoded_state
from connector_kit.errors import ConfigError

from .tables import STATE_TABLE

if TYPE_CHECKING:
    import sqlite3

    from connector_kit.records.checkpoint import EntityState

__all__ = ["CREATE_STATES", "all_states", "find", "find_or_new", "save", "stored_run"]

CREATE_STATES = f"""
CREATE TABLE {STATE_TABLE} (
    entity TEXT PRIMARY KEY NOT NULL,
    run INTEGER NOT NULL,
    made INTEGER NOT NULL,
    checkpoint TEXT,
    provisional INTEGER,
    next_checkpoint TEXT,
    next_provisional INTEGER
)"""

_COLUMNS = "entity, run, made, checkpoint, provisional, next_checkpoint, next_provisional"


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
        f"SELECT entity FROM {STATE_TABLE} WHERE entity = ? COLLATE NOCASE AND entity <> ?",  # noqa: S608 - a constant
        (entity, entity),
    ).fetchone()
    if twin is not None:
        raise ConfigError(
            f"entities {entity!r} and {twin[0]!r} differ only in case; SQLite's table names ignore case, so that they "
            "cannot be told apart; write one of them to another file"
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
        f"INSERT OR REPLACE INTO {STATE_TABLE} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - two constants
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


def all_states(connection: sqlite3.Connection) -> dict[str, EntityState]:
    """Return each entity's last checkpoint, of its unfinished generation if that has one, or why it cannot be decoded."""
    rows = connection.execute(
        f"SELECT entity, coalesce(next_checkpoint, checkpoint) AS last FROM {STATE_TABLE} "  # noqa: S608 - a constant
        "WHERE last IS NOT NULL ORDER BY entity"
    )
    return {entity: decoded_state(entity, encoded) for entity, encoded in rows}


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
