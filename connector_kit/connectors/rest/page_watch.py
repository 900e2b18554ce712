"""Sees the pages of one read, one after the other, and tells whether the read moves on. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.errors import RepeatedCursorError
from connector_kit.records.cursor_watch import CircleWatch, CursorWatch
from connector_kit.records.json_records import JsonRecords
from connector_kit.records.keys import column_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.page import Cursor, Page, Record

__all__ = ["PageWatch"]

_UNKEYED_PAGES = 3
"""Without a primary key, so many pages in a row have to come again: a single one may look like another by chance."""


class PageWatch:
    """The memory of one read: the page before, and what tells an earlier one when it comes again.

    `key` are the fields of the primary key. With `clamps`, the page before once more is the end of the list.
    """

    def __init__(self, cursor: Cursor, *, key: Sequence[str], clamps: bool, max_empty_pages: int) -> None:
        self._key = tuple(key)
        self._clamps = clamps
        self._max_empty_pages = max_empty_pages
        self._cursors = CursorWatch()
        self._cursors.see(cursor)
        self._circle = CircleWatch()
        self._content: object = None
        self._signature: object = None
        self._unkeyed: tuple[object, ...] = ()
        self._last_key: tuple[object, ...] | None = None
        self._empty = 0
        self.before: bytes | None = None
        """The page seen last, as JSON lines, where it came as JSON."""
        self.overlaps = False
        """Whether the page seen last begins with the last key of the page before it."""

    def see(self, page: Page) -> bool:
        """Take note of a page; return whether it is the last one once more, which the server `clamps` to.

        Raises `RepeatedCursorError` where the read does not move on.
        """
        self._cursors.see(page.cursor)
        records = page.records
        if not records:
            self._see_empty()
            return False
        self._empty = 0
        first_key, last_key = _key(records[:1], self._key), _key(records[-1:], self._key)
        if first_key is None or last_key is None:
            content, signature = _content(records), None
            ends = _content(records[:1]), _content(records[-1:]), len(records)
            unkeyed = (*self._unkeyed[1 - _UNKEYED_PAGES :], ends)
            mark: object = unkeyed
        else:
            content, unkeyed = None, ()
            signature = mark = first_key, last_key, len(records)
        if (content, signature) == (self._content, self._signature):
            if self._clamps:
                return True
            raise _does_not_move_on("the same page came twice in a row")
        if self._circle.comes_again(mark):
            raise _does_not_move_on("a page that had come before came again")
        self.overlaps = first_key is not None and first_key == self._last_key
        self.before = records.json_lines() if isinstance(records, JsonRecords) else None
        self._content, self._signature, self._unkeyed, self._last_key = content, signature, unkeyed, last_key
        return False

    def _see_empty(self) -> None:
        self._empty += 1
        self.overlaps = False
        if self._empty > self._max_empty_pages:
            raise RepeatedCursorError(
                f"{self._empty} pages in a row were empty, and each said that more follows; expected records, or an end; "
                "look at what the server says is next, or set the resource's max_empty_pages higher"
            )


def _content(records: Sequence[Record]) -> object:
    """Return what two pages are compared by, whatever becomes of their records: nothing is decoded for it."""
    return records.json_lines() if isinstance(records, JsonRecords) else list(records)


def _key(record: Sequence[Record], key: tuple[str, ...]) -> tuple[object, ...] | None:
    """Return the key of a single record; None where it has none."""
    values = tuple(column_at(record, name)[0] for name in key)
    return values if values and None not in values else None


def _does_not_move_on(what: str) -> RepeatedCursorError:
    return RepeatedCursorError(
        f"{what}; expected the next records, or an end: does the server know the parameters of this pagination? Where it "
        "answers with its last page once more, name what says where the end is (`more`, `end`, `total`), or set `clamps`"
    )
