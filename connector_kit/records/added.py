"""Records with further fields that are the same in all of them. What is lazy stays so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from .batches import column, joined, parts_of, peeked
from .json_lines import ENCODER, SupportsJson, json_size

if TYPE_CHECKING:
    from .page import Record

__all__ = ["with_fields"]


def with_fields(records: Sequence[Record], fields: Mapping[str, Any]) -> Sequence[Record]:
    """Return the records with these fields behind their own; none of them may have one of that name.

    >>> with_fields([{"id": 1}], {"run": "a"})
    [{'id': 1, 'run': 'a'}]
    """
    return joined([_extended(part, fields) for part in parts_of(records)])


def _extended(records: Sequence[Record], fields: Mapping[str, Any]) -> Sequence[Record]:
    if not isinstance(records, list) and isinstance(records, SupportsJson):
        return _ExtendedRecords(records, fields)
    return [{**record, **fields} for record in records]


class _ExtendedRecords(Sequence["Record"]):
    """Records that have their JSON already, to each of which the same fields are added."""

    __slots__ = ("_fields", "_records")

    def __init__(self, records: Sequence[Record], fields: Mapping[str, Any]) -> None:
        self._records = records
        self._fields = fields

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        if isinstance(index, slice):
            return _ExtendedRecords(self._records[index], self._fields)
        return {**self._records[index], **self._fields}

    def __iter__(self) -> Iterator[Record]:
        return ({**record, **self._fields} for record in self._records)

    def field(self, name: str) -> Sequence[Any]:
        """Return one field of each record, None where it is missing."""
        if name in self._fields:
            return [self._fields[name]] * len(self)
        return column(self._records, name)

    def peek(self, position: int) -> Record:
        """Return a record that is neither kept nor changed by whoever asks."""
        return {**peeked(self._records, position), **self._fields}

    def json_lines(self) -> bytes:
        """Return one line per record: its own JSON with the fields at the end."""
        assert isinstance(self._records, SupportsJson)
        # A line feed stands at the end of a line alone, behind the brace that closes the record.
        lines = b"\n" + self._records.json_lines().replace(b"}\n", b"," + self._json[1:] + b"\n")
        return lines.replace(b"\n{,", b"\n{")[1:]  # of a record without fields

    def documents(self) -> Sequence[Any]:
        """Return each record as msgspec encodes it inside of something else."""
        return list(self)

    def json_size(self) -> int:
        """Return about how many bytes the JSON has, without making it."""
        return json_size(self._records) + len(self) * len(self._json)

    @property
    def _json(self) -> bytes:
        return ENCODER.encode(dict(self._fields))
