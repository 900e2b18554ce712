"""The largest replication key of a page, as a point in time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector_kit.errors import SchemaMismatchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.catalog import Entity
    from connector_kit.records.page import Record

__all__ = ["as_instant", "watermark_of"]


def as_instant(value: Any) -> datetime:
    """Read a datetime or its ISO 8601 text. Without an offset it is taken to be in UTC."""
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(instant, datetime):
        raise TypeError(f"{type(value).__name__} is no point in time")
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def watermark_of(entity: Entity, records: Sequence[Record], so_far: datetime | None) -> datetime | None:
    """Give the largest replication key among `records` and `so_far`.

    Only for an entity that is read by `since`; records without the key do not count. Raises `SchemaMismatchError`
    for a key that is no time.
    """
    key = entity.replication_key
    if entity.incremental != "since" or key is None or not records:
        return so_far
    # An ordered entity's last record has the largest key; records at the end may lack one, so then all are looked at.
    looked_at = records[-1:] if entity.ordered and records[-1].get(key) is not None else records
    largest = so_far
    for record in looked_at:
        value = record.get(key)
        if value is None:
            continue
        try:
            instant = as_instant(value)
        except (TypeError, ValueError, OverflowError) as error:  # the last: in UTC it is before the year 1
            raise SchemaMismatchError(
                f"entity {entity.name!r}: the replication key {key!r} is {value!r}, expected a datetime or its ISO 8601 text; "
                "choose a key that is a time, or read the entity by cursor"
            ) from error
        if largest is None or instant > largest:
            largest = instant
    return largest
