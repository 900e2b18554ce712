"""Records and cursors as a `Reading` keeps them, in text: their fields, their identity, their times, and the cursor again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

import msgspec

from connector_kit.records.keys import value_at
from connector_kit.runtime.watermark import instant_of
from connector_kit.testing.conformance.reading import Reading, SeenPage, text_of

if TYPE_CHECKING:
    from datetime import datetime

    from connector_kit.records.catalog import Entity
    from connector_kit.records.page import Cursor

__all__ = ["cursor_of", "fields_of", "identity_of", "instants_of", "is_sequence", "through_text"]


def fields_of(record: str) -> Mapping[str, Any]:
    """Return the fields of a record; none for one that JSON has no words for."""
    try:
        return msgspec.json.decode(record.encode(), type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def identity_of(entity: Entity, record: str) -> str:
    """Return a record's primary key as text, where it has one; else all it holds."""
    fields = fields_of(record)
    values = [value_at(fields, key) for key in entity.primary_key]
    return record if not values or None in values else text_of(values)


def instants_of(entity: Entity, reading: Reading) -> list[list[datetime | None]]:
    """Return the replication keys of each page's records, None for a record that has none.

    Raises `SchemaMismatchError` for a key that is no time.
    """
    return [[instant_of(entity, fields_of(record)) for record in page.records] for page in reading.pages]


def cursor_of(page: SeenPage) -> Cursor:
    """Return a page's cursor after it has been through text; None where it has none, or one that is no JSON."""
    try:
        return None if page.cursor is None else through_text(page.cursor)
    except msgspec.DecodeError:
        return None


def through_text(cursor: str) -> Cursor:
    """Return the cursor that a JSON text holds."""
    value: Cursor = msgspec.json.decode(cursor.encode())
    return value


def is_sequence(value: object) -> TypeGuard[Sequence[object]]:
    """Return whether a value is a sequence of things, and no text."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
