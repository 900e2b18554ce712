"""Whether reads that are closed early give back what they held: connections, files, tasks, threads. Part of law 8."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from connector_kit.capabilities import close_broken_stream

from .insisting import insisting
from .leftovers import Held, growing, held, settled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connector_kit.records.page import Page
    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.subject import Subject

    from .readings import Example

__all__ = ["look_at_giving_back"]

_ROUNDS: Final = 20  # a pool has ten places, as a rule: one that leaks runs dry
_EVERY: Final = 4  # rounds, there is a look at what the process holds
_FILLING: Final = 2  # looks, until pools and caches are full


async def look_at_giving_back(subject: Subject, example: Example, found: Findings) -> None:
    """Open a read, take a page and close it, over and over, and look whether the process holds more and more."""
    when = f"with {_ROUNDS} reads of {example.entity} one after the other, each closed after its first page"
    rounds: list[Held] = []
    look = partial(_look, subject, example.entity, rounds)
    if not await insisting(subject, example.entity, look, found, when=when):
        return
    more = growing(rounds[_FILLING:])
    for kind, names in more.items():
        found.broken(
            f"{when}, there are more and more {kind}: {', '.join(names)}",
            expected="that closing a read gives back all that it held",
            mend="give it back in a `finally` around the yield, or with an `async with` there",
            entity=example.entity,
        )
    if not more:
        found.checked(f"nothing is left {when}")


async def _look(subject: Subject, entity: str, rounds: list[Held]) -> None:
    rounds.clear()
    kept: list[AsyncIterator[Page]] = []  # nothing is given back by being thrown away
    async with subject.connector() as connector:
        before = held()
        for number in range(1, _ROUNDS + 1):
            stream = connector.fetch_data(entity)
            kept.append(stream)
            try:
                await stream.skip(1)
                await stream.aclose()
            finally:
                await close_broken_stream(stream)
            if number % _EVERY == 0:
                before = await settled(before)
                rounds.append(before)
