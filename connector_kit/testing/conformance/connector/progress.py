"""Law 6: a read moves on and comes to its end, and the next one begins where it ended."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from connector_kit.testing.conformance.reading import NoPageError, SeenPage
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS, Subject
from connector_kit.testing.conformance.telling import telling

from .baseline import Baseline, full_read_of
from .record_texts import through_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.testing.conformance.law import Findings


__all__ = ["circle", "progress"]

_ROUNDS = 3  # so often what was read must go through the same pages, at its end, to go in circles
_EQUAL_ROUNDS = 20  # where all records of these pages are equal and have no key: a table may be like that


@CONNECTOR_LAWS.law(
    6, "progress", "No two pages of a read carry the same cursor, and a read comes to its end."
)
async def progress(subject: Subject, findings: Findings) -> None:
    """Look whether reads move on: no cursor twice, no pages in circles, and nothing again behind the last cursor."""
    for entity in await subject.entities():
        with telling(findings, entity.name):
            try:
                read = await full_read_of(subject, findings, entity)
            except NoPageError as error:
                findings.broken(
                    str(error),
                    expected="a Page, whose records are a sequence of mappings",
                    mend="`yield Page(records, cursor)`; `Paged` makes pages of single records",
                    entity=entity.name,
                )
                continue
            if read is not None and _moves_on(read) and entity.incremental == "cursor":
                await _check_next_read(read)


def _moves_on(read: Baseline) -> bool:
    """Look at one read by itself. Return whether it came to its end as it should."""
    name, reading, pages = read.name, read.reading, read.reading.pages
    if twice := _repeated(pages):
        first, second = twice
        read.broken(
            f"carries the same cursor as page {first.number}: {second.cursor}",
            "another cursor with every page, or none",
            "let the cursor be the position behind the page's last record; end the read where nothing follows",
            page=second.number,
        )
    elif not reading.ended and (length := circle(pages, keyed=bool(read.entity.primary_key))):
        read.broken(
            f"the read does not end: {f'the last {length} pages come' if length > 1 else 'the last page comes'} "
            f"again and again, with the same records ({len(pages)} pages were read)",
            "the end after the last page",
            "stop where the source has nothing new: an empty page, no next one, a short page is not enough",
            page=pages[-1].number,
            records=pages[-1].records,
        )
    elif not reading.ended:
        empty = sum(1 for _ in takewhile(lambda page: not page.records, reversed(pages)))
        which = f", the last {empty} of them empty" if empty else ""
        read.findings.unchecked(
            f"whether the read of {name} ends: it did not within {len(pages)} pages{which}"
        )
        read.findings.checked(f"no cursor came twice in the first {len(pages)} pages of {name}")
    else:
        carried = sum(page.cursor is not None for page in pages)
        read.findings.checked(
            f"{name} ended after {len(pages)} pages, {carried} of them with a cursor, none twice"
        )
        return True
    return False


def _repeated(pages: Sequence[SeenPage]) -> tuple[SeenPage, SeenPage] | None:
    seen: dict[str, SeenPage] = {}
    for page in pages:
        if page.cursor is not None and (first := seen.setdefault(page.cursor, page)) is not page:
            return first, page
    return None


def circle(pages: Sequence[SeenPage], *, keyed: bool) -> int | None:
    """Return the length of the circle that a read goes in at its end, in pages; None where it goes in none.

    Empty pages make no circle: there may be a stretch without records. `keyed`: no record may come twice, so that a
    few rounds are enough; without a key, records that are all equal need more.
    """
    contents = [page.records for page in pages]
    for length in range(1, len(contents) // _ROUNDS + 1):
        last = contents[-length:]
        records = [record for page in last for record in page]
        telling_apart = keyed or len(set(records)) > 1
        rounds = _ROUNDS if telling_apart else _EQUAL_ROUNDS
        if records and contents[-length * rounds :] == last * rounds:
            return length
    return None


async def _check_next_read(read: Baseline) -> None:
    """Go on at the last cursor of a read that has ended, as the next run does."""
    if not read.reading.pages:
        read.findings.unchecked(f"what the next read of {read.name} delivers: there was nothing to read")
        return
    last = read.reading.pages[-1]
    if last.cursor is None:
        read.broken(
            "the last page carries no cursor",
            "one, since the entity is read by cursor: the next run begins there",
            "give a cursor with every page, or declare another way (`incremental`)",
            page=last.number,
        )
        return
    async with read.subject.connector() as connector:
        behind = await read.read(connector, cursor=through_text(last.cursor))
    known = set(read.reading.records)
    again = tuple(record for record in behind.records if record in known)
    if again:
        if await read.confirmed(f"what the next read of {read.name} delivers"):
            read.broken(
                f"a read from the last cursor delivers {len(again)} records again",
                "nothing that was there already: the next run begins at this cursor",
                "let the cursor stand behind the page's last record",
                page=last.number,
                records=again,
            )
    elif behind.ended:
        read.findings.checked(f"nothing of {read.name} comes again behind the last cursor")
    else:
        read.findings.unchecked(
            f"whether a read of {read.name} from the last cursor ends: it did not within {len(behind.pages)} pages"
        )
