"""Bringing what was written to the disk in a thread of its own, while more is written."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from connector_kit.destinations.jsonl.files import Files

__all__ = ["Flushing"]


class Flushing:
    """One file at a time. For one thread, or several that take turns."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._pool: ThreadPoolExecutor | None = None
        self._begun: Future[None] | None = None

    def begin(self, file: Path) -> None:
        """Begin with what the file holds now, once what was begun before is on the disk; raise `OSError` where that failed."""
        self.wait()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="connector_kit flushing")
        self._begun = self._pool.submit(self._files.sync, file)

    def wait(self) -> None:
        """Wait until what was begun is on the disk; raise `OSError` where that failed."""
        begun, self._begun = self._begun, None
        if begun is not None:
            begun.result()

    def close(self) -> None:
        """Wait, and end the thread."""
        try:
            self.wait()
        finally:
            pool, self._pool = self._pool, None
            if pool is not None:
                pool.shutdown()
