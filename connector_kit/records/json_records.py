"""Records that stay the JSON they came in until somebody looks at one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import lru_cache
from math import isinf
from operator import attrgetter
from struct import Struct
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import msgspec
from msgspec import Raw

from connector_kit.errors import SchemaMismatchError

from .fitting import decoder_of
from .json_lines import ENCODER
from .keys import column_at
from .torn_text import Mended, mended
from .values import is_mapping, is_sequence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .catalog import Entity
    from .page import Record

__all__ = ["Document", "DocumentError", "Documents", "JsonRecords"]


Document: TypeAlias = Raw | dict[str, Any]
"""A record as msgspec encodes it: the JSON it came in, or the dict that was made of it and handed out."""

_RAW = msgspec.json.Decoder(Raw)
_ONE = msgspec.json.Decoder(dict[str, Any])


def _float_or_decimal(digits: str) -> float | Decimal:
    number = float(digits)
    return Decimal(digits) if isinf(number) else number


_ONE_EXACT = msgspec.json.Decoder(dict[str, Any], float_hook=_float_or_decimal)
"""Slower by a call for each number, for records with a number that no float can hold."""
_FIELDS_KEPT = 256  # decoders of single fields: as many as there are keys of entities, in one process
_FIRST_BYTE: Callable[[Raw], tuple[int]] = Struct("B").unpack_from  # a view of each takes twice as long
_OBJECT = (ord("{"),)


class Documents:
    """JSON objects in a row. A dict is made of one when it is asked for, and kept: it may be changed by who has it.

    They are kept as JSON lines, which is what most of them leave as, and taken apart again where somebody asks for one
    from among them. `indexes` are always those of documents that are there. Where nothing was handed out, each method is
    a few calls of msgspec for all of them, whatever their number.
    """

    __slots__ = ("_bytes", "_count", "_handed_out", "_lines", "_mixed", "_raws")

    def __init__(
        self, count: int, size: int, *, lines: bytes | None, raws: list[Raw] | None, mixed: bool = False
    ) -> None:
        """Take `count` documents that have `size` bytes, in one form or the other; `mixed` with some that are no records."""
        self._count = count
        self._mixed = mixed
        self._bytes = size
        self._lines = lines
        self._raws = raws
        self._handed_out: list[dict[str, Any] | None] | None = None

    @classmethod
    def of(cls, raws: list[Raw], body: bytes) -> Documents:
        """Take the pieces that msgspec has split `body` into. Raises `ValueError` where none is an object, or for what is no UTF-8.

        The syntax of what it passes over msgspec has looked at, but not the encoding of texts.
        """
        first = list(map(_FIRST_BYTE, raws))
        objects = first.count(_OBJECT)
        if first and not objects:
            raise ValueError("there is no object among them")
        if not body.isascii():
            body.decode()
        lines = ENCODER.encode_lines(raws)  # now, while they are in the processor's cache
        broken = b"\n" in body or b"\r" in body  # between them, perhaps, where it does no harm
        if broken and (b"\r" in lines or lines.count(b"\n") != len(raws)):
            lines = ENCODER.encode_lines([Raw(msgspec.json.format(raw, indent=-1)) for raw in raws])
        return cls(len(raws), len(lines), lines=lines, raws=None, mixed=objects != len(first))

    @classmethod
    def split(cls, body: bytes, splitter: Callable[[bytes], list[Raw]]) -> Documents:
        """Split a body. Raises `ValueError` or `RecursionError` for one that cannot be, but not for half of a surrogate pair."""
        try:
            return cls.of(splitter(body), body)
        except ValueError:
            whole = mended(body)
            if whole is None:
                raise
            return cls.of(splitter(whole.body), whole.body).restored(whole)

    def restored(self, whole: Mended) -> Documents:
        """Return the documents of a body that was mended, as they were before."""
        pieces = self._pieces(range(self._count))
        torn = [whole.restored(bytes(piece)) for piece in pieces]
        raws = [piece if was is None else Raw(was) for piece, was in zip(pieces, torn, strict=True)]
        return Documents(self._count, self._bytes, lines=None, raws=raws, mixed=True)

    def __len__(self) -> int:
        return self._count

    def size(self, indexes: range) -> int:
        """Return about how many bytes these documents have: their share of the bytes of all."""
        return self._bytes * len(indexes) // (len(self) or 1)

    def record(self, index: int) -> dict[str, Any]:
        """Return a record, made at most once. Raises `SchemaMismatchError` for a document that none can be made of."""
        handed_out = self._handed_out
        if handed_out is None:
            handed_out = self._handed_out = _nothing(self._count)
        record = handed_out[index]
        if record is None:
            record = handed_out[index] = self._decoded(index)
        return record

    def records(self, indexes: range) -> Iterator[dict[str, Any]]:
        """Return an iterator over records; all are decoded in one call where that is possible."""
        if self._handed_out is None and len(indexes) == self._count > 1:
            try:
                records = _ONE.decode_lines(self._json(range(self._count)))
            except (ValueError, RecursionError):  # one of them: those before it are to be had
                return map(self.record, indexes)
            self._handed_out = list(records)
            return iter(records if indexes.step > 0 else records[::-1])
        return map(self.record, indexes)

    def peek(self, index: int) -> dict[str, Any]:
        """Return a record that is only looked at, by somebody who does not keep or change it."""
        record = None if self._handed_out is None else self._handed_out[index]
        return self._decoded(index) if record is None else record

    def documents(self, indexes: range) -> list[Document]:
        """Return each as msgspec encodes it, inside of something else too; none has a line break in it."""
        raws = self._pieces(indexes)
        if self._handed_out is None:
            return list(raws)
        handed_out = _at(self._handed_out, indexes)
        return [raw if record is None else record for raw, record in zip(raws, handed_out, strict=True)]

    def field(self, name: str, indexes: range) -> list[Any]:
        """Return one field of each, None where it is missing, or no record can be made."""
        decoder = _field_decoder(name) if self._handed_out is None else None
        if decoder is not None:
            try:
                found = decoder.decode_lines(self._json(indexes))
            except (ValueError, RecursionError):
                pass  # one of them: the way below says which
            else:
                return list(map(_VALUE, found))
        return [self._value(index, name) for index in indexes]

    def decode_as(self, decoder: msgspec.json.Decoder[Any], indexes: range) -> bool:
        """Whether each of them decodes this way. What was handed out may have been changed: then false."""
        if self._handed_out is not None:
            return False
        try:
            decoder.decode_lines(self._json(indexes))
        except (ValueError, RecursionError):
            return False
        return True

    def lines(self, indexes: range) -> bytes:
        """Return a line for each: its JSON without line breaks, and a line feed."""
        return (
            self._json(indexes) if self._handed_out is None else ENCODER.encode_lines(self.documents(indexes))
        )

    def unusable(self, indexes: range) -> list[int]:
        """Return the indexes of those that no record can be made of. What had to be split has told whether there are some."""
        return [index for index in indexes if not self._is_usable(index)] if self._mixed else []

    def text(self, index: int) -> str:
        """Return a document as it came."""
        return bytes(self._pieces(range(index, index + 1))[0]).decode(errors="replace")

    def joined(self, indexes: range, other: Documents, others: range) -> Documents:
        """Return these documents followed by the others; nothing is decoded or copied."""
        raws = [*self._pieces(indexes), *other._pieces(others)]
        size, mixed = self.size(indexes) + other.size(others), self._mixed or other._mixed
        made = Documents(len(raws), size, lines=None, raws=raws, mixed=mixed)
        if self._handed_out is not None or other._handed_out is not None:
            mine = self._handed_out or _nothing(self._count)
            theirs = other._handed_out or _nothing(other._count)
            made._handed_out = [*_at(mine, indexes), *_at(theirs, others)]
        return made

    def same(self, indexes: range, other: Documents, others: range) -> bool:
        """Whether two rows have the same content. Nothing is handed out."""
        if len(indexes) != len(others):
            return False
        if self._handed_out is other._handed_out is None and self._json(indexes) == other._json(others):
            return True
        return all(
            self.peek(mine) == other.peek(theirs) for mine, theirs in zip(indexes, others, strict=True)
        )

    def _json(self, indexes: range) -> bytes:
        """Return a line for each, as it came, whether it was handed out or not."""
        if self._lines is not None and len(indexes) == self._count and indexes.step > 0:
            return self._lines
        return ENCODER.encode_lines(self._pieces(indexes))

    def _pieces(self, indexes: range) -> list[Raw]:
        """Return each as it came. For the first or the last alone, which reads look at, the others stay together."""
        if self._raws is None and self._lines is not None:
            if len(indexes) == 1 and indexes[0] in (0, self._count - 1):
                return [Raw(_end_line(self._lines, last=indexes[0] > 0))]
            self._raws = _RAW.decode_lines(self._lines)
        return _at(self._raws or [], indexes)

    def _value(self, index: int, name: str) -> Any:
        return self.peek(index).get(name) if not self._mixed or self._is_usable(index) else None

    def _is_usable(self, index: int) -> bool:
        try:
            self.peek(index)
        except SchemaMismatchError:
            return False
        return True

    def _decoded(self, index: int) -> dict[str, Any]:
        raw = self._pieces(range(index, index + 1))[0]
        try:
            return _ONE.decode(raw)
        except (ValueError, RecursionError):
            pass  # perhaps for a number that no float can hold
        try:
            return _ONE_EXACT.decode(raw)
        except (ValueError, RecursionError) as error:
            reason = _reason(bytes(raw), error)
            raise SchemaMismatchError(
                f"record {index} of a page cannot be decoded: {reason}; expected an object with whole texts and no "
                "deep nesting; mend it at its source, or let it be passed on undecoded"
            ) from DocumentError(reason)


class DocumentError(ValueError):
    """Why no record can be made of a JSON document."""


def _reason(document: bytes, error: Exception) -> str:
    """Say why no record can be made of a document, with the field where it is a single one."""
    try:
        record: object = json.loads(document)
    except (ValueError, RecursionError):
        return str(error)
    if not is_mapping(record):
        return "it is null" if record is None else "it is no object"
    for name, value in record.items():
        if _is_torn(name) or _is_torn(value):
            return f"field {name!r} has half of a surrogate pair in it, which is no text"
    return str(error)


def _is_torn(value: object) -> bool:
    """Whether there is text in a JSON value that has no UTF-8."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


_VALUE = attrgetter("value")


@lru_cache(_FIELDS_KEPT)
def _field_decoder(name: str) -> msgspec.json.Decoder[Any] | None:
    """Return what decodes one field of an object; None for a name that msgspec has no way to write."""
    try:
        one = msgspec.defstruct("Field", [("value", Any, None)], rename={"value": name})
    except ValueError:
        return None
    return msgspec.json.Decoder(one)


def _at(of: list[Any], indexes: range) -> list[Any]:
    if len(indexes) == len(of) and indexes.step > 0:
        return of
    if indexes.step > 0:
        return of[indexes.start : indexes.stop : indexes.step]
    return [of[index] for index in indexes]


def _nothing(size: int) -> list[dict[str, Any] | None]:
    return [None] * size


def _end_line(lines: bytes, *, last: bool) -> bytes:
    """Return the first or the last line, without its line feed."""
    return lines[lines.rfind(b"\n", 0, -1) + 1 : -1] if last else lines[: lines.index(b"\n")]


_ARRAY = msgspec.json.Decoder(list[Raw])
_LINES = msgspec.json.Decoder(Raw)


class JsonRecords(Sequence["Record"]):
    r"""A sequence of records over JSON documents, of which none is decoded before somebody looks at it.

    To whoever looks, it is the list of dicts that the JSON stands for: a record is made once and is the same object
    each time, in slices too; equality goes by content; an integer has all its digits, a number beyond what a float can
    hold is a `Decimal`, of a name that comes twice the last value counts, and NaN is no JSON. A document that is no object, or
    has half of a surrogate pair in a text, raises `SchemaMismatchError` when it is decoded, that one and no other.

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

    __slots__ = ("_documents", "_indexes")

    def __init__(self, documents: Documents, indexes: range | None = None) -> None:
        """Take those of the documents that are in `indexes`, all by default; `of_array` and `of_lines` take bytes."""
        self._documents = documents
        self._indexes = range(len(documents)) if indexes is None else indexes

    @classmethod
    def of_array(cls, body: bytes) -> JsonRecords:
        """Return the records of a JSON array of objects. Raises `SchemaMismatchError` where the bytes are none, or none is an object.

        `connector_kit.split_json` takes an array from anywhere in a body.
        """
        return cls._split(body, _ARRAY.decode, "a JSON array of objects")

    @classmethod
    def of_lines(cls, body: bytes) -> JsonRecords:
        """Return the records of JSON lines (NDJSON), an object a line. Raises `SchemaMismatchError` where they are none."""
        return cls._split(body, _LINES.decode_lines, "a JSON object on each line")

    @classmethod
    def _split(cls, body: bytes, splitter: Callable[[bytes], list[Raw]], expected: str) -> JsonRecords:
        try:
            return cls(Documents.split(body, splitter))
        except (ValueError, RecursionError) as error:
            raise SchemaMismatchError(
                f"{len(body)} bytes are no records: {error}; expected {expected}; look at where they come from"
            ) from error

    def __len__(self) -> int:
        return len(self._indexes)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> JsonRecords: ...
    def __getitem__(self, index: int | slice) -> Record | JsonRecords:
        if isinstance(index, slice):
            return JsonRecords(self._documents, self._indexes[index])
        return self._documents.record(self._indexes[index])

    def __iter__(self) -> Iterator[Record]:
        return self._documents.records(self._indexes)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, JsonRecords):
            return self._documents.same(self._indexes, other._documents, other._indexes)
        if not is_sequence(other):
            return NotImplemented
        return len(self) == len(other) and all(
            self._documents.peek(index) == record for index, record in zip(self._indexes, other, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]  # as a list has none: its records can be changed

    @overload
    def __add__(self, other: JsonRecords) -> JsonRecords: ...
    @overload
    def __add__(self, other: Sequence[Record]) -> Sequence[Record]: ...
    def __add__(self, other: Sequence[Record]) -> Sequence[Record]:
        """Return both in a row; two `JsonRecords` without decoding or copying any."""
        if not isinstance(other, JsonRecords):
            return [*self, *other]
        return JsonRecords(self._documents.joined(self._indexes, other._documents, other._indexes))

    def __repr__(self) -> str:
        return f"<JsonRecords: {len(self)} records>"

    def field(self, name: str) -> list[Any]:
        """Return one field of each record, None where it is missing or there is no record; nothing else is decoded."""
        return self._documents.field(name, self._indexes)

    def peek(self, index: int) -> Record:
        """Return a record that is neither kept nor changed by whoever asks: its JSON still goes on as it came."""
        return self._documents.peek(self._indexes[index])

    def unusable(self) -> list[int]:
        """Return the positions of the documents that no record can be made of, mostly without decoding any."""
        bad = set(self._documents.unusable(self._indexes))
        return [position for position, index in enumerate(self._indexes) if index in bad] if bad else []

    def text(self, position: int) -> str:
        """Return a document as it came."""
        return self._documents.text(self._indexes[position])

    def hand_out(self) -> None:
        """Make a record of every document that one can be made of, so that these go on as what the records say."""
        for position in range(len(self)):
            with suppress(SchemaMismatchError):
                self[position]

    def has_doubled_names(self, position: int) -> bool:
        """Whether a document has a name twice in one object: then its JSON says more than the record that is made of it."""
        doubled: list[bool] = []

        def look(pairs: list[tuple[str, object]]) -> None:
            doubled.append(len({name for name, _ in pairs}) < len(pairs))

        with suppress(ValueError, RecursionError):
            json.loads(self.text(position), object_pairs_hook=look)
        return any(doubled)

    def surely_fit(self, entity: Entity) -> bool:
        """Whether every record is known to fit the entity, without making any; where not, each has to be looked at."""
        decoder = decoder_of(entity)
        if decoder is None or not self._documents.decode_as(decoder, self._indexes):
            return False
        known = {field.name for field in entity.fields}
        return all(None not in column_at(self, key) for key in entity.primary_key if key not in known)

    def documents(self) -> list[Document]:
        """Return each record as msgspec encodes it, inside of something else too, on one line."""
        return self._documents.documents(self._indexes)

    def json_size(self) -> int:
        """Return about how many bytes the JSON has, without making it."""
        return self._documents.size(self._indexes)

    def json_lines(self) -> bytes:
        """Return a line for each record: its JSON without line breaks, and a line feed."""
        return self._documents.lines(self._indexes)
