"""Which records of a page are none, and how a bad one is named: by its key, and with what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import is_dataclass
from reprlib import Repr
from types import NoneType
from typing import TYPE_CHECKING, Any

from connector_kit.errors import SchemaMismatchError

from .batches import parts_of, peeked
from .json_lines import SupportsJson, encoding_fault
from .json_records import DocumentError, JsonRecords
from .keys import value_at
from .values import is_mapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .page import Record

__all__ = ["as_mapping", "key_text", "raw_record", "unencodable", "unusable", "without"]

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 40


_kind: Callable[[object], type[object]] = type


def unusable(entity: str, records: Sequence[Record]) -> dict[int, str]:
    """Return the positions of what no record can be made of, with the reasons: null, and JSON that cannot be decoded.

    Raises `SchemaMismatchError` for rows that are something else than mappings: then not a record is bad, but the connector
    has not made any of its rows.
    """
    found, first = dict[int, str](), 0
    for part in parts_of(records):
        found |= {first + position: reason for position, reason in _unusable_in(entity, part).items()}
        first += len(part)
    return found


def _unusable_in(entity: str, records: Sequence[Record]) -> dict[int, str]:
    if isinstance(records, JsonRecords):
        return {position: _encoding_fault(records, position) for position in records.unusable()}
    if not isinstance(records, list) and isinstance(records, SupportsJson):
        return {}  # each is JSON of a record already; to look at one would make it
    rows: Sequence[Any] = records
    kinds = set(map(_kind, rows))
    if kinds <= {dict}:
        return {}
    for kind in kinds:
        if kind is not NoneType and not issubclass(kind, Mapping):
            position = list(map(_kind, rows)).index(kind)
            raise SchemaMismatchError(
                f"record {position} of a page of entity {entity!r} is a {kind.__name__}; expected a mapping of field name to value; write "
                f"{as_mapping(kind)} in the connector"
            )
    return {position: "it is null" for position, row in enumerate(rows) if row is None}


def unencodable(records: Sequence[Record]) -> dict[int, str]:
    """Return the positions of the records that have no JSON form, with the reasons: what cannot be made is among them."""
    found = {position: _encoding_fault(records, position) for position in range(len(records))}
    return {position: fault for position, fault in found.items() if fault}


def without(records: Sequence[Record], positions: Iterable[int]) -> Sequence[Record]:
    """Return the records at all other positions."""
    left_out = set(positions)
    return [records[position] for position in range(len(records)) if position not in left_out]


def key_text(record: object, primary_key: Sequence[str]) -> str:
    """Return a record's primary key as text (`id=17`), shortened; empty for what has none.

    A document that no record can be made of may have one all the same.
    """
    if isinstance(record, str):
        with suppress(ValueError, RecursionError):
            record = json.loads(record)
    if not is_mapping(record):
        return ""
    return ", ".join(f"{name}={_SHORT.repr(value_at(record, name))}" for name in primary_key)


def raw_record(records: Sequence[Record], position: int) -> Any:
    """Return a record, or where none can be made of it, the text that it came as."""
    try:
        return records[position]
    except SchemaMismatchError:
        for part in parts_of(records):
            if position < len(part) and isinstance(part, JsonRecords):
                return part.text(position)
            position -= len(part)
        raise


def _reason(error: SchemaMismatchError) -> str:
    cause = error.__cause__
    return str(cause) if isinstance(cause, DocumentError) else error.message


def _encoding_fault(records: Sequence[Record], position: int) -> str:
    try:
        record = peeked(records, position)
    except SchemaMismatchError as error:
        return _reason(error)
    return encoding_fault(record)


def as_mapping(kind: type[object]) -> str:
    """Return how a row of a class becomes a mapping."""
    if hasattr(kind, "_asdict"):
        return "row._asdict()"
    if is_dataclass(kind):
        return "dataclasses.asdict(row)"
    if hasattr(kind, "__attrs_attrs__"):
        return "attrs.asdict(row)"
    return "dict(zip(names, row))" if issubclass(kind, tuple | list) else "dict(row)"
