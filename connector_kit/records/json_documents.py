"""The JSON of records and what was decoded of it: what `JsonRecords` and all its slices share."""

from __future__ import annotations

from functools import lru_cache
from operator import attrgetter
from struct import Struct
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec import Raw

from connector_kit.errors import SchemaMismatchError

from .json_text import ENCODER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Document", "Documents"]

Document: TypeAlias = Raw | dict[str, Any]
"""A record as msgspec encodes it: the JSON it came in, or the dict that was made of it and handed out."""

_ONE = msgspec.json.Decoder(dict[str, Any])
_ALL = msgspec.json.Decoder(list[dict[str, Any]])
_FIELDS_KEPT = 256  # decoders of single fields: as many as there are keys of entities, in one process
_FIRST_BYTE: Callable[[Raw], tuple[int]] = Struct("B").unpack_from  # a view of each takes twice as long
_OBJECT = (ord("{"),)


class Documents:
    """JSON objects in a row. A dict is made of one when it is asked for, and kept: it may be changed by who has it.

    `places` are always those of documents that are there. Where nothing was handed out, each method is a few calls of
    msgspec for all of them, whatever their number.
    """

    __slots__ = ("_bytes", "_handed_out", "_one_line", "_raws")

    def __init__(self, raws: list[Raw], size: int, *, one_line: bool) -> None:
        self._raws = raws
        self._bytes = size
        self._one_line = one_line
        self._handed_out: list[dict[str, Any] | None] | None = None

    @classmethod
    def of(cls, raws: list[Raw], body: bytes) -> Documents:
        """Take the pieces that msgspec has split `body` into. Raises `ValueError` for what is no object or no UTF-8.

        The syntax of what it passes over msgspec has looked at, but not the encoding of texts.
        """
        first = list(map(_FIRST_BYTE, raws))
        if first.count(_OBJECT) != len(first):
            place = next(place for place, byte in enumerate(first) if byte != _OBJECT)
            raise ValueError(f"number {place} is no object")
        if not body.isascii():
            body.decode()
        return cls(raws, len(body), one_line=_each_on_one_line(raws, body))

    def __len__(self) -> int:
        return len(self._raws)

    def size(self, places: range) -> int:
        """Give the share that these have of the bytes that all came in."""
        return self._bytes * len(places) // (len(self) or 1)

    def record(self, place: int) -> dict[str, Any]:
        """Give a record, made at most once. Raises `SchemaMismatchError` for a number that is too large."""
        handed_out = self._handed_out
        if handed_out is None:
            handed_out = self._handed_out = _nothing(len(self._raws))
        record = handed_out[place]
        if record is None:
            record = handed_out[place] = self._decoded(place)
        return record

    def records(self, places: range) -> Iterator[dict[str, Any]]:
        """Give records in turn; all at once where that can be done, so that it costs no call for each."""
        if self._handed_out is None and len(places) == len(self._raws) > 1:
            try:
                records = _ALL.decode(ENCODER.encode(self._raws))
            except (ValueError, RecursionError):  # one of them: those before it are to be had
                return map(self.record, places)
            self._handed_out = list(records)
            return iter(records if places.step > 0 else records[::-1])
        return map(self.record, places)

    def peek(self, place: int) -> dict[str, Any]:
        """Give a record that is only looked at, by somebody who does not keep or change it."""
        record = None if self._handed_out is None else self._handed_out[place]
        return self._decoded(place) if record is None else record

    def given(self, places: range) -> list[Document]:
        """Give each as msgspec encodes it, inside of something else too; none has a line break in it."""
        raws = _at(self._raws, places)
        if not self._one_line:
            raws = list(map(_on_one_line, raws))
        if self._handed_out is None:
            return list(raws)
        handed_out = _at(self._handed_out, places)
        return [raw if record is None else record for raw, record in zip(raws, handed_out, strict=True)]

    def field(self, name: str, places: range) -> list[Any]:
        """Give one field of each, None where it is missing."""
        decoder = _field_decoder(name) if self._handed_out is None else None
        if decoder is not None:
            try:
                found = decoder.decode(ENCODER.encode(_at(self._raws, places)))
            except (ValueError, RecursionError):
                pass  # one of them: the way below says which
            else:
                return list(map(_VALUE, found))
        return [self.peek(place).get(name) for place in places]

    def decode_as(self, decoder: msgspec.json.Decoder[Any], places: range) -> bool:
        """Whether all of them decode this way, as an array. What was handed out may have been changed: then false."""
        if self._handed_out is not None:
            return False
        try:
            decoder.decode(ENCODER.encode(_at(self._raws, places)))
        except (ValueError, RecursionError):
            return False
        return True

    def lines(self, places: range) -> bytes:
        """Give a line for each: its JSON without line breaks, and a line feed."""
        return ENCODER.encode_lines(self.given(places))

    def joined(self, places: range, other: Documents, others: range) -> Documents:
        """Give those of two in a row, nothing of them decoded or copied."""
        made = Documents(
            [*_at(self._raws, places), *_at(other._raws, others)],
            self.size(places) + other.size(others),
            one_line=self._one_line and other._one_line,
        )
        if self._handed_out is not None or other._handed_out is not None:
            mine = self._handed_out or _nothing(len(self))
            theirs = other._handed_out or _nothing(len(other))
            made._handed_out = [*_at(mine, places), *_at(theirs, others)]
        return made

    def same(self, places: range, other: Documents, others: range) -> bool:
        """Whether two rows have the same content. Nothing is handed out."""
        if self._handed_out is other._handed_out is None and _at(self._raws, places) == _at(
            other._raws, others
        ):
            return True
        return len(places) == len(others) and all(
            self.peek(mine) == other.peek(theirs) for mine, theirs in zip(places, others, strict=True)
        )

    def _decoded(self, place: int) -> dict[str, Any]:
        try:
            return _ONE.decode(self._raws[place])
        except (ValueError, RecursionError) as error:
            raise SchemaMismatchError(
                f"record {place} of a page cannot be decoded: {error}; expected numbers that a float can hold and no "
                "deep nesting; mend it at its source, or let it be passed on undecoded"
            ) from error


class _Field(msgspec.Struct):
    value: Any = None


_VALUE = attrgetter("value")


@lru_cache(_FIELDS_KEPT)
def _field_decoder(name: str) -> msgspec.json.Decoder[list[Any]] | None:
    """Give what decodes one field of many objects; None for a name that msgspec has no way to write."""
    try:
        one = msgspec.defstruct("Field", [("value", Any, None)], rename={"value": name})
    except ValueError:
        return None
    return msgspec.json.Decoder(list[one])  # type: ignore[valid-type]  # made for this name


def _at(of: list[Any], places: range) -> list[Any]:
    if len(places) == len(of) and places.step > 0:
        return of
    if places.step > 0:
        return of[places.start : places.stop : places.step]
    return [of[place] for place in places]


def _each_on_one_line(raws: list[Raw], body: bytes) -> bool:
    """Whether no document has a line break in it; those between documents do no harm."""
    if b"\n" not in body and b"\r" not in body:
        return True
    lines = ENCODER.encode_lines(raws)
    return b"\r" not in lines and lines.count(b"\n") == len(raws)


def _nothing(size: int) -> list[dict[str, Any] | None]:
    return [None] * size


def _on_one_line(raw: Raw) -> Raw:
    return Raw(msgspec.json.format(raw, indent=-1))
