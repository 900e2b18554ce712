"""Primary and replication keys in records: a field's name, or a path through nested records (`properties.modified`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .batches import column
from .values import is_mapping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .page import Record

__all__ = ["column_at", "value_at"]


def value_at(record: Record, key: str) -> Any:
    """Return what a record has at a key, None where it has nothing there.

    The value of a field of that very name counts first; else dots lead into nested records.

    >>> value_at({"sys": {"id": 7}}, "sys.id")
    7
    """
    value = record.get(key)
    head, dot, rest = key.partition(".")
    if value is not None or not dot:
        return value
    below = record.get(head)
    return value_at(below, rest) if is_mapping(below) else None


def column_at(records: Sequence[Record], key: str) -> Sequence[Any]:
    """Return what each record has at a key, None where it has nothing there. What is lazy is not made."""
    values = column(records, key)
    head, dot, rest = key.partition(".")
    if not dot:
        return values
    return [
        value_at(below, rest) if value is None and is_mapping(below) else value
        for value, below in zip(values, column(records, head), strict=True)
    ]
