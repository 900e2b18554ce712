"""Hard windows in an SQLite file, for all processes of one machine. Blocks; what waits, waits elsewhere.

Moments are those of the monotonic clock, which the processes of a machine share and which begins anew when the machine
does; `sqlite_window` says what becomes of the entries then.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from random import Random
from threading import Lock
from typing import TYPE_CHECKING

from connector_kit.errors import ConfigError, ConnectorError, TimedOutError

from .sqlite_window import TABLES, SQLiteWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .shared_terms import SharedTerms

__all__ = ["SQLiteLog"]

_APPLICATION = 0x636B6C31  # "ckl1": what `file` and we tell the file by
_IN_USE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL)
_LIMITERS = """
CREATE TABLE limiters (
    name TEXT PRIMARY KEY, rates TEXT NOT NULL, paused_from INTEGER NOT NULL, paused_until INTEGER NOT NULL
) WITHOUT ROWID
"""


class SQLiteLog:
    """The permits that processes have taken under one name, in a file that is made if there is none.

    One short transaction for each call; a process that is killed leaves the file before it or after it. The file grows
    to about 60 bytes for every permit that still counts, in each window. Calls of several threads take turns.
    `patience` is for how many seconds others may hold the file.

    Raises `ConfigError` for a file that is something else or cannot be had.
    """

    __slots__ = (
        "_connection",
        "_file",
        "_inherited",
        "_lock",
        "_now",
        "_patience",
        "_process",
        "_random",
        "_terms",
        "path",
    )

    def __init__(
        self, path: str | Path, terms: SharedTerms, now: Callable[[], int], patience: float = 5.0
    ) -> None:
        self.path = Path(path)
        self._terms = terms
        self._now = now
        self._patience = patience
        self._lock = Lock()
        self._random = Random()  # noqa: S311 - spreads processes, guards nothing
        self._connection: sqlite3.Connection | None = None
        self._inherited: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._process = os.getpid()
        try:
            self._opened()
            self.close()
        except sqlite3.Error as error:
            raise ConfigError(
                f"cannot share a limiter through {self.path}: {error}; expected a database that a limiter has made, or a "
                "path for a new one, in a folder that can be written to; correct the path, or the permissions"
            ) from error

    def take(self, cost: int) -> int:
        """Take `cost` permits if they are free and give 0, else the nanoseconds after which they may be."""
        with self._transaction() as connection:
            now = self._now()  # in the transaction: moments of one log never go back, whoever writes
            wait = self._pause_left(connection, now)
            logs = [SQLiteWindow(connection, self._terms.name, window) for window in self._terms.windows]
            for log in logs:
                wait = max(wait, log.ready_at(now, cost) - now)
            if wait == 0:
                for log in logs:
                    log.commit(now, cost)
            return wait

    def pause(self, ns: int) -> None:
        """Let nobody have a permit for so long."""
        with self._transaction() as connection:
            now = self._now()
            if self._pause_left(connection, now) < ns:
                connection.execute(
                    "UPDATE limiters SET paused_from = ?, paused_until = ? WHERE name = ?",
                    (now, now + ns, self._terms.name),
                )

    def close(self) -> None:
        """Let go of the file. Safe twice; a later call opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _prepare(self, connection: sqlite3.Connection) -> None:
        self._patiently(connection, "BEGIN IMMEDIATE")
        (found,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if found != _APPLICATION and (found or tables):
            raise ConfigError(
                f"{self.path} is a database of something else; expected one that a limiter has made, or none; give the "
                "limiter a path of its own"
            )
        if not tables:
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            for table in (_LIMITERS, *TABLES):
                connection.execute(table)
        self._patiently(connection, "COMMIT")
        # A commit waits for no disk: a killed process loses nothing, a power cut the grants of the last moments.
        self._patiently(connection, "PRAGMA journal_mode = WAL")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                connection = self._opened()
                self._patiently(connection, "BEGIN IMMEDIATE")
                try:
                    self._check_rates(connection)
                    yield connection
                    self._patiently(connection, "COMMIT")
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise ConnectorError(
                f"cannot count permits in {self.path}: {error}; expected to write them before they are used, so that "
                "none is granted; make room, or correct the permissions"
            ) from error

    def _opened(self) -> sqlite3.Connection:
        if self._process != os.getpid():
            # After a fork: the other process's connection must be neither used here nor closed.
            self._inherited, self._connection, self._process = self._connection, None, os.getpid()
        if self._connection is not None and self._file != _identity(self.path):
            self._connection.close()  # somebody has removed the file: all who come from now on share a new one
            self._connection = None
        if self._connection is None:
            self._connection = self._connect()
            self._file = _identity(self.path)
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._patiently(connection, "PRAGMA synchronous = NORMAL")
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _patiently(self, connection: sqlite3.Connection, statement: str) -> None:
        """Run a statement that needs the file for itself. SQLite's own wait sleeps up to 100 ms and is not fair."""
        until = time.monotonic() + self._patience
        while True:
            try:
                connection.execute(statement)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in _IN_USE:
                    raise
                if time.monotonic() > until:
                    raise TimedOutError(
                        f"{self.path} was in use by others for {self._patience:g} s; expected a millisecond for each; find "
                        "out which program holds the database"
                    ) from error
                time.sleep(self._random.uniform(0.0001, 0.0005))
            else:
                return

    def _check_rates(self, connection: sqlite3.Connection) -> None:
        """See that all who share the name keep to the same rates; others may follow when nothing counts any more."""
        name, rates = self._terms.name, str(self._terms.rates)
        row = connection.execute("SELECT rates FROM limiters WHERE name = ?", (name,)).fetchone()
        if row == (rates,):
            return
        if row is not None:
            (latest,) = connection.execute(
                "SELECT max(free_at) FROM grants WHERE name = ?", (name,)
            ).fetchone()
            if latest is not None and latest > self._now():
                raise ConfigError(
                    f"the limiter {name!r} in {self.path} is in use with {row[0]}; expected the same rates from all who "
                    f"share it, not {rates}; change them everywhere and wait until the old windows are over, or take "
                    "another name"
                )
            for table in ("windows", "grants"):
                connection.execute(f"DELETE FROM {table} WHERE name = ?", (name,))  # noqa: S608 - two literals
        connection.execute(
            "INSERT INTO limiters VALUES (?, ?, 0, 0) ON CONFLICT (name) DO UPDATE SET rates = excluded.rates",
            (name, rates),
        )
        connection.executemany(
            "INSERT OR IGNORE INTO windows VALUES (?, ?, 0)",
            [(name, each.ns) for each in self._terms.windows],
        )

    def _pause_left(self, connection: sqlite3.Connection, now: int) -> int:
        name = self._terms.name
        row: tuple[int, int] = connection.execute(
            "SELECT paused_from, paused_until FROM limiters WHERE name = ?", (name,)
        ).fetchone()
        begin, end = row
        if begin > now:  # the clock has begun anew
            end = now + end - begin
            connection.execute(
                "UPDATE limiters SET paused_from = ?, paused_until = ? WHERE name = ?", (now, end, name)
            )
        return max(0, end - now)


def _identity(path: Path) -> tuple[int, int] | None:
    """Tell one file from another that has taken its place."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
