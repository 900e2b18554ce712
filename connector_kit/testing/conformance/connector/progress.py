"""Law 6: a read moves on and comes to its end, and the next one begins where it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from connector_kit.testing.conformance.reading import NoPageError
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS
from connector_kit.testing.conformance.telling import telling

from .readings import full_read_of
from .steady import still_the_same

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.catalog import Entity
    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.reading import Reading, SeenPage
    from connector_kit.testing.conformance.subject import Subject

__all__ = ["circle", "progress"]


_ROUNDS = 3  # so often what was read must go through the same pages, at its end, to go in circles
_DULL_ROUNDS = 20  # where all records of these pages are alike and have no key: a table may be like that


@CONNECTOR_LAWS.law(
    6, "progress", "No two pages of a read carry the same cursor, and a read comes to its end."
)
async def progress(subject: Subject, found: Findings) -> None:
    """Look whether reads move on: no cursor twice, no pages in circles, and nothing again behind the last cursor."""
    for entity in await subject.entities():
        with telling(found, entity.name):
            try:
                reading = await full_read_of(subject, found, entity)
            except NoPageError as error:
                found.broken(
                    str(error),
                    expected="a Page, whose records are a sequence of mappings",
                    mend="`yield Page(records, cursor)`; `Paged` makes pages of single records",
                    entity=entity.name,
                )
                continue
            if reading is not None and _moves_on(entity, reading, found) and entity.incremental == "cursor":
                await _look_behind(subject, entity, reading, found)


def _moves_on(entity: Entity, reading: Reading, found: Findings) -> bool:
    """Look at one read by itself; tell whether it came to its end as it should."""
    name, pages = entity.name, reading.pages
    if twice := _repeated(pages):
        first, second = twice
        found.broken(
            f"carries the same cursor as page {first.number}: {second.cursor}",
            expected="another cursor with every page, or none",
            mend="let the cursor be the position behind the page's last record; end the read where nothing follows",
            entity=name,
            page=second.number,
        )
    elif not reading.ended and (length := circle(pages, keyed=bool(entity.primary_key))):
        found.broken(
            f"the read does not end: {f'the last {length} pages come' if length > 1 else 'the last page comes'} "
            f"again and again, with the same records ({len(pages)} pages were read)",
            expected="the end after the last page",
            mend="stop where the source has nothing new: an empty page, no next one, a short page is not enough",
            entity=name,
            page=pages[-1].number,
            records=pages[-1].records,
        )
    elif not reading.ended:
        empty = _empty_at_the_end(pages)
        which = f", the last {empty} of them empty" if empty else ""
        found.unchecked(f"whether the read of {name} ends: it did not within {len(pages)} pages{which}")
        found.checked(f"no cursor came twice in the first {len(pages)} pages of {name}")
    else:
        carried = sum(page.cursor is not None for page in pages)
        found.checked(f"{name} ended after {len(pages)} pages, {carried} of them with a cursor, none twice")
        return True
    return False


def _repeated(pages: Sequence[SeenPage]) -> tuple[SeenPage, SeenPage] | None:
    seen: dict[str, SeenPage] = {}
    for page in pages:
        if page.cursor is not None and (first := seen.setdefault(page.cursor, page)) is not page:
            return first, page
    return None


def circle(pages: Sequence[SeenPage], *, keyed: bool) -> int | None:
    """Give the length of the circle that a read goes in at its end, in pages; None where it goes in none.

    Empty pages make no circle: there may be a stretch without records. `keyed`: no record may come twice, so that a
    few rounds are enough; without a key, records that are all alike need more.
    """
    contents = [page.records for page in pages]
    for length in range(1, len(contents) // _ROUNDS + 1):
        last = contents[-length:]
        records = [record for page in last for record in page]
        telling_apart = keyed or len(set(records)) > 1
        rounds = _ROUNDS if telling_apart else _DULL_ROUNDS
        if records and contents[-length * rounds :] == last * rounds:
            return length
    return None


def _empty_at_the_end(pages: Sequence[SeenPage]) -> int:
    for count, page in enumerate(reversed(pages)):
        if page.records:
            return count
    return len(pages)


async def _look_behind(subject: Subject, entity: Entity, reading: Reading, found: Findings) -> None:
    """Go on at the last cursor of a read that has ended, as the next run does."""
    if not reading.pages:
        found.unchecked(f"what the next read of {entity.name} delivers: there was nothing to read")
        return
    last = reading.pages[-1]
    if last.cursor is None:
        found.broken(
            "the last page carries no cursor",
            expected="one, since the entity is read by cursor: the next run begins there",
            mend="give a cursor with every page, or declare another way (`incremental`)",
            entity=entity.name,
            page=last.number,
        )
        return
    async with subject.connector() as connector:
        behind = await subject.read(connector, entity.name, cursor=msgspec.json.decode(last.cursor.encode()))
    known = set(reading.records)
    again = tuple(record for record in behind.records if record in known)
    if again and not await still_the_same(subject, entity.name):
        found.unchecked(f"what the next read of {entity.name} delivers: the source changed meanwhile")
    elif again:
        found.broken(
            f"a read from the last cursor delivers {len(again)} records again",
            expected="nothing that was there already: the next run begins at this cursor",
            mend="let the cursor stand behind the page's last record",
            entity=entity.name,
            page=last.number,
            records=again,
        )
    elif not behind.ended:
        found.unchecked(
            f"whether a read of {entity.name} from the last cursor ends: it did not within {len(behind.pages)} pages"
        )
    else:
        found.checked(f"nothing of {entity.name} comes again behind the last cursor")
