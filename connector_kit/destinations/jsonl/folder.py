"""Data files, of which as much counts as their state files say. Synchronous; one thread at a time.

A state is a line added to its file, or replaces the file in one step, so that a process killed at any instruction
leaves the state before or after. Killed between a page and its state, it leaves a tail that does not count, and that
the next start cuts off.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import attrs

from connector_kit.destinations.bad_records import refuse_unencodable, refuse_unusable
from connector_kit.destinations.ledger import Entry, Generation, Phase, started_read
from connector_kit.errors import BadRecordError, ConfigError, DestinationError, SchemaMismatchError
from connector_kit.records.catalog import Entity
from connector_kit.records.checkpoint import EntityState
from connector_kit.records.json_lines import json_lines

from .files import Files, Flushing, count_lines, ends_with_line, last_line_end, size_of
from .logs import Logs, StoredLog
from .state import DamagedStateError, decode_last, encode
from .unique import Keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector_kit.records.checkpoint import Checkpoint, Mode
    from connector_kit.records.page import Record

__all__ = ["FLUSH_BYTES", "Folder", "FolderLock", "file_name"]

_MAX_STATE_BYTES = 64 * 1024
FLUSH_BYTES = 8 * 1024 * 1024
"""After so much data the system is asked to bring it to the disk, beside the writing: else it is all left for the end."""

# Windows takes these for devices, with any ending and in any case.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_LONGEST = 200
"""Bytes: file systems take 255, and endings are added."""


@attrs.frozen
class _Read:
    """A read that has been started: its entry as it is stored, its file, and where in it the next page begins."""

    kind: Entity
    entry: Entry
    file: Path
    end: int
    state_bytes: int = 0
    """How many bytes of states have been added to the state file."""
    flushed: int = 0
    """How much of the file has been brought to the disk, or is about to be."""
    log: StoredLog = attrs.field(factory=StoredLog)
    keys: Keys | None = None
    """Of a replace."""


@attrs.define(eq=False)
class Folder:
    """The data files of a folder, and beside them, in `.connector_kit`, state files and unfinished generations."""

    _path: Path
    _files: Files
    _lock: FolderLock
    _flush_bytes: int = FLUSH_BYTES
    _flushing: Flushing = attrs.field(init=False)
    _logs: Logs = attrs.field(init=False)
    _reads: dict[str, _Read] = attrs.field(factory=dict[str, _Read], init=False)

    def __attrs_post_init__(self) -> None:
        self._flushing = Flushing(self._files)
        self._logs = Logs(self._ours, self._files)

    def release(self) -> None:
        """Let go of the folder. The pages of unfinished reads are on the disk afterwards."""
        reads, self._reads = self._reads, {}
        with ExitStack() as closing:  # each of them, whatever becomes of the others
            closing.callback(self._lock.release)
            closing.callback(self._flushing.close)
            for entity, read in reads.items():
                closing.callback(self._sync, entity, read)

    def start(self, kind: Entity, mode: Mode, *, resume: bool) -> Checkpoint | None:
        """Cut off what no checkpoint covers, and return the checkpoint of what is left."""
        self._lock.acquire()
        entity = kind.name
        self._reads.pop(entity, None)
        data, following = self._data_file(entity), self._next_file(entity)
        self._flushing.wait(data)
        start = self._repaired(self._load(entity) or self._new(entity)).start(
            mode, resume=resume, rows_first=True
        )
        # What a failed flush says of a generation that is dropped is of no interest.
        (self._flushing.wait if start.continued else self._flushing.forget)(following)
        self._cut(data, start.keep_current)
        file = following if mode == "replace" else data
        end = start.entry.target.covered or 0
        if mode != "replace" or start.continued:
            _refuse_shorter(file, end)
        name, target = file_name(entity), start.entry.target
        checkpoint = target.decoded()
        if checkpoint is not None:
            checkpoint = self._logs.load(name, target.log, checkpoint)
        # The state first: a generation that no state mentions is removed by the next start, but a state that mentions
        # one that is no longer there would be taken for damage.
        self._save(start.entry)
        if start.continued:
            self._cut(following, start.keep_following)
        else:
            self._files.remove(following)
        self._files.remove(self._unique_file(entity))
        log = StoredLog(target.log, checkpoint.log.size) if checkpoint is not None else StoredLog()
        self._logs.cut(name, log)
        self._logs.remove_others(name, {each.log for each in (start.entry.current, target)})
        keys = Keys.of(kind, complete=not start.continued) if mode == "replace" else None
        self._reads[entity] = _Read(kind, start.entry, file, end, flushed=end, log=log, keys=keys)
        return checkpoint

    def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None) -> None:
        """Add the records to the file, then note how much of it counts now; without a checkpoint, no more than before.

        Raise `BadRecordError` for records that have no line, after which the others may be written; after any other error the
        read must be started again.
        """
        read = started_read(self._reads, entity, "write")
        refuse_unusable(read.kind, records)
        state_bytes, flushed, log = read.state_bytes, read.flushed, read.log
        try:
            encoded = None if checkpoint is None else checkpoint.to_json()
            if read.keys is not None:
                read.keys.add(records)
            end = read.end + self._append(read, records)
            if end - flushed >= self._flush_bytes and self._flushing.begin(read.file):
                flushed = end
            if encoded is None or checkpoint is None:
                entry = read.entry.leave_provisional()
            else:
                log = self._logs.store(file_name(entity), entity, checkpoint.log, log)
                entry = read.entry.cover(encoded, end, log.number)
                # No fsync of each page, which takes milliseconds: what the system has taken outlives a killed process. After a
                # power failure the data may be shorter than the state says; then `start` says so and stops.
                state_bytes = self._add_state(entry, state_bytes)
        except BadRecordError:
            raise
        except BaseException:  # what a signal raises, too: where it was raised, nobody knows
            del self._reads[entity]
            with suppress(OSError):  # where this fails too, the next start cuts what does not count
                self._save(read.entry)  # the line that covers the page may be there, whole or in part
                self._cut(read.file, read.end)
                self._logs.cut(file_name(entity), read.log)
            raise
        self._reads[entity] = _Read(read.kind, entry, read.file, end, state_bytes, flushed, log, read.keys)

    def finish(self, entity: str, checkpoint: Checkpoint) -> None:
        """Store the last checkpoint; with mode "replace", put the generation's file in the data file's place."""
        read = started_read(self._reads, entity, "finish")
        encoded = checkpoint.to_json()
        del self._reads[entity]
        self._flushing.wait(read.file)
        self._files.append(read.file, ())  # no page may have come, and so no file be there
        end = self._without_repeated(entity, read)
        name = file_name(entity)
        log = self._logs.store(name, entity, checkpoint.log, read.log)
        self._logs.sync(name, log)
        if read.entry.phase is Phase.REPLACING:
            announced = read.entry.announce(encoded, end, log.number)
            self._save(announced, durable=True)
            self._sync_names()  # before the swap: it must not be on the disk without the note that tells of it
            self._swap(entity)
            finished = announced.swap()
        else:
            finished = read.entry.finish(encoded, end, log.number)
        self._save(finished, durable=True)
        self._sync_names()
        self._logs.remove_others(name, {log.number})

    def _append(self, read: _Read, records: Sequence[Record]) -> int:
        """Add lines to the file of a read and return their length. Where one of them cannot be made, none is added."""
        try:
            return self._files.append(read.file, json_lines(read.kind.name, records))
        except SchemaMismatchError:
            self._cut(read.file, read.end)
            refuse_unencodable(read.kind, records)
            raise

    def _without_repeated(self, entity: str, read: _Read) -> int:
        """Write the last line of each key to a file of their own, if any came twice; return how long what counts is.

        It is on the disk then. The swap takes this file before the other.
        """
        file, end = read.file, read.end
        if read.keys is not None and read.keys.may_repeat:
            with read.keys.last_lines(file) as lines:
                if lines is not None:
                    file = self._unique_file(entity)
                    end = self._files.append(file, lines)
        self._files.sync(file)
        return end

    def states(self) -> Mapping[str, EntityState]:
        """Return each entity's last checkpoint: of its unfinished generation, if that has one."""
        states = map(_state_in, sorted(self._ours.glob("*.json")))
        return {state.entity: state for state in states if state is not None}

    def count(self, entity: str) -> int:
        """Return how many whole lines the data file has."""
        return count_lines(self._data_file(entity))

    def reset(self, entity: str) -> None:
        """Forget the checkpoint, what it does not cover, and an unfinished generation; whole lines stay.

        A data file that has become shorter than its state says stays as it is, and can only be replaced: to append to it from the
        start would repeat its lines.
        """
        self._lock.acquire()
        self._reads.pop(entity, None)
        data = self._data_file(entity)
        try:
            entry = self._load(entity)
        except DamagedStateError:  # what is left are its whole lines
            entry = Entry(entity, owned=True, current=Generation(covered=last_line_end(data)))
        if entry is None:
            return
        self._flushing.wait(data)
        self._flushing.forget(self._next_file(entity))
        entry = self._repaired(entry)
        length = entry.current.covered or 0
        if entry.phase is not Phase.IDLE:
            self._cut(data, length)
        self._save(entry.reset(length))
        self._files.remove(self._next_file(entity))
        self._files.remove(self._unique_file(entity))
        self._logs.remove_others(file_name(entity), ())

    def _sync(self, entity: str, read: _Read) -> None:
        """Wait until what an unfinished read has written is on the disk."""
        if read.file.exists():
            self._files.sync(read.file)
        self._logs.sync(file_name(entity), read.log)
        self._files.sync(self._state_file(entity))
        self._sync_names()

    # -- where things are -----------------------------------------------------------------------------------------

    @property
    def _ours(self) -> Path:
        return self._lock.path.parent

    def _data_file(self, entity: str) -> Path:
        return self._path / f"{file_name(entity)}.jsonl"

    def _next_file(self, entity: str) -> Path:
        return self._ours / f"{file_name(entity)}.jsonl"

    def _unique_file(self, entity: str) -> Path:
        """Return the file of a finished generation in which a key has come twice, without those lines."""
        return self._ours / f"{file_name(entity)}.unique"

    def _state_file(self, entity: str) -> Path:
        return self._ours / f"{file_name(entity)}.json"

    # -- entries --------------------------------------------------------------------------------------------------

    def _load(self, entity: str) -> Entry | None:
        file = self._state_file(entity)
        try:
            entry = decode_last(file.read_bytes(), file)
        except FileNotFoundError:
            return None
        if entry.entity != entity:
            raise ConfigError(
                f"entities {entity!r} and {entry.entity!r} differ only in case, which the file system of {self._path} "
                "ignores; expected names that can be told apart; write one of them to another folder"
            )
        return entry

    def _new(self, entity: str) -> Entry:
        file = self._data_file(entity)
        if size_of(file):
            raise DestinationError(
                f"{file} is there and was not made by this destination; expected no file of that name; "
                "move it or choose another folder: it was not touched"
            )
        return Entry(entity, owned=True, current=Generation(covered=0))

    def _save(self, entry: Entry, *, durable: bool = False) -> None:
        file = self._state_file(entry.entity)
        fresh = file.with_suffix(".tmp")
        self._files.write(fresh, encode(entry), durable=durable)
        self._files.replace(fresh, file)

    def _add_state(self, entry: Entry, added: int) -> int:
        """Add a state to its file, or replace a file that has grown; return how many bytes have been added now.

        Replacing a file makes the system write out what it holds back, which takes longer than a page.
        """
        if added > _MAX_STATE_BYTES:
            self._save(entry)
            return 0
        return added + self._files.append(self._state_file(entry.entity), [encode(entry)])

    # -- data -----------------------------------------------------------------------------------------------------

    def _repaired(self, entry: Entry) -> Entry:
        """Carry out a swap that was announced; let lines count that others have added after a complete read."""
        if entry.phase is Phase.SWAPPING:
            self._swap(entry.entity)
            entry = entry.swap()
        file, size = self._data_file(entry.entity), size_of(self._data_file(entry.entity))
        if entry.phase is Phase.IDLE and size > (entry.current.covered or 0):
            if not ends_with_line(file):
                raise DestinationError(
                    f"{file} has been added to and does not end with a line feed; expected whole lines; "
                    "complete or remove its last line"
                )
            entry = entry.adopt(size)
        return entry

    def _swap(self, entity: str) -> None:
        following, unique = self._next_file(entity), self._unique_file(entity)
        if unique.exists():
            self._files.remove(following)  # first: what is left of the two counts
            following = unique
        if following.exists():
            self._files.replace(following, self._data_file(entity))

    def _cut(self, file: Path, length: int | None) -> None:
        if length is not None and size_of(file) > length:
            self._files.truncate(file, length)

    def _sync_names(self) -> None:
        self._files.sync(self._ours)
        self._files.sync(self._path)


def _state_in(file: Path) -> EntityState | None:
    """Return what a state file says of its entity, or that it cannot be read; None where there is no checkpoint."""
    try:
        return decode_last(file.read_bytes(), file).state
    except DestinationError as error:
        return EntityState(unquote(file.stem), problem=error.message)


def _refuse_shorter(file: Path, covered: int) -> None:
    size = size_of(file)
    if size < covered:
        raise DestinationError(
            f"{file} has {size} bytes, and {covered} were written; expected all of them: part of the file was lost, in a power "
            "failure perhaps; restore it, or reset the entity's state and read it anew with --mode replace: appended, the lines "
            "that are left would be there twice"
        )


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


def file_name(entity: str) -> str:
    """Return the file name, without an ending, of an entity.

    Letters, digits, `_`, `-`, `~` and dots inside stay; anything else becomes %XX, as in a URL, so that
    `urllib.parse.unquote` gives the entity again. Case stays, too: on a file system that ignores it, `Folder` refuses
    the second of two names that differ only in case.

    >>> file_name("orders/2013")
    'orders%2F2013'

    Raise `ConfigError` for a name that is empty, too long or no valid text.
    """
    try:
        name = quote(entity, safe="")
    except UnicodeEncodeError:
        name = ""
    if not name or len(name) > _LONGEST:
        raise ConfigError(
            f"entity {entity!r} cannot be a file; expected a name that is valid text and takes 1 to {_LONGEST} bytes; "
            "give the entity another name"
        )
    if name.startswith(".") or _DEVICES.fullmatch(name):
        return f"%{ord(name[0]):02X}{name[1:]}"
    return name
