"""Law 4, resume: at the cursors of undisturbed reads, under faults around the connector and on its wire, under change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import attrs

from connector_kit.capabilities import close_broken_stream, close_stream
from connector_kit.errors import (
    ConfigError,
    CursorExpiredError,
    RateLimitError,
    ResumeImpossibleError,
    RetriesExhaustedError,
    SchemaMismatchError,
)
from connector_kit.protocols import Connector
from connector_kit.records.page import Cursor
from connector_kit.testing.conformance.bounds import NoAnswerError
from connector_kit.testing.conformance.reading import Difference, Reading, SeenPage
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS, Subject
from connector_kit.testing.conformance.wire import Wire, WirePlan, failing, plan_text, search_plan, wire_plans
from connector_kit.testing.virtual_clock import LeapingClock
from connector_kit.wrappers.fault_injection.wrapper import Faulty, Schedule
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.retry.wrapper import Retrying

from .baseline import Baseline, attempted, full_reads, result_or_error
from .record_texts import cursor_of, identity_of, instants_of

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from connector_kit.records.catalog import Entity
    from connector_kit.testing.conformance.law import Findings

__all__ = ["misdelivered", "resume"]

_WHOLE_TAILS: Final = 300  # pages in all, up to which a read goes on to its end at every cursor
_NEXT_PAGES: Final = 2  # how far it goes on at others than the first, middle and last one
_FAULTY_PAGES: Final = 12  # what goes wrong after a fault goes wrong on the first pages, too
_FAULTY_RECORDS: Final = 400  # are enough where pages are large, but for the fewest pages
_FEWEST_PAGES: Final = 4
_MOST_CHANGES: Final = 3  # of the source during a read

_MEND_CURSOR = (
    "a cursor has to say all that the rest of a read depends on (where it stands, its order, its filter), and nothing may be "
    "kept in the connector"
)
_MEND_FAULTS = "let each fetch begin at the cursor it is given and at nothing else, also on a connector whose last fetch broke"
_MEND_CHANGES = (
    "page by the last key delivered (where key > ... order by key) or let the source hold a snapshot; "
    "an offset counts rows that move"
)

P = TypeVar("P", Schedule, WirePlan)

_Try: TypeAlias = Callable[[Connector, P], Awaitable[Difference | None]]
_Cursors: TypeAlias = Sequence[tuple[SeenPage, Cursor]]


@CONNECTOR_LAWS.law(
    4, "resume", "A read that goes on at a page's cursor delivers exactly what followed that page."
)
async def resume(subject: Subject, findings: Findings) -> None:
    """Go on at the cursors of a full read, read under faults, and while the source changes."""
    reads = await _baselines(subject, findings)
    for read in reads:
        await _check_cursors(read)
    full = [read for read in reads if read.since is None and read.reading.pages]
    await _check_under_faults(subject, full, findings)
    await _check_under_changes(subject, findings)


async def _baselines(subject: Subject, findings: Findings) -> list[Baseline]:
    """Return a full read of each entity, and one from a time in the middle where it is read by `since`."""
    reads: list[Baseline] = []
    for read in await full_reads(subject, findings):
        reads.append(read)
        if not read.reading.ended:
            findings.unchecked(
                f"what follows page {len(read.reading.pages)} of {read.name} (allow more pages)"
            )
        if read.entity.incremental != "since":
            continue
        try:
            times = sorted(filter(None, chain.from_iterable(instants_of(read.entity, read.reading))))
        except SchemaMismatchError as error:
            findings.unchecked(f"resuming a read of {read.name} by since: {error.message}")
            continue
        if times:
            since = times[len(times) // 2]
            reading = await subject.full_read(read.name, since)
            reads.append(attrs.evolve(read, reading=reading, since=since))
    return reads


async def _check_cursors(read: Baseline) -> None:
    pages, findings = read.reading.pages, read.findings
    carrying = [page for page in pages if page.cursor is not None]
    cursors = [(page, cursor) for page in carrying if (cursor := cursor_of(page)) is not None]
    if len(cursors) < len(carrying):
        findings.unchecked(
            f"{len(carrying) - len(cursors)} cursors of {read.name}: they are no JSON (see cursors)"
        )
    if without := [page.number for page in pages if page.cursor is None]:
        findings.unchecked(
            f"{len(without)} of {len(pages)} pages of {read.name} (the first is page {without[0]}): they carry no cursor, so that "
            "a read that breaks after them begins again; give every page one if the source can go on there"
        )
    if not cursors:
        return
    numbers = [page.number for page, _ in cursors]
    if len(pages) ** 2 / 2 > _WHOLE_TAILS:
        numbers = [numbers[0], numbers[len(numbers) // 2], numbers[-1]]
    whole = frozenset(numbers)
    if (  # what breaks one way breaks the others, too, and says no more
        await _resumes_anew(read, cursors, whole)
        and await _resumes_again(read, cursors, whole)
        and await _resumes_page_by_page(read)
    ):
        findings.checked(
            f"resumed at {len(cursors)} of {len(pages)} pages of {read.name}, by a new connector, twice, by one that had read on, and page by page"
        )
        if len(whole) < len(cursors):
            findings.unchecked(
                f"{read.name}: at {len(cursors) - len(whole)} cursors all but the next {_NEXT_PAGES} pages"
            )


async def _resumes_anew(read: Baseline, cursors: _Cursors, whole: frozenset[int]) -> bool:
    """Go on with a new connector at each cursor, as a new process would, and there once more, as after a fault."""
    expired: list[tuple[SeenPage, CursorExpiredError]] = []
    for page, cursor in cursors:
        how = "resumed by a new connector"
        async with read.subject.connector() as connector:
            differs = await _differs(connector, read, page, cursor, whole=page.number in whole)
            if differs is None:
                how = "resumed a second time"
                differs = await _differs(connector, read, page, cursor, whole=False)
                if isinstance(differs, CursorExpiredError):
                    differs = Difference(f"CursorExpiredError: {differs}")
        if isinstance(differs, CursorExpiredError):
            expired.append((page, differs))
        elif differs is not None:
            return await _tell_broken(read, page, differs, how)
    if len(expired) == len(cursors):
        page, refusal = expired[0]
        differs = Difference(f"every cursor is refused: CursorExpiredError: {refusal}")
        return await _tell_broken(read, page, differs, "resumed by a new connector")
    if expired:
        read.findings.unchecked(
            f"{len(expired)} of {len(cursors)} cursors of {read.name}: a new connector refuses them as expired"
        )
    return True


async def _resumes_again(read: Baseline, cursors: _Cursors, whole: frozenset[int]) -> bool:
    """Go on with a connector that has read all, at older cursors after newer ones."""
    expired = 0
    async with read.subject.connector() as connector:
        await read.read(connector)
        for page, cursor in reversed(cursors):
            differs = await _differs(connector, read, page, cursor, whole=page.number in whole)
            if isinstance(differs, CursorExpiredError):
                expired += 1
            elif differs is not None:
                return await _tell_broken(read, page, differs, "resumed by a connector that had read on")
    if expired:
        read.findings.unchecked(
            f"{read.name}: {expired} cursors were refused as expired once a read had passed them"
        )
    return True


async def _resumes_page_by_page(read: Baseline) -> bool:
    """Go on at each cursor for one page, whose cursor comes out of a read that had gone on itself."""
    full, how = read.reading, "resumed page by page"
    pages: list[SeenPage] = []
    cursor: Cursor = None
    ended = False
    async with read.subject.connector() as connector:
        while not ended and len(pages) < 4 * len(full.pages) + 10:
            try:
                got = await attempted(partial(read.read, connector, cursor=cursor, pages=1))
            except CursorExpiredError:
                return True  # which cursors are refused is told by the others
            if isinstance(got, Difference):
                last = pages[-1] if pages else full.pages[0]
                return await _tell_broken(read, last, got, how)
            pages += got.pages
            ended = got.ended
            if not ended:
                cursor = cursor_of(pages[-1])
                if cursor is None:
                    break
    records = Reading(tuple(pages), ended).records
    differs = read.difference(records, ended=ended)
    if differs is None and full.ended and not ended and cursor is not None:
        differs = Difference(f"no end after {len(pages)} pages, where a whole read has {len(full.pages)}")
    return differs is None or await _tell_broken(read, _last_right_page(full, records), differs, how)


def _last_right_page(full: Reading, records: Sequence[str]) -> SeenPage:
    """Return the last page whose records all came in their order, at least the first one."""
    wrong = next(
        (at for at, pair in enumerate(zip(full.records, records, strict=False)) if pair[0] != pair[1]), -1
    )
    ends = accumulate(len(page.records) for page in full.pages)
    right = [page for page, end in zip(full.pages, ends, strict=True) if end <= wrong]
    return right[-1] if right else full.pages[0]


async def _differs(
    connector: Connector, read: Baseline, page: SeenPage, cursor: Cursor, *, whole: bool
) -> Difference | CursorExpiredError | None:
    """Go on at a cursor and compare; an error is a difference, unless it says that the cursor has expired."""
    rest = len(read.reading.pages) - page.number
    most = 4 * rest + 10 if whole else _NEXT_PAGES  # pages may be cut in another way, and some be empty
    try:
        got = await attempted(partial(read.read, connector, cursor=cursor, pages=most))
    except CursorExpiredError as error:
        return error
    if isinstance(got, Difference):
        return got
    differs = read.difference(got.records, ended=got.ended, after=page.number)
    if differs is None and whole and read.reading.ended and not got.ended and len(got.pages) == most:
        return Difference(f"no end after {most} pages, where {rest} pages followed")
    return differs


async def _tell_broken(read: Baseline, page: SeenPage, differs: Difference, how: str) -> bool:
    """Tell of a difference, unless the source itself has changed. Return False: the law does not hold here."""
    if await read.confirmed(f"resuming {read.name}", in_order=True):
        of_since = f" in a read{read.of_since}" if read.of_since else ""
        read.broken(
            f"{how} from its cursor on{of_since}: {differs.what}",
            "exactly what followed it in the undisturbed read",
            _MEND_CURSOR,
            differs.records,
            page=page.number,
        )
    return False


async def _check_under_faults(subject: Subject, reads: Sequence[Baseline], findings: Findings) -> None:
    """Read each entity in full with a retry outside, through `Faulty`, and while its requests fail on the wire."""
    if not subject.bounds.faults:
        findings.unchecked("reads under faults (they are turned off)")
        return
    for read in reads:
        await _search(read, "around the connector", _schedules, partial(_try_schedule, read))
    if subject.wire is None:
        findings.unchecked("reads under faults on the wire (give wire=...)")
        return
    for read in reads:
        await _search(read, "on the wire", _wire_plans, partial(_try_wire_plan, read, subject.wire))


def _schedules(size: int) -> SearchStrategy[Schedule]:
    from connector_kit.testing.strategies import schedules  # noqa: PLC0415 - needs hypothesis, an extra

    return schedules(max_in_a_row=2, max_size=size, max_seconds=1.0)


def _wire_plans(size: int) -> SearchStrategy[WirePlan]:
    return wire_plans(max_size=size)


async def _try_schedule(read: Baseline, connector: Connector, plan: Schedule) -> Difference | None:
    clock = LeapingClock()
    return await _broke(read, Faulty(connector, plan, clock=clock), len(plan), clock)


async def _try_wire_plan(
    read: Baseline, wire: Wire, connector: Connector, plan: WirePlan
) -> Difference | None:
    with failing(wire, plan):
        return await _broke(read, connector, len(plan), LeapingClock())


async def _broke(read: Baseline, connector: Connector, faults: int, clock: LeapingClock) -> Difference | None:
    """Compare a read with a retry around it with the undisturbed one. To say that it cannot go on is right, if it is so."""
    # More attempts than there are faults; a connector that has a retry of its own inside is a connector like any other.
    retry = Retry(attempts=faults + 5, first_wait=0.001, max_wait=0.001, jitter="none")
    retrying = Retrying(connector, retry, clock=clock, allow_nested=True)
    got = await result_or_error(partial(read.read, retrying, pages=_faulty_pages(read) + 1), NoAnswerError)
    if isinstance(got, Reading):
        return read.difference(got.records, ended=got.ended)
    if isinstance(got, ResumeImpossibleError | CursorExpiredError):
        return None
    # The last error is the source's own. A quota that is used up shows nothing about the connector.
    if isinstance(got, RetriesExhaustedError) and isinstance(got.__cause__, RateLimitError):
        raise got.__cause__ from None
    return Difference(f"{type(got).__name__}: {got}")


def _faulty_pages(read: Baseline) -> int:
    pages = read.reading.pages[:_FAULTY_PAGES]
    records = accumulate(len(page.records) for page in pages)
    return min(len(pages), max(_FEWEST_PAGES, sum(count < _FAULTY_RECORDS for count in records) + 1))


async def _search(
    read: Baseline, where: str, strategy: Callable[[int], SearchStrategy[P]], try_plan: _Try[P]
) -> None:
    """Search for a plan of faults under which a read breaks."""
    findings, meter = read.findings, read.subject.meter
    try:
        plans = strategy(_faulty_pages(read) + 4)
    except ConfigError as error:
        findings.unchecked(f"{read.name} under faults {where}: {error}")
        return
    sound = True  # the one connector that all plans are tried on: to connect costs time, and a source may count it

    async with read.subject.connector() as connector:

        async def breaks(plan: P) -> Difference | None:
            """Try what breaks again on a new connector: no plan is blamed for what an earlier one has left behind."""
            nonlocal sound
            if sound and await try_plan(connector, plan) is None:
                return None
            sound = False  # from now on, each plan gets a connector of its own
            async with read.subject.connector() as another:
                return await try_plan(another, plan)

        search = await search_plan(plans, breaks, meter)
    if search.stopped:
        findings.unchecked(f"{read.name} under more plans of faults {where}: {search.stopped}")
    if search.broke is None or search.plan is None:
        if search.tried:
            findings.checked(f"read {read.name} under {search.tried} plans of faults {where}")
    elif await read.confirmed(f"{read.name} under faults {where}", in_order=True):
        findings.broken(
            f"with faults {where}, one entry for each request of a read, and a retry outside: {search.broke.what}",
            expected="the records of the undisturbed read",
            mend=_MEND_FAULTS,
            entity=read.name,
            records=search.broke.records,
            plan=plan_text(search.plan),
        )


async def _check_under_changes(subject: Subject, findings: Findings) -> None:
    """Read each entity while `subject.change` is at work: in one stream, and by going on at cursors."""
    change = subject.change
    if change is None:
        findings.unchecked("reading while the source changes (give change=...)")
        return
    try:
        for entity in await subject.entities():
            await _check_entity_under_changes(subject, entity, change, findings)
    finally:
        subject.forget()  # what was read before the changes says nothing of the source any more


async def _check_entity_under_changes(
    subject: Subject, entity: Entity, change: Callable[[], None], findings: Findings
) -> None:
    for how, resuming in (("in one stream", False), ("going on at each cursor", True)):
        source = _ChangingSource(subject, entity.name, change)
        await source.look()
        if not source.states[0].ended:
            findings.unchecked(f"{entity.name} while the source changes: it has more pages than allowed")
            return
        delivered = await _read_under_changes(source, resuming=resuming)
        states = [state.records for state in source.states]
        if len(set(states)) == 1:
            findings.unchecked(f"{entity.name} while the source changes: change() changed nothing of it")
            return
        lost, twice = misdelivered(entity, states, delivered)
        if not lost and not twice:
            findings.checked(f"read {entity.name} {how} under {len(states) - 1} changes of the source")
            continue
        counts = ((lost, "lost"), (twice, "there twice"))
        what = ", ".join(f"{len(records)} {word}" for records, word in counts if records)
        findings.broken(
            f"read {how} while the source changed: of the records that stayed, {what}",
            expected="each that was there before, meanwhile and after exactly once",
            mend=_MEND_CHANGES,
            entity=entity.name,
            records=(*lost, *twice),
        )


@attrs.define(eq=False)
class _ChangingSource:
    """What the source holds before, between and after the changes, each time as a connector of its own reads it."""

    subject: Subject
    entity: str
    _change: Callable[[], None]
    states: list[Reading] = attrs.field(factory=list[Reading], init=False)

    async def look(self) -> None:
        """Take note of the state now."""
        async with self.subject.connector() as connector:
            self.states.append(await self.subject.read(connector, self.entity))

    async def change(self) -> None:
        """Change the source, up to the number of times allowed."""
        if len(self.states) <= _MOST_CHANGES:
            self._change()
            await self.look()


async def _read_under_changes(source: _ChangingSource, *, resuming: bool) -> list[str]:
    """Return the records of a read with a change after each page; `resuming`, it begins anew at each cursor."""
    delivered: list[str] = []
    async with source.subject.connector() as connector:
        stream = connector.fetch_data(source.entity)
        try:
            for number in range(1, source.subject.bounds.pages + 1):
                try:
                    page = SeenPage.of(number, await stream.__anext__())
                except StopAsyncIteration:
                    break
                delivered += page.records
                cursor = cursor_of(page) if resuming else None
                if cursor is not None:
                    await close_stream(stream)
                await source.change()
                if cursor is not None:
                    stream = connector.fetch_data(source.entity, cursor=cursor)
        except BaseException:
            await close_broken_stream(stream)
            raise
        await close_stream(stream)
    return delivered


def misdelivered(
    entity: Entity, states: Sequence[Sequence[str]], delivered: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return the records that were in every state as they are, and are lost, and those that are delivered too often.

    Records are told apart by their primary key where all have one, else by all they hold. One that changed may come as it
    was, as it became, or as both.
    """
    identity = partial(identity_of, entity)
    stayed = set(states[0]).intersection(*states[1:])
    counts = [Counter(map(identity, state)) for state in states]
    came = Counter(map(identity, delivered))
    lost: list[str] = []
    twice: list[str] = []
    for record in [record for record in dict.fromkeys(states[0]) if record in stayed]:
        there = [count[identity(record)] for count in counts]
        if came[identity(record)] < min(there):
            lost.append(record)
        if came[identity(record)] > max(there):
            twice.append(record)
    return lost, twice
