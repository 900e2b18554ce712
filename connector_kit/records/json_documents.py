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

_RAW = msgspec.json.Decoder(Raw)
_ONE = msgspec.json.Decoder(dict[str, Any])
_FIELDS_KEPT = 256  # decoders of single fields: as many as there are keys of entities, in one process
_FIRST_BYTE: Callable[[Raw], tuple[int]] = Struct("B").unpack_from  # a view of each takes twice as long
_OBJECT = (ord("{"),)


class Documents:
    """JSON objects in a row. A dict is made of one when it is asked for, and kept: it may be changed by who has it.

    They are kept as JSON lines, which is what most of them leave as, and taken apart again where somebody asks for one
    from among them. `places` are always those of documents that are there. Where nothing was handed out, each method is
    a few calls of msgspec for all of them, whatever their number.
    """

    __slots__ = ("_bytes", "_count", "_handed_out", "_lines", "_raws")

    def __init__(self, count: int, size: int, *, lines: bytes | None, raws: list[Raw] | None) -> None:
        """Take `count` documents that have `size` bytes, in one form or the other."""
        self._count = count
        self._bytes = size
        self._lines = lines
        self._raws = raws
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
        lines = ENCODER.encode_lines(raws)  # now, while they are in the processor's cache
        broken = b"\n" in body or b"\r" in body  # between them, perhaps, where it does no harm
        if broken and (b"\r" in lines or lines.count(b"\n") != len(raws)):
            lines = ENCODER.encode_lines([Raw(msgspec.json.format(raw, indent=-1)) for raw in raws])
        return cls(len(raws), len(lines), lines=lines, raws=None)

    def __len__(self) -> int:
        return self._count

    def size(self, places: range) -> int:
        """Give the share that these have of the bytes that all came in."""
        return self._bytes * len(places) // (len(self) or 1)

    def record(self, place: int) -> dict[str, Any]:
        """Give a record, made at most once. Raises `SchemaMismatchError` for a number that is too large."""
        handed_out = self._handed_out
        if handed_out is None:
            handed_out = self._handed_out = _nothing(self._count)
        record = handed_out[place]
        if record is None:
            record = handed_out[place] = self._decoded(place)
        return record

    def records(self, places: range) -> Iterator[dict[str, Any]]:
        """Give records in turn; all at once where that can be done, so that it costs no call for each."""
        if self._handed_out is None and len(places) == self._count > 1:
            try:
                records = _ONE.decode_lines(self._json(range(self._count)))
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
        raws = self._pieces(places)
        if self._handed_out is None:
            return list(raws)
        handed_out = _at(self._handed_out, places)
        return [raw if record is None else record for raw, record in zip(raws, handed_out, strict=True)]

    def field(self, name: str, places: range) -> list[Any]:
        """Give one field of each, None where it is missing."""
        decoder = _field_decoder(name) if self._handed_out is None else None
        if decoder is not None:
            try:
                found = decoder.decode_lines(self._json(places))
            except (ValueError, RecursionError):
                pass  # one of them: the way below says which
            else:
                return list(map(_VALUE, found))
        return [self.peek(place).get(name) for place in places]

    def decode_as(self, decoder: msgspec.json.Decoder[Any], places: range) -> bool:
        """Whether each of them decodes this way. What was handed out may have been changed: then false."""
        if self._handed_out is not None:
            return False
        try:
            decoder.decode_lines(self._json(places))
        except (ValueError, RecursionError):
            return False
        return True

    def lines(self, places: range) -> bytes:
        """Give a line for each: its JSON without line breaks, and a line feed."""
        return self._json(places) if self._handed_out is None else ENCODER.encode_lines(self.given(places))

    def joined(self, places: range, other: Documents, others: range) -> Documents:
        """Give those of two in a row, nothing of them decoded or copied."""
        raws = [*self._pieces(places), *other._pieces(others)]
        made = Documents(len(raws), self.size(places) + other.size(others), lines=None, raws=raws)
        if self._handed_out is not None or other._handed_out is not None:
            mine = self._handed_out or _nothing(self._count)
            theirs = other._handed_out or _nothing(other._count)
            made._handed_out = [*_at(mine, places), *_at(theirs, others)]
        return made

    def same(self, places: range, other: Documents, others: range) -> bool:
        """Whether two rows have the same content. Nothing is handed out."""
        if len(places) != len(others):
            return False
        if self._handed_out is other._handed_out is None and self._json(places) == other._json(others):
            return True
        return all(self.peek(mine) == other.peek(theirs) for mine, theirs in zip(places, others, strict=True))

    def _json(self, places: range) -> bytes:
        """Give a line for each, as it came, whether it was handed out or not."""
        if self._lines is not None and len(places) == self._count and places.step > 0:
            return self._lines
        return ENCODER.encode_lines(self._pieces(places))

    def _pieces(self, places: range) -> list[Raw]:
        """Give each as it came. For the first or the last alone, which reads look at, the others stay together."""
        if self._raws is None and self._lines is not None:
            if len(places) == 1 and places[0] in (0, self._count - 1):
                return [Raw(_end_line(self._lines, last=places[0] > 0))]
            self._raws = _RAW.decode_lines(self._lines)
        return _at(self._raws or [], places)

    def _decoded(self, place: int) -> dict[str, Any]:
        try:
            return _ONE.decode(self._pieces(range(place, place + 1))[0])
        except (ValueError, RecursionError) as error:
            raise SchemaMismatchError(
                f"record {place} of a page cannot be decoded: {error}; expected numbers that a float can hold and no "
                "deep nesting; mend it at its source, or let it be passed on undecoded"
            ) from error


class _Field(msgspec.Struct):
    value: Any = None


_VALUE = attrgetter("value")


@lru_cache(_FIELDS_KEPT)
def _field_decoder(name: str) -> msgspec.json.Decoder[Any] | None:
    """Give what decodes one field of an object; None for a name that msgspec has no way to write."""
    try:
        one = msgspec.defstruct("Field", [("value", Any, None)], rename={"value": name})
    except ValueError:
        return None
    return msgspec.json.Decoder(one)


def _at(of: list[Any], places: range) -> list[Any]:
    if len(places) == len(of) and places.step > 0:
        return of
    if places.step > 0:
        return of[places.start : places.stop : places.step]
    return [of[place] for place in places]


def _nothing(size: int) -> list[dict[str, Any] | None]:
    return [None] * size


def _end_line(lines: bytes, *, last: bool) -> bytes:
    """Give the first or the last line, without its line feed."""
    return lines[lines.rfind(b"\n", 0, -1) + 1 : -1] if last else lines[: lines.index(b"\n")]
