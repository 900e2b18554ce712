"""Reads while the source changes: what was there all the time has to be delivered exactly once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from connector_kit.capabilities import close_broken_stream, close_stream
from connector_kit.testing.conformance.reading import SeenPage

from .identity import cursor_of, identity_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from connector_kit.protocols import Connector
    from connector_kit.records.catalog import Entity
    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.reading import Reading
    from connector_kit.testing.conformance.subject import Subject

__all__ = ["look_at_changes", "misdelivered"]

MOST_CHANGES: Final = 3
"""How often the source is changed during a read."""

_MEND = (
    "page by the last key delivered (where key > ... order by key) or let the source hold a snapshot; "
    "an offset counts rows that move"
)


async def look_at_changes(subject: Subject, found: Findings) -> None:
    """Read each entity while `subject.change` is at work: in one stream, and by going on at cursors."""
    change = subject.change
    if change is None:
        found.unchecked("reading while the source changes (give change=...)")
        return
    try:
        for entity in await subject.entities():
            await _look_at(subject, entity, change, found)
    finally:
        subject.forget()  # what was read before the changes says nothing of the source any more


async def _look_at(subject: Subject, entity: Entity, change: Callable[[], None], found: Findings) -> None:
    for how, resuming in (("in one stream", False), ("going on at each cursor", True)):
        states = _States(subject, entity, change)
        await states.look()
        if not states.seen[0].ended:
            found.unchecked(f"{entity.name} while the source changes: it has more pages than allowed")
            return
        async with subject.connector() as connector:
            delivered = await _read_changing(
                connector, entity.name, states, subject.bounds.pages, resuming=resuming
            )
        if not states.differ:
            found.unchecked(f"{entity.name} while the source changes: change() changed nothing of it")
            return
        lost, twice = misdelivered(entity, [state.records for state in states.seen], delivered)
        if lost or twice:
            told = ", ".join(
                f"{len(records)} {word}"
                for records, word in ((lost, "lost"), (twice, "there twice"))
                if records
            )
            found.broken(
                f"read {how} while the source changed: of the records that stayed, {told}",
                expected="each that was there before, meanwhile and after exactly once",
                mend=_MEND,
                entity=entity.name,
                records=(*lost, *twice),
            )
        else:
            found.checked(f"read {entity.name} {how} under {len(states.seen) - 1} changes of the source")


class _States:
    """What the source holds before, between and after the changes, each as a connector of its own reads it."""

    def __init__(self, subject: Subject, entity: Entity, change: Callable[[], None]) -> None:
        self._subject = subject
        self._entity = entity
        self._change = change
        self.seen: list[Reading] = []

    @property
    def differ(self) -> bool:
        """Whether any change showed in this entity."""
        return len({state.records for state in self.seen}) > 1

    async def look(self) -> None:
        """Take note of the state now."""
        async with self._subject.connector() as connector:
            self.seen.append(await self._subject.read(connector, self._entity.name))

    async def change(self) -> None:
        """Change the source, up to the number of times allowed."""
        if len(self.seen) <= MOST_CHANGES:
            self._change()
            await self.look()


async def _read_changing(
    connector: Connector, entity: str, states: _States, most: int, *, resuming: bool
) -> list[str]:
    """Give the records of a read with a change after each page; `resuming`, it begins anew at each cursor."""
    delivered: list[str] = []
    stream = connector.fetch_data(entity)
    try:
        for number in range(1, most + 1):
            try:
                page = SeenPage.of(number, await stream.__anext__())
            except StopAsyncIteration:
                break
            delivered += page.records
            cursor = cursor_of(page) if resuming else None
            if cursor is not None:
                await close_stream(stream)
            await states.change()
            if cursor is not None:
                stream = connector.fetch_data(entity, cursor=cursor)
    except BaseException:
        await close_broken_stream(stream)
        raise
    await close_stream(stream)
    return delivered


def misdelivered(
    entity: Entity, states: Sequence[Sequence[str]], delivered: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Give the records that were in every state as they are, and are lost, and those that are delivered too often.

    Records are told apart by their primary key where all have one, else by all they hold. One that changed may come as it
    was, as it became, or as both.
    """
    stayed = set(states[0]).intersection(*states[1:])
    counts = [Counter(_identities(entity, state)) for state in states]
    came = Counter(_identities(entity, delivered))
    lost, twice = [], []
    for record in [record for record in dict.fromkeys(states[0]) if record in stayed]:
        identity = identity_of(entity, record)
        there = [count[identity] for count in counts]
        if came[identity] < min(there):
            lost.append(record)
        if came[identity] > max(there):
            twice.append(record)
    return lost, twice


def _identities(entity: Entity, records: Iterable[str]) -> list[str]:
    return [identity_of(entity, record) for record in records]
