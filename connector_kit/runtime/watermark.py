"""Replication keys as points in time, and the largest of a page: the watermark."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector_kit.errors import SchemaMismatchError
from connector_kit.records.batches import column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.catalog import Entity
    from connector_kit.records.page import Record

__all__ = ["as_instant", "instant_of", "instants", "positions_at", "watermark_of"]

_FIRST_TAIL = 16


def as_instant(value: Any) -> datetime:
    """Return a datetime, or the one that ISO 8601 text says. Without an offset it is taken to be in UTC."""
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(instant, datetime):
        raise TypeError(f"{type(value).__name__} is no point in time")
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def instants(entity: Entity, records: Sequence[Record]) -> list[datetime | None]:
    """Return each record's replication key as a point in time, None where it has none. Nothing else of it is looked at.

    Raises `SchemaMismatchError` for a key that is no time.
    """
    key = entity.replication_key
    if key is None:
        return [None] * len(records)
    return [_instant(entity, value) for value in column(records, key)]


def instant_of(entity: Entity, record: Record) -> datetime | None:
    """Return one record's replication key. Raises `SchemaMismatchError` for a key that is no time."""
    return instants(entity, [record])[0]


def _instant(entity: Entity, value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        return as_instant(value)
    except (TypeError, ValueError, OverflowError) as error:  # the last: in UTC it is before the year 1
        raise SchemaMismatchError(
            f"entity {entity.name!r}: the replication key {entity.replication_key!r} is {value!r}, expected a datetime or "
            "its ISO 8601 text; choose a key that is a time, or read the entity by cursor"
        ) from error


def watermark_of(entity: Entity, records: Sequence[Record], so_far: datetime | None) -> datetime | None:
    """Return the largest replication key among `records` and `so_far`.

    Only for an entity that is read by `since`; records without the key do not count. Raises `SchemaMismatchError`
    for a key that is no time.
    """
    if entity.incremental != "since" or not records:
        return so_far
    # An ordered entity's last record has the largest key; records at the end may lack one, so then all are looked at.
    last = instants(entity, records[-1:]) if entity.ordered else [None]
    found = instants(entity, records) if last == [None] else last
    return max((instant for instant in (so_far, *found) if instant is not None), default=None)


def positions_at(entity: Entity, records: Sequence[Record], instant: datetime) -> list[int]:
    """Return the positions of the records whose replication key is `instant`, the largest among them.

    Of an ordered entity they stand together at the end, and little more than these are looked at.
    """
    size = len(records)
    tail = _FIRST_TAIL if entity.ordered else size
    while True:
        first = max(0, size - tail)
        found = instants(entity, records[first:])
        if not first or found[0] not in (instant, None):
            return [first + position for position, each in enumerate(found) if each == instant]
        tail *= _FIRST_TAIL
