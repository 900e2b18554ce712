"""The files in which the logs of fingerprints lie, `<entity>.<number>.log`: those that a state names, and no others.

A log that grows is added to; what its file has beyond the size in the checkpoint does not count. One that is written anew
gets a file of its own, so that the old one is whole until a state names the new.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from connector_kit.destinations.ledger import refuse_gap

from .files import Files, size_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from connector_kit.records.checkpoint import Checkpoint, FingerprintLog


__all__ = ["Logs", "StoredLog"]


@attrs.frozen
class StoredLog:
    """The log of a generation: the number of its file, 0 where there is none, and how many bytes of that count."""

    number: int = 0
    size: int = 0


@attrs.frozen
class Logs:
    """The logs of the entities of a folder, named as their other files are."""

    _folder: Path
    _files: Files

    def load(self, name: str, number: int, checkpoint: Checkpoint) -> Checkpoint:
        """Return a checkpoint with its log. Raise `DataError` where its file is shorter than the checkpoint says."""
        size = checkpoint.log.size
        if not size:
            return checkpoint
        return checkpoint.with_log(self._begin_of(name, number, size))

    def store(self, name: str, entity: str, log: FingerprintLog, stored: StoredLog) -> StoredLog:
        """Store a log over what is stored of it, without changing what counts of that, and return what is stored then."""
        if not log.size:
            return StoredLog()
        refuse_gap(entity, log, stored.size)
        if stored.number and log.keep == stored.size:
            if log.added:
                self._files.append(self._file(name, stored.number), [log.added])
            return StoredLog(stored.number, log.size)
        kept = self._begin_of(name, stored.number, log.keep)
        number = 1 + max(self._numbers(name), default=0)
        self._files.append(self._file(name, number), [kept, log.added])
        return StoredLog(number, log.size)

    def cut(self, name: str, stored: StoredLog) -> None:
        """Drop what a file has beyond what counts."""
        file = self._file(name, stored.number)
        if stored.number and size_of(file) > stored.size:
            self._files.truncate(file, stored.size)

    def sync(self, name: str, stored: StoredLog) -> None:
        """Wait until a log is on the disk."""
        if stored.number:
            self._files.sync(self._file(name, stored.number))

    def remove_others(self, name: str, numbers: Collection[int]) -> None:
        """Remove the files of all logs but these."""
        for number in self._numbers(name):
            if number not in numbers:
                self._files.remove(self._file(name, number))

    def _begin_of(self, name: str, number: int, size: int) -> bytes:
        file = self._file(name, number)
        if not size or not file.exists():
            return b""
        with file.open("rb") as content:
            return content.read(size)

    def _file(self, name: str, number: int) -> Path:
        return self._folder / f"{name}.{number}.log"

    def _numbers(self, name: str) -> list[int]:
        one = re.compile(rf"{re.escape(name)}\.([0-9]+)\.log")
        found = (one.fullmatch(file.name) for file in self._folder.glob("*.log"))
        return [int(match[1]) for match in found if match]
