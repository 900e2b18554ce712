"""What is done to files, and what is asked of them: the changes, so that tests can let each fail; where lines end.

`Flushing` brings what was written to the disk in a thread of its own, while more is written.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

__all__ = ["Files", "Flushing", "LocalFiles", "count_lines", "ends_with_line", "last_line_end", "size_of"]

_AT_ONCE = 1_000  # the system takes 1,024
_AT_ONCE_BYTES = 256 * 1024
_BLOCK = 64 * 1024


class Files(Protocol):
    """Operations that each either happen or raise `OSError`; only `append` and `write` may happen in part."""

    def append(self, path: Path, pieces: Iterable[bytes], /) -> int:
        """Write the pieces at the end of the file, made if it is not there, and return how many bytes they are."""
        ...

    def truncate(self, path: Path, length: int, /) -> None:
        """Cut the file to `length` bytes."""
        ...

    def write(self, path: Path, content: bytes, /, *, durable: bool) -> None:
        """Make the file's content this; with `durable`, wait until it is on the disk."""
        ...

    def replace(self, source: Path, target: Path, /) -> None:
        """Put one file in the place of another, in one step."""
        ...

    def remove(self, path: Path, /) -> None:
        """Remove the file, if it is there."""
        ...

    def sync(self, path: Path, /) -> None:
        """Wait until a file's content, or a folder's names, are on the disk."""
        ...


@attrs.frozen
class LocalFiles:
    """The operating system's files. Each is opened for one operation: a millisecond of records outweighs that."""

    def append(self, path: Path, pieces: Iterable[bytes], /) -> int:
        """Write the pieces at the end of the file."""
        with path.open("ab", buffering=0) as file:
            return sum(_write_all(file.fileno(), gathered) for gathered in _gathered(pieces))

    def truncate(self, path: Path, length: int, /) -> None:
        """Cut the file to `length` bytes."""
        os.truncate(path, length)

    def write(self, path: Path, content: bytes, /, *, durable: bool) -> None:
        """Make the file's content this."""
        with path.open("wb", buffering=0) as file:
            _write_all(file.fileno(), [content])
            if durable:
                os.fsync(file.fileno())

    def replace(self, source: Path, target: Path, /) -> None:
        """Put one file in the place of another."""
        source.replace(target)

    def remove(self, path: Path, /) -> None:
        """Remove the file, if it is there."""
        path.unlink(missing_ok=True)

    def sync(self, path: Path, /) -> None:
        """Wait until a file's content, or a folder's names, are on the disk."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Flushing:
    """One file after the other. For one thread, or several that take turns."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._pool: ThreadPoolExecutor | None = None
        self._begun: dict[Path, Future[None]] = {}

    def begin(self, file: Path) -> bool:
        """Begin with what the file holds now, and say so; false while what was begun of it before is under way.

        Raise `OSError` where that has failed, as `wait` does.
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


def size_of(path: Path) -> int:
    """Return a file's size in bytes; 0 where it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def count_lines(path: Path) -> int:
    """Return how many whole lines a file has; 0 where it is not there."""
    if not path.exists():
        return 0
    with path.open("rb", buffering=0) as file:
        blocks = iter(lambda: file.read(16 * _BLOCK), b"")
        return sum(block.count(b"\n") for block in blocks)


def ends_with_line(path: Path) -> bool:
    """Return whether a file that is not empty ends with a whole line."""
    return last_line_end(path) == size_of(path)


def last_line_end(path: Path) -> int:
    """Return the length of the file up to the end of its last whole line, in bytes. Reads from the end, in blocks."""
    end = size_of(path)
    if not end:
        return 0
    with path.open("rb") as file:
        while end:
            begin = max(0, end - _BLOCK)
            file.seek(begin, os.SEEK_SET)
            found = file.read(end - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            end = begin
    return 0


def _gathered(pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield pieces to write at once. Between two calls of the system a thread waits for its turn with the others."""
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= _AT_ONCE_BYTES or len(gathered) == _AT_ONCE:
            yield gathered
            gathered, size = [], 0
    yield gathered


def _write_all(descriptor: int, pieces: list[bytes]) -> int:
    """Write all bytes: the system may take only some of them, the last ones before the disk is full for instance."""
    size = sum(map(len, pieces))
    written = 0 if sys.platform == "win32" or not pieces else os.writev(descriptor, pieces)
    if written < size:
        rest = memoryview(b"".join(pieces))
        while written < size:
            written += os.write(descriptor, rest[written:])
    return size
