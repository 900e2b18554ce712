"""What a read delivered, kept as it was at that moment, and in what two reads differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeGuard, TypeVar, overload

import attrs
import msgspec

from connector_kit.records.page import Page, Record

S = TypeVar("S")

__all__ = [
    "Difference",
    "LazyRecords",
    "NoPageError",
    "Reading",
    "SeenPage",
    "difference",
    "record_text",
    "text_of",
]


class LazyRecords(Sequence[Record], Generic[S]):
    """Records that are made from their `sources` whenever somebody looks at one; `made` counts that."""

    def __init__(self, sources: Sequence[S], make: Callable[[S], Record]) -> None:
        self.sources = tuple(sources)
        self.made = 0
        self._make = make

    def __len__(self) -> int:
        return len(self.sources)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        if isinstance(index, slice):
            return type(self)(self.sources[index], self._make)
        self.made += 1
        return self._make(self.sources[index])


class NoPageError(Exception):
    """What came out of a stream is no page. Never leaves the conformance kit."""


def text_of(value: object) -> str:
    """Return a value as JSON text with sorted keys: the same text for the same content, whatever holds it.

    What JSON has no word for is given by its `repr`.
    """
    try:
        return msgspec.json.encode(value, enc_hook=_encodable, order="sorted").decode()
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        return repr(value)


def _encodable(value: Any) -> object:
    plain = _plain(value)
    return repr(value) if plain is value else plain


def _plain(value: Any) -> object:
    """Return a mapping as a dict; anything else as it is."""
    return dict(value) if _is_mapping(value) else value


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, object]]:
    return isinstance(value, Mapping)


def _is_iterable(value: object) -> TypeGuard[Iterable[object]]:
    return isinstance(value, Iterable)


@attrs.frozen
class SeenPage:
    """One page: its number in the read, from 1, its records and its cursor as text, and the page itself."""

    number: int
    records: tuple[str, ...]
    cursor: str | None
    page: Page

    @classmethod
    def of(cls, number: int, page: object) -> SeenPage:
        """Look at a page now. Raise `NoPageError` where it is none."""
        if not isinstance(page, Page):
            raise NoPageError(f"page {number} is no Page: a {type(page).__name__} came")
        records: object = page.records
        if not _is_iterable(records):
            raise NoPageError(
                f"page {number} has no records: {type(records).__name__} is no sequence of records"
            )
        cursor = None if page.cursor is None else text_of(page.cursor)
        return cls(number, tuple(record_text(record) for record in records), cursor, page)

    def still(self) -> bool:
        """Whether the page's records and its cursor are what they were when it came."""
        now = SeenPage.of(self.number, self.page)
        return (now.records, now.cursor) == (self.records, self.cursor)


def record_text(record: object) -> str:
    """Return a record as text; something that is no record, too: the law of shape has a word on it."""
    return text_of(_plain(record))


@attrs.frozen
class Reading:
    """The pages of one read; `ended` tells whether it came to its end or was stopped at the bounds."""

    pages: tuple[SeenPage, ...]
    ended: bool

    @property
    def records(self) -> tuple[str, ...]:
        """All records in their order, as text."""
        return tuple(record for page in self.pages for record in page.records)

    def after(self, number: int) -> tuple[str, ...]:
        """Return the records that followed page `number` (the first is 1)."""
        return tuple(record for page in self.pages[number:] for record in page.records)


@attrs.frozen
class Difference:
    """In what two reads differ, as words ("2 records lost, 1 there twice"), and the records, the lost ones first."""

    what: str
    records: tuple[str, ...] = ()


def difference(
    expected: Sequence[str], got: Sequence[str], *, expected_ended: bool = True, got_ended: bool = True
) -> Difference | None:
    """Compare records in their order; None where they are the same.

    A read that was stopped before its end is compared as far as it went.
    """
    wanted = list(expected if got_ended else expected[: len(got)])
    there = list(got if expected_ended else got[: len(expected)])
    if wanted == there:
        return None
    lost = list((Counter(wanted) - Counter(there)).elements())
    more = list((Counter(there) - Counter(wanted)).elements())
    known = set(wanted)
    twice = [record for record in more if record in known]
    other = [record for record in more if record not in known]
    parts = [
        f"{len(records)} {_of(records)} {word}"
        for records, word in ((lost, "lost"), (twice, "there twice"), (other, "that should not be there"))
        if records
    ]
    if parts:
        return Difference(", ".join(parts), (*lost, *twice, *other))
    first = next(place for place, pair in enumerate(zip(wanted, there, strict=True)) if pair[0] != pair[1])
    return Difference("the same records in another order", (wanted[first], there[first]))


def _of(records: Sequence[str]) -> str:
    return "record" if len(records) == 1 else "records"
