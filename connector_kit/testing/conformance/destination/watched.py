"""`WatchedDestination`: the destination under examination, with every call counted and none waited for without end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connector_kit.protocols import Destination
    from connector_kit.records.catalog import Entity
    from connector_kit.records.checkpoint import Checkpoint, Mode
    from connector_kit.records.page import Record
    from connector_kit.testing.conformance.bounds import Meter

__all__ = ["WatchedDestination"]


class WatchedDestination:
    """Counts calls and gives up on one without an answer. `call` is the last one that was made, as text."""

    def __init__(self, inner: Destination, meter: Meter) -> None:
        self.inner = inner
        self.call = "nothing"
        self._meter = meter

    @property
    def modes(self) -> frozenset[Mode]:
        """The modes it says it can do."""
        return self.inner.modes

    async def open(self) -> None:
        """Open."""
        with self._answering("open()"):
            await self.inner.open()

    async def close(self) -> None:
        """Close."""
        with self._answering("close()", counted=False):
            await self.inner.close()

    async def start(self, entity: Entity, mode: Mode, /, *, resume: bool = True) -> Checkpoint | None:
        """Start a read."""
        options = "" if resume else ", resume=False"
        with self._answering(f"start({entity.name!r}, {mode!r}{options})"):
            return await self.inner.start(entity, mode, resume=resume)

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        """Write a page."""
        covered = "without a checkpoint" if checkpoint is None else "with its checkpoint"
        with self._answering(f"write({entity!r}) of {len(records)} records {covered}"):
            await self.inner.write(entity, records, checkpoint)

    async def finish(self, entity: str, checkpoint: Checkpoint, /) -> None:
        """Finish a read."""
        with self._answering(f"finish({entity!r})"):
            await self.inner.finish(entity, checkpoint)

    async def checkpoints(self) -> Mapping[str, Checkpoint]:
        """Give the last checkpoints."""
        with self._answering("checkpoints()"):
            return await self.inner.checkpoints()

    async def reset(self, entity: str, /) -> None:
        """Reset an entity."""
        with self._answering(f"reset({entity!r})"):
            await self.inner.reset(entity)

    @contextmanager
    def _answering(self, call: str, *, counted: bool = True) -> Iterator[None]:
        if counted:  # closing is not, so that it can be done at the bounds
            self._meter.count()
        self.call = call
        with self._meter.answering(call):
            yield
