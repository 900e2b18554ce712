"""Opens the file, or refuses it: what is somebody else's is not touched."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from connector_kit.errors import DestinationError

from .state_table import CREATE_STATES
from .tables import transaction

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["APPLICATION_ID", "FORMAT_VERSION", "close_database", "open_database"]

APPLICATION_ID = int.from_bytes(b"ckit")
"""SQLite keeps it in the file's header, where `file` and this module find it."""

FORMAT_VERSION = 2
"""Of the kit's own tables; kept as SQLite's user_version."""

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_USER_VERSION = slice(60, 64)
_APPLICATION_ID = slice(68, 72)


def open_database(path: Path, busy_timeout: float, factory: type[sqlite3.Connection]) -> sqlite3.Connection:
    """Open the database at `path`, made if it is not there, for use by any one thread at a time.

    Waits `busy_timeout` seconds for another process's lock. Raise `DestinationError` for a place that cannot be
    used or holds something else, and `sqlite3.Error` for what SQLite itself finds.
    """
    _refuse_foreign(path)
    connection = sqlite3.connect(
        path.absolute(),
        timeout=busy_timeout,
        isolation_level=None,  # transactions are begun and ended by us alone
        check_same_thread=False,
        factory=factory,
    )
    try:
        _make_ours(connection, path)
        _configure(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def close_database(connection: sqlite3.Connection) -> None:
    """Close it; where nobody else has it open, leave one plain file that can be read where nothing can be written.

    A database in WAL mode needs two more files beside it whenever it is read.
    """
    try:
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error:  # somebody reads it: it stays in WAL mode, and is whole in that, too
        pass
    finally:
        connection.close()


def _refuse_foreign(path: Path) -> None:
    """Look at the file without SQLite, which might roll back or checkpoint what its owner left there."""
    if not path.parent.is_dir():
        raise DestinationError(
            f"{path.parent} is no folder, so that {path} cannot be there; expected a file in a folder that exists; "
            "create the folder or choose another place"
        )
    if path.is_dir():
        raise DestinationError(
            f"{path} is a folder; expected the name of a file, new or made by this destination; "
            f"name a file in it, such as {path / 'data.sqlite'}"
        )
    if not path.exists():
        return
    if not path.is_file():
        raise DestinationError(
            f"{path} is a device or the like; expected a file, new or made by this destination; choose another place"
        )
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as error:
        raise DestinationError(
            f"{path} cannot be read ({error.strerror}); expected a file that may be read and written to; "
            "change its permissions or choose another place"
        ) from error
    if not header:
        return
    if not header.startswith(_MAGIC):
        raise DestinationError(
            f"{path} is no SQLite database; expected a new file, or one that this destination made; "
            "choose another file: this one was not touched"
        )
    if int.from_bytes(header[_APPLICATION_ID]) == APPLICATION_ID:
        _refuse_other_format(path, int.from_bytes(header[_USER_VERSION]))
    elif not _is_empty(path):
        raise _foreign(path)


def _is_empty(path: Path) -> bool:
    """Return whether a database has no tables. `immutable` keeps SQLite from locking, recovering or checkpointing it."""
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        ) as connection:
            return not _tables(connection)
    except sqlite3.Error:
        return False


def _tables(connection: sqlite3.Connection) -> int:
    [count] = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return int(count)


def _make_ours(connection: sqlite3.Connection, path: Path) -> None:
    """Mark a new database. Before it is in WAL mode, so that the mark is in the file itself, where it is looked for."""
    if _mark(connection, path):
        return
    with transaction(connection):
        if not _mark(connection, path):  # another process may have been quicker
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
            for statement in CREATE_STATES:
                connection.execute(statement)


def _mark(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether the database is marked as ours; refuse one that has tables and no mark, or a newer format."""
    [application_id] = connection.execute("PRAGMA application_id").fetchone()
    if application_id != APPLICATION_ID:
        if _tables(connection):
            raise _foreign(path)
        return False
    [version] = connection.execute("PRAGMA user_version").fetchone()
    _refuse_other_format(path, version)
    return True


def _configure(connection: sqlite3.Connection) -> None:
    [journal] = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    # In WAL mode, NORMAL survives a kill without loss and a power failure without damage. Where WAL cannot be had
    # (some network file systems), FULL is what is safe.
    connection.execute(f"PRAGMA synchronous = {'NORMAL' if journal == 'wal' else 'FULL'}")
    # Lets a new generation take the old one's name although a view mentions it.
    connection.execute("PRAGMA legacy_alter_table = ON")


def _refuse_other_format(path: Path, version: int) -> None:
    if version < FORMAT_VERSION:
        raise DestinationError(
            f"{path} has format version {version}; expected {FORMAT_VERSION}; it was made by an older connector_kit: write to "
            "another file, and read everything again"
        )
    if version > FORMAT_VERSION:
        raise DestinationError(
            f"{path} has format version {version}; expected {FORMAT_VERSION}; "
            "it was made by a newer connector_kit: update this one or choose another file"
        )


def _foreign(path: Path) -> DestinationError:
    return DestinationError(
        f"{path} is an SQLite database of something else; expected a new file, or one that this destination made; "
        "choose another file: this one was not touched"
    )
