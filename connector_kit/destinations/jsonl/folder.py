"""The mechanism: data files, of which as much counts as their state files say. Synchronous; one thread at a time.

A state is a line added to its file, or replaces the file in one step, so that a process killed at any instruction
leaves the state before or after. Killed between a page and its state, it leaves a tail that does not count, and that
the next start cuts off.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from connector_kit.errors import ConfigError, DestinationError
from connector_kit.records.checkpoint import Checkpoint, Mode
from connector_kit.records.json_lines import json_lines

from .files import Files
from .flushing import Flushing
from .lock import FolderLock
from .names import file_name
from .state import Extent, State
from .tails import ends_with_line, last_line_end, size_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector_kit.records.page import Record

__all__ = ["FLUSH_BYTES", "Folder"]

_MOST_NOTED = 64 * 1024
FLUSH_BYTES = 8 * 1024 * 1024
"""After so much data the system is asked to bring it to the disk, beside the writing: else it is all left for the end."""


@attrs.frozen
class _Reading:
    """A read that has been started: its state as it is stored, its file, and where in it the next page begins."""

    state: State
    mode: Mode
    file: Path
    end: int
    noted: int = 0
    """How many bytes of states have been added to the state file."""
    flushed: int = 0
    """How much of the file has been brought to the disk, or is about to be."""


@attrs.define(eq=False)
class Folder:
    """The data files of a folder, and beside them, in `.connector_kit`, state files and unfinished generations."""

    _path: Path
    _files: Files
    _lock: FolderLock
    _flush_bytes: int = FLUSH_BYTES
    _flushing: Flushing = attrs.field(init=False)
    _readings: dict[str, _Reading] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._flushing = Flushing(self._files)

    def release(self) -> None:
        """Let go of the folder. The pages of unfinished reads are on the disk afterwards."""
        readings, self._readings = self._readings, {}
        with ExitStack() as at_last:  # each of them, whatever becomes of the others
            at_last.callback(self._lock.release)
            at_last.callback(self._flushing.close)
            for entity, reading in readings.items():
                at_last.callback(self._bring, entity, reading)

    def start(self, entity: str, mode: Mode, *, resume: bool) -> Checkpoint | None:
        """Cut off what no checkpoint covers, and give the checkpoint of what is left."""
        self._lock.acquire()
        self._readings.pop(entity, None)
        self._flushing.wait(self._data_file(entity))
        state = self._mended(self._load(entity) or self._unused(entity))
        unfinished = state.following if mode == "replace" and resume else None
        if unfinished is not None and unfinished.checkpoint is None:
            unfinished = None
        if unfinished is None:
            self._flushing.forget(self._next_file(entity))
        else:
            self._flushing.wait(self._next_file(entity))
        if mode == "replace":
            file, extent = self._next_file(entity), unfinished or Extent()
            state = attrs.evolve(state, following=extent, reading=True)
        else:
            file, extent = self._data_file(entity), state.current
            state = attrs.evolve(state, following=None, reading=True)
        if mode != "replace" or unfinished:
            _refuse_shorter(file, extent)
        # The state first: a generation that no state mentions is removed by the next start, but a state that mentions
        # one that is no longer there would be taken for damage.
        self._save(state)
        if unfinished is not None:
            self._cut(file, extent.length)
        else:
            self._files.remove(self._next_file(entity))
        self._readings[entity] = _Reading(state, mode, file, extent.length, flushed=extent.length)
        return extent.checkpoint

    def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None) -> None:
        """Add the records to the file, then note how much of it counts now; without a checkpoint, no more than before."""
        reading = self._reading(entity)
        state, noted, flushed = reading.state, reading.noted, reading.flushed
        try:
            end = reading.end + self._files.append(reading.file, json_lines(entity, records))
            if end - flushed >= self._flush_bytes and self._flushing.begin(reading.file):
                flushed = end
            if checkpoint is not None:
                extent = Extent(end, checkpoint)
                replacing = reading.mode == "replace"
                state = (
                    attrs.evolve(state, following=extent)
                    if replacing
                    else attrs.evolve(state, current=extent)
                )
                # No fsync of each page, which takes milliseconds: what the system has taken outlives a killed process. After a
                # power failure the data may be shorter than the state says; then `start` says so and stops.
                noted = self._note(state, noted)
        except BaseException:  # what a signal raises, too: where it was raised, nobody knows
            del self._readings[entity]
            with suppress(OSError):  # where this fails too, the next start cuts what does not count
                self._save(reading.state)  # the line that covers the page may be there, whole or in part
                self._cut(reading.file, reading.end)
            raise
        self._readings[entity] = attrs.evolve(reading, state=state, end=end, noted=noted, flushed=flushed)

    def finish(self, entity: str, checkpoint: Checkpoint) -> None:
        """Store the last checkpoint; with mode "replace", put the generation's file in the data file's place."""
        reading = self._reading(entity)
        del self._readings[entity]
        self._flushing.wait(reading.file)
        self._files.append(reading.file, ())  # no page may have come, and so no file be there
        self._files.sync(reading.file)
        finished = State(entity, Extent(reading.end, checkpoint))
        if reading.mode == "replace":
            self._save(attrs.evolve(finished, swapping=True), durable=True)
            self._sync_names()  # before the swap: it must not be on the disk without the note that tells of it
            self._swap(entity)
        self._save(finished, durable=True)
        self._sync_names()

    def checkpoints(self) -> Mapping[str, Checkpoint]:
        """Give each entity's last checkpoint: of its unfinished generation, if that has one."""
        states = [State.last_of(file.read_bytes(), file) for file in sorted(self._ours.glob("*.json"))]
        return {state.entity: state.last for state in states if state.last is not None}

    def reset(self, entity: str) -> None:
        """Forget the checkpoint, what it does not cover, and an unfinished generation; whole lines stay.

        This also mends an entity whose data file has become shorter than its state says.
        """
        self._lock.acquire()
        self._readings.pop(entity, None)
        state = self._load(entity)
        if state is None:
            return
        self._flushing.wait(self._data_file(entity))
        self._flushing.forget(self._next_file(entity))
        file, length = self._data_file(entity), self._mended(state).current.length
        if size_of(file) < length:
            length = last_line_end(file)
            self._cut(file, length)
        self._save(State(entity, Extent(length)))
        self._files.remove(self._next_file(entity))

    def _bring(self, entity: str, reading: _Reading) -> None:
        """Wait until what an unfinished read has written is on the disk."""
        if reading.file.exists():
            self._files.sync(reading.file)
        self._files.sync(self._state_file(entity))
        self._sync_names()

    def _reading(self, entity: str) -> _Reading:
        try:
            return self._readings[entity]
        except KeyError:
            raise DestinationError(
                f"no read of entity {entity!r} is under way, or its last write failed; expected start() before write() "
                "and finish(); call it first"
            ) from None

    # -- where things are -----------------------------------------------------------------------------------------

    @property
    def _ours(self) -> Path:
        return self._lock.path.parent

    def _data_file(self, entity: str) -> Path:
        return self._path / f"{file_name(entity)}.jsonl"

    def _next_file(self, entity: str) -> Path:
        return self._ours / f"{file_name(entity)}.jsonl"

    def _state_file(self, entity: str) -> Path:
        return self._ours / f"{file_name(entity)}.json"

    # -- state ----------------------------------------------------------------------------------------------------

    def _load(self, entity: str) -> State | None:
        file = self._state_file(entity)
        try:
            state = State.last_of(file.read_bytes(), file)
        except FileNotFoundError:
            return None
        if state.entity != entity:
            raise ConfigError(
                f"entities {entity!r} and {state.entity!r} differ only in case, which the file system of {self._path} "
                "ignores; expected names that can be told apart; write one of them to another folder"
            )
        return state

    def _unused(self, entity: str) -> State:
        file = self._data_file(entity)
        if size_of(file):
            raise DestinationError(
                f"{file} is there and was not made by this destination; expected no file of that name; "
                "move it or choose another folder: it was not touched"
            )
        return State(entity)

    def _save(self, state: State, *, durable: bool = False) -> None:
        file = self._state_file(state.entity)
        fresh = file.with_suffix(".tmp")
        self._files.write(fresh, state.to_line(), durable=durable)
        self._files.replace(fresh, file)

    def _note(self, state: State, noted: int) -> int:
        """Add a state to its file, or replace a file that has grown; give how many bytes have been added now.

        Replacing a file makes the system write out what it holds back, which takes longer than a page.
        """
        if noted > _MOST_NOTED:
            self._save(state)
            return 0
        return noted + self._files.append(self._state_file(state.entity), [state.to_line()])

    # -- data -----------------------------------------------------------------------------------------------------

    def _mended(self, state: State) -> State:
        """Do what a killed process left undone: the swap it announced, the tail it did not come to cover."""
        if state.swapping:
            self._swap(state.entity)
        file, extent = self._data_file(state.entity), state.current
        if state.reading:
            self._cut(file, extent.length)
        elif size_of(file) > extent.length:  # added by somebody after the last complete read: theirs stays
            if not ends_with_line(file):
                raise DestinationError(
                    f"{file} has been added to and does not end with a line feed; expected whole lines; "
                    "complete or remove its last line"
                )
            extent = Extent(size_of(file), extent.checkpoint)
        return attrs.evolve(state, current=extent, swapping=False)

    def _swap(self, entity: str) -> None:
        if self._next_file(entity).exists():
            self._files.replace(self._next_file(entity), self._data_file(entity))

    def _cut(self, file: Path, length: int) -> None:
        if size_of(file) > length:
            self._files.truncate(file, length)

    def _sync_names(self) -> None:
        self._files.sync(self._ours)
        self._files.sync(self._path)


def _refuse_shorter(file: Path, extent: Extent) -> None:
    size = size_of(file)
    if size < extent.length:
        raise DestinationError(
            f"{file} has {size} bytes, but its checkpoint covers {extent.length}; expected all of them: part of the file "
            "was lost, in a power failure perhaps; restore it, or reset the entity's state to read it from the start"
        )
