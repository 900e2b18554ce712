"""What is kept of each entity besides its rows: checkpoints, how far they reach, and whose turn it is to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from connector_kit.errors import ConfigError, DestinationError
from connector_kit.records.checkpoint import Checkpoint

from .statements import STATE_TABLE

if TYPE_CHECKING:
    import sqlite3

__all__ = ["CREATE_STATES", "Extent", "State", "all_checkpoints", "claim", "find", "held", "save"]

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


@attrs.frozen
class Extent:
    """How far the rows of one table are covered: `checkpoint` as JSON, and the number of the last row it covers.

    With `provisional` None it covers all of them, whoever has added some.
    """

    checkpoint: str | None = None
    provisional: int | None = None

    def decoded(self) -> Checkpoint | None:
        """Give the checkpoint as a value."""
        return None if self.checkpoint is None else Checkpoint.from_json(self.checkpoint)


@attrs.frozen
class State:
    """One row of the state table.

    `run` is counted up by whoever starts a read or resets, so that a write of an earlier run fails instead of mixing
    in. `made` says that the entity's table has been created: one that is gone is then not taken for one without
    rows. `current` is about that table, `following` about the generation that a replace builds beside it.
    """

    entity: str
    run: int = 0
    made: bool = False
    current: Extent = Extent()
    following: Extent = Extent()


def find(connection: sqlite3.Connection, entity: str) -> State | None:
    """Give what is kept of an entity, if anything is."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM {STATE_TABLE} WHERE entity = ?",  # noqa: S608 - two constants
        (entity,),
    ).fetchone()
    if row is None:
        return None
    name, run, made, *extents = row
    return State(name, run, bool(made), Extent(*extents[:2]), Extent(*extents[2:]))


def claim(connection: sqlite3.Connection, entity: str) -> State:
    """Give what is kept of an entity, with a new `run`: earlier ones can no longer write.

    Raises `ConfigError` where another entity has the same name but for its case: they would share a table.
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
    state = find(connection, entity) or State(entity)
    return attrs.evolve(state, run=state.run + 1)


def held(connection: sqlite3.Connection, entity: str, run: int) -> State:
    """Give what is kept of an entity whose read this run has started; refuse where another run has come since."""
    state = find(connection, entity)
    if state is None or state.run != run:
        raise DestinationError(
            f"another run has started to write entity {entity!r}, or has reset it; expected to be the only one; "
            "let one run at a time write an entity"
        )
    return state


def save(connection: sqlite3.Connection, state: State) -> None:
    """Store what is to be kept of an entity."""
    connection.execute(
        f"INSERT OR REPLACE INTO {STATE_TABLE} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - two constants
        (
            state.entity,
            state.run,
            state.made,
            state.current.checkpoint,
            state.current.provisional,
            state.following.checkpoint,
            state.following.provisional,
        ),
    )


def all_checkpoints(connection: sqlite3.Connection) -> dict[str, Checkpoint]:
    """Give each entity's last checkpoint: of its unfinished generation, if that has one."""
    rows = connection.execute(
        f"SELECT entity, coalesce(next_checkpoint, checkpoint) AS last FROM {STATE_TABLE} "  # noqa: S608 - a constant
        "WHERE last IS NOT NULL ORDER BY entity"
    )
    return {entity: Checkpoint.from_json(encoded) for entity, encoded in rows}
