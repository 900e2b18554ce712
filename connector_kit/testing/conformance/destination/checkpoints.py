"""What a checkpoint promises: it comes back as stored, rows that none covers do not count, a reset forgets it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING

import attrs

from connector_kit.records.checkpoint import FingerprintLog
from connector_kit.testing.conformance.reading import text_of

from .scenario import Scenario, scenario
from .stored_values import checkpoint_difference, equal_records, with_size_alone
from .subject import DESTINATION_LAWS, LAST, ORDERS, entity_named, pages, reached

if TYPE_CHECKING:
    from connector_kit.records.checkpoint import Checkpoint, Mode
    from connector_kit.records.page import JsonValue, Record
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["checkpoints", "provisional", "reset"]


def _nested(levels: int) -> JsonValue:
    value: JsonValue = "deep"
    for level in range(levels):
        value = [value] if level % 2 else {"in": value}
    return value


_CURSORS: tuple[JsonValue, ...] = (
    *(0, 1, 1.0, True, False, "1", "", "null", 2**53 + 1, 2**64 - 1, -(2**63), 0.1, 1e300),
    "Zürich 東京 𝄞 \u2028 \x00 \"'\\ \n",
    "2013-01-01T00:00:00Z",
    [],
    {},
    [None, True, 1, 1.5, "x", [[]], {"": {}}],
    {"ü": 1, "b": None, "a": [1, 2]},
    _nested(60),
    "x" * 50_000,
)
_TO_JSON = "store Checkpoint.to_json() as it is and read it with Checkpoint.from_json()"
_LOG = "keep the log in the step that stores the checkpoint: its first `keep` bytes, followed by `added`"
_DROP = "note with each checkpoint how far it reaches, and delete what lies beyond it in start()"
_COVER = "let a checkpoint cover all rows written before it"
_KEEP = "delete the checkpoint and leave the rows"
_FORGET = "forget the checkpoint of the current rows and the unfinished generation with its own"


@DESTINATION_LAWS.law(
    2,
    "checkpoints",
    "start and states give back the last checkpoint as it was stored, to the letter of its cursor's JSON, also to "
    "another process; start with the whole of its log, which belongs to its generation.",
)
async def checkpoints(subject: DestinationSubject, found: Findings) -> None:
    """Store checkpoints with cursors and times of every kind, and read them in a new destination."""
    for mode in subject.modes():
        name = f"{mode}, a checkpoint for each page and for the end"
        async with scenario(subject, found, name, mend_checkpoint=_TO_JSON) as at:
            await _each(at, mode)
    mode = subject.any_mode()
    async with scenario(subject, found, f"{len(_CURSORS)} kinds of cursors") as at:
        for cursor in _CURSORS:
            await _comes_back(at, mode, attrs.evolve(reached(mode, 1), cursor=cursor))
    async with scenario(subject, found, "times, counts and what the checkpoint belongs to") as at:
        for checkpoint in _full(mode):
            await _comes_back(at, mode, checkpoint)
    for mode in subject.modes():
        async with scenario(subject, found, f"{mode}, a log that grows", mend_checkpoint=_LOG) as at:
            await _log_grows(at, mode)
    if "replace" in subject.modes():
        async with scenario(
            subject, found, "the log of an unfinished generation", mend_checkpoint=_LOG
        ) as at:
            await _log_of_a_generation(at, subject.any_mode())
    async with scenario(subject, found, "a fixture where nothing was stored") as at:
        if stored := await at.destination.states():
            at.broken(f"states() gives {sorted(stored)}", expected="nothing")
        await at.start_gives(None, mode, "the first start")
        at.rows_are([], "after the first start")


async def _each(at: Scenario, mode: Mode) -> None:
    await at.start_gives(None, mode, "the first start", mend="")
    for number in (1, 2):
        await at.write(number)
        await at.stored_is(number, f"after page {number}", mend="store the checkpoint with its page")
    await at.reopen()
    await at.stored_is(2, "opened again")
    await at.start_gives(2, mode, "the start after that")
    await at.finish(3)
    await at.stored_is(at.last(), "after finish", mend="")
    await at.reopen()
    await at.stored_is(at.last(), "opened again after finish")


async def _log_grows(at: Scenario, mode: Mode) -> None:
    """Store a log in parts, drop what was not covered, cut it, and leave it out."""
    await at.start(mode)
    log = b""
    for number, (keep, added) in enumerate([(0, b"one,"), (4, b"two,"), (8, b""), (4, b"three")], 1):
        log = log[:keep] + added
        await at.destination.write(ORDERS.name, pages(number), _logged(mode, number, keep, added))
    await at.write(5, covered=False)
    await at.crash()
    at.checkpoint_is(await at.start(mode), _logged(mode, 4, 0, log), "the next start")
    await at.destination.write(ORDERS.name, pages(5), _logged(mode, 5, len(log), b"!"))
    await at.reopen()
    at.checkpoint_is(await at.start(mode), _logged(mode, 5, 0, log + b"!"), "the start after that")
    await at.destination.write(ORDERS.name, pages(6), _logged(mode, 6, 0, b""))
    await at.reopen()
    at.checkpoint_is(await at.start(mode), _logged(mode, 6, 0, b""), "the start after a page without a log")


async def _log_of_a_generation(at: Scenario, mode: Mode) -> None:
    await at.complete(mode, 1)
    await at.begin("replace", 2)
    await at.start_gives(2, "replace", "the unfinished generation")
    if mode != "replace":
        await at.start(mode)
        at.checkpoint_is(await at.start(mode), reached(mode, LAST, complete=True), f"start in mode {mode}")


def _logged(mode: Mode, number: int, keep: int, added: bytes) -> Checkpoint:
    return attrs.evolve(reached(mode, number), log=FingerprintLog(keep, added))


async def _comes_back(at: Scenario, mode: Mode, checkpoint: Checkpoint) -> None:
    await at.start(mode, resume=True)
    await at.destination.write(ORDERS.name, pages(1), checkpoint)
    await at.reopen()
    stored = await at.destination.stored(ORDERS.name)
    _compare(at, with_size_alone(checkpoint), stored, "states()")
    _compare(at, checkpoint, await at.start(mode), "the next start")


def _compare(at: Scenario, stored: Checkpoint | None, given: Checkpoint | None, who: str) -> None:
    if differs := checkpoint_difference(stored, given):
        what = f"{who} gives another checkpoint than was stored: {differs}"
        at.broken(what, mend=_TO_JSON, entity=ORDERS.name)


def _full(mode: Mode) -> list[Checkpoint]:
    """Return checkpoints in which every field has something to lose."""
    east = timezone(timedelta(hours=5, minutes=30))
    return [
        attrs.evolve(
            reached(mode, 3),
            since=datetime(2013, 1, 1, tzinfo=UTC),
            watermark=datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=east),
            updated=datetime(2024, 3, 1, 0, 0, 0, 1, tzinfo=UTC),
            rows=2**40,
            revision="orders of 2024, 'ü'",
            replication_key="at",
            reading="since",
            began=datetime(2024, 2, 29, 22, tzinfo=UTC),
        ),
        attrs.evolve(reached(mode, 3), since=None, watermark=None, rows=0, pages=0),
        attrs.evolve(reached(mode, 3), connector="shop: 'north' \"ü\"", complete=True),
    ]


@DESTINATION_LAWS.law(
    3,
    "provisional",
    "Rows written without a checkpoint count once a later write or finish brings one; otherwise the next start drops "
    "them (in mode upsert they may stay).",
)
async def provisional(subject: DestinationSubject, found: Findings) -> None:
    """Write pages without a checkpoint, and see what is left of them after a crash, a close and another start."""
    dropping = partial(scenario, subject, found, mend_rows=_DROP)
    covering = partial(scenario, subject, found, mend_rows=_COVER, mend_checkpoint=_COVER)
    for mode in subject.modes():
        for way in ("crash", "close", "start again"):
            async with dropping(f"{mode}, provisional rows and then {way}") as at:
                await _dropped(at, mode, way)
        async with dropping(
            f"{mode}, nothing but provisional rows and then a crash", mend_checkpoint=_DROP
        ) as at:
            await _dropped_first(at, mode)
        async with covering(f"{mode}, provisional rows that a later checkpoint covers") as at:
            await _covered_later(at, mode)
        async with covering(f"{mode}, provisional rows that finish() covers") as at:
            await _covered_by_finish(at, mode)


async def _dropped(at: Scenario, mode: Mode, way: str) -> None:
    """The page before is covered, the provisional one changes one of its rows and adds another."""
    await at.begin(mode, 1)
    changed = {**pages(1)[0], "name": "provisional"} if mode == "upsert" else pages(2)[0]
    await at.write(2, [changed, pages(2)[1]], covered=False)
    await at.interrupt(way)
    await at.start_gives(1, mode, "the next start")
    if mode == "append":
        at.rows_are(pages(1), "after the next start")
    elif mode == "upsert":
        _are_of_these(at, [*pages(1), changed, pages(2)[1]], keys={record["id"] for record in pages(1)})
        return
    await at.finish(2)
    at.rows_are(pages(1, 2), "after the read has gone on")


def _are_of_these(at: Scenario, allowed: list[Record], *, keys: set[int]) -> None:
    """Upserted rows may stay or not: look for rows that nobody wrote, and for keys that are missing or there twice."""
    rows = at.fixture.rows(ORDERS.name)
    found = [row.get("id") for row in rows]
    strange = [row for row in rows if not any(equal_records(one, row) for one in allowed)]
    if strange or len(found) != len(set(found)) or not keys.issubset(found):
        at.broken(
            "after the next start the rows are neither those that are covered nor those written since",
            mend=_DROP,
            entity=ORDERS.name,
            records=tuple(f"is there: {text_of(dict(row))}" for row in rows),
        )


async def _dropped_first(at: Scenario, mode: Mode) -> None:
    await at.start(mode)
    await at.write(1, covered=False)
    await at.crash()
    await at.start_gives(None, mode, "the next start")
    if mode != "upsert":
        at.rows_are([], "after the next start")
    await at.finish(2)
    if mode != "upsert":
        at.rows_are(pages(2), "after another read")


async def _covered_later(at: Scenario, mode: Mode) -> None:
    await at.start(mode)
    for number in (1, 2, 3, 4):
        await at.write(number, covered=number in {1, 4})
    await at.crash()
    await at.start_gives(4, mode, "the next start")
    if mode != "replace":
        at.rows_are(pages(1, 2, 3, 4), "after the next start")
    await at.finish()
    at.rows_are(pages(1, 2, 3, 4), "after finish")


async def _covered_by_finish(at: Scenario, mode: Mode) -> None:
    await at.start(mode)
    await at.write(1, covered=False)
    await at.write(2, covered=False)
    await at.finish()
    at.rows_are(pages(1, 2), "after finish")
    await at.crash()
    if mode == "append":
        await at.start_gives(at.last(), mode, "the next start")
    at.rows_are(pages(1, 2), "after a crash")


@DESTINATION_LAWS.law(
    13,
    "reset",
    "reset forgets the checkpoint and an unfinished generation, so that the next read begins at the start; rows that were "
    "covered stay.",
)
async def reset(subject: DestinationSubject, found: Findings) -> None:
    """Reset after a complete read, in the middle of one, in a generation, and where nothing is."""
    at_new = partial(scenario, subject, found, mend_rows=_KEEP, mend_checkpoint=_FORGET)
    for mode in subject.modes():
        async with at_new(f"{mode}, after a complete read") as at:
            await at.complete(mode, 1, 2)
            await _forgotten(at, mode, 2)
        if mode != "replace":
            async with at_new(f"{mode}, in the middle of a read") as at:
                await at.begin(mode, 1, 2)
                await _forgotten(at, mode, 2)
    if "append" in subject.modes():
        async with at_new("append, with provisional rows") as at:
            await at.begin("append", 1)
            await at.write(2, covered=False)
            await _forgotten(at, "append", 1)
    if "replace" in subject.modes():
        async with at_new("replace, an unfinished generation") as at:
            await at.complete("replace", 1)
            await at.begin("replace", 2)
            await _forgotten(at, "replace", 1)
            await at.finish(3)
            at.rows_are(pages(3), "after the next read", mend=_FORGET)
    async with scenario(subject, found, "an entity that is not there") as at:
        await at.destination.reset(ORDERS.name)
        await at.complete(subject.any_mode(), 1, entity=entity_named("customers"))
        await at.destination.reset(ORDERS.name)
        await at.stored_is(at.last("customers"), "after the reset of another", entity="customers")


async def _forgotten(at: Scenario, mode: Mode, covered: int) -> None:
    """Reset, and see that only the pages up to `covered` are left, without a checkpoint, and go on so."""
    await at.destination.reset(ORDERS.name)
    await at.stored_is(None, "after the reset")
    await at.reopen()
    await at.stored_is(None, "opened again after the reset")
    await at.start_gives(None, mode, "the next start")
    at.rows_are(pages(*range(1, covered + 1)), "after the next start")
