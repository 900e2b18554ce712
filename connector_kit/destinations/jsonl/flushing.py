"""Bringing what was written to the disk in a thread of its own, while more is written."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from .files import Files

__all__ = ["Flushing"]


class Flushing:
    """One file after the other. For one thread, or several that take turns."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._pool: ThreadPoolExecutor | None = None
        self._begun: dict[Path, Future[None]] = {}

    def begin(self, file: Path) -> bool:
        """Begin with what the file holds now, and say so; false while what was begun of it before is under way.

        Raises `OSError` where that has failed, as `wait` does.
        """
        before = self._begun.get(file)
        if before is not None and not before.done():
            return False
        self.wait(file)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="connector_kit flushing")
        self._begun[file] = self._pool.submit(self._files.sync, file)
        return True

    def wait(self, file: Path) -> None:
        """Wait until what was begun of the file is on the disk; raise `OSError`, once, where that failed.

        The system tells of a failure once, too: whoever asks it later hears that all is well.
        """
        begun = self._begun.pop(file, None)
        if begun is not None:
            begun.result()

    def forget(self, file: Path) -> None:
        """Wait until nothing is under way with the file, whatever comes of it: what it holds no longer counts."""
        begun = self._begun.pop(file, None)
        if begun is not None:
            begun.exception()

    def close(self) -> None:
        """Wait for all that was begun, and end the thread; raise `OSError` where one of them failed."""
        begun, self._begun = self._begun, {}
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
        for each in begun.values():
            each.result()
