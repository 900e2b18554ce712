"""Records as their texts tell them: their fields again, and what tells one from another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from connector_kit.testing.conformance.reading import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector_kit.records.catalog import Entity

__all__ = ["fields_of", "identity_of"]


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
