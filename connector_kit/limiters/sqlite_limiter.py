"""The limiter that the processes of one machine share through a file: the limiter, the file, one window in it.

Moments are those of the monotonic clock, which the processes of a machine share and which begins anew when the machine
does. Then an entry may end later than one made now would, and is counted as made now. None is ever forgotten too early:
the moment at which one made at `t` ends is `t + window`, and a clock that shows that much has run for a whole window
since it began.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from connector_kit.clock import AnyioClock, Clock
from connector_kit.errors import ConfigError, ConnectorError, TimedOutError

from .settings import LimiterSettings, SharedSettings
from .shared_gate import SharedGate, ThreadedStore

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from typing import Any

    from connector_kit.records.page import Quota

    from .rates import RatesLike
    from .windows import HardWindow

__all__ = ["TABLES", "SQLiteLimiter", "SQLiteStore", "SQLiteWindow"]

_APPLICATION = 0x636B6C31  # "ckl1": what `file` and we tell the file by
_IN_USE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL)
_LIMITERS = """
CREATE TABLE limiters (
    name TEXT PRIMARY KEY, rates TEXT NOT NULL, paused_from INTEGER NOT NULL, paused_until INTEGER NOT NULL
) WITHOUT ROWID
"""
TABLES = (
    """
    CREATE TABLE windows (name TEXT, window INTEGER, used INTEGER NOT NULL, PRIMARY KEY (name, window)) WITHOUT ROWID
    """,
    """
    CREATE TABLE grants (
        name TEXT, window INTEGER, place INTEGER, began INTEGER NOT NULL, free_at INTEGER NOT NULL,
        permits INTEGER NOT NULL, PRIMARY KEY (name, window, place)
    ) WITHOUT ROWID
    """,
)
"""`used` is the sum of the `permits` of a window's grants; places count up, and so do the moments in them."""


class SQLiteLimiter:
    """Grants permits under rates that hold for all processes of this machine which name the same file and `name`.

    A permit is a short transaction in a worker thread. Within a process the order is that of a `RateLimiter`; between
    processes there is none, but none is left out for long. A process that is killed takes with it no more than the
    permits it had, until their window is over. The file must be on a disk of the machine (not on a network), and all
    must name the same `rates`: hard windows, such as "10/s, 10000/day".

    `max_wait` (seconds) and `max_queue` (calls of this process) bound the waiting, as for a `RateLimiter`; what other
    processes take meanwhile is not foreseen. `clock` must be one that all processes share, as the machine's is. An
    instance belongs to one event loop at a time; it may be taken through a fork before its first use.

    Raises `ConfigError` for rates, bounds and files that make no sense; warns (`DeadRateWarning`) of a rate that
    another one makes superfluous.
    """

    __slots__ = ("_gate", "_store", "name", "rates")

    def __init__(
        self,
        path: str | Path,
        rates: RatesLike,
        *,
        name: str = "default",
        max_wait: float | None = None,
        max_queue: int | None = None,
        clock: Clock = AnyioClock(),
    ) -> None:
        settings = SharedSettings.of(
            name, LimiterSettings.of(rates, max_wait=max_wait, max_queue=max_queue, state=None)
        )
        self.name = name
        self.rates = settings.rates
        self._store = SQLiteStore(path, settings, clock.monotonic_ns)
        self._gate = SharedGate(ThreadedStore(self._store), settings, clock)

    def __repr__(self) -> str:
        return f"SQLiteLimiter({str(self._store.path)!r}, {str(self.rates)!r}, name={self.name!r})"

    @property
    def waiting(self) -> int:
        """How many calls stand in the queue of this process."""
        return self._gate.waiting

    def acquire(self, cost: int = 1) -> Coroutine[Any, Any, float]:
        """Wait for `cost` permits, take them, and return the seconds waited (0.0 where they were free).

        Raises `ConfigError` for a cost below 1 or above the smallest limit, and where others keep to other rates;
        `RateLimitError` with `retry_after` where `max_wait` or `max_queue` does not allow the wait; `ConnectorError`
        where the file cannot be written. Cancelled, it takes nothing and the next one moves up.
        """
        return self._gate.acquire(cost)

    def try_acquire(self, cost: int = 1) -> Coroutine[Any, Any, bool]:
        """Take `cost` permits if they are free now and nobody waits in this process. Raises as `acquire` does."""
        return self._gate.try_acquire(cost)

    def hear(self, quota: Quota, /) -> None:
        """Take note that the other side has no calls left: no process gets a permit before they are renewed.

        Here that holds at once, for the others a moment later. Anything else in `quota` changes nothing.
        """
        self._gate.hear(quota)

    def close(self) -> None:
        """Let go of the file, once the others are told of every pause. Safe twice; a later permit opens it again."""
        self._gate.close()
        self._store.close()


class SQLiteStore:
    """The permits that processes have taken under one name, in a file that is made if there is none.

    One short transaction for each call; a process that is killed leaves the file before it or after it. The file grows
    to about 60 bytes for every permit that still counts, in each window. Calls of several threads take turns.
    `busy_timeout` is for how many seconds others may hold the file.

    Raises `ConfigError` for a file that is something else or cannot be had.
    """

    __slots__ = (
        "_busy_timeout",
        "_connection",
        "_file",
        "_inherited",
        "_lock",
        "_now",
        "_process",
        "_settings",
        "path",
    )

    def __init__(
        self, path: str | Path, settings: SharedSettings, now: Callable[[], int], busy_timeout: float = 5.0
    ) -> None:
        self.path = Path(path)
        self._settings = settings
        self._now = now
        self._busy_timeout = busy_timeout
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._inherited: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._process = os.getpid()
        try:
            self._open()
            self.close()
        except sqlite3.Error as error:
            raise ConfigError(
                f"cannot share a limiter through {self.path}: {error}; expected a database that a limiter has made, or a "
                "path for a new one, in a folder that can be written to; correct the path, or the permissions"
            ) from error

    def take(self, cost: int) -> int:
        """Take `cost` permits if they are free and return 0, else the nanoseconds after which they may be."""
        with self._transaction() as connection:
            now = self._now()  # in the transaction: moments of one log never go back, whoever writes
            wait = self._pause_left(connection, now)
            windows = [SQLiteWindow(connection, self._settings.name, each) for each in self._settings.windows]
            for window in windows:
                wait = max(wait, window.ready_at(now, cost) - now)
            if wait == 0:
                for window in windows:
                    window.commit(now, cost)
            return wait

    def pause(self, ns: int) -> None:
        """Let nobody have a permit for so long."""
        with self._transaction() as connection:
            now = self._now()
            if self._pause_left(connection, now) < ns:
                connection.execute(
                    "UPDATE limiters SET paused_from = ?, paused_until = ? WHERE name = ?",
                    (now, now + ns, self._settings.name),
                )

    def close(self) -> None:
        """Let go of the file. Safe twice; a later call opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _prepare(self, connection: sqlite3.Connection) -> None:
        self._execute_waiting(connection, "BEGIN IMMEDIATE")
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
        self._execute_waiting(connection, "COMMIT")
        # A commit waits for no disk: a killed process loses nothing, a power cut the grants of the last moments.
        self._execute_waiting(connection, "PRAGMA journal_mode = WAL")

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        try:
            with self._lock:
                connection = self._open()
                self._execute_waiting(connection, "BEGIN IMMEDIATE")
                try:
                    self._check_rates(connection)
                    yield connection
                    self._execute_waiting(connection, "COMMIT")
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise ConnectorError(
                f"cannot count permits in {self.path}: {error}; expected to write them before they are used, so that "
                "none is granted; make room, or correct the permissions"
            ) from error

    def _open(self) -> sqlite3.Connection:
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
            self._execute_waiting(connection, "PRAGMA synchronous = NORMAL")
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _execute_waiting(self, connection: sqlite3.Connection, statement: str) -> None:
        """Execute a statement that needs the file for itself. SQLite's own wait sleeps up to 100 ms and is not fair."""
        until = time.monotonic() + self._busy_timeout
        while True:
            try:
                connection.execute(statement)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in _IN_USE:
                    raise
                if time.monotonic() > until:
                    raise TimedOutError(
                        f"{self.path} was in use by others for {self._busy_timeout:g} s; expected a millisecond for each; find "
                        "out which program holds the database"
                    ) from error
                time.sleep(random.uniform(0.0001, 0.0005))  # noqa: S311 - spreads processes, guards nothing
            else:
                return

    def _check_rates(self, connection: sqlite3.Connection) -> None:
        """See that all who share the name keep to the same rates; others may follow when nothing counts any more."""
        name, rates = self._settings.name, str(self._settings.rates)
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
            [(name, each.ns) for each in self._settings.windows],
        )

    def _pause_left(self, connection: sqlite3.Connection, now: int) -> int:
        name = self._settings.name
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


class SQLiteWindow:
    """A `windows.SlidingLog` in two tables, used inside of somebody's transaction.

    At most `window.limit` permits in every half-open window, and none held back within that but for the grain.
    """

    __slots__ = ("_connection", "_key", "_window")

    def __init__(self, connection: sqlite3.Connection, name: str, window: HardWindow) -> None:
        self._connection = connection
        self._key = (name, window.ns)
        self._window = window

    def ready_at(self, now: int, cost: int) -> int:
        """Forget what is over, and return the moment, `now` or later, at which `cost` permits are free."""
        execute = self._connection.execute
        last = self._last()
        if last is not None and last[2] > now + self._window.ns:
            execute(
                "UPDATE grants SET began = ?, free_at = ? WHERE name = ? AND window = ? AND free_at > ?",
                (now, now + self._window.ns, *self._key, now + self._window.ns),
            )
        (used,) = execute("SELECT used FROM windows WHERE name = ? AND window = ?", self._key).fetchone()
        missing = used + cost - self._window.limit
        moment, over, freed = now, 0, 0
        for place, free_at, permits in execute(
            "SELECT place, free_at, permits FROM grants WHERE name = ? AND window = ? ORDER BY place",
            self._key,
        ):
            if free_at <= now:
                over, freed = place, freed + permits
            elif missing > 0:
                moment = free_at
            else:
                break
            missing -= permits
        if freed:
            execute("DELETE FROM grants WHERE name = ? AND window = ? AND place <= ?", (*self._key, over))
            self._count(-freed)
        return moment

    def commit(self, now: int, cost: int) -> None:
        """Take `cost` permits, which must be free: `ready_at(now, cost) == now`."""
        execute = self._connection.execute
        place, began, _ = self._last() or (0, 0, 0)
        if place and now - began <= self._window.grain_ns:
            # The whole entry counts from its last grant: permits come back late, never early.
            execute(
                "UPDATE grants SET free_at = ?, permits = permits + ? WHERE name = ? AND window = ? AND place = ?",
                (now + self._window.ns, cost, *self._key, place),
            )
        else:
            row = (*self._key, place + 1, now, now + self._window.ns, cost)
            execute("INSERT INTO grants VALUES (?, ?, ?, ?, ?, ?)", row)
        self._count(cost)

    def _last(self) -> tuple[int, int, int] | None:
        """Return the place of the last grant, when its entry began and when it ends."""
        row: tuple[int, int, int] | None = self._connection.execute(
            "SELECT place, began, free_at FROM grants WHERE name = ? AND window = ? ORDER BY place DESC LIMIT 1",
            self._key,
        ).fetchone()
        return row

    def _count(self, permits: int) -> None:
        self._connection.execute(
            "UPDATE windows SET used = used + ? WHERE name = ? AND window = ?", (permits, *self._key)
        )


def _identity(path: Path) -> tuple[int, int] | None:
    """Tell one file from another that has taken its place."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
