"""The largest replication key of a page, as a point in time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector_kit.errors import SchemaMismatchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.catalog import Entity
    from connector_kit.records.page import Record

__all__ = ["as_instant", "instant_of", "watermark_of"]


def as_instant(value: Any) -> datetime:
    """Read a datetime or its ISO 8601 text. Without an offset it is taken to be in UTC."""
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(instant, datetime):
        raise TypeError(f"{type(value).__name__} is no point in time")
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def instant_of(entity: Entity, record: Record) -> datetime | None:
    """Give a record's replication key as a point in time, None where it has none.

    Raises `SchemaMismatchError` for a key that is no time.
    """
    key = entity.replication_key
    value = None if key is None else record.get(key)
    if value is None:
        return None
    try:
        return as_instant(value)
    except (TypeError, ValueError, OverflowError) as error:  # the last: in UTC it is before the year 1
        raise SchemaMismatchError(
            f"entity {entity.name!r}: the replication key {key!r} is {value!r}, expected a datetime or its ISO 8601 text; "
            "choose a key that is a time, or read the entity by cursor"
        ) from error


def watermark_of(entity: Entity, records: Sequence[Record], so_far: datetime | None) -> datetime | None:
    """Give the largest replication key among `records` and `so_far`.

    Only for an entity that is read by `since`; records without the key do not count. Raises `SchemaMismatchError`
    for a key that is no time.
    """
    if entity.incremental != "since" or not records:
        return so_far
    # An ordered entity's last record has the largest key; records at the end may lack one, so then all are looked at.
    ends_with_key = entity.ordered and instant_of(entity, records[-1]) is not None
    largest = so_far
    for record in records[-1:] if ends_with_key else records:
        instant = instant_of(entity, record)
        if instant is not None and (largest is None or instant > largest):
            largest = instant
    return largest
