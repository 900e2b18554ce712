"""`JsonlDestination`: one call at a time, to its end; in a worker thread, but for writes of the usual size."""

from __future__ import annotations

import errno
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
import attrs

from connector_kit.destinations.ledger import refuse_mode
from connector_kit.destinations.worker import Worker
from connector_kit.errors import DestinationError
from connector_kit.records.json_lines import json_size

from .files import Files, LocalFiles
from .folder import Folder, FolderLock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connector_kit.records.catalog import Entity
    from connector_kit.records.checkpoint import Checkpoint, EntityState, Mode
    from connector_kit.records.page import Record

__all__ = ["JsonlDestination"]

T = TypeVar("T")

_MODES: frozenset[Mode] = frozenset({"append", "replace"})
_BRIEF_BYTES = 4 * 1024 * 1024
"""Of JSON: what is encoded and written in ten milliseconds, and what a run writes at once, but for larger pages."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@attrs.define(eq=False)
class JsonlDestination:
    """A file of JSON lines, `<entity>.jsonl`, for each entity in `folder`, which is made if it is not there.

    A line counts once the state file beside it (`.connector_kit/<entity>.json`) says so. `files` is for tests.
    After a `write` that failed, the entity's read must be started again.
    """

    folder: Path = attrs.field(converter=Path)
    files: Files = attrs.field(factory=LocalFiles, kw_only=True)
    _opened: Folder | None = attrs.field(default=None, init=False)
    _worker: Worker = attrs.field(factory=Worker, init=False)

    @property
    def modes(self) -> frozenset[Mode]:
        """Append and replace: no line can be found by its key."""
        return _MODES

    def exists(self) -> bool:
        """Return whether the folder is there."""
        return self.folder.exists()

    async def open(self) -> None:
        """Make the folder if it is not there; raise `DestinationError` for a place where it cannot be."""
        await self._run(self._open)

    async def close(self) -> None:
        """Bring what is written to the disk and release the folder. Safe at any time and twice."""
        with anyio.CancelScope(shield=True):
            await self._run(self._close)

    async def start(self, entity: Entity, mode: Mode, /, *, resume: bool = True) -> Checkpoint | None:
        """Cut off lines that no checkpoint covers, and return the entity's checkpoint.

        With mode "replace", that is the checkpoint of the unfinished generation that is continued; None for a new
        one, whatever the lines it is to replace have. Takes the folder for this process alone, until `close`.
        """
        refuse_mode(mode, _MODES, entity, "JSONL")
        return await self._with_folder(partial(Folder.start, kind=entity, mode=mode, resume=resume))

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        """Add the records, and store the checkpoint that covers them. Raise `SchemaMismatchError` for what is no JSON."""
        # Encoding holds the interpreter, and writing copies into the system's memory: a thread would be of no use.
        brief = json_size(records) <= _BRIEF_BYTES
        await self._with_folder(
            partial(Folder.write, entity=entity, records=records, checkpoint=checkpoint), brief=brief
        )

    async def finish(self, entity: str, checkpoint: Checkpoint, /) -> None:
        """Store the last checkpoint and, with mode "replace", let the new generation take over. It is on the disk then."""
        await self._with_folder(partial(Folder.finish, entity=entity, checkpoint=checkpoint))

    async def states(self) -> Mapping[str, EntityState]:
        """Return the last checkpoint of every entity, or why its state file cannot be read."""
        return await self._with_folder(Folder.states)

    async def count(self, entity: str, /) -> int:
        """Return how many lines the entity's file has; 0 where there is none."""
        return await self._with_folder(partial(Folder.count, entity=entity))

    async def reset(self, entity: str, /) -> None:
        """Forget the entity's checkpoint and what it does not cover. An entity that is not there is no error."""
        await self._with_folder(partial(Folder.reset, entity=entity))

    def _open(self) -> None:
        if not self.folder.parent.is_dir():
            raise DestinationError(
                f"{self.folder.parent} is no folder, so that {self.folder} cannot be there; expected a place in a folder "
                "that exists; create that folder or choose another place"
            )
        if self.folder.exists() and not self.folder.is_dir():
            raise DestinationError(
                f"{self.folder} is a file; expected a folder, or nothing yet; choose another place: it was not touched"
            )
        ours = self.folder / ".connector_kit"
        ours.mkdir(parents=True, exist_ok=True)
        if self._opened is None:
            self._opened = Folder(self.folder, self.files, FolderLock(ours / "lock"))

    def _close(self) -> None:
        folder, self._opened = self._opened, None
        if folder is not None:
            folder.release()

    async def _with_folder(self, call: Callable[[Folder], T], *, brief: bool = False) -> T:
        def run() -> T:
            if self._opened is None:
                raise DestinationError(f"{self.folder} is not open; expected open() before; call it first")
            return call(self._opened)

        return await self._run(run, brief=brief)

    async def _run(self, call: Callable[[], T], *, brief: bool = False) -> T:
        try:
            return await (self._worker.run_briefly(call) if brief else self._worker.run(call))
        except OSError as error:
            raise _explained(error, self.folder) from error


def _explained(error: OSError, folder: Path) -> DestinationError:
    where = error.filename or folder
    if error.errno in _FULL:
        return DestinationError(
            f"{where} cannot grow: the disk is full ({error.strerror}); expected room for the records; "
            "free some space and run again; what is stored is intact"
        )
    return DestinationError(
        f"{where} cannot be used ({error.strerror}); expected a folder that may be read and written to; "
        "change its permissions or choose another place; what is stored is intact"
    )
