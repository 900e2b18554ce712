"""Law 8: closing a read early releases what it held, the next one works, and two at once do not disturb each other."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from connector_kit.capabilities import close_broken_stream
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS
from connector_kit.testing.conformance.telling import telling

from .at_once import look_at_two_at_once
from .cancelling import look_at_cancelling
from .giving_back import look_at_giving_back
from .insisting import insisting
from .readings import Example, differing
from .steady import still_the_same

if TYPE_CHECKING:
    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.subject import Subject, Watched, WatchedPages

__all__ = ["closing"]


_EARLY: Final = 3  # pages, after each of which a read is closed
_CLOSED_EARLY: Final = "after reads that were closed early"


@CONNECTOR_LAWS.law(
    8,
    "closing",
    "Closing early releases what the stream held; the next fetch works. Two fetches at once do not disturb each other.",
)
async def closing(subject: Subject, found: Findings) -> None:
    """Close reads early, cancel them, and read two at once, of one entity and of different ones."""
    examples: list[Example] = []
    for entity in await subject.entities():
        with telling(found, entity.name):
            reading = await subject.full_read(entity.name)
            if reading.records:
                examples.append(Example(entity.name, reading))
            else:
                found.unchecked(f"{entity.name}: it has no records")
    for example in examples:
        early = partial(_close_early, subject, example, found)
        if await insisting(subject, example.entity, early, found, when=_CLOSED_EARLY):
            await look_at_two_at_once(subject, example, example, found)
    for one, other in pairwise(examples):
        await look_at_two_at_once(subject, one, other, found)
    chosen = Example.smallest(examples)
    if chosen is not None:
        await look_at_giving_back(subject, chosen, found)
        await look_at_cancelling(subject, chosen, found)


async def _close_early(subject: Subject, example: Example, found: Findings) -> None:
    """Close a read before its first page and after each of the first ones; then read all with the same connector."""
    most = min(_EARLY, len(example.whole.pages))
    async with subject.connector() as connector:
        went_on = [await _went_on(connector, example, pages) for pages in range(most + 1)]
        now = await subject.read(connector, example.entity, pages=example.pages)
    if any(went_on):
        found.broken(
            "a read that is closed goes on: asked again, it delivers a page",
            expected="StopAsyncIteration: what is closed has ended",
            mend="let `aclose` end the iterator for good; an async generator does that by itself",
            entity=example.entity,
        )
    different = differing(now, example.whole)
    if different and await still_the_same(subject, example.entity):
        found.broken(
            f"{_CLOSED_EARLY}, the next one of the same connector delivers {len(now.records)} records",
            expected=f"the {len(example.whole.records)} of a read by a new connector",
            mend="keep what a read is at in local variables of fetch_data, not on the connector",
            entity=example.entity,
            records=different,
        )
    elif different:
        found.unchecked(f"{example.entity}: the source changed meanwhile")
    elif not any(went_on):
        found.checked(f"{example.entity}: closed after 0 to {most} pages, and twice; then read in full")


async def _went_on(connector: Watched, example: Example, pages: int) -> bool:
    """Read so many pages, close the read twice, and tell whether it goes on nevertheless."""
    stream = connector.fetch_data(example.entity)
    try:
        await stream.skip(pages)
        await stream.aclose()
        await stream.aclose()
        return stream.closable and await _delivers(stream)
    finally:
        await close_broken_stream(stream)


async def _delivers(stream: WatchedPages) -> bool:
    try:
        await stream.__anext__()
    except Exception:  # noqa: BLE001 - whatever says that it is closed
        return False
    return True
