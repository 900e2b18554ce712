"""Counts that survive a restart: a small JSON file, replaced as a whole before the permits it counts are used."""

from __future__ import annotations

import json
import os
import sys
import weakref
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from connector_kit.errors import ConfigError, ConnectorError

__all__ = ["CountFile"]

_FORMAT = "connector_kit permit counts 1"


class CountFile:
    """The permits taken in each window of each calendar, on disk: at any moment at least as many as were used.

    `save` returns when the new file is on the disk in place of the old one, so that neither a killed process nor a
    power cut loses a count; what it has counted and nobody came to use stays counted. One `CountFile` has a path at a
    time, also among processes (where there is no `flock`, on Windows, that is for the caller to see to). The file is
    made with the first `save`.

    Raises `ConfigError` for a file that cannot be read, is something else or is in use.
    """

    __slots__ = ("__weakref__", "_counts", "_release", "path")

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            lock = _lock(self.path)
            self._release = weakref.finalize(self, _close, lock)
            self._counts = _read(self.path)
        except OSError as error:
            raise ConfigError(
                f"cannot keep permit counts in {self.path}: {error.strerror or error}; expected a file in a folder that "
                "can be written to; correct state=, or the permissions"
            ) from error

    def __repr__(self) -> str:
        return f"CountFile({str(self.path)!r})"

    def counts(self, calendar: str) -> dict[datetime, int]:
        """Return the permits taken by the start of the window. Whoever changes them calls `save` before it counts on it."""
        return self._counts.setdefault(calendar, {})

    def save(self) -> None:
        """Store the counts. Raises `ConnectorError` where that fails; the file is then the old one or the new one."""
        shown = {
            calendar: {start.isoformat(): permits for start, permits in windows.items()}
            for calendar, windows in self._counts.items()
        }
        text = json.dumps({"format": _FORMAT, "counts": shown}, indent=2) + "\n"
        try:
            _replace(self.path, text)
        except OSError as error:
            raise ConnectorError(
                f"cannot store permit counts in {self.path}: {error.strerror or error}; expected to write it before a "
                "permit is used, so that none is granted; make room, or correct the permissions"
            ) from error

    def close(self) -> None:
        """Let somebody else have the file. Safe twice; nothing may be saved afterwards."""
        self._release()


def _read(path: Path) -> dict[str, dict[datetime, int]]:
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise _foreign(path) from error
    try:
        data = json.loads(content)
        if data["format"] != _FORMAT:
            raise _foreign(path)
        return {
            str(calendar): {_start(start): _permits(taken) for start, taken in windows.items()}
            for calendar, windows in data["counts"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _foreign(path) from error


def _start(text: str) -> datetime:
    start = datetime.fromisoformat(text)
    if start.tzinfo is None:
        raise ValueError(text)
    return start.astimezone(UTC)


def _permits(taken: object) -> int:
    if type(taken) is not int or taken < 0:
        raise ValueError(taken)
    return taken


def _foreign(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} holds no permit counts; expected what a limiter has written there; give state= another path, or, "
        "if nothing was taken of the quota today, remove the file"
    )


def _lock(path: Path) -> int | None:
    """Take the lock beside the file (which is replaced, and so cannot be locked itself); the system releases it."""
    if sys.platform == "win32":
        return None
    import fcntl  # noqa: PLC0415 - there is none on Windows

    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise ConfigError(
            f"{path} is in use by another limiter, here or in another process; expected to be its only one, since two "
            "would count past each other; share the limiter, or give each its own path and a part of the quota"
        ) from error
    return descriptor


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


def _replace(path: Path, text: str) -> None:
    new = path.with_name(path.name + ".new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    if sys.platform != "win32":  # where a folder cannot be opened
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            with suppress(OSError):  # some network file systems sync no folders
                os.fsync(folder)
        finally:
            os.close(folder)
