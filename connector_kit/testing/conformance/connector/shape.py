"""Law 3: every record fits its entity's fields, has its keys, and stays as it was handed over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from connector_kit.testing.conformance.reading import text_of
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS
from connector_kit.testing.conformance.telling import telling

from .misfits import misfits
from .readings import full_reads

if TYPE_CHECKING:
    from connector_kit.records.catalog import Entity
    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.reading import Reading, SeenPage
    from connector_kit.testing.conformance.subject import Subject

__all__ = ["shape"]


_MOST_REASONS = 5  # for one entity: a catalog of something else is wrong in every field


@CONNECTOR_LAWS.law(
    3, "shape", "Every record fits its entity's fields; primary keys are present and unique in a full read."
)
async def shape(subject: Subject, found: Findings) -> None:
    """Look at every record of a full read, after it: what is changed behind the reader's back shows then.

    Fields that were not announced are no mismatch, as for `Validating`. A datetime without a time zone is one; in
    text, it is taken to be in UTC.
    """
    for entity, reading in await full_reads(subject, found):
        if not reading.ended:
            found.unchecked(f"what follows the first {len(reading.pages)} pages of {entity.name}")
        with telling(found, entity.name):
            if not reading.records:
                found.unchecked(f"the records of {entity.name}: a full read delivered none")
            elif all(_stays(entity, page, found) for page in reading.pages):
                await _look_at(subject, entity, reading, found)


def _stays(entity: Entity, page: SeenPage, found: Findings) -> bool:
    """Look whether a page's records are a sequence that can be looked at again, with the same records."""
    records: object = page.page.records
    if not isinstance(records, Sequence) or isinstance(records, str | bytes) or not _can_be_cut(records):
        what, mend = f"the page's records are a {type(records).__name__}", "give a list"
    elif not page.still():
        what = "the page's records are not what they were when it came"
        mend = "make new ones for every page, and every record; do not fill the same object again"
    else:
        return True
    found.broken(
        what,
        expected="a sequence of records that stays: it may be looked at later, and more than once",
        mend=mend,
        entity=entity.name,
        page=page.number,
        records=page.records,
    )
    return False


def _can_be_cut(records: Sequence[object]) -> bool:
    """Tell whether a part can be taken, as a sample does; a deque has no slices."""
    try:
        return len(records[:1]) == min(1, len(records))
    except TypeError:
        return False


async def _look_at(subject: Subject, entity: Entity, reading: Reading, found: Findings) -> None:
    wrong = [
        (page, text, reason)
        for page in reading.pages
        for record, text in zip(page.page.records, page.records, strict=True)
        for reason in misfits(entity, record)
    ]
    alike: dict[
        str, list[tuple[SeenPage, str, str]]
    ] = {}  # by what they are about, the name of a field mostly
    for page, text, reason in wrong:
        alike.setdefault(reason.partition(":")[0], []).append((page, text, reason))
    for misfitting in islice(alike.values(), _MOST_REASONS):
        page, _, reason = misfitting[0]
        more = len(misfitting) - 1
        found.broken(
            f"{reason} (and {more} more like this)" if more else reason,
            expected="records that fit the catalog",
            mend="convert the value, or announce the field as what it is",
            entity=entity.name,
            page=page.number,
            records=tuple(text for _, text, _ in misfitting),
        )
    twice = _twice(entity, reading)
    if twice is None:
        if not wrong:
            _tell(entity, reading, found)
    elif await _again(subject, entity):
        first, second, key, text = twice
        found.broken(
            f"the primary key {key} comes twice, first on page {first}",
            expected="a key of its own for every record of a full read",
            mend="look at the borders of the pages (one record too far back?), or name more fields as the primary key",
            entity=entity.name,
            page=second,
            records=(text,),
        )
    else:
        found.unchecked(f"whether the primary keys of {entity.name} are unique: the source changed meanwhile")


def _twice(entity: Entity, reading: Reading) -> tuple[int, int, str, str] | None:
    """Give the first two pages on which the same primary key is, the key, and the second record that has it."""
    seen: dict[str, int] = {}
    for page in reading.pages:
        for record, text in zip(page.page.records, page.records, strict=True):
            values = [record.get(name) for name in entity.primary_key] if _is_record(record) else []
            if not values or None in values:
                continue
            key = ", ".join(
                f"{name}={text_of(value)}" for name, value in zip(entity.primary_key, values, strict=True)
            )
            if key in seen:
                return seen[key], page.number, key, text
            seen[key] = page.number
    return None


def _is_record(record: Any) -> bool:
    return isinstance(record, Mapping)


async def _again(subject: Subject, entity: Entity) -> bool:
    """Tell whether a key comes twice in another read, too."""
    async with subject.connector() as connector:
        return _twice(entity, await subject.read(connector, entity.name)) is not None


def _tell(entity: Entity, reading: Reading, found: Findings) -> None:
    """Say what was looked at, and what could not be."""
    count = len(reading.records)
    found.checked(f"{count} records of {entity.name} stay as they came, and hold what can be stored")
    if entity.fields:
        found.checked(f"{count} records of {entity.name} fit its fields")
    else:
        found.unchecked(f"whether the records of {entity.name} fit its fields: the catalog announces none")
    if entity.primary_key:
        found.checked(f"{count} records of {entity.name} have a primary key of their own")
    else:
        found.unchecked(
            f"whether the records of {entity.name} are unique: the catalog announces no primary key"
        )
    known = {field.name for field in entity.fields}
    names = {name for page in reading.pages for record in page.page.records for name in record}
    if entity.fields and (more := sorted(names - known)):
        found.unchecked(f"fields of {entity.name} that the catalog does not announce: {', '.join(more)}")
