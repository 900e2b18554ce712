"""Opening, closing and mistakes: what is refused is refused with an error of the kit, and nothing stored is harmed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from connector_kit.errors import ConnectorError
from connector_kit.records.catalog import Entity

from .fixture import Occupiable
from .scenario import Scenario, scenario
from .subject import DESTINATION_LAWS, LAST, MODES, ORDERS, entity_named, pages, reached

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_kit.records.checkpoint import Checkpoint, Mode
    from connector_kit.records.page import Record
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["lifecycle", "refusals"]

# -- law 11 ------------------------------------------------------------------------------------------------------------


@DESTINATION_LAWS.law(
    11,
    "lifecycle",
    "close is safe at any time and twice, open may follow; what a checkpoint covers is there afterwards, finished or not.",
)
async def lifecycle(subject: DestinationSubject, found: Findings) -> None:
    """Close before opening, twice and in the middle of a read, and open again."""
    mode = subject.any_mode()
    async with scenario(subject, found, "close twice, and before open") as at:
        await at.destination.close()
        await at.destination.close()
        at.destination = subject.watched(at.fixture.destination())
        await at.destination.close()
        await at.destination.open()
        await at.complete(mode, 1)
        at.rows_are(pages(1), "after a read", ordered=False)
    async with scenario(subject, found, "open, close, open of one object") as at:
        await at.complete(mode, 1)
        await at.destination.close()
        await at.destination.open()
        await at.stored_is(at.last(), "opened again")
        await at.complete(mode, 2)
        wanted = pages(2) if mode == "replace" else pages(1, 2)
        at.rows_are(wanted, "after another read", ordered=False)
    async with scenario(subject, found, "open twice") as at:
        try:
            await at.destination.open()
        except ConnectorError as error:
            at.found.unchecked(f"a second open: refused ({error})")
        await at.complete(mode, 1)
        at.rows_are(pages(1), "after a read", ordered=False)
    mend = "store a page in write(), or at the latest in close()"
    for each in subject.modes():
        name = f"{each}, close in the middle of a read"
        async with scenario(subject, found, name, mend_rows=mend, mend_checkpoint=mend) as at:
            await at.begin(each, 1, 2)
            await at.reopen()
            await at.stored_is(2, "opened again")
            await at.start_gives(2, each, "the next start")
            if each != "replace":
                at.rows_are(pages(1, 2), "after the next start", ordered=False)
            await at.finish()
            at.rows_are(pages(1, 2), "after finish", ordered=False)
    said = subject.new_fixture().destination().modes
    if unknown := sorted(set(said) - set(MODES)):
        words = ", ".join(map(repr, unknown))
        found.broken(f"modes has {words}", expected="append, upsert, replace or some of them")


# -- law 12 ------------------------------------------------------------------------------------------------------------

_Call: TypeAlias = Callable[[Scenario], Awaitable[object]]

_OTHER = entity_named("customers")


@attrs.frozen
class _Mistake:
    """A call that is a mistake; some destinations may be able to carry it out, then that is no fault."""

    name: str
    call: _Call
    must_be_refused: bool = True


@DESTINATION_LAWS.law(
    12,
    "refusals",
    "What cannot be done is refused with a ConnectorError (a write that no start came before, a mode that is not there, a "
    "place of somebody else's), and what is stored stays as it was.",
)
async def refusals(subject: DestinationSubject, found: Findings) -> None:
    """Make calls that are mistakes, and see what is stored afterwards and whether the destination goes on working."""
    mode = subject.any_mode()
    at_new = partial(scenario, subject, found)
    for mistake in _mistakes(subject.modes(), mode):
        async with at_new(mistake.name) as at:
            await _refused(at, mode, mistake)
    async with at_new("calls after close") as at:
        await _closed(at, mode)
    if isinstance(subject.new_fixture(), Occupiable):
        await _occupied(subject, found, mode)
    else:
        found.unchecked("places of somebody else's: the fixture has no occupy(entity), see `Occupiable`")


def _mistakes(modes: tuple[Mode, ...], mode: Mode) -> Iterator[_Mistake]:
    careless: Any = object()  # what a connector may hand over against its contract
    unknown: Any = "overwrite"
    other = _OTHER.name

    def writing(entity: str, records: list[Record], checkpoint: Checkpoint | None) -> _Call:
        return lambda at: at.destination.write(entity, records, checkpoint)

    def starting(mode: Mode, entity: Entity = _OTHER) -> _Call:
        return lambda at: at.destination.start(entity, mode)

    not_started = "for an entity that was not started"
    yield _Mistake(f"a write {not_started}", writing(other, pages(3), reached(mode, 3, other)))
    yield _Mistake(f"a write without a checkpoint {not_started}", writing(other, pages(3), None))
    last = reached(mode, 3, other, complete=True)
    yield _Mistake(f"a finish {not_started}", lambda at: at.destination.finish(other, last))
    yield _Mistake("a mode that there is not", starting(unknown))
    odd_cursor = attrs.evolve(reached(mode, 3), cursor=careless)
    call = writing(ORDERS.name, pages(3), odd_cursor)
    yield _Mistake("a cursor that is no JSON value", call, must_be_refused=False)
    call = writing(ORDERS.name, [*pages(3), {"id": 7, "name": careless}], reached(mode, 3))
    yield _Mistake("a value that cannot be stored", call, must_be_refused=False)
    for each in MODES:
        if each not in modes:
            yield _Mistake(f"mode {each}, which it says it cannot do", starting(each))
    if "upsert" in modes:
        without_key = Entity(other, ORDERS.fields)
        yield _Mistake("mode upsert for an entity without a primary key", starting("upsert", without_key))


async def _refused(at: Scenario, mode: Mode, mistake: _Mistake) -> None:
    """A complete read is there, another one is under way with a page that counts; then the mistake is made."""
    other, mend, when = _OTHER.name, "look before anything is stored", "after it was refused"
    await at.complete(mode, 1)
    await at.begin(mode, 2)
    await _raises(at, mistake)
    seen = pages(1) if mode == "replace" else pages(1, 2)
    at.rows_are(seen, when, ordered=False, mend=mend)
    at.rows_are([], when, entity=other, mend=mend)
    await at.stored_is(2, when, mend=mend)
    await at.stored_is(None, when, entity=other, mend=mend)
    await at.start_gives(2, mode, "the next start")
    await at.finish(3)
    complete = pages(2, 3) if mode == "replace" else pages(1, 2, 3)
    at.rows_are(complete, "after the read has gone on", ordered=False)
    await at.complete(mode, 4, entity=_OTHER)
    at.rows_are(pages(4), "after its own read", entity=other, ordered=False)


async def _raises(at: Scenario, mistake: _Mistake) -> None:
    try:
        await mistake.call(at)
    except ConnectorError:
        return
    if mistake.must_be_refused:
        at.broken("it was not refused", expected="DestinationError or ConfigError", mend="raise one of these")
    at.skip(f"{mistake.name}: it is taken")


async def _closed(at: Scenario, mode: Mode) -> None:
    await at.complete(mode, 1)
    await at.start(mode)
    await at.destination.close()
    calls: dict[str, _Call] = {
        "write": lambda at: at.write(2),
        "finish": lambda at: at.finish(),
        "start": lambda at: at.start(mode),
        "states": lambda at: at.destination.states(),
        "count": lambda at: at.destination.count(ORDERS.name),
        "reset": lambda at: at.destination.reset(ORDERS.name),
    }
    for name, call in calls.items():
        try:
            await call(at)
        except ConnectorError:
            continue
        at.broken(
            f"{name} after close was not refused",
            expected="DestinationError",
            mend="refuse calls between close and open",
        )
    await at.open()
    at.rows_are(pages(1), "opened again", ordered=False)


async def _occupied(subject: DestinationSubject, found: Findings, mode: Mode) -> None:
    fixture = subject.new_fixture()
    assert isinstance(fixture, Occupiable)
    fixture.occupy(ORDERS.name)
    before = fixture.theirs()
    destination = subject.watched(fixture.destination())
    name = "a place of somebody else's"
    refused = False
    try:
        await destination.open()
        await destination.start(ORDERS, mode)
        await destination.write(ORDERS.name, pages(1), reached(mode, 1))
        await destination.finish(ORDERS.name, reached(mode, LAST, complete=True))
    except ConnectorError:
        refused = True
    await destination.close()
    if fixture.theirs() != before:
        mend = "look in open() or start()"
        found.broken(f"{name} was changed", expected="nothing of it to be touched", mend=mend)
    elif not refused:
        expected = "DestinationError from open() or start()"
        found.broken(f"{name} was written to", expected=expected, mend="refuse it")
    else:
        found.checked(name)
