"""Whether records fit what the catalog announced, and what to do with those that do not. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from reprlib import Repr
from typing import Any, Literal, TypeGuard

import attrs

from connector_kit.records.bad_records import as_mapping, key_text, raw_record, unusable
from connector_kit.records.catalog import Entity, Struct
from connector_kit.records.fitting import fits, mismatches
from connector_kit.records.json_records import JsonRecords
from connector_kit.records.keys import value_at
from connector_kit.records.page import Record

__all__ = ["Action", "Announced", "Rejected", "SplitRecords", "Validation"]

Action = Literal["fail", "drop", "quarantine"]
"""What becomes of a record that does not fit: an error, nothing, or a place of its own."""

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 40
_MOST_REASONS = 20


@attrs.frozen
class Validation:
    """What to do with records that do not fit the fields of their entity.

    `action` "fail" raises `SchemaMismatchError`, "drop" leaves them out, "quarantine" puts them aside: in `file`, a
    file of JSON lines, or wherever the wrapper was told to. `examples` is how many reasons an event carries.
    """

    action: Action = attrs.field(
        default="fail", validator=attrs.validators.in_(("fail", "drop", "quarantine"))
    )
    file: str | None = None
    examples: int = attrs.field(default=3, validator=attrs.validators.ge(0))


@attrs.frozen
class Rejected:
    """A record that does not fit: its place in its page, counted from 0, and every reason, one line each."""

    entity: str
    index: int
    reasons: tuple[str, ...]
    record: Record
    key: str = ""
    """The record's primary key as text (`id=17`), shortened."""

    def __str__(self) -> str:
        which = f" ({self.key})" if self.key else ""
        return f"record {self.index}{which}: {'; '.join(self.reasons)}"


@attrs.frozen
class SplitRecords:
    """The records of one page, apart by whether they fit."""

    fitting: Sequence[Record]
    rejected: tuple[Rejected, ...]


@attrs.frozen
class Announced:
    """What the catalog announced of an entity's records, to compare them with.

    A field of the primary key has to be there and not None, whatever its `nullable` says. Keys that occur twice are
    not looked for: a source that is read by time repeats some by right, and two pages apart nobody would notice.
    """

    entity: Entity
    _struct: Struct = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_struct", Struct(self.entity.fields))

    def split(self, records: Sequence[Record]) -> SplitRecords | None:
        """Separate the records that fit from those that do not; None where all fit. Iterates once.

        Lazy records that all fit stay as they are: their JSON goes through the type made for the entity, and is not kept.
        """
        if isinstance(records, JsonRecords) and records.surely_fit(self.entity):
            return None
        seen: list[Record] = []
        found: dict[int, tuple[str, ...]] = {}
        undecodable = unusable(self.entity.name, records) if isinstance(records, JsonRecords) else {}
        raw: Iterable[Any] = (raw_record(records, index) for index in range(len(records)))
        for index, record in enumerate(raw if undecodable else records):
            seen.append(record)
            if reasons := ((undecodable[index],) if index in undecodable else self.reasons(record)):
                found[index] = reasons
        if not found:
            return None
        return SplitRecords(
            [record for index, record in enumerate(seen) if index not in found],
            tuple(
                Rejected(
                    self.entity.name,
                    index,
                    reasons,
                    seen[index],
                    key_text(seen[index], self.entity.primary_key),
                )
                for index, reasons in found.items()
            ),
        )

    def reasons(self, record: Any) -> tuple[str, ...]:
        """Return why a record does not fit; empty where it does."""
        keys = self.entity.primary_key
        if fits(record, self._struct) and all(value_at(record, key) is not None for key in keys):
            return ()
        if not _is_record(record):
            row: object = record
            shown, mapping = _SHORT.repr(row), as_mapping(type(row))
            return (f"{shown} is no record; expected a mapping of field name to value; write {mapping}",)
        reasons = mismatches(record, self.entity)
        named = {reason.partition(":")[0] for reason in reasons}
        for key in keys:
            if value_at(record, key) is None and key not in named:
                found = "is None" if key in record else "is missing"
                reasons.append(f"{key}: {found}; expected a value, since it is in the primary key")
        if len(reasons) > _MOST_REASONS:
            reasons[_MOST_REASONS:] = [f"and {len(reasons) - _MOST_REASONS} more"]
        return tuple(reasons)


def _is_record(record: object) -> TypeGuard[Record]:
    return isinstance(record, Mapping)
