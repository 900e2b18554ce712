"""What survives a process: named contents, each put there in one step, and the steps at which a process can die."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.testing.conformance.destination.fixture import Killed

from .shelf import Shelf

if TYPE_CHECKING:
    from connector_kit.protocols import Destination
    from connector_kit.records.page import Record


__all__ = ["Disk", "ShelfFixture"]


@attrs.define(eq=False)
class Disk:
    """Contents by name. After `steps` of them, every step raises `Killed`; None for no end."""

    contents: dict[str, bytes] = attrs.field(factory=dict)
    steps: int | None = None

    def put(self, name: str, content: object) -> None:
        """Store a copy in one step."""
        self._step()
        self.contents[name] = pickle.dumps(content)

    def get(self, name: str) -> Any:
        """Give a copy of what is stored; None where nothing is."""
        content = self.contents.get(name)
        return None if content is None else pickle.loads(content)

    def _step(self) -> None:
        if self.steps is not None:
            if self.steps == 0:
                raise Killed
            self.steps -= 1


@attrs.frozen
class ShelfFixture:
    """A place for destinations of one class, with every seam."""

    kind: type[Shelf]
    disk: Disk = attrs.field(factory=Disk)

    def destination(self) -> Destination:
        return self.kind(self.disk)

    def rows(self, entity: str, /) -> list[Record]:
        return self.kind(self.disk).shown(entity)

    def abandon(self, destination: Destination, /) -> None:
        """Nothing outlives the process but the disk."""

    def crashing(self, point: int, /) -> Destination:
        return self.kind(Disk(self.disk.contents, steps=point))

    def damage(self, entity: str, /) -> None:
        store = self.kind(self.disk)
        stored = store.load(entity)
        assert stored is not None
        stored.current.checkpoint = b"{"
        store.save(stored)

    def occupy(self, entity: str, /) -> None:
        self.disk.contents[entity] = pickle.dumps("somebody else's")

    def theirs(self) -> object:
        return dict(self.disk.contents)
