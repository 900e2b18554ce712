"""The few operations on files that change something, so that tests can let each of them fail."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["Files", "LocalFiles"]

_AT_ONCE = 1_000  # the system takes 1,024
_AT_ONCE_BYTES = 256 * 1024


class Files(Protocol):
    """Operations that each either happen or raise `OSError`; only `append` and `write` may happen in part."""

    def append(self, path: Path, pieces: Iterable[bytes], /) -> int:
        """Write the pieces at the end of the file, made if it is not there, and give how many bytes they are."""
        ...

    def truncate(self, path: Path, length: int, /) -> None:
        """Cut the file to `length` bytes."""
        ...

    def write(self, path: Path, content: bytes, /, *, durable: bool) -> None:
        """Make the file's content this; with `durable`, wait until it is on the disk."""
        ...

    def replace(self, source: Path, target: Path, /) -> None:
        """Give one file the place of another, in one step."""
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
        """Give one file the place of another."""
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


def _gathered(pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Give pieces to write at once. Between two calls of the system a thread waits for its turn with the others."""
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
