"""What SQLite's errors mean to a person. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.errors import DestinationError

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

__all__ = ["explained"]

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


def explained(error: sqlite3.Error, path: Path) -> DestinationError:
    """Give the error to raise from one of sqlite3's."""
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
