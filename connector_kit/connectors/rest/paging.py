"""The ways in which APIs cut a list into pages, as frozen values that decide and do no I/O.

A style answers two questions: `request` returns what to add to a request so that it goes on at a cursor, `next_page`
the cursor of what follows a response, and whether anything may follow. No style takes a short page for the last one:
servers cap page sizes and filter pages. The end is an empty page, or where the server says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Protocol, TypeAlias

import attrs

from connector_kit.errors import CursorExpiredError, SchemaMismatchError
from connector_kit.records.batches import column
from connector_kit.records.json_body import find, follow, kind_of, steps_of
from connector_kit.records.page import Cursor, JsonValue, Record

from .origin import Origin, Parameter, path_of

__all__ = [
    "CursorField",
    "LastRecord",
    "LinkHeader",
    "NextPage",
    "NextUrl",
    "NoPagination",
    "Offset",
    "PageNumber",
    "PageRequest",
    "PageResponse",
    "Pagination",
    "PaginationStyle",
]


@attrs.frozen
class PageRequest:
    """What a style adds to a request: `params` besides the resource's own, or a `target` in place of everything."""

    params: Mapping[str, Parameter] = attrs.field(factory=dict[str, Parameter])
    target: str | None = None


@attrs.frozen
class PageResponse:
    """What a style sees of a response. `cursor` and `size` (records a page) are those of the request.

    Of the body it sees at least what stands at the paths that its `values` name.
    """

    origin: Origin
    target: str
    headers: Mapping[str, str]
    body: JsonValue
    records: Sequence[Record]
    cursor: Cursor = None
    size: int = 0

    def at(self, path: str) -> JsonValue:
        """Return what stands at a path in the body, None where nothing does."""
        try:
            return find(self.body, path)
        except LookupError:
            return None

    def at_last(self, path: str) -> JsonValue:
        """Return what stands at a path in the last record, None where nothing does. There must be one."""
        name, *rest = steps_of(path)
        [value] = column(self.records[-1:], name)
        try:
            return follow(value, rest)
        except LookupError:
            return None

    def wrong(self, what: str, expected: str, option: str) -> SchemaMismatchError:
        """Make the error for an answer that a style cannot read."""
        return SchemaMismatchError(
            f"the answer to GET {path_of(self.target)} has {what}; expected {expected}; look at pagination.{option}"
        )

    def flag(self, path: str) -> bool:
        """Return the boolean at a path; raises `SchemaMismatchError` where there is none."""
        value = self.at(path)
        if not isinstance(value, bool):
            raise self.wrong(f"{kind_of(value)} at {path!r}", "true or false", "more")
        return value

    def count(self, path: str, option: str) -> int:
        """Return the integer at a path; raises `SchemaMismatchError` where there is none."""
        value = self.at(path)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong(f"{kind_of(value)} at {path!r}", "an integer", option)
        return value


@attrs.frozen
class NextPage:
    """What follows a page: the cursor to store with it, and whether to go on reading there now."""

    cursor: Cursor
    more: bool


class PaginationStyle(Protocol):
    """A way of pagination. `lasting`: the last page has a cursor too, from which a later run reads what is new."""

    lasting: ClassVar[bool]

    def values(self) -> tuple[str, ...]:
        """Return the paths of what it looks at in a body, besides the records."""
        ...

    def request(self, cursor: Cursor, size: int, /) -> PageRequest:
        """Return what to ask for at a cursor (None: the start), in pages of `size` where the server can be told."""
        ...

    def next_page(self, response: PageResponse, /) -> NextPage:
        """Return what follows."""
        ...


@attrs.frozen
class NoPagination:
    """Everything in one answer."""

    lasting: ClassVar[bool] = False
    type: Literal["none"] = "none"

    def values(self) -> tuple[str, ...]:
        """Look at nothing in the body."""
        return ()

    def request(self, cursor: Cursor, size: int, /) -> PageRequest:
        """Ask for all; there is no cursor that could be gone on from."""
        _ = size
        if cursor is not None:
            raise _foreign(cursor, "none, since this resource has no pages")
        return PageRequest()

    def next_page(self, response: PageResponse, /) -> NextPage:
        """Nothing follows."""
        _ = response
        return NextPage(None, more=False)


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
        return _paths(self.field, self.more)

    def request(self, cursor: Cursor, size: int, /) -> PageRequest:
        """Send the cursor back as it came."""
        return PageRequest(_sized(self.size_param, size) | _position(self.param, cursor))

    def next_page(self, response: PageResponse, /) -> NextPage:
        """Take the next cursor from the body."""
        cursor = response.at(self.field)
        if cursor is None or cursor == "" or (self.more is not None and not response.flag(self.more)):
            return NextPage(None, more=False)
        if isinstance(cursor, bool) or not isinstance(cursor, str | int | float):
            raise response.wrong(f"{kind_of(cursor)} at {self.field!r}", "a text or a number", "field")
        return NextPage(cursor, more=True)


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
        return _paths(self.more)

    def request(self, cursor: Cursor, size: int, /) -> PageRequest:
        """Ask for what comes after a value."""
        return PageRequest(_sized(self.size_param, size) | _position(self.param, cursor))

    def next_page(self, response: PageResponse, /) -> NextPage:
        """Take the value from the last record."""
        if not response.records:
            return NextPage(response.cursor, more=False)
        value = response.at_last(self.field)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise response.wrong(
                f"a last record with {kind_of(value)} at {self.field!r}", "a text or a number", "field"
            )
        return NextPage(value, more=self.more is None or response.flag(self.more))


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

    def request(self, cursor: Cursor, size: int, /) -> PageRequest:
        """Ask for the URL as it came."""
        return _linked(cursor, self.size_param, size)

    def next_page(self, response: PageResponse, /) -> NextPage:
        """Take the URL from the body; it must stay on the same origin."""
        url = response.at(self.field)
        if url is None or url == "":
            return NextPage(None, more=False)
        if not isinstance(url, str):
            raise response.wrong(f"{kind_of(url)} at {self.field!r}", "the URL of the next page", "field")
        return NextPage(response.origin.target_of(url, seen_at=response.target), more=True)


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

    def request(self, cursor: Cursor, size: int, /) -> PageRequest:
        """Ask for the URL as it came."""
        return _linked(cursor, self.size_param, size)

    def next_page(self, response: PageResponse, /) -> NextPage:
        """Take the URL from the header; it must stay on the same origin."""
        for url, attributes in _LINK.findall(response.headers.get("link", "")):
            rel = _REL.search(attributes)
            if rel and "next" in (rel[1] or rel[2] or "").lower().split():
                return NextPage(response.origin.target_of(url, seen_at=response.target), more=True)
        return NextPage(None, more=False)


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
        return _paths(self.total_pages)

    def request(self, cursor: Cursor, size: int, /) -> PageRequest:
        """Ask for a page by its number."""
        number, of_size = self._position_of(cursor)
        return PageRequest({**_sized(self.size_param, of_size or size), self.param: number})

    def next_page(self, response: PageResponse, /) -> NextPage:
        """Count on."""
        number, of_size = self._position_of(response.cursor)
        if self.total_pages is None:
            last = not response.records
        else:
            last = number - self.first + 1 >= response.count(self.total_pages, "total_pages")
        return (
            NextPage(None, more=False)
            if last
            else NextPage({"page": number + 1, "size": of_size or response.size}, more=True)
        )

    def _position_of(self, cursor: Cursor) -> tuple[int, int | None]:
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
        return _paths(self.total)

    def request(self, cursor: Cursor, size: int, /) -> PageRequest:
        """Ask for what comes after so many records."""
        return PageRequest({**_sized(self.size_param, size), self.param: self._count(cursor)})

    def next_page(self, response: PageResponse, /) -> NextPage:
        """Count the records received."""
        count = self._count(response.cursor) + len(response.records)
        more = bool(response.records) and (self.total is None or count < response.count(self.total, "total"))
        return NextPage(count, more=more)

    def _count(self, cursor: Cursor) -> int:
        if cursor is None:
            return 0
        if isinstance(cursor, bool) or not isinstance(cursor, int):
            raise _foreign(cursor, "a number of records")
        return cursor


Pagination: TypeAlias = NoPagination | CursorField | LastRecord | NextUrl | LinkHeader | PageNumber | Offset
"""Every way that a config can name, by its `type`."""


def _paths(*paths: str | None) -> tuple[str, ...]:
    return tuple(path for path in paths if path is not None)


def _sized(param: str | None, size: int) -> dict[str, Parameter]:
    return {} if param is None else {param: size}


def _position(param: str, cursor: Cursor) -> dict[str, Parameter]:
    if cursor is None:
        return {}
    if not isinstance(cursor, str | int | float):
        raise _foreign(cursor, "a text or a number")
    return {param: cursor}


def _linked(cursor: Cursor, size_param: str | None, size: int) -> PageRequest:
    if cursor is None:
        return PageRequest(_sized(size_param, size))
    # A target begins with a slash, so what is put together from it and the origin stays on the origin.
    if not isinstance(cursor, str) or not cursor.startswith("/"):
        raise _foreign(cursor, "path and query of a URL")
    return PageRequest(target=cursor)


def _foreign(cursor: Cursor, expected: str) -> CursorExpiredError:
    return CursorExpiredError(
        f"a cursor that is {kind_of(cursor)} cannot be gone on from; expected {expected}: was it made with another "
        "pagination? reset the entity's state to read it from the start"
    )
