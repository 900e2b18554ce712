"""The ways in which APIs cut a list into pages, as frozen values that decide and do no I/O.

A style answers two questions: `ask` gives what to add to a request so that it goes on at a cursor, `turn` gives the
cursor of what follows an answer, and whether anything may follow. No style takes a short page for the last one:
servers cap page sizes and filter pages. The end is an empty page, or where the server says so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

import attrs

from connector_kit.errors import CursorExpiredError
from connector_kit.records.json_path import kind_of

from .paging import Ask, Reply, Turn

if TYPE_CHECKING:
    from connector_kit.records.page import Cursor

    from .origin import Parameter

__all__ = [
    "CursorField",
    "LastRecord",
    "LinkHeader",
    "NextUrl",
    "NoPagination",
    "Offset",
    "PageNumber",
    "Pagination",
]


@attrs.frozen
class NoPagination:
    """Everything in one answer."""

    lasting: ClassVar[bool] = False
    type: Literal["none"] = "none"

    def values(self) -> tuple[str, ...]:
        """Look at nothing in the body."""
        return ()

    def ask(self, cursor: Cursor, size: int, /) -> Ask:
        """Ask for all; there is no cursor that could be gone on from."""
        _ = size
        if cursor is not None:
            raise _foreign(cursor, "none, since this resource has no pages")
        return Ask()

    def turn(self, reply: Reply, /) -> Turn:
        """Nothing follows."""
        _ = reply
        return Turn(None, more=False)


@attrs.frozen
class CursorField:
    """The body names the next cursor, at `field`; it goes into the parameter `param`.

    The end is where it is missing, null or empty, or where `more` (the path of a boolean in the body) is false.
    """

    lasting: ClassVar[bool] = False
    field: str = "next_cursor"
    param: str = "cursor"
    more: str | None = None
    size_param: str | None = None
    type: Literal["cursor_field"] = "cursor_field"

    def values(self) -> tuple[str, ...]:
        """Look at what says where the next page is, or that none is."""
        return _given(self.field, self.more)

    def ask(self, cursor: Cursor, size: int, /) -> Ask:
        """Send the cursor back as it came."""
        return Ask(_sized(self.size_param, size) | _position(self.param, cursor))

    def turn(self, reply: Reply, /) -> Turn:
        """Take the next cursor from the body."""
        cursor = reply.at(self.field)
        if cursor is None or cursor == "" or (self.more is not None and not reply.flag(self.more)):
            return Turn(None, more=False)
        if isinstance(cursor, bool) or not isinstance(cursor, str | int | float):
            raise reply.wrong(f"{kind_of(cursor)} at {self.field!r}", "a text or a number", "field")
        return Turn(cursor, more=True)


@attrs.frozen
class LastRecord:
    """The value of a field of the last record goes into the parameter `param`, as in `?after_id=17`.

    The end is an empty page, or where `more` (the path of a boolean in the body) is false. A later run can go on
    behind the last record.
    """

    lasting: ClassVar[bool] = True
    field: str = "id"
    param: str = "after_id"
    more: str | None = None
    size_param: str | None = None
    type: Literal["last_record"] = "last_record"

    def values(self) -> tuple[str, ...]:
        """Look at what says where the end is."""
        return _given(self.more)

    def ask(self, cursor: Cursor, size: int, /) -> Ask:
        """Ask for what comes after a value."""
        return Ask(_sized(self.size_param, size) | _position(self.param, cursor))

    def turn(self, reply: Reply, /) -> Turn:
        """Take the value from the last record."""
        if not reply.records:
            return Turn(reply.asked, more=False)
        value = reply.at_last(self.field)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise reply.wrong(
                f"a last record with {kind_of(value)} at {self.field!r}", "a text or a number", "field"
            )
        return Turn(value, more=self.more is None or reply.flag(self.more))


@attrs.frozen
class NextUrl:
    """The body has the URL of the next page, at `field`. The end is where it is missing, null or empty.

    The cursor is the path and query of that URL. It carries all parameters, also those of the first request.
    """

    lasting: ClassVar[bool] = False
    field: str = "next"
    size_param: str | None = None
    type: Literal["next_url"] = "next_url"

    def values(self) -> tuple[str, ...]:
        """Look at what says where the next page is, or that none is."""
        return (self.field,)

    def ask(self, cursor: Cursor, size: int, /) -> Ask:
        """Ask for the URL as it came."""
        return _linked(cursor, self.size_param, size)

    def turn(self, reply: Reply, /) -> Turn:
        """Take the URL from the body; it must stay on the same origin."""
        url = reply.at(self.field)
        if url is None or url == "":
            return Turn(None, more=False)
        if not isinstance(url, str):
            raise reply.wrong(f"{kind_of(url)} at {self.field!r}", "the URL of the next page", "field")
        return Turn(reply.site.target_of(url, seen_at=reply.target), more=True)


_LINK = re.compile(r"<([^>]*)>([^<]*)")
_REL = re.compile(r""";\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))""", re.IGNORECASE)


@attrs.frozen
class LinkHeader:
    """The header `Link` (RFC 8288) has the URL of the next page, with `rel="next"`; the end is where it has none.

    The cursor is the path and query of that URL. It carries all parameters, also those of the first request.
    """

    lasting: ClassVar[bool] = False
    size_param: str | None = None
    type: Literal["link_header"] = "link_header"

    def values(self) -> tuple[str, ...]:
        """Look at nothing in the body."""
        return ()

    def ask(self, cursor: Cursor, size: int, /) -> Ask:
        """Ask for the URL as it came."""
        return _linked(cursor, self.size_param, size)

    def turn(self, reply: Reply, /) -> Turn:
        """Take the URL from the header; it must stay on the same origin."""
        for url, attributes in _LINK.findall(reply.headers.get("link", "")):
            rel = _REL.search(attributes)
            if rel and "next" in (rel[1] or rel[2] or "").lower().split():
                return Turn(reply.site.target_of(url, seen_at=reply.target), more=True)
        return Turn(None, more=False)


@attrs.frozen
class PageNumber:
    """Pages are counted from `first`. The end is an empty page, or the page `total_pages` (a path in the body).

    The cursor has the page size too, so that a read goes on exactly after the configured size has changed. A later
    run cannot go on: the last page may have been a partial one.
    """

    lasting: ClassVar[bool] = False
    param: str = "page"
    first: int = 1
    total_pages: str | None = None
    size_param: str | None = None
    type: Literal["page_number"] = "page_number"

    def values(self) -> tuple[str, ...]:
        """Look at what says where the end is."""
        return _given(self.total_pages)

    def ask(self, cursor: Cursor, size: int, /) -> Ask:
        """Ask for a page by its number."""
        number, of_size = self._place(cursor)
        return Ask({**_sized(self.size_param, of_size or size), self.param: number})

    def turn(self, reply: Reply, /) -> Turn:
        """Count on."""
        number, of_size = self._place(reply.asked)
        if self.total_pages is None:
            last = not reply.records
        else:
            last = number - self.first + 1 >= reply.count(self.total_pages, "total_pages")
        return (
            Turn(None, more=False)
            if last
            else Turn({"page": number + 1, "size": of_size or reply.size}, more=True)
        )

    def _place(self, cursor: Cursor) -> tuple[int, int | None]:
        match cursor:
            case None:
                return self.first, None
            case {"page": int(number), "size": int(size)}:
                return number, size
            case _:
                raise _foreign(cursor, 'an object like {"page": 2, "size": 100}')


@attrs.frozen
class Offset:
    """Records are counted from 0. The end is an empty page, or where `total` (a path in the body) is reached.

    The cursor is the number of records really received, whatever size was asked for. A later run can go on behind
    the last record where the server appends new ones at the end.
    """

    lasting: ClassVar[bool] = True
    param: str = "offset"
    size_param: str | None = "limit"
    total: str | None = None
    type: Literal["offset"] = "offset"

    def values(self) -> tuple[str, ...]:
        """Look at what says where the end is."""
        return _given(self.total)

    def ask(self, cursor: Cursor, size: int, /) -> Ask:
        """Ask for what comes after so many records."""
        return Ask({**_sized(self.size_param, size), self.param: self._count(cursor)})

    def turn(self, reply: Reply, /) -> Turn:
        """Count the records received."""
        count = self._count(reply.asked) + len(reply.records)
        more = bool(reply.records) and (self.total is None or count < reply.count(self.total, "total"))
        return Turn(count, more=more)

    def _count(self, cursor: Cursor) -> int:
        if cursor is None:
            return 0
        if isinstance(cursor, bool) or not isinstance(cursor, int):
            raise _foreign(cursor, "a number of records")
        return cursor


Pagination: TypeAlias = NoPagination | CursorField | LastRecord | NextUrl | LinkHeader | PageNumber | Offset
"""Every way that a config can name, by its `type`."""


def _given(*paths: str | None) -> tuple[str, ...]:
    return tuple(path for path in paths if path is not None)


def _sized(param: str | None, size: int) -> dict[str, Parameter]:
    return {} if param is None else {param: size}


def _position(param: str, cursor: Cursor) -> dict[str, Parameter]:
    if cursor is None:
        return {}
    if not isinstance(cursor, str | int | float):
        raise _foreign(cursor, "a text or a number")
    return {param: cursor}


def _linked(cursor: Cursor, size_param: str | None, size: int) -> Ask:
    if cursor is None:
        return Ask(_sized(size_param, size))
    # A target begins with a slash, so what is put together from it and the origin stays on the origin.
    if not isinstance(cursor, str) or not cursor.startswith("/"):
        raise _foreign(cursor, "path and query of a URL")
    return Ask(target=cursor)


def _foreign(cursor: Cursor, expected: str) -> CursorExpiredError:
    return CursorExpiredError(
        f"a cursor that is {kind_of(cursor)} cannot be gone on from; expected {expected}: was it made with another "
        "pagination? reset the entity's state to read it from the start"
    )
