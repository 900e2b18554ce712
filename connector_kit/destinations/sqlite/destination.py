"""The asynchronous front: every call runs in a worker thread, one at a time, to its end."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
import attrs

from connector_kit.destinations.modes import refuse_mode
from connector_kit.destinations.worker import Worker
from connector_kit.errors import DestinationError

from .failures import explained
from .place import connected
from .store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connector_kit.records.catalog import Entity
    from connector_kit.records.checkpoint import Checkpoint, Mode
    from connector_kit.records.page import Record

__all__ = ["SqliteDestination"]

T = TypeVar("T")

_MODES: frozenset[Mode] = frozenset({"append", "upsert", "replace"})


@attrs.define(eq=False)
class SqliteDestination:
    """A table for each entity in the SQLite file at `path`, which is made if it is not there.

    `busy_timeout` is how many seconds to wait for a lock that another process holds. `connection` is the class of
    the connection, for those who need their own (extensions, encryption, tests).

    A call that is cancelled ends first: no transaction is left open, and what it stored is stored.
    """

    path: Path = attrs.field(converter=Path)
    busy_timeout: float = attrs.field(default=10.0, kw_only=True)
    connection: type[sqlite3.Connection] = attrs.field(default=sqlite3.Connection, kw_only=True)
    _store: Store | None = attrs.field(default=None, init=False)
    _worker: Worker = attrs.field(factory=Worker, init=False)

    @property
    def modes(self) -> frozenset[Mode]:
        """All three."""
        return _MODES

    async def open(self) -> None:
        """Open the file and mark a new one as ours; refuse anything else, untouched, with `DestinationError`."""
        await self._in_thread(self._open)

    async def close(self) -> None:
        """Release the file. Safe at any time and twice."""
        with anyio.CancelScope(shield=True):
            await self._in_thread(self._close)

    async def start(self, entity: Entity, mode: Mode, /, *, resume: bool = True) -> Checkpoint | None:
        """Drop rows that no checkpoint covers, prepare the entity's table, and give its checkpoint.

        With mode "replace", that is the checkpoint of the unfinished generation that is continued; None for a new
        one, whatever the rows it is to replace have.
        """
        refuse_mode(mode, _MODES, entity, "SQLite")
        return await self._with_store(partial(Store.start, entity=entity, mode=mode, resume=resume))

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        """Store the records and the checkpoint that covers them in one transaction.

        Raises `SchemaMismatchError` for records that SQLite cannot hold.
        """
        await self._with_store(partial(Store.write, entity=entity, records=records, checkpoint=checkpoint))

    async def finish(self, entity: str, checkpoint: Checkpoint, /) -> None:
        """Store the last checkpoint and, with mode "replace", let the new generation take over, in one transaction."""
        await self._with_store(partial(Store.finish, entity=entity, checkpoint=checkpoint))

    async def checkpoints(self) -> Mapping[str, Checkpoint]:
        """Give the last checkpoint of every entity."""
        return await self._with_store(Store.checkpoints)

    async def reset(self, entity: str, /) -> None:
        """Forget the entity's checkpoint and what it does not cover. An entity that is not there is no error."""
        await self._with_store(partial(Store.reset, entity=entity))

    def _open(self) -> None:
        if self._store is None:
            self._store = Store(connected(self.path, self.busy_timeout, self.connection))

    def _close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()

    async def _with_store(self, call: Callable[[Store], T]) -> T:
        def run() -> T:
            if self._store is None:
                raise DestinationError(f"{self.path} is not open; expected open() before; call it first")
            return call(self._store)

        return await self._in_thread(run)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        try:
            return await self._worker.run(call)
        except sqlite3.Error as error:
            raise explained(error, self.path) from error
