"""Sequences of records, looked at and joined without making what is lazy."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, Protocol, overload, runtime_checkable

from .values import is_sequence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .page import Record

__all__ = ["JoinedRecords", "SupportsLooks", "column", "joined", "parts_of", "peeked"]


@runtime_checkable
class SupportsLooks(Protocol):
    """Records that can be looked at without being made for good. `JsonRecords` can."""

    def field(self, name: str) -> Sequence[Any]:
        """Return one field of each record, None where it is missing."""
        ...

    def peek(self, position: int) -> Record:
        """Return a record that is neither kept nor changed by whoever asks."""
        ...


def column(records: Sequence[Record], name: str) -> Sequence[Any]:
    """Return one field of each record, None where it is missing."""
    if isinstance(records, SupportsLooks):
        return records.field(name)
    return [record.get(name) for record in records]


def peeked(records: Sequence[Record], position: int) -> Record:
    """Return a record that is only looked at, neither kept nor changed."""
    return records.peek(position) if isinstance(records, SupportsLooks) else records[position]


def joined(parts: Sequence[Sequence[Record]]) -> Sequence[Record]:
    """Return the records of all parts in their order; of a single part, that part itself."""
    return parts[0] if len(parts) == 1 else JoinedRecords(parts)


def parts_of(records: Sequence[Record]) -> Sequence[Sequence[Record]]:
    """Return the parts of what `joined` returned, to be handled one after the other; anything else is a single part."""
    return records.parts if isinstance(records, JoinedRecords) else (records,)


class JoinedRecords(Sequence["Record"]):
    """A sequence over sequences of records. `parts` are to stay as long as they are."""

    __slots__ = ("_ends", "parts")

    def __init__(self, parts: Sequence[Sequence[Record]]) -> None:
        self.parts = parts
        self._ends = list(accumulate(map(len, parts)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [self[position] for position in range(len(self))[index]]
        part, position = self._found(index)
        return part[position]

    def __iter__(self) -> Iterator[Record]:
        return chain.from_iterable(self.parts)

    def __eq__(self, other: object) -> bool:
        if not is_sequence(other):
            return NotImplemented
        return len(self) == len(other) and all(
            peeked(self, position) == record for position, record in enumerate(other)
        )

    __hash__ = None  # type: ignore[assignment]  # as a list has none: its records can be changed

    def __repr__(self) -> str:
        return f"<JoinedRecords: {len(self)} records in {len(self.parts)} parts>"

    def field(self, name: str) -> list[Any]:
        """Return one field of each record, None where it is missing."""
        return [value for part in self.parts for value in column(part, name)]

    def peek(self, position: int) -> Record:
        """Return a record that is neither kept nor changed by whoever asks."""
        return peeked(*self._found(position))

    def _found(self, index: int) -> tuple[Sequence[Record], int]:
        """Return the part that a record is in, and its position there."""
        position = range(len(self))[index]
        number = bisect_right(self._ends, position)
        return self.parts[number], position - (self._ends[number - 1] if number else 0)
