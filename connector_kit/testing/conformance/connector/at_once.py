"""Two reads of one connector at once: page by page in turn, and both waiting at the same time. Part of law 8."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import attrs

from connector_kit.capabilities import close_broken_stream, close_stream
from connector_kit.testing.conformance.reading import Reading, SeenPage
from connector_kit.testing.conformance.subject import WatchedPages

from .insisting import insisting
from .readings import Example, differing
from .steady import still_the_same

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.subject import Subject, Watched


__all__ = ["look_at_two_at_once"]

_MOST_PAGES: Final = 10
_LOCAL: Final = "keep what a read is at in local variables of fetch_data, and make each page's records anew"


@attrs.define(eq=False)
class _Side:
    """One of two reads: what it should deliver, and what it has delivered so far."""

    example: Example
    stream: WatchedPages
    most: int
    seen: list[SeenPage] = attrs.field(factory=list)
    ended: bool = False
    error: Exception | None = None

    @property
    def done(self) -> bool:
        return self.ended or len(self.seen) >= self.most

    async def step(self) -> None:
        """Read a page."""
        try:
            page = await self.stream.__anext__()
        except StopAsyncIteration:
            self.ended = True
        else:
            self.seen.append(SeenPage.of(len(self.seen) + 1, page))

    async def rest(self) -> None:
        """Read what is left; what is raised is kept, so that it comes out alone and not as a part of a group."""
        try:
            while not self.done:
                await self.step()
        except Exception as error:  # noqa: BLE001 - raised again when both have ended
            self.error = error


async def look_at_two_at_once(subject: Subject, one: Example, other: Example, found: Findings) -> None:
    """Read both in turn, then both at the same time, then one to its end after the other was closed early."""
    same = one.entity == other.entity
    whose = f"two reads of {one.entity}" if same else f"reads of {one.entity} and {other.entity}"
    ways = {f"{whose} in turn": _in_turn, f"{whose} at the same time": _at_the_same_time}
    if same:
        ways[f"a read of {one.entity} while another was closed"] = _one_closed
    for way, read in ways.items():
        look = partial(_look, subject, (one, other), way, read, found)
        if not await insisting(subject, one.entity, look, found, when=f"with {way}"):
            return  # the others would only take as long, and fail alike


async def _look(
    subject: Subject,
    examples: tuple[Example, Example],
    way: str,
    read: Callable[[_Side, _Side], Awaitable[None]],
    found: Findings,
) -> None:
    async with subject.connector() as connector, AsyncExitStack() as streams:
        one, other = [_side(connector, example, streams) for example in examples]
        await read(one, other)
        right = _unchanged(one, way, found) and _unchanged(other, way, found)
    if right and await _as_alone(subject, one, way, found) and await _as_alone(subject, other, way, found):
        found.checked(f"{way}: each delivers what it does alone")


def _side(connector: Watched, example: Example, streams: AsyncExitStack) -> _Side:
    stream = connector.fetch_data(example.entity)
    streams.push_async_callback(close_broken_stream, stream)
    most = min(_MOST_PAGES, len(example.whole.pages) + 1)  # one more: the end belongs to a read
    return _Side(example, stream, most)


async def _in_turn(one: _Side, other: _Side) -> None:
    while not (one.done and other.done):
        for side in (one, other):
            if not side.done:
                await side.step()


async def _at_the_same_time(one: _Side, other: _Side) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one.rest)
        tasks.start_soon(other.rest)


async def _one_closed(one: _Side, other: _Side) -> None:
    await one.step()
    await other.step()
    await close_stream(other.stream)
    other.most = len(other.seen)
    await one.rest()


def _unchanged(side: _Side, way: str, found: Findings) -> bool:
    """Compare the pages with what they were when they came."""
    if side.error is not None:
        raise side.error
    changed = next((page for page in side.seen if not page.still()), None)
    if changed is not None:
        found.broken(
            f"{way}: a page that had been delivered was changed afterwards",
            expected="pages that stay what they are",
            mend=_LOCAL,
            entity=side.example.entity,
            page=changed.number,
            records=changed.records,
        )
    return changed is None


async def _as_alone(subject: Subject, side: _Side, way: str, found: Findings) -> bool:
    """Compare what was delivered with an undisturbed read."""
    entity = side.example.entity
    different = differing(Reading(tuple(side.seen), side.ended), side.example.whole)
    if not different:
        return True
    if not await still_the_same(subject, entity):
        found.unchecked(f"{way}: the source changed meanwhile")
        return False
    found.broken(
        f"{way}: one delivers other records than it does alone",
        expected="that each read delivers what it does alone",
        mend=_LOCAL,
        entity=entity,
        records=different,
    )
    return False
