"""Law 4, resume: at the cursors of undisturbed reads, under faults around the connector and on its wire, under change."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final

from connector_kit.errors import CursorExpiredError, SchemaMismatchError
from connector_kit.testing.conformance.reading import Difference, Reading, difference
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS

from .boundaries import instants_of, middle_of
from .identity import cursor_of
from .readings import full_reads
from .resume_changes import look_at_changes
from .resume_faults import look_at_faults, look_at_wire_faults
from .steady import QuietRead, attempted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.protocols import Connector
    from connector_kit.records.page import Cursor
    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.reading import SeenPage
    from connector_kit.testing.conformance.subject import Subject

__all__ = ["resume"]


WHOLE_TAILS: Final = 300
"""Up to so many pages in all, a read goes on to its end at every cursor; else at the first, middle and last one."""

NEXT_PAGES: Final = 2
"""How far it goes on at the others."""

_MEND = (
    "a cursor has to say all that the rest of a read depends on (where it stands, its order, its filter), and nothing may be "
    "kept in the connector"
)


@CONNECTOR_LAWS.law(
    4, "resume", "A read that goes on at a page's cursor delivers exactly what followed that page."
)
async def resume(subject: Subject, found: Findings) -> None:
    """Look at law 4."""
    reads = await _quiet_reads(subject, found)
    for read in reads:
        await _look_at_cursors(subject, read, found)
    await look_at_faults(subject, reads, found)
    await look_at_wire_faults(subject, reads, found)
    await look_at_changes(subject, found)


async def _quiet_reads(subject: Subject, found: Findings) -> list[QuietRead]:
    """Give a full read of each entity, and one from a time in the middle where it is read by `since`."""
    reads = []
    for entity, reading in await full_reads(subject, found):
        reads.append(QuietRead(entity, reading))
        if not reading.ended:
            found.unchecked(f"what follows page {len(reading.pages)} of {entity.name} (allow more pages)")
        if entity.incremental != "since":
            continue
        try:
            since = middle_of(instants_of(entity, reading))
        except SchemaMismatchError as error:
            found.unchecked(f"resuming a read of {entity.name} by since: {error.message}")
            continue
        if since is not None:
            reads.append(QuietRead(entity, await subject.full_read(entity.name, since), since))
    return reads


async def _look_at_cursors(subject: Subject, read: QuietRead, found: Findings) -> None:
    pages = read.reading.pages
    cursors = _through_text(read, found)
    without = [page.number for page in pages if page.cursor is None]
    if without:
        found.unchecked(
            f"{len(without)} of {len(pages)} pages of {read.name} (the first is page {without[0]}): they carry no cursor, so that "
            "a read that breaks after them begins again; give every page one if the source can go on there"
        )
    if not cursors:
        return
    whole = _whole_tails(len(pages), [page.number for page, _ in cursors])
    if (  # what breaks one way breaks the others, too, and says no more
        await _resumes_anew(subject, read, cursors, whole, found)
        and await _resumes_again(subject, read, cursors, whole, found)
        and await _resumes_page_by_page(subject, read, found)
    ):
        found.checked(
            f"resumed at {len(cursors)} of {len(pages)} pages of {read.name}, by a new connector, twice, by one that had read on, and page by page"
        )
        if len(whole) < len(cursors):
            found.unchecked(
                f"{read.name}: at {len(cursors) - len(whole)} cursors all but the next {NEXT_PAGES} pages"
            )


def _through_text(read: QuietRead, found: Findings) -> Sequence[tuple[SeenPage, Cursor]]:
    carrying = [page for page in read.reading.pages if page.cursor is not None]
    cursors = [(page, cursor) for page in carrying if (cursor := cursor_of(page)) is not None]
    if len(cursors) < len(carrying):
        found.unchecked(
            f"{len(carrying) - len(cursors)} cursors of {read.name}: they are no JSON (see cursors)"
        )
    return cursors


def _whole_tails(pages: int, numbers: Sequence[int]) -> frozenset[int]:
    if pages * pages / 2 <= WHOLE_TAILS:
        return frozenset(numbers)
    return frozenset({numbers[0], numbers[len(numbers) // 2], numbers[-1]})


async def _resumes_anew(
    subject: Subject,
    read: QuietRead,
    cursors: Sequence[tuple[SeenPage, Cursor]],
    whole: frozenset[int],
    found: Findings,
) -> bool:
    """Go on with a new connector at each cursor, as a new process would, and there once more, as after a fault."""
    expired: list[tuple[SeenPage, CursorExpiredError]] = []
    for page, cursor in cursors:
        how = "resumed by a new connector"
        async with subject.connector() as connector:
            try:
                differs = await _differs(subject, connector, read, page, cursor, whole=page.number in whole)
            except CursorExpiredError as error:
                expired.append((page, error))
                continue
            if differs is None:
                how = "resumed a second time"
                try:
                    differs = await _differs(subject, connector, read, page, cursor, whole=False)
                except CursorExpiredError as error:
                    differs = Difference(f"CursorExpiredError: {error}")
        if differs is not None:
            return await _tell(subject, read, page, differs, how, found)
    if not expired:
        return True
    if len(expired) == len(cursors):
        page, refusal = expired[0]
        differs = Difference(f"every cursor is refused: CursorExpiredError: {refusal}")
        return await _tell(subject, read, page, differs, "resumed by a new connector", found)
    found.unchecked(
        f"{len(expired)} of {len(cursors)} cursors of {read.name}: a new connector refuses them as expired"
    )
    return True


async def _resumes_again(
    subject: Subject,
    read: QuietRead,
    cursors: Sequence[tuple[SeenPage, Cursor]],
    whole: frozenset[int],
    found: Findings,
) -> bool:
    """Go on with a connector that has read all, at older cursors after newer ones."""
    expired = 0
    async with subject.connector() as connector:
        await subject.read(connector, read.entity.name, since=read.since)
        for page, cursor in reversed(cursors):
            try:
                differs = await _differs(subject, connector, read, page, cursor, whole=page.number in whole)
            except CursorExpiredError:
                expired += 1
                continue
            if differs is not None:
                how = "resumed by a connector that had read on"
                return await _tell(subject, read, page, differs, how, found)
    if expired:
        found.unchecked(f"{read.name}: {expired} cursors were refused as expired once a read had passed them")
    return True


async def _resumes_page_by_page(subject: Subject, read: QuietRead, found: Findings) -> bool:
    """Go on at each cursor for one page, whose cursor comes out of a read that had gone on itself."""
    whole = read.reading
    pages: list[SeenPage] = []
    cursor: Cursor = None
    ended = False
    async with subject.connector() as connector:

        async def next_page() -> Reading:
            return await subject.read(connector, read.entity.name, since=read.since, cursor=cursor, pages=1)

        while not ended and len(pages) < 4 * len(whole.pages) + 10:
            try:
                got = await attempted(next_page)
            except CursorExpiredError:
                return True  # which cursors are refused is told by the others
            if isinstance(got, Difference):
                return await _tell(
                    subject, read, pages[-1] if pages else whole.pages[0], got, "resumed page by page", found
                )
            pages += got.pages
            ended = got.ended
            if not ended:
                cursor = cursor_of(pages[-1])
                if cursor is None:
                    break
    records = Reading(tuple(pages), ended).records
    differs = difference(whole.records, records, expected_ended=whole.ended, got_ended=ended)
    if differs is None and whole.ended and not ended and cursor is not None:
        differs = Difference(f"no end after {len(pages)} pages, where a whole read has {len(whole.pages)}")
    if differs is None:
        return True
    wrong = _first_wrong(whole, records)
    return await _tell(subject, read, wrong, differs, "resumed page by page", found)


def _first_wrong(whole: Reading, records: Sequence[str]) -> SeenPage:
    """Give the last page whose records all came in their order, at least the first one."""
    place = next(
        (at for at, pair in enumerate(zip(whole.records, records, strict=False)) if pair[0] != pair[1]), None
    )
    ends = accumulate(len(page.records) for page in whole.pages)
    good = [page for page, end in zip(whole.pages, ends, strict=True) if place is not None and end <= place]
    return good[-1] if good else whole.pages[0]


async def _differs(
    subject: Subject, connector: Connector, read: QuietRead, page: SeenPage, cursor: Cursor, *, whole: bool
) -> Difference | None:
    """Go on at a cursor and compare; an error is a difference, unless it says that the cursor has expired."""
    rest = len(read.reading.pages) - page.number
    most = (
        4 * rest + 10 if whole else NEXT_PAGES
    )  # pages may be cut in another way, and there may be empty ones

    async def again() -> Reading:
        return await subject.read(connector, read.entity.name, since=read.since, cursor=cursor, pages=most)

    got = await attempted(again)
    if isinstance(got, Difference):
        return got
    differs = difference(
        read.reading.after(page.number),
        got.records,
        expected_ended=read.reading.ended,
        got_ended=got.ended,
    )
    if differs is None and whole and read.reading.ended and not got.ended and len(got.pages) == most:
        return Difference(f"no end after {most} pages, where {rest} pages followed")
    return differs


async def _tell(
    subject: Subject, read: QuietRead, page: SeenPage, differs: Difference, how: str, found: Findings
) -> bool:
    """Tell of a difference, unless the source itself has changed. False: the law does not hold here."""
    if not await read.still_the_same(subject):
        found.unchecked(f"resuming {read.name}: the source changed meanwhile")
        return False
    found.broken(
        f"{how} from its cursor on{_of_since(read)}: {differs.what}",
        expected="exactly what followed it in the undisturbed read",
        mend=_MEND,
        entity=read.entity.name,
        page=page.number,
        records=differs.records,
    )
    return False


def _of_since(read: QuietRead) -> str:
    return "" if read.since is None else f" in a read since {read.since.isoformat()}"
