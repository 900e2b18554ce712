"""Whether a read can be cancelled while it waits for a page, at whichever await, with nothing left. Part of law 8."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from connector_kit.capabilities import close_broken_stream

from .insisting import insisting
from .interrupted import Interrupted
from .leftovers import Held, growing, held, settled
from .readings import differing
from .steady import still_the_same

if TYPE_CHECKING:
    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.subject import Subject, Watched

    from .readings import Example

__all__ = ["look_at_cancelling"]

_TURNS: Final = (1, 2, 3, 5, 8, 13, 40)
"""After how many turns of the event loop a read is cancelled; a request to a server is under way at the last ones."""

_LATER_TURNS: Final = (2, 5)  # the same for later pages, each of which costs all those before it
_MOST_PAGES: Final = 5
_ROUNDS: Final = 6  # of the same, to see whether the process holds more after each

_EXPECTED: Final = "that the cancellation comes out, and nothing else"
_MEND: Final = (
    "let it pass: no `except BaseException`, no bare `except`, no `return` or `yield` in a `finally`"
)


async def look_at_cancelling(subject: Subject, example: Example, found: Findings) -> None:
    """Cancel reads at the first, a middle and the last page, then read all with the same connector."""
    when = f"after reads of {example.entity} that were cancelled"
    look = partial(_look, subject, example, when, found)
    await insisting(subject, example.entity, look, found, when=when)


async def _look(subject: Subject, example: Example, when: str, found: Findings) -> None:
    right = True
    moments = _moments(len(example.whole.pages))
    async with subject.connector() as connector:
        delivered: list[int] = []  # at the first page, after how many turns
        for page, turns in moments:
            interrupted = await _interrupt(subject, connector, example.entity, page, turns, found)
            if interrupted.delivered:
                delivered += [turns] if page == 1 else []
                right = _passed_on(interrupted, example.entity, page, found) and right
        rounds: list[Held] = [held()]
        for _ in range(_ROUNDS if delivered else 0):
            await _interrupt(subject, connector, example.entity, 1, delivered[-1], found)
            rounds.append(await settled(rounds[-1]))
        now = await subject.read(connector, example.entity, pages=example.pages)
    right = _nothing_left(rounds[1:], when, example.entity, found) and right
    different = differing(now, example.whole)
    if different and await still_the_same(subject, example.entity):
        found.broken(
            f"{when}, the next one of the same connector delivers {len(now.records)} records",
            expected=f"the {len(example.whole.records)} of a read by a new connector",
            mend="give back in a `finally` what a request has taken, and leave no half-read answer behind",
            entity=example.entity,
            records=different,
        )
    elif different:
        found.unchecked(f"{when}: the source changed meanwhile")
    elif right:
        found.checked(f"{example.entity}: cancelled at {len(moments)} moments, then read in full")


def _moments(pages: int) -> list[tuple[int, int]]:
    """Give the moments: at which page, the first is 1, and after how many turns of the event loop."""
    last = min(pages, _MOST_PAGES)
    later = sorted({(last + 1) // 2, last} - {1})
    return [(1, turns) for turns in _TURNS] + [(page, turns) for page in later for turns in _LATER_TURNS]


async def _interrupt(
    subject: Subject, connector: Watched, entity: str, page: int, turns: int, found: Findings
) -> Interrupted:
    """Cancel a read while it waits for a page, if it still waits then."""
    stream = connector.fetch_data(entity)
    try:
        await stream.skip(page - 1)
        interrupted = Interrupted(stream)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(interrupted.ask)
            if await interrupted.cancel(turns=turns):
                await _until_over(interrupted, subject.bounds.call_seconds, entity, page, found)
    finally:
        await close_broken_stream(stream)
    if interrupted.answer == "error" and interrupted.error is not None and not interrupted.cancelled:
        raise interrupted.error
    return interrupted


async def _until_over(
    interrupted: Interrupted, seconds: float, entity: str, page: int, found: Findings
) -> None:
    patience = seconds * 0.75  # whoever runs this in isolation abandons it a little after `seconds`
    with anyio.move_on_after(patience):
        await interrupted.over()
    if not interrupted.answer and interrupted.delivered:
        found.broken(
            f"cancelled while it waits for a page, a read does not end within {patience:g} s",
            expected=_EXPECTED,
            mend=_MEND,
            entity=entity,
            page=page,
        )


def _passed_on(interrupted: Interrupted, entity: str, page: int, found: Findings) -> bool:
    """Tell whether a cancellation that reached the connector came out again."""
    if interrupted.answer == "cancelled":
        return True
    error = interrupted.error
    came = {
        "page": "a page",
        "end": "the end of the read",
        "error": f"{type(error).__name__}: {error}",
    }.get(interrupted.answer, "nothing")
    found.broken(
        f"the cancellation is swallowed: cancelled while it waits for a page, a read answers with {came}",
        expected=_EXPECTED,
        mend=_MEND,
        entity=entity,
        page=page,
    )
    return False


def _nothing_left(rounds: list[Held], when: str, entity: str, found: Findings) -> bool:
    more = growing(rounds) if rounds else {}
    for kind, names in more.items():
        found.broken(
            f"{when}, there are more and more {kind}: {', '.join(names)}",
            expected="that a cancelled read gives back all that it held",
            mend="give it back in a `finally`, or with an `async with`, which a cancellation passes, too",
            entity=entity,
        )
    return not more
