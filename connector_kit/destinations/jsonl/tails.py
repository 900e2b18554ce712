"""Where the lines of a file end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ends_with_line", "last_line_end", "size_of"]

_BLOCK = 64 * 1024


def size_of(path: Path) -> int:
    """Give a file's size in bytes; 0 where it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def ends_with_line(path: Path) -> bool:
    """Say whether a file that is not empty ends with a whole line."""
    return last_line_end(path) == size_of(path)


def last_line_end(path: Path) -> int:
    """Give the length of the file up to the end of its last whole line, in bytes. Reads from the end, in blocks."""
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
