"""A lock on a folder, held by one process at a time and released by the system when the process dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import attrs

from connector_kit.errors import DestinationError

__all__ = ["FolderLock"]


@attrs.define(eq=False)
class FolderLock:
    """An advisory lock in a file. Where the system has no `flock` (Windows), nothing is locked."""

    path: Path
    _descriptor: int | None = attrs.field(default=None, init=False)

    def acquire(self) -> None:
        """Take the lock, if it is not ours yet; raise `DestinationError` at once where another process has it."""
        if self._descriptor is not None or sys.platform == "win32":
            return
        import fcntl  # noqa: PLC0415 - there is none on Windows

        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise DestinationError(
                f"{self.path.parent.parent} is being written to by another process; expected to be the only one; "
                "wait for the other process, or end it, and run again"
            ) from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go of the lock. Safe at any time and twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
