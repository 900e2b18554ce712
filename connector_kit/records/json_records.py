"""`JsonRecords`: the records of a page as the JSON they came in, decoded when somebody looks at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import msgspec
from msgspec import Raw

from connector_kit.errors import SchemaMismatchError

from .json_documents import Document, Documents
from .typed import decoder_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .catalog import Entity
    from .page import Record

__all__ = ["JsonRecords"]

_ARRAY = msgspec.json.Decoder(list[Raw])
_LINES = msgspec.json.Decoder(Raw)


class JsonRecords(Sequence["Record"]):
    r"""A sequence of records over JSON documents, of which none is decoded before somebody looks at it.

    To whoever looks, it is the list of dicts that the JSON stands for: a record is made once and is the same object
    each time, in slices too; equality goes by content; an integer has all its digits, of a name that comes twice the
    last value counts, and NaN is no JSON. A record with a number beyond what a float can hold raises
    `SchemaMismatchError` when it is decoded, that record and no other.

    `json_lines` and `field` do without records. A document that was never handed out goes on as it came, with its
    spelling of numbers and texts; of one that was, what has become of its dict.

    >>> records = JsonRecords.of_array(b'[{"id": 1, "at": "2024-05-01"}, {"id": 2, "at": "2024-05-02"}]')
    >>> records[1]
    {'id': 2, 'at': '2024-05-02'}
    >>> records.field("at")
    ['2024-05-01', '2024-05-02']
    >>> records[:1].json_lines()
    b'{"id": 1, "at": "2024-05-01"}\n'
    """

    __slots__ = ("_documents", "_places")

    def __init__(self, documents: Documents, places: range | None = None) -> None:
        """Take those of the documents that are in `places`, all by default; `of_array` and `of_lines` take bytes."""
        self._documents = documents
        self._places = range(len(documents)) if places is None else places

    @classmethod
    def of_array(cls, body: bytes) -> JsonRecords:
        """Give the records of a JSON array of objects. Raises `SchemaMismatchError` where the bytes are none.

        `connector_kit.records.json_body.split` takes an array from anywhere in a body.
        """
        return cls._split(body, _ARRAY.decode, "a JSON array of objects")

    @classmethod
    def of_lines(cls, body: bytes) -> JsonRecords:
        """Give the records of JSON lines (NDJSON), an object a line. Raises `SchemaMismatchError` where they are none."""
        return cls._split(body, _LINES.decode_lines, "a JSON object on each line")

    @classmethod
    def _split(cls, body: bytes, splitter: Callable[[bytes], list[Raw]], expected: str) -> JsonRecords:
        try:
            return cls(Documents.of(splitter(body), body))
        except (ValueError, RecursionError) as error:
            raise SchemaMismatchError(
                f"{len(body)} bytes are no records: {error}; expected {expected}; look at where they come from"
            ) from error

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> JsonRecords: ...
    def __getitem__(self, index: int | slice) -> Record | JsonRecords:
        if isinstance(index, slice):
            return JsonRecords(self._documents, self._places[index])
        return self._documents.record(self._places[index])

    def __iter__(self) -> Iterator[Record]:
        return self._documents.records(self._places)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, JsonRecords):
            return self._documents.same(self._places, other._documents, other._places)
        if not isinstance(other, Sequence) or isinstance(other, str | bytes | bytearray):
            return NotImplemented
        return len(self) == len(other) and all(
            self._documents.peek(place) == record for place, record in zip(self._places, other, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]  # as a list has none: its records can be changed

    @overload
    def __add__(self, other: JsonRecords) -> JsonRecords: ...
    @overload
    def __add__(self, other: Sequence[Record]) -> Sequence[Record]: ...
    def __add__(self, other: Sequence[Record]) -> Sequence[Record]:
        """Give both in a row; two `JsonRecords` without decoding or copying any."""
        if not isinstance(other, JsonRecords):
            return [*self, *other]
        return JsonRecords(self._documents.joined(self._places, other._documents, other._places))

    def __repr__(self) -> str:
        return f"<JsonRecords: {len(self)} records>"

    def field(self, name: str) -> list[Any]:
        """Give one field of each record, None where it is missing; nothing else is decoded."""
        return self._documents.field(name, self._places)

    def peek(self, place: int) -> Record:
        """Give a record that is neither kept nor changed by whoever asks: its JSON still goes on as it came."""
        return self._documents.peek(self._places[place])

    def surely_fit(self, entity: Entity) -> bool:
        """Whether every record is known to fit the entity, without making any; where not, each has to be looked at."""
        decoder = decoder_of(entity)
        return decoder is not None and self._documents.decode_as(decoder, self._places)

    def documents(self) -> list[Document]:
        """Give each record as msgspec encodes it, inside of something else too, on one line."""
        return self._documents.given(self._places)

    def json_size(self) -> int:
        """Give about how many bytes the JSON has, without making it."""
        return self._documents.size(self._places)

    def json_lines(self) -> bytes:
        """Give a line for each record: its JSON without line breaks, and a line feed."""
        return self._documents.lines(self._places)
