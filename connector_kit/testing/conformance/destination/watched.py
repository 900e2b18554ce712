"""`WatchedDestination`: the destination under examination, with every call counted and none waited for without end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from .stored_values import with_size_alone

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from connector_kit.protocols import Destination
    from connector_kit.records.catalog import Entity
    from connector_kit.records.checkpoint import Checkpoint, EntityState, Mode
    from connector_kit.records.page import Record
    from connector_kit.testing.conformance.bounds import Meter

__all__ = ["WatchedDestination"]


class WatchedDestination:
    """A destination whose calls are counted and bounded by `meter`. `call` is the last one made, as text."""

    def __init__(self, inner: Destination, meter: Meter) -> None:
        self.inner = inner
        self.call = "nothing"
        self._meter = meter

    async def open(self) -> None:
        """Open."""
        with self._answering("open()"):
            await self.inner.open()

    async def close(self) -> None:
        """Close; this is not counted, so that it can be done at the bounds."""
        with self._answering("close()", counted=False):
            await self.inner.close()

    async def start(self, entity: Entity, mode: Mode, /, *, resume: bool = True) -> Checkpoint | None:
        """Start a read."""
        with self._answering(f"start({entity.name!r}, {mode!r}{'' if resume else ', resume=False'})"):
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

    async def states(self) -> Mapping[str, EntityState]:
        """Return the last checkpoints."""
        with self._answering("states()"):
            return await self.inner.states()

    async def stored(self, entity: str) -> Checkpoint | None:
        """Return the entity's checkpoint that `states` gives, of whose log it gives the size at least."""
        state = (await self.states()).get(entity)
        return with_size_alone(None if state is None else state.checkpoint)

    async def count(self, entity: str, /) -> int | None:
        """Return the number of rows that are shown."""
        with self._answering(f"count({entity!r})"):
            return await self.inner.count(entity)

    async def reset(self, entity: str, /) -> None:
        """Reset an entity."""
        with self._answering(f"reset({entity!r})"):
            await self.inner.reset(entity)

    @contextmanager
    def _answering(self, call: str, *, counted: bool = True) -> Generator[None]:
        if counted:
            self._meter.count()
        self.call = call
        with self._meter.answering(call):
            yield
