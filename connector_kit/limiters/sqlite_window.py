"""One hard window in an SQLite database: `windows.SlidingLog` in two tables, used inside of somebody's transaction.

Moments come from a clock that may begin anew (when the machine does), and then an entry may end later than one made
now would. Such an entry is counted as made now. None is ever forgotten too early: the moment at which one made at `t`
ends is `t + window`, and a clock that shows that much has run for a whole window since it began.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from .shared_terms import Window

__all__ = ["TABLES", "SQLiteWindow"]

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


class SQLiteWindow:
    """At most `window.limit` permits in every half-open window, and none held back within that but for the grain."""

    __slots__ = ("_connection", "_key", "_window")

    def __init__(self, connection: sqlite3.Connection, name: str, window: Window) -> None:
        self._connection = connection
        self._key = (name, window.ns)
        self._window = window

    def ready_at(self, now: int, cost: int) -> int:
        """Forget what is over, and give the moment, `now` or later, at which `cost` permits are free."""
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
        """Give the place of the last grant, when its entry began and when it ends."""
        row: tuple[int, int, int] | None = self._connection.execute(
            "SELECT place, began, free_at FROM grants WHERE name = ? AND window = ? ORDER BY place DESC LIMIT 1",
            self._key,
        ).fetchone()
        return row

    def _count(self, permits: int) -> None:
        self._connection.execute(
            "UPDATE windows SET used = used + ? WHERE name = ? AND window = ?", (permits, *self._key)
        )
