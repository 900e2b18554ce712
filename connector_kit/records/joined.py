"""Several pages' records in a row, each page's as they came: what is lazy stays lazy, and nothing is copied."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, overload

from .columns import column, peeked

if TYPE_CHECKING:
    from .page import Record

__all__ = ["JoinedRecords", "joined", "parts_of"]


def joined(parts: Sequence[Sequence[Record]]) -> Sequence[Record]:
    """Give the records of all parts in their order; of a single part, that part itself."""
    return parts[0] if len(parts) == 1 else JoinedRecords(parts)


def parts_of(records: Sequence[Record]) -> Sequence[Sequence[Record]]:
    """Give the parts of what `joined` gave, to be handled one after the other; anything else is a single part."""
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
            return [self[place] for place in range(len(self))[index]]
        part, place = self._found(index)
        return part[place]

    def __iter__(self) -> Iterator[Record]:
        return chain.from_iterable(self.parts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes | bytearray):
            return NotImplemented
        return len(self) == len(other) and all(
            peeked(self, place) == record for place, record in enumerate(other)
        )

    __hash__ = None  # type: ignore[assignment]  # as a list has none: its records can be changed

    def __repr__(self) -> str:
        return f"<JoinedRecords: {len(self)} records in {len(self.parts)} parts>"

    def field(self, name: str) -> list[Any]:
        """Give one field of each record, None where it is missing."""
        return [value for part in self.parts for value in column(part, name)]

    def peek(self, place: int) -> Record:
        """Give a record that is neither kept nor changed by whoever asks."""
        return peeked(*self._found(place))

    def _found(self, index: int) -> tuple[Sequence[Record], int]:
        """Give the part that a record is in, and its place there."""
        place = range(len(self))[index]
        number = bisect_right(self._ends, place)
        return self.parts[number], place - (self._ends[number - 1] if number else 0)
