"""How far the replication keys of a read have come: the watermark, and the moments that it must not pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import attrs

from connector_kit.errors import ConfigError, SchemaMismatchError
from connector_kit.records.instants import Instants, time_format
from connector_kit.records.keys import column_at, value_at
from connector_kit.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.catalog import Entity
    from connector_kit.records.page import Record

__all__ = ["Bounds", "KeysSeen", "instant_of", "instants", "last_instants", "moved", "refuse_sampled_keys"]

_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def instants(entity: Entity, records: Sequence[Record]) -> Instants:
    """Return the records' replication keys as points in time. Nothing else of them is looked at."""
    key = entity.replication_key
    return (
        Instants([None] * len(records))
        if key is None
        else time_format(entity).instants(column_at(records, key))
    )


def refuse_sampled_keys(entity: Entity, records: Sequence[Record]) -> None:
    """Raise `ConfigError` for an entity read by `since` of whose first records none has a key that is a time."""
    key = entity.replication_key
    if entity.incremental != "since" or key is None or not records or instants(entity, records).usable:
        return
    value = next((value for value in column_at(records, key) if value is not None), None)
    raise ConfigError(
        f"entity {entity.name!r} is read by since, but in none of its first {counted(len(records), 'record')} the replication key {key!r} is a time "
        f"(one is {value!r}); expected times: name a field that has them, say how they are written (replication_format), or read the "
        "entity by cursor or in full"
    )


def last_instants(entity: Entity, records: Sequence[Record], latest: datetime | None) -> Instants:
    """Return the replication keys that can be the largest of a page: of an ordered entity, that of the last record.

    It may lack one, or have one behind `latest`, which does not count: then all are looked at.
    """
    if entity.ordered and len(records) > 1:
        last = instants(entity, records[-1:])
        if last.at[0] is not None and (latest is None or last.at[0] <= latest):
            return last
    return instants(entity, records)


@attrs.frozen
class Bounds:
    """The moments that the watermark of a read must not pass.

    What changes while an entity is read out of order may be behind the reader, with keys from the moment the read `began`; so its
    watermark stays before that, by the tolerance for clocks that differ. In an ordered read what changes comes at the end. In
    both, a key that lies in the future (`latest`) says nothing of what comes, and does not count.
    """

    cap: datetime
    latest: datetime

    @classmethod
    def of(cls, entity: Entity, began: datetime, tolerance: timedelta) -> Bounds:
        """Return those of a read of an entity."""
        latest = moved(began, tolerance)
        return cls(latest if entity.ordered else moved(began, -tolerance), latest)

    def watermark(self, before: datetime | None, keys: Sequence[datetime]) -> datetime | None:
        """Return the watermark behind a page with these keys. It never goes back."""
        largest = max(keys, default=None)
        if largest is not None and largest > self.latest:
            largest = max((key for key in keys if key <= self.latest), default=None)
        if largest is None:
            return before
        reached = min(largest, self.cap)
        return reached if before is None else max(before, reached)


@attrs.frozen
class KeysSeen:
    """What was seen of the replication keys in a run: the largest, how many are no times, and whether one had no zone."""

    largest: datetime | None = None
    unusable: int = 0
    zoneless: bool = False

    def and_those_of(self, page: Instants, usable: Sequence[datetime]) -> KeysSeen:
        """Return what was seen with a further page; `usable` are its times."""
        largest = max(usable, default=None)
        if self.largest is not None:
            largest = self.largest if largest is None else max(largest, self.largest)
        return KeysSeen(largest, self.unusable + len(page.at) - len(usable), self.zoneless or page.zoneless)


def moved(moment: datetime, by: timedelta) -> datetime:
    """Return a moment later or earlier, but within what a datetime can say."""
    try:
        return moment + by
    except OverflowError:
        return _LAST if by > timedelta() else _FIRST


def instant_of(entity: Entity, record: Record) -> datetime | None:
    """Return one record's replication key, None where it has none. Raises `SchemaMismatchError` for one that is no time."""
    instant = instants(entity, [record]).at[0]
    value = None if entity.replication_key is None else value_at(record, entity.replication_key)
    if instant is None and value is not None:
        raise SchemaMismatchError(
            f"entity {entity.name!r}: the replication key {entity.replication_key!r} is {value!r}, expected a time: a datetime, ISO 8601 or "
            "RFC 1123 text, or seconds, milliseconds or microseconds of the epoch; choose a key that is a time, say how it is written "
            "(replication_format), or read the entity by cursor"
        )
    return instant
