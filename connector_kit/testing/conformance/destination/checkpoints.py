"""Law 2: a checkpoint comes back as it was given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import attrs

from .alike import checkpoint_difference
from .samples import ORDERS, page, reached
from .subject import DESTINATION_LAWS
from .trial import Trial, trial

if TYPE_CHECKING:
    from connector_kit.records.checkpoint import Checkpoint, Mode
    from connector_kit.records.page import JsonValue
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["checkpoints"]


def _nested(levels: int) -> JsonValue:
    value: JsonValue = "deep"
    for level in range(levels):
        value = [value] if level % 2 else {"in": value}
    return value


_CURSORS: tuple[JsonValue, ...] = (
    0,
    1,
    1.0,
    True,
    False,
    "1",
    "",
    "null",
    2**53 + 1,
    2**64 - 1,
    -(2**63),
    0.1,
    1e300,
    "Zürich 東京 𝄞 \u2028 \x00 \"'\\ \n",
    "2013-01-01T00:00:00Z",
    [],
    {},
    [None, True, 1, 1.5, "x", [[]], {"": {}}],
    {"ü": 1, "b": None, "a": [1, 2]},
    _nested(60),
    "x" * 50_000,
)
_MEND = "store Checkpoint.to_json() as it is and read it with Checkpoint.from_json()"


@DESTINATION_LAWS.law(
    2,
    "checkpoints",
    "start and checkpoints give back the last checkpoint as it was stored, to the letter of its cursor's JSON, also to "
    "another process.",
)
async def checkpoints(subject: DestinationSubject, found: Findings) -> None:
    """Store checkpoints with cursors and times of every kind, and read them in a new destination."""
    for mode in subject.modes():
        async with trial(subject, found, f"{mode}, a checkpoint for each page and for the end") as at:
            await _each(at, mode)
    mode = subject.any_mode()
    async with trial(subject, found, f"{len(_CURSORS)} kinds of cursors") as at:
        for cursor in _CURSORS:
            await _comes_back(at, mode, attrs.evolve(reached(mode, 1), cursor=cursor))
    async with trial(subject, found, "times, counts and fingerprints") as at:
        for checkpoint in _full(mode):
            await _comes_back(at, mode, checkpoint)
    async with trial(subject, found, "a place where nothing was stored") as at:
        if stored := await at.destination.checkpoints():
            at.broken(f"checkpoints() gives {sorted(stored)}", expected="nothing")
        at.given_is(await at.start(mode), None, "the first start")
        at.rows_are([], "after the first start")


async def _each(at: Trial, mode: Mode) -> None:
    at.given_is(await at.start(mode), None, "the first start")
    for number in (1, 2):
        await at.write(number)
        await at.stored_is(number, f"after page {number}", mend="store the checkpoint with its page")
    await at.reopen()
    await at.stored_is(2, "opened again", mend=_MEND)
    at.given_is(await at.start(mode), 2, "the start after that", mend=_MEND)
    await at.write(3)
    await at.finish()
    await at.stored_is(at.last(), "after finish")
    await at.reopen()
    await at.stored_is(at.last(), "opened again after finish", mend=_MEND)


async def _comes_back(at: Trial, mode: Mode, checkpoint: Checkpoint) -> None:
    await at.start(mode, resume=True)
    await at.destination.write(ORDERS.name, page(1), checkpoint)
    await at.reopen()
    given = (await at.destination.checkpoints()).get(ORDERS.name)
    _compare(at, checkpoint, given, "checkpoints()")
    _compare(at, checkpoint, await at.start(mode), "the next start")


def _compare(at: Trial, stored: Checkpoint, given: Checkpoint | None, who: str) -> None:
    if differs := checkpoint_difference(stored, given):
        at.broken(
            f"{who} gives another checkpoint than was stored: {differs}", mend=_MEND, entity=ORDERS.name
        )


def _full(mode: Mode) -> list[Checkpoint]:
    """Give checkpoints in which every field has something to lose."""
    east = timezone(timedelta(hours=5, minutes=30))
    return [
        attrs.evolve(
            reached(mode, 3),
            since=datetime(2013, 1, 1, tzinfo=UTC),
            watermark=datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=east),
            updated=datetime(2024, 3, 1, 0, 0, 0, 1, tzinfo=UTC),
            rows=2**40,
            seen={"a" * 16: 1, "ü": 2},
            stored={"b": 3},
        ),
        attrs.evolve(reached(mode, 3), since=None, watermark=None, rows=0, pages=0),
        attrs.evolve(reached(mode, 3), connector="shop: 'north' \"ü\"", complete=True),
    ]
