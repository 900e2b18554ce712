"""A sequence of calls, crashes and reopenings, played on a destination and on the plain model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from connector_kit.records.catalog import Entity, Field, Scalar
from connector_kit.records.checkpoint import Mode
from connector_kit.testing.conformance.bounds import EnoughError, NoAnswerError

from .model import Model
from .samples import reached
from .subject import DestinationSubject, close_quietly

if TYPE_CHECKING:
    from .place import Place
    from .subject import PlaceOrSubject
    from .watched import WatchedDestination

__all__ = ["Crash", "Finish", "Reopen", "Reset", "Start", "Step", "Write", "replay"]


@attrs.frozen
class Start:
    """Start a read of an entity."""

    entity: str
    mode: Mode
    resume: bool = True


@attrs.frozen
class Write:
    """Write a page, with a checkpoint or without; nothing where no read is under way."""

    entity: str
    records: Sequence[Mapping[str, Any]]
    covered: bool = True


@attrs.frozen
class Finish:
    """Finish the read; nothing where none is under way."""

    entity: str


@attrs.frozen
class Reset:
    """Reset an entity."""

    entity: str


@attrs.frozen
class Crash:
    """The process is gone, another one opens the place."""


@attrs.frozen
class Reopen:
    """Close, and open the place anew."""


Step: TypeAlias = Start | Write | Finish | Reset | Crash | Reopen


async def replay(subject: PlaceOrSubject, steps: Sequence[Step], /) -> str:
    """Play steps at a new place and compare after each; say what differs first, or nothing.

    Entities are "orders" and "customers", their records have an integer `id` and whatever else.
    """
    walk = _Walk(DestinationSubject.of(subject))
    await walk.open()
    try:
        for number, step in enumerate(steps, 1):
            if complaint := await walk.take(number, step):
                return f"after step {number}, {type(step).__name__}: {complaint}"
    finally:
        await close_quietly(walk.destination)
    return ""


class _Walk:
    """A place, and the models of its entities."""

    place: Place
    destination: WatchedDestination

    def __init__(self, subject: DestinationSubject) -> None:
        self._subject = subject
        self._models = {name: Model(subject.ordered) for name in ("orders", "customers")}
        self.place = subject.places()

    async def open(self) -> None:
        self.destination = self._subject.watched(self.place.destination())
        await self.destination.open()

    async def take(self, number: int, step: Step) -> str:
        """Take one step, and say what differs."""
        try:
            return await self._take(number, step) or await self._compare()
        except (EnoughError, NoAnswerError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever an author's destination raises is told
            return f"{self.destination.call} raised {type(error).__name__}: {error}"

    async def _take(self, number: int, step: Step) -> str:
        match step:
            case Start():
                return await self._start(step)
            case Write(entity, records, covered) if mode := self._models[entity].mode:
                checkpoint = reached(mode, number, entity) if covered else None
                await self.destination.write(entity, records, checkpoint)
                self._models[entity].write(records, checkpoint)
            case Finish(entity) if mode := self._models[entity].mode:
                checkpoint = reached(mode, number, entity, complete=True)
                await self.destination.finish(entity, checkpoint)
                self._models[entity].finish(checkpoint)
            case Reset(entity):
                await self.destination.reset(entity)
                self._models[entity].reset()
            case Crash() | Reopen():
                await self._leave(step)
            case _:
                pass  # a write or a finish without a start is looked at elsewhere
        return ""

    async def _start(self, step: Start) -> str:
        model = self._models[step.entity]
        if not model.takes(step.mode):
            return ""
        entity = Entity(step.entity, (Field("id", Scalar.INTEGER, nullable=False),), primary_key="id")
        given = await self.destination.start(entity, step.mode, resume=step.resume)
        return model.start(step.mode, given, self.place.rows(step.entity), resume=step.resume)

    async def _leave(self, step: Crash | Reopen) -> None:
        if isinstance(step, Crash):
            await self._subject.crash(self.place, self.destination)
        else:
            await self.destination.close()
        await self.open()
        for model in self._models.values():
            model.mode = None

    async def _compare(self) -> str:
        given = await self.destination.checkpoints()
        for entity, model in self._models.items():
            if complaint := model.complaint(self.place.rows(entity), given.get(entity)):
                return f"{entity}: {complaint}"
        return ""
