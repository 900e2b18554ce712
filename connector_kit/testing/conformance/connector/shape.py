"""Law 3: every record fits its entity's fields, has its keys, and stays as it was handed over."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeGuard

import msgspec

from connector_kit.errors import SchemaMismatchError
from connector_kit.records.keys import value_at
from connector_kit.runtime.watermark import instant_of
from connector_kit.testing.conformance.reading import Reading, SeenPage, text_of
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS, Subject
from connector_kit.testing.conformance.telling import telling
from connector_kit.wrappers.validation.policy import Announced

from .baseline import Baseline, full_reads
from .record_texts import is_sequence

if TYPE_CHECKING:
    from connector_kit.records.catalog import Entity
    from connector_kit.records.page import Record
    from connector_kit.testing.conformance.law import Findings


__all__ = ["misfits", "shape"]

_MOST_REASONS = 5  # for one entity: a catalog of something else is wrong in every field


@CONNECTOR_LAWS.law(
    3, "shape", "Every record fits its entity's fields; primary keys are present and unique in a full read."
)
async def shape(subject: Subject, findings: Findings) -> None:
    """Look at every record of a full read, after it: what is changed behind the reader's back shows then.

    Fields that were not announced are no mismatch, as for `Validating`. A datetime without a time zone is one; in
    text, it is taken to be in UTC.
    """
    for read in await full_reads(subject, findings):
        pages = read.reading.pages
        if not read.reading.ended:
            findings.unchecked(f"what follows the first {len(pages)} pages of {read.name}")
        with telling(findings, read.name):
            if not read.reading.records:
                findings.unchecked(f"the records of {read.name}: a full read delivered none")
            elif all(_stays(read, page) for page in pages):
                fits = _check_fields(read)
                if await _check_keys(read) and fits:
                    _tell_checked(read)


def _stays(read: Baseline, page: SeenPage) -> bool:
    """Return whether a page's records are a sequence that can be looked at again, with the same records."""
    if not _can_be_cut(page.page.records):
        what, mend = f"the page's records are a {type(page.page.records).__name__}", "give a list"
    elif not page.still():
        what = "the page's records are not what they were when it came"
        mend = "make new ones for every page, and every record; do not fill the same object again"
    else:
        return True
    expected = "a sequence of records that stays: it may be looked at later, and more than once"
    read.broken(what, expected, mend, page.records, page=page.number)
    return False


def _can_be_cut(records: object) -> bool:
    """Return whether it is a sequence of which a part can be taken, as a sample does; a deque has no slices."""
    if not is_sequence(records):
        return False
    try:
        return len(records[:1]) == min(1, len(records))
    except TypeError:
        return False


def _check_fields(read: Baseline) -> bool:
    by_field: dict[str, list[tuple[SeenPage, str, str]]] = {}  # of what they are about, mostly
    for page in read.reading.pages:
        for record, text in zip(page.page.records, page.records, strict=True):
            for reason in misfits(read.entity, record):
                by_field.setdefault(reason.partition(":")[0], []).append((page, text, reason))
    for misfitting in islice(by_field.values(), _MOST_REASONS):
        page, _, reason = misfitting[0]
        more = len(misfitting) - 1
        read.broken(
            f"{reason} (and {more} more like this)" if more else reason,
            "records that fit the catalog",
            "convert the value, or announce the field as what it is",
            page=page.number,
            records=tuple(text for _, text, _ in misfitting),
        )
    return not by_field


async def _check_keys(read: Baseline) -> bool:
    """Look for a primary key that comes twice, in another read, too."""
    repeated = _repeated_key(read.entity, read.reading)
    if repeated is None:
        return True
    async with read.subject.connector() as connector:
        again = await read.read(connector)
    if _repeated_key(read.entity, again) is None:
        read.findings.unchecked(
            f"whether the primary keys of {read.name} are unique: the source changed meanwhile"
        )
        return False
    first, second, key, text = repeated
    read.broken(
        f"the primary key {key} comes twice, first on page {first}",
        "a key of its own for every record of a full read",
        "look at the borders of the pages (one record too far back?), or name more fields as the primary key",
        page=second,
        records=(text,),
    )
    return False


def _repeated_key(entity: Entity, reading: Reading) -> tuple[int, int, str, str] | None:
    """Return the first two pages on which the same primary key is, the key, and the second record that has it."""
    seen: dict[str, int] = {}
    for page in reading.pages:
        for record, text in zip(page.page.records, page.records, strict=True):
            values = [value_at(record, name) for name in entity.primary_key] if _is_mapping(record) else []
            if not values or None in values:
                continue
            key = ", ".join(
                f"{name}={text_of(value)}" for name, value in zip(entity.primary_key, values, strict=True)
            )
            if key in seen:
                return seen[key], page.number, key, text
            seen[key] = page.number
    return None


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def _is_collection(value: object, *kinds: type) -> TypeGuard[Collection[Any]]:
    return isinstance(value, kinds)


def _tell_checked(read: Baseline) -> None:
    """Tell what was looked at, and what could not be."""
    entity, findings, count = read.entity, read.findings, len(read.reading.records)
    findings.checked(f"{count} records of {entity.name} stay as they came, and hold what can be stored")
    if entity.fields:
        findings.checked(f"{count} records of {entity.name} fit its fields")
    else:
        findings.unchecked(f"whether the records of {entity.name} fit its fields: the catalog announces none")
    if entity.primary_key:
        findings.checked(f"{count} records of {entity.name} have a primary key of their own")
    else:
        findings.unchecked(
            f"whether the records of {entity.name} are unique: the catalog announces no primary key"
        )
    known = {field.name for field in entity.fields}
    names = {name for page in read.reading.pages for record in page.page.records for name in record}
    if entity.fields and (more := sorted(names - known)):
        findings.unchecked(f"fields of {entity.name} that the catalog does not announce: {', '.join(more)}")


def misfits(entity: Entity, record: Any) -> Iterator[str]:
    """Yield what is wrong with a record, by the kit's own rules for records, one line each."""
    yield from Announced(entity).reasons(record)
    if not _is_mapping(record):
        return
    yield from (f"the name {name!r} of a field is no text" for name in record if not isinstance(name, str))
    yield from (
        f"{path}: {moment.isoformat()} has no time zone; say which one it is in, as in moment.replace(tzinfo=UTC)"
        for path, moment in _naive(record, "")
    )
    yield from _unfit_replication_key(entity, record)
    for name, value in record.items():
        if kind := _unknown_class(value):
            yield f"{name}: a {kind} is no value that a destination can keep; expected what JSON has, a time, a Decimal or bytes"


def _unfit_replication_key(entity: Entity, record: Record) -> Iterator[str]:
    if entity.incremental != "since" or entity.replication_key is None:
        return
    try:
        missing = instant_of(entity, record) is None
    except SchemaMismatchError as error:
        yield error.message
    else:
        if missing:
            yield (
                f"{entity.replication_key}: no value; expected one, since the entity is read by it: "
                "the next run would never come by this record"
            )


def _naive(value: Any, path: str) -> Iterator[tuple[str, datetime]]:
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            yield path, value
    elif _is_mapping(value):
        for name, each in value.items():
            yield from _naive(each, f"{path}.{name}" if path else str(name))
    elif _is_collection(value, list, tuple):
        for place, each in enumerate(value):
            yield from _naive(each, f"{path}[{place}]")


def _unknown_class(value: Any) -> str:
    """Name the class of a value that has no JSON form, as `stored` in the SQLite destination and JSONL see it."""
    unknown: list[str] = []

    def simplified(inner: Any) -> Any:
        if _is_mapping(inner):
            return dict(inner)
        if _is_collection(inner, Sequence, AbstractSet):
            return list(inner)
        unknown.append(type(inner).__name__)
        return None

    with suppress(Exception):  # what else is wrong with a value (a key that is no text) has been said
        msgspec.to_builtins(value, enc_hook=simplified)
    return unknown[0] if unknown else ""
