"""Records that a destination cannot hold: the same ones everywhere, and all of a call before anything of it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.errors import BadRecordError
from connector_kit.records.bad_records import key_text, raw_record, unencodable, unusable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector_kit.records.catalog import Entity
    from connector_kit.records.page import Record

__all__ = ["bad_records", "refuse_unencodable", "refuse_unusable"]


def refuse_unusable(entity: Entity, records: Sequence[Record]) -> None:
    """Raise `BadRecordError` for what no record can be made of. Cheap where all records are usable."""
    if bad := unusable(entity.name, records):
        raise bad_records(entity, records, bad)


def refuse_unencodable(entity: Entity, records: Sequence[Record]) -> None:
    """Raise `BadRecordError` for what has no JSON form. Looks at each record."""
    if bad := unencodable(records):
        raise bad_records(entity, records, bad)


def bad_records(entity: Entity, records: Sequence[Record], bad: Mapping[int, str]) -> BadRecordError:
    """Return the error for records of a call, with what is wrong with each by its position."""
    reasons = {position: _named(entity, records, position, reason) for position, reason in bad.items()}
    several = f"{len(bad)} of {len(records)} records of entity {entity.name!r} cannot be stored, the first of them because of this"
    return BadRecordError(
        f"{several}: {next(iter(reasons.values()))}; expected values that JSON has, dates, times, Decimals or bytes, and a usable "
        "primary key; mend it in the connector, or let the others through with the entity's option `on_bad_record`",
        reasons,
    )


def _named(entity: Entity, records: Sequence[Record], position: int, reason: str) -> str:
    key = key_text(raw_record(records, position), entity.primary_key)
    return f"{reason} (the record with {key})" if key else reason
