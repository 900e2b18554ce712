"""Records and cursors as their texts tell them: the fields again, what tells one record from another, the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from connector_kit.testing.conformance.reading import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector_kit.records.catalog import Entity
    from connector_kit.records.page import Cursor
    from connector_kit.testing.conformance.reading import SeenPage

__all__ = ["cursor_of", "fields_of", "identity_of"]


def fields_of(record: str) -> Mapping[str, Any]:
    """Give the fields of a record out of its text; none for one that JSON has no words for."""
    try:
        fields = msgspec.json.decode(record.encode())
    except msgspec.DecodeError:
        return {}
    return fields if isinstance(fields, dict) else {}


def identity_of(entity: Entity, record: str) -> str:
    """Give a record's primary key as text, where it has one; else all it holds."""
    fields = fields_of(record) if entity.primary_key else {}
    if not fields or not fields.keys() >= set(entity.primary_key):
        return record
    return text_of([fields[key] for key in entity.primary_key])


def cursor_of(page: SeenPage) -> Cursor:
    """Give a page's cursor after it has been through text; None where it has none, or one that is no JSON."""
    if page.cursor is None:
        return None
    try:
        cursor: Cursor = msgspec.json.decode(page.cursor.encode())
    except msgspec.DecodeError:
        return None
    return cursor
