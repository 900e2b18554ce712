"""Looking at records without having them: one field of many, or one that nobody will keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .page import Record

__all__ = ["SupportsLooks", "column", "peeked"]


@runtime_checkable
class SupportsLooks(Protocol):
    """Records that can be looked at without being made for good. `JsonRecords` can."""

    def field(self, name: str) -> Sequence[Any]:
        """Give one field of each record, None where it is missing."""
        ...

    def peek(self, place: int) -> Record:
        """Give a record that is neither kept nor changed by whoever asks."""
        ...


def column(records: Sequence[Record], name: str) -> Sequence[Any]:
    """Give one field of each record, None where it is missing."""
    if isinstance(records, SupportsLooks):
        return records.field(name)
    return [record.get(name) for record in records]


def peeked(records: Sequence[Record], place: int) -> Record:
    """Give a record that is only looked at, neither kept nor changed."""
    return records.peek(place) if isinstance(records, SupportsLooks) else records[place]
