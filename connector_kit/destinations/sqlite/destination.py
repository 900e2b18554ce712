"""`SQLiteDestination`: every call runs in a worker thread, one at a time, to its end."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
import attrs

from connector_kit.destinations.ledger import refuse_mode
from connector_kit.destinations.worker import Worker
from connector_kit.errors import DestinationError

from .database import Database
from .file import open_database

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connector_kit.records.catalog import Entity
    from connector_kit.records.checkpoint import Checkpoint, EntityState, Mode
    from connector_kit.records.page import Record

__all__ = ["SQLiteDestination"]

T = TypeVar("T")

_MODES: frozenset[Mode] = frozenset({"append", "upsert", "replace"})
_MEANINGS = {
    "SQLITE_BUSY": (
        "is locked by another process",
        "the lock to be free in time",
        "wait for the other process, or end it, and run again",
    ),
    "SQLITE_FULL": (
        "cannot grow: the disk is full",
        "room for the records",
        "free some space and run again; what is stored is intact",
    ),
    "SQLITE_CANTOPEN": (
        "cannot be opened or created",
        "a file in a folder that may be written to",
        "choose another place or change its permissions",
    ),
    "SQLITE_READONLY": (
        "cannot be written to",
        "a file and a folder that may be written to",
        "choose another place or change their permissions",
    ),
    "SQLITE_NOTADB": (
        "is no SQLite database, or an encrypted one",
        "a new file, or one that this destination made",
        "choose another file",
    ),
    "SQLITE_CORRUPT": (
        "is damaged",
        "a sound SQLite database",
        "restore it from a backup, or choose another file and read again",
    ),
    "SQLITE_CONSTRAINT": (
        "has a constraint that a record does not fulfil",
        "tables as this destination made them",
        "drop the index or trigger that was added to the table",
    ),
}


@attrs.define(eq=False)
class SQLiteDestination:
    """A table for each entity in the SQLite file at `path`, which is made if it is not there.

    `busy_timeout` is how many seconds to wait for a lock that another process holds. `connection` is the class of
    the connection, for those who need their own (extensions, encryption, tests).

    A call that is cancelled ends first: no transaction is left open, and what it stored is stored.
    """

    path: Path = attrs.field(converter=Path)
    busy_timeout: float = attrs.field(default=10.0, kw_only=True)
    connection: type[sqlite3.Connection] = attrs.field(default=sqlite3.Connection, kw_only=True)
    _database: Database | None = attrs.field(default=None, init=False)
    _worker: Worker = attrs.field(factory=Worker, init=False)

    @property
    def modes(self) -> frozenset[Mode]:
        """All three."""
        return _MODES

    def exists(self) -> bool:
        """Return whether the file is there."""
        return self.path.exists()

    async def open(self) -> None:
        """Open the file and mark a new one as ours; refuse anything else, untouched, with `DestinationError`."""
        await self._in_thread(self._open)

    async def close(self) -> None:
        """Release the file. Safe at any time and twice."""
        with anyio.CancelScope(shield=True):
            await self._in_thread(self._close)

    async def start(self, entity: Entity, mode: Mode, /, *, resume: bool = True) -> Checkpoint | None:
        """Drop rows that no checkpoint covers, prepare the entity's table, and return its checkpoint.

        With mode "replace", that is the checkpoint of the unfinished generation that is continued; None for a new
        one, whatever the rows it is to replace have.
        """
        refuse_mode(mode, _MODES, entity, "SQLite")
        return await self._with_database(partial(Database.start, entity=entity, mode=mode, resume=resume))

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        """Store the records and the checkpoint that covers them in one transaction.

        Raise `SchemaMismatchError` for records that SQLite cannot hold.
        """
        await self._with_database(
            partial(Database.write, entity=entity, records=records, checkpoint=checkpoint)
        )

    async def finish(self, entity: str, checkpoint: Checkpoint, /) -> None:
        """Store the last checkpoint and, with mode "replace", let the new generation take over, in one transaction."""
        await self._with_database(partial(Database.finish, entity=entity, checkpoint=checkpoint))

    async def states(self) -> Mapping[str, EntityState]:
        """Return what is kept of each entity. One whose table somebody has dropped is none any more."""
        return await self._with_database(Database.states)

    async def count(self, entity: str, /) -> int:
        """Return the number of rows that the entity's table shows now."""
        return await self._with_database(partial(Database.count, entity=entity))

    async def reset(self, entity: str, /) -> None:
        """Forget the entity's checkpoint and what it does not cover. An entity that is not there is no error."""
        await self._with_database(partial(Database.reset, entity=entity))

    def _open(self) -> None:
        if self._database is None:
            self._database = Database(open_database(self.path, self.busy_timeout, self.connection))

    def _close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()

    async def _with_database(self, call: Callable[[Database], T]) -> T:
        def run() -> T:
            if self._database is None:
                raise DestinationError(f"{self.path} is not open; expected open() before; call it first")
            return call(self._database)

        return await self._in_thread(run)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        try:
            return await self._worker.run(call)
        except sqlite3.Error as error:
            raise _explained(error, self.path) from error


def _explained(error: sqlite3.Error, path: Path) -> DestinationError:
    """Return the error to raise from one of sqlite3's."""
    name = getattr(error, "sqlite_errorname", "")
    primary = "_".join(name.split("_")[:2])  # SQLITE_BUSY_SNAPSHOT is a kind of SQLITE_BUSY
    happened, expected, mend = _MEANINGS.get(
        primary,
        (
            "cannot be used",
            "SQLite to carry out the statement",
            "look at SQLite's message; what is stored is intact",
        ),
    )
    return DestinationError(f"{path} {happened} (SQLite says: {error}); expected {expected}; {mend}")
