"""What a wrapped read delivers: the inner one's pages, without faults, under faults, and beside other reads."""

from __future__ import annotations

from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING

import anyio
import attrs

from connector_kit.capabilities import close_stream
from connector_kit.errors import ConfigError
from connector_kit.records.page import Cursor, Page
from connector_kit.testing.conformance.reading import Difference, SeenPage, difference, text_of
from connector_kit.testing.conformance.wire import plan_text
from connector_kit.wrappers.fault_injection.wrapper import Faulty

from .subject import WRAPPER_LAWS, Outcome, WrapperSubject, read_out

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from connector_kit.protocols import FullConnector
    from connector_kit.testing.conformance.law import Findings
    from connector_kit.wrappers.fault_injection.wrapper import Schedule

    from .inner import Inner

__all__ = ["exact", "independent", "transparent"]


@WRAPPER_LAWS.law(
    1, "transparent", "Without a fault, a wrapped read delivers the same pages in the same order."
)
def transparent(subject: WrapperSubject, found: Findings) -> None:
    """Look whether catalog and pages come out as they went in, from the start, from each cursor and from a time."""
    subject.run(_catalog, subject, found)
    for entity in subject.content.catalog:
        subject.run(_each_read, subject, found, entity.name, entity.replication_key)


async def _catalog(subject: WrapperSubject, found: Findings) -> None:
    subject.doing = "asking for the catalog"
    async with subject.wrapped(subject.inner()) as wrapper:
        catalog = await wrapper.discover_schema()
    if catalog == subject.content.catalog:
        found.checked("the catalog is the inner one's")
    else:
        found.broken(
            f"discover_schema gives another catalog: {', '.join(catalog.names) or 'without entities'}",
            expected=f"the inner one's: {', '.join(subject.content.catalog.names)}",
            mend="return what the inner connector returns",
        )


@attrs.frozen
class _ReadArguments:
    entity: str
    since: datetime | None = None
    cursor: Cursor = None

    def __str__(self) -> str:
        words = [repr(self.entity)]
        words += [f"since={self.since.isoformat()}"] if self.since is not None else []
        words += [f"cursor={self.cursor!r}"] if self.cursor is not None else []
        return f"fetch_data({', '.join(words)})"


async def _each_read(subject: WrapperSubject, found: Findings, entity: str, key: str | None) -> None:
    pages = subject.content.pages[entity]
    cursors = [page.cursor for page in pages if page.cursor is not None]
    times = [datetime.fromisoformat(record[key]) for page in pages for record in page.records] if key else []
    reads = [
        _ReadArguments(entity),
        *(_ReadArguments(entity, cursor=cursor) for cursor in cursors),
        *(_ReadArguments(entity, since=since) for since in times[len(times) // 2 :][:1]),
        *([_ReadArguments(entity, times[-1], cursors[0])] if times and cursors else []),
    ]
    inner, bare = subject.inner(), subject.inner()
    async with subject.wrapped(inner) as wrapper:
        for read in reads:
            subject.doing = f"reading {read}"
            if (wrong := await _wrong_in_read(wrapper, read, inner, bare)) is not None:
                found.broken(
                    f"{read}{wrong.what}",
                    expected=wrong.expected,
                    mend=wrong.mend,
                    entity=entity,
                    page=wrong.page,
                    records=wrong.records,
                )
                return
    found.checked(
        f"{len(reads)} reads of {entity} deliver the inner one's pages: from the start, cursors, times"
    )


@attrs.frozen
class _WrongRead:
    """What is wrong with a read: words that follow it, and what else its evidence has."""

    what: str
    expected: str
    mend: str
    page: int | None = None
    records: tuple[str, ...] = ()


async def _wrong_in_read(
    wrapper: FullConnector, read: _ReadArguments, inner: Inner, bare: Inner
) -> _WrongRead | None:
    """Read the same from both, and compare."""
    before = len(inner.requests)
    inner.delivered.clear()
    got = await read_out(wrapper.fetch_data(read.entity, since=read.since, cursor=read.cursor))
    expected = await read_out(bare.fetch_data(read.entity, since=read.since, cursor=read.cursor))
    if got.error is not None:
        return _WrongRead(
            f" raised {type(got.error).__name__}: {got.error}",
            f"{len(expected.pages)} pages",
            "nothing fails here: look at what the wrapper does with a page",
            len(got.pages) + 1,
        )
    asked = [each for each in inner.requests[before:] if each.operation == "fetch_data"]
    if not asked:
        return _WrongRead(
            " did not reach the inner connector, which was read before",
            "a read of the inner connector for each read: the source may have changed",
            "keep no pages from one read to the next",
        )
    for name in ("since", "cursor"):
        wanted, passed = getattr(read, name), getattr(asked[0], name)
        if text_of(wanted) != text_of(passed):
            return _WrongRead(
                f" reached the inner connector with {name}={passed!r}",
                f"{name}={wanted!r}",
                f"pass it on: inner.fetch_data(entity, since=since, cursor=cursor); do not ask `if {name}:`",
            )
    return _wrong_in_pages(got.pages, expected.pages, inner.delivered)


def _wrong_in_pages(
    got: Sequence[SeenPage], expected: Sequence[SeenPage], delivered: Sequence[Page]
) -> _WrongRead | None:
    for mine, its in zip(got, expected, strict=False):
        if (differs := _page_difference(mine, its)) is not None:
            what, mend = differs
            other = tuple(each for each in mine.records if each not in its.records)
            return _WrongRead(f": {what}", "the inner one's page", mend, its.number, other)
    if len(got) != len(expected):
        return _WrongRead(
            f" delivers {len(got)} pages",
            f"the inner one's {len(expected)}",
            "hand every page over once, empty ones too: they carry a cursor",
            min(len(got), len(expected)) + 1,
        )
    for mine, page in zip(got, delivered, strict=False):
        records = mine.page.records
        if isinstance(records, list | tuple) and not isinstance(page.records, list | tuple):
            return _WrongRead(
                f": the lazy records of the page came as a {type(records).__name__}",
                "the inner one's sequence, not decoded",
                "pass page.records on as it is; list(page.records) decodes every record",
                mine.number,
            )
    return None


def _page_difference(mine: SeenPage, its: SeenPage) -> tuple[str, str] | None:
    """Return in what two pages differ and how to mend it; None where they are the same."""
    if mine.records != its.records:
        return (
            f"{len(mine.records)} records came where the inner one delivered {len(its.records)}, or other ones",
            "hand the page over as it came, empty ones too: they carry a cursor",
        )
    if mine.cursor != its.cursor:
        return f"its cursor is {mine.cursor} and not {its.cursor}", "hand the page's cursor over with it"
    if mine.page.quota != its.page.quota:
        return f"its quota is {mine.page.quota} and not {its.page.quota}", "use attrs.evolve to change a page"
    return None


# -- law 2 -------------------------------------------------------------------------------------------------------------

_MOST_FAULTS = 12
_MEND = (
    "pass an error on, it is no end; go on, if at all, at the cursor of the last page that was handed over"
)
_MEND_RETRIES = (
    "retry a TransientError at the cursor of the last page that was handed over, and never from the start after one; "
    "leave retries=True out for a wrapper that does not"
)


@WRAPPER_LAWS.law(
    2,
    "exact",
    "Under transient faults, the pages delivered are those of a read without faults: none lost, none twice; "
    "all of them, where the wrapper retries.",
)
def exact(subject: WrapperSubject, found: Findings) -> None:
    """Draw schedules of faults around the inner connector; report the smallest with which records are lost or repeated."""
    if not subject.bounds.faults:
        found.unchecked("no faults are to be made")
        return
    try:
        import_module("connector_kit.testing.drawing")  # an extra, asked for where it is needed
    except ConfigError as error:
        found.unchecked(str(error))
        return
    for entity in subject.content.catalog.names:
        if any(page.cursor is None for page in subject.content.pages[entity]) and subject.retries:
            found.unchecked(f"{entity}: its pages have no cursors, so that no retry can go on after one")
        else:
            _under_schedules(subject, found, entity)


class _Found(Exception):  # noqa: N818 - no error: how hypothesis is told that a schedule shows something
    pass


def _under_schedules(subject: WrapperSubject, found: Findings, entity: str) -> None:
    expected = subject.run(subject.bare, entity)
    shown: list[tuple[Schedule, Difference]] = []
    tried = 0

    def attempt(schedule: Schedule) -> None:
        nonlocal tried
        tried += 1
        subject.doing = f"reading {entity} with the faults {plan_text(schedule)}"
        got = subject.run(_under, subject, entity, schedule)
        differs = difference(expected.records, got.records, got_ended=got.error is None)
        if subject.retries and got.error is not None:
            kind = type(got.error).__name__
            differs = Difference(f"{kind} came out of a wrapper that retries: {got.error}")
        if differs is not None:
            shown.append((schedule, differs))
            raise _Found

    try:
        _draw(subject, attempt)
    except _Found:
        schedule, wrong = shown[-1]  # the last one that hypothesis tries is the smallest
        while schedule and schedule[-1] is None:  # what follows the last fault: requests that are answered
            schedule = schedule[:-1]
        found.broken(
            wrong.what,
            expected="each record once" + ("" if subject.retries else ", and an error or all records"),
            mend=_MEND_RETRIES if subject.retries else _MEND,
            entity=entity,
            records=wrong.records,
            plan=plan_text(schedule),
        )
    else:
        found.checked(f"{tried} schedules of faults with {entity}")


def _draw(subject: WrapperSubject, attempt: Callable[[Schedule], None]) -> None:
    from connector_kit.testing.drawing import search  # noqa: PLC0415 - an extra, needed only here
    from connector_kit.testing.strategies import schedules  # noqa: PLC0415 - an extra, needed only here

    drawn = schedules(max_size=_MOST_FAULTS)
    if (
        subject.retries
    ):  # it has to bear one fault of each request, and waits of a second: more is its own to say
        drawn = schedules(max_in_a_row=1, max_size=_MOST_FAULTS, max_seconds=1.0)
    search(drawn, attempt, subject.bounds.plans)


async def _under(subject: WrapperSubject, entity: str, schedule: Schedule) -> Outcome:
    faulty = Faulty(subject.inner(), schedule, clock=subject.clock)
    async with subject.wrapped(faulty) as wrapper:
        return await read_out(wrapper.fetch_data(entity))


# -- law 10 ------------------------------------------------------------------------------------------------------------


@WRAPPER_LAWS.law(
    10, "independent", "Two reads at once do not disturb each other, and a later read asks the source anew."
)
def independent(subject: WrapperSubject, found: Findings) -> None:
    """Read side by side, in turns and in two tasks, with one closed early; and once more after the source has changed."""
    for attempt in (_in_turns, _in_tasks, _closed_early):
        if wrong := subject.run(attempt, subject, subject.content.first):
            found.broken(
                f"{subject.doing}: {wrong}",
                expected="each delivers what it would alone",
                mend="keep what belongs to one read (cursor, pages, counts) in its stream, not in the wrapper",
                entity=subject.content.first,
            )
        else:
            found.checked(subject.doing)
    if subject.run(_anew, subject, subject.content.first):
        found.checked(subject.doing)
    else:
        found.broken(
            f"{subject.doing}: it delivers what was there before",
            expected="the source's pages of now",
            mend="keep no pages from one read to the next",
            entity=subject.content.first,
        )


async def _in_turns(subject: WrapperSubject, entity: str) -> str:
    """Take a page of one and a page of the other."""
    subject.doing = "two reads in turns"
    entities = (entity, subject.content.catalog.names[-1])
    got: list[list[str]] = [[], []]
    async with subject.wrapped(subject.inner()) as wrapper:
        streams = [wrapper.fetch_data(each) for each in entities]
        left = [0, 1]
        while left:
            for which in tuple(left):
                try:
                    page = await streams[which].__anext__()
                except StopAsyncIteration:
                    left.remove(which)
                else:
                    got[which].extend(SeenPage.of(1, page).records)
        for stream in streams:
            await close_stream(stream)
    for each, records in zip(entities, got, strict=True):
        if tuple(records) != (await subject.bare(each)).records:
            return f"{len(records)} records of {each} came, or other ones"
    return ""


async def _in_tasks(subject: WrapperSubject, entity: str) -> str:
    """Read twice at the same time."""
    subject.doing = "two reads in two tasks"
    got: list[Outcome] = []

    async def read(stream: AsyncIterator[Page]) -> None:
        got.append(await read_out(stream))

    async with subject.wrapped(subject.inner()) as wrapper, anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(read, wrapper.fetch_data(entity))
    for each in got:
        if each.error is not None:
            return f"{type(each.error).__name__} came out: {each.error}"
    expected = (await subject.bare(entity)).records
    if [each.records for each in got] == [expected, expected]:
        return ""
    return f"{' and '.join(str(len(each.records)) for each in got)} records came"


async def _closed_early(subject: WrapperSubject, entity: str) -> str:
    """Close one of two reads while the other goes on."""
    subject.doing = "one of two reads is closed early"
    async with subject.wrapped(subject.inner()) as wrapper:
        one, other = (wrapper.fetch_data(entity) for _ in range(2))
        first = SeenPage.of(1, await one.__anext__())
        await other.__anext__()
        await close_stream(other)
        rest = await read_out(one)
    if rest.error is not None:
        return f"{type(rest.error).__name__} came out of the other one: {rest.error}"
    records = (*first.records, *rest.records)
    expected = (await subject.bare(entity)).records
    return "" if records == expected else f"{len(records)} records came of the other one"


async def _anew(subject: WrapperSubject, entity: str) -> bool:
    """Read, change the source, read again, and return whether the second read is of what is there now."""
    subject.doing = "a read after the source has changed"
    inner = subject.inner()
    async with subject.wrapped(inner) as wrapper:
        await read_out(wrapper.fetch_data(entity))
        pages = list(inner.pages[entity])
        inner.pages = {**inner.pages, entity: [*pages[:-1], Page(pages[-1].records[:1], pages[-1].cursor)]}
        got = await read_out(wrapper.fetch_data(entity))
        expected = await read_out(inner.fetch_data(entity))
    return got.records == expected.records
