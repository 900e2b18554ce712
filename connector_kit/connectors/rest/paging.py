"""The ways in which APIs cut a list into pages, as frozen values that decide and do no I/O.

A style answers two questions: `request` returns what to add to a request so that it goes on at a cursor, `next_page`
the cursor of what follows a response, and whether anything may follow. No style takes a short page for the last one:
servers cap page sizes and filter pages. The end is an empty page, or where the server says so.

Where what a server says in two places cannot both be true (its flag says that nothing follows, and its total is not
reached), that is an error: one of the two would lose records.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Protocol, TypeAlias
from urllib.parse import unquote_plus

import attrs

from connector_kit.errors import CursorExpiredError, SchemaMismatchError
from connector_kit.records.batches import column
from connector_kit.records.json_body import find, follow, kind_of, steps_of
from connector_kit.records.json_records import JsonRecords
from connector_kit.records.keys import column_at
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
    """What a style adds to a request: `params` besides the resource's own, or a `target` in place of everything.

    With `fill`, the target gets those of the parameters that it lacks. `in_query` has the parameters for a query, where they
    are others there.
    """

    params: Mapping[str, Parameter] = attrs.field(factory=dict[str, Parameter])
    target: str | None = None
    fill: bool = False
    in_query: Mapping[str, Parameter] | None = None

    def at(self, place: Literal["query", "body"]) -> Mapping[str, Parameter]:
        """Return the parameters for a query, or for a body."""
        return self.params if place == "body" or self.in_query is None else self.in_query


@attrs.frozen
class PageResponse:
    """What a style sees of a response. `cursor` and `size` (records a page) are those of the request.

    Of the body it sees at least what stands at the paths that its `values` name. `key` are the fields of the primary key.
    `before` is the page before as JSON lines, where that is known: the first page of a read that goes on has none.
    """

    origin: Origin
    target: str
    headers: Mapping[str, str]
    body: JsonValue
    records: Sequence[Record]
    cursor: Cursor = None
    size: int = 0
    key: tuple[str, ...] = ()
    before: bytes | None = None

    def at(self, path: str) -> JsonValue:
        """Return what stands at a path in the body, None where nothing does."""
        try:
            return find(self.body, path)
        except LookupError:
            return None

    def at_last(self, path: str) -> JsonValue:
        """Return what stands at a path in the last record, None where nothing does. There must be one.

        A path without a slash is a key as the primary key's are: a field of that very name counts first.
        """
        last = self.records[-1:]
        if not path.startswith("/"):
            found: JsonValue = column_at(last, path)[0]
            return found
        name, *rest = steps_of(path)
        [value] = column(last, name)
        try:
            return follow(value, rest)
        except LookupError:
            return None

    def last_key(self) -> list[JsonValue] | None:
        """Return the primary key of the last record; None where there is none."""
        values = [column_at(self.records[-1:], name)[0] for name in self.key] if self.records else []
        return values if values and None not in values else None

    def repeated(self, last_key: JsonValue) -> int:
        """Return how many of the records came before, where `last_key` is that of the last one that came before.

        Where rows come in at the front of a list, or the server counts from 1, a page begins with the end of the page
        before: up to the record with that key.
        """
        if not self.records or not isinstance(last_key, list) or len(last_key) != len(self.key):
            return 0
        if self._begins_anew(last_key):
            return 0
        keys = list(zip(*(column_at(self.records, name) for name in self.key), strict=True))
        try:
            return keys.index(tuple(last_key)) + 1
        except ValueError:
            return 0

    def _begins_anew(self, last_key: Sequence[JsonValue]) -> bool:
        """Whether the first record was surely not on the page before. To look at every key takes as long as to split a page."""
        first = self.records[:1]
        if self.before is None or not isinstance(first, JsonRecords):
            return False
        is_last = last_key == [column_at(first, name)[0] for name in self.key]
        return not is_last and first.json_lines() not in self.before

    def wrong(self, what: str, expected: str, option: str) -> SchemaMismatchError:
        """Make the error for an answer that a style cannot read."""
        return SchemaMismatchError(
            f"the answer for {path_of(self.target)} has {what}; expected {expected}; look at pagination.{option}"
        )

    def follows(self, more: str | None, end: str | None) -> bool | None:
        """Return whether anything follows by the flag at `more`, or by its opposite at `end`; None where nothing says so.

        Raises `SchemaMismatchError` where something else stands there.
        """
        if more is not None:
            return self._flag(more, "more")
        ended = None if end is None else self._flag(end, "end")
        return None if ended is None else not ended

    def _flag(self, path: str, option: str) -> bool | None:
        value = self.at(path)
        if value is None or isinstance(value, bool):
            return value
        known = (
            _FLAGS.get(value.lower() if isinstance(value, str) else value)
            if isinstance(value, str | int)
            else None
        )
        if known is None:
            raise self.wrong(f"{kind_of(value)} at {path!r}", "true or false", option)
        return known

    def count(self, path: str | None, option: str) -> int | None:
        """Return the number at a path; None where nothing says so: it is missing, null or negative.

        Raises `SchemaMismatchError` where something else stands there.
        """
        value = None if path is None else self.at(path)
        match value:
            case str() if value.strip().isdecimal():
                value = int(value)
            case float() if value.is_integer():
                value = int(value)
            case _:
                pass
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise self.wrong(f"{kind_of(value)} at {path!r}", "a whole number", option)
        if value == 0 and self.records:
            raise self.wrong(f"0 at {path!r} and records all the same", "their number", option)
        return None if value is None or value < 0 else value


_FLAGS: Mapping[object, bool] = {"true": True, "false": False, 1: True, 0: False}


@attrs.frozen
class NextPage:
    """What follows a page: the cursor to store with it, and whether to go on reading there now.

    `said`: so the server said itself, in a field, a flag or a total; otherwise it is concluded from the records.
    """

    cursor: Cursor
    more: bool
    said: bool = False


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

    The end is where it is missing, null, false, 0 or empty, or where the flag `more` is false, or `end` true (paths in
    the body). `encoded` says whether cursors come URL-encoded, as `YWE%3D`; by default those do that look like it.
    """

    lasting: ClassVar[bool] = False
    field: str = "next_cursor"
    param: str = "cursor"
    more: str | None = None
    size_param: str | None = None
    end: str | None = None
    encoded: bool | None = None
    type: Literal["cursor_field"] = "cursor_field"

    def values(self) -> tuple[str, ...]:
        """Look at what says where the next page is, or that none is."""
        return _paths(self.field, self.more, self.end)

    def request(self, cursor: Cursor, size: int, /) -> PageRequest:
        """Send the cursor back as it came: in a query, one that is URL-encoded already is not encoded twice."""
        params = _sized(self.size_param, size) | _position(self.param, cursor)
        if not isinstance(cursor, str) or self.encoded is False:
            return PageRequest(params)
        decoded = _decoded(cursor, surely=self.encoded is True)
        return PageRequest(params, in_query=None if decoded == cursor else params | {self.param: decoded})

    def next_page(self, response: PageResponse, /) -> NextPage:
        """Take the next cursor from the body."""
        cursor, last = _following(response, self.field, self.more, self.end, "a text or a number")
        if last is not None:
            return last
        if isinstance(cursor, bool) or not isinstance(cursor, str | int | float):
            raise response.wrong(f"{kind_of(cursor)} at {self.field!r}", "a text or a number", "field")
        return NextPage(cursor, more=True, said=True)


@attrs.frozen
class LastRecord:
    """The value of a field of the last record goes into the parameter `param`, as in `?after_id=17`.

    The end is an empty page, or where the flag `more` is false, or `end` true (paths in the body). A later run can go on
    behind the last record. Where several records share a value, those that come after a page's border are never served:
    `unique` says that none do, of a field that is not the primary key.
    """

    lasting: ClassVar[bool] = True
    field: str = "id"
    param: str = "after_id"
    more: str | None = None
    size_param: str | None = None
    end: str | None = None
    unique: bool = False
    type: Literal["last_record"] = "last_record"

    def values(self) -> tuple[str, ...]:
        """Look at what says where the end is."""
        return _paths(self.more, self.end)

    def request(self, cursor: Cursor, size: int, /) -> PageRequest:
        """Ask for what comes after a value."""
        return PageRequest(_sized(self.size_param, size) | _position(self.param, cursor))

    def next_page(self, response: PageResponse, /) -> NextPage:
        """Take the value from the last record."""
        follows = response.follows(self.more, self.end)
        if not response.records:
            if follows:
                raise _no_records(response, "a flag that says that more follows", "more")
            return NextPage(response.cursor, more=False, said=follows is False)
        value = response.at_last(self.field)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise response.wrong(
                f"a last record with {kind_of(value)} at {self.field!r}", "a text or a number", "field"
            )
        return NextPage(value, more=follows is not False, said=follows is not None)


@attrs.frozen
class NextUrl:
    """The body has the URL of the next page, at `field`.

    The end is where it is missing, null, false, 0 or empty, or where the flag `more` is false, or `end` true (paths in the
    body). The cursor is the path and query of that URL. It carries all parameters, also those of the first request; where
    the server leaves some out, `keep_params` adds them.
    """

    lasting: ClassVar[bool] = False
    field: str = "next"
    size_param: str | None = None
    more: str | None = None
    end: str | None = None
    keep_params: bool = False
    type: Literal["next_url"] = "next_url"

    def values(self) -> tuple[str, ...]:
        """Look at what says where the next page is, or that none is."""
        return _paths(self.field, self.more, self.end)

    def request(self, cursor: Cursor, size: int, /) -> PageRequest:
        """Ask for the URL as it came."""
        return _linked(cursor, self.size_param, size, fill=self.keep_params)

    def next_page(self, response: PageResponse, /) -> NextPage:
        """Take the URL from the body; it must stay on the same origin."""
        url, last = _following(response, self.field, self.more, self.end, "the URL of the next page")
        if last is not None:
            return last
        if not isinstance(url, str):
            raise response.wrong(f"{kind_of(url)} at {self.field!r}", "the URL of the next page", "field")
        return NextPage(response.origin.link_of(url, seen_at=response.target), more=True, said=True)


_LINK = re.compile(r"<([^>]*)>([^<]*)")
_REL = re.compile(r""";\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))""", re.IGNORECASE)


@attrs.frozen
class LinkHeader:
    """The header `Link` (RFC 8288) has the URL of the next page, with `rel="next"`; the end is where it has none.

    The end is also where the flag `more` is false, or `end` true (paths in the body). The cursor is the path and query of
    that URL. It carries all parameters, also those of the first request; where the server leaves some out, `keep_params`
    adds them.
    """

    lasting: ClassVar[bool] = False
    size_param: str | None = None
    more: str | None = None
    end: str | None = None
    keep_params: bool = False
    type: Literal["link_header"] = "link_header"

    def values(self) -> tuple[str, ...]:
        """Look at the flags alone."""
        return _paths(self.more, self.end)

    def request(self, cursor: Cursor, size: int, /) -> PageRequest:
        """Ask for the URL as it came."""
        return _linked(cursor, self.size_param, size, fill=self.keep_params)

    def next_page(self, response: PageResponse, /) -> NextPage:
        """Take the URL from the header; it must stay on the same origin."""
        follows = response.follows(self.more, self.end)
        if follows is False:
            return NextPage(None, more=False, said=True)
        for url, attributes in _LINK.findall(response.headers.get("link", "")):
            rel = _REL.search(attributes)
            if rel and "next" in (rel[1] or rel[2] or "").lower().split():
                return NextPage(response.origin.link_of(url, seen_at=response.target), more=True, said=True)
        if follows:
            raise response.wrong(
                "no next URL in the header Link, and a flag that says that more follows", "one", "more"
            )
        return NextPage(None, more=False)


@attrs.frozen
class PageNumber:
    """Pages are counted from `first`.

    The end is an empty page, or the page `total_pages`, or where the flag `more` is false, or `end` true (paths in the body);
    with `clamps`, also where the page before comes again, as servers answer that take a number too large for the last.
    Once a record has come twice, pages have moved, and `total_pages` is no longer taken for the end.

    The cursor has the page size too, so that a read goes on exactly after the configured size has changed, and with
    `total_pages` the last record's key, by which one is known that comes twice. A later run cannot go on: the last page
    may have been a partial one.
    """

    lasting: ClassVar[bool] = False
    param: str = "page"
    first: int = 1
    total_pages: str | None = None
    size_param: str | None = None
    more: str | None = None
    end: str | None = None
    clamps: bool = False
    type: Literal["page_number"] = "page_number"

    def values(self) -> tuple[str, ...]:
        """Look at what says where the end is."""
        return _paths(self.total_pages, self.more, self.end)

    def request(self, cursor: Cursor, size: int, /) -> PageRequest:
        """Ask for a page by its number."""
        number, of_size, _ = self._position_of(cursor)
        return PageRequest({**_sized(self.size_param, of_size or size), self.param: number})

    def next_page(self, response: PageResponse, /) -> NextPage:
        """Count on."""
        number, of_size, seen = self._position_of(response.cursor)
        follows = response.follows(self.more, self.end)
        total = response.count(self.total_pages, "total_pages")
        moved = seen.get("moved") is True or response.repeated(seen.get("last")) > 0
        reached = None if total is None else number - self.first + 1 >= total
        if follows is False and reached is False:
            raise _at_odds(response, f"page {number} is the last one", f"there are {total}", "total_pages")
        if follows is None and reached is not None:
            follows = None if reached and moved else not reached
        if follows is False or (follows is None and not response.records):
            return NextPage(None, more=False, said=follows is False)
        cursor: dict[str, JsonValue] = {"page": number + 1, "size": of_size or response.size}
        if moved:
            cursor["moved"] = True
        elif self.total_pages is not None and (last := response.last_key() or seen.get("last")) is not None:
            cursor["last"] = last
        return NextPage(cursor, more=True, said=follows is True)

    def _position_of(self, cursor: Cursor) -> tuple[int, int | None, Mapping[str, JsonValue]]:
        """Return the page's number, its size, and what else the cursor has."""
        match cursor:
            case None:
                return self.first, None, {}
            case Mapping() if isinstance(number := cursor.get("page"), int) and isinstance(
                size := cursor.get("size"), int
            ):
                return number, size, cursor
            case _:
                raise _foreign(cursor, 'an object like {"page": 2, "size": 100}')


@attrs.frozen
class Offset:
    """Records are counted, from `first` on: 0, or 1 where the first record is number 1 to the server.

    The end is an empty page, or where `total` is reached, or where the flag `more` is false, or `end` true (paths in the
    body); with `clamps`, also where the page before comes again. A record that comes twice counts once towards the total.

    The cursor is the number of records really received, whatever size was asked for. With `total` and a primary key it is
    an object that has it, the last record's key, by which one is known that comes twice, and how many did. A later run can go on behind the last record where the server appends new ones at the end.
    """

    lasting: ClassVar[bool] = True
    param: str = "offset"
    size_param: str | None = "limit"
    total: str | None = None
    first: int = 0
    more: str | None = None
    end: str | None = None
    clamps: bool = False
    type: Literal["offset"] = "offset"

    def values(self) -> tuple[str, ...]:
        """Look at what says where the end is."""
        return _paths(self.total, self.more, self.end)

    def request(self, cursor: Cursor, size: int, /) -> PageRequest:
        """Ask for what comes after so many records."""
        received, _, _ = self._counts(cursor)
        return PageRequest({**_sized(self.size_param, size), self.param: received + self.first})

    def next_page(self, response: PageResponse, /) -> NextPage:
        """Count the records received."""
        received, repeated, last = self._counts(response.cursor)
        received += len(response.records)
        repeated += response.repeated(last)
        follows = response.follows(self.more, self.end)
        total = response.count(self.total, "total")
        if total is not None and received < total and (follows is False or not response.records):
            raise _at_odds(
                response, f"nothing follows after {received} records", f"there are {total}", "total"
            )
        if not response.records and follows:
            raise _no_records(response, "a flag that says that more follows", "more")
        if follows is None and total is not None:
            follows = received - repeated < total and bool(response.records)
        cursor: Cursor = received
        if self.total is not None and (last := response.last_key() or last) is not None:
            cursor = {"offset": received, "repeated": repeated, "last": last}
        more = bool(response.records) if follows is None else follows
        return NextPage(cursor, more=more, said=follows is not None)

    def _counts(self, cursor: Cursor) -> tuple[int, int, JsonValue]:
        """Return how many records came, how many of them once more, and the key of the last one."""
        match cursor:
            case None:
                return 0, 0, None
            case int() if not isinstance(cursor, bool):
                return cursor, 0, None
            case {"offset": int(received), "repeated": int(repeated), "last": last}:
                return received, repeated, last
            case _:
                raise _foreign(cursor, "a number of records")


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


def _linked(cursor: Cursor, size_param: str | None, size: int, *, fill: bool) -> PageRequest:
    if cursor is None:
        return PageRequest(_sized(size_param, size))
    # A target begins with a slash, so what is put together from it and the origin stays on the origin.
    if not isinstance(cursor, str) or not cursor.startswith("/"):
        raise _foreign(cursor, "path and query of a URL")
    return PageRequest(_sized(size_param, size) if fill else {}, target=cursor, fill=fill)


def _following(
    response: PageResponse, field: str, more: str | None, end: str | None, expected: str
) -> tuple[JsonValue, NextPage | None]:
    """Return what the body has at the field of the next page, and the end, where that or a flag says so."""
    follows = response.follows(more, end)
    try:
        value, there = find(response.body, field), True
    except LookupError:
        value, there = None, False
    nothing = not value  # null, false, 0, "", [] and {} all say so somewhere
    if nothing and follows:
        raise response.wrong(
            f"{kind_of(value) if there else 'nothing'} at {field!r}, and a flag that says that more follows",
            expected,
            "field",
        )
    if nothing or follows is False:
        return value, NextPage(None, more=False, said=there or follows is False)
    return value, None


_ENCODED = re.compile(r"[A-Za-z0-9._~*+-]*(?:%[0-9A-Fa-f]{2}[A-Za-z0-9._~*+-]*)+")


def _decoded(cursor: str, *, surely: bool) -> str:
    """Return a cursor as it was before it was URL-encoded; what does not look encoded, as it is."""
    if not surely and not _ENCODED.fullmatch(cursor):
        return cursor
    try:
        return unquote_plus(cursor, errors="strict")
    except UnicodeDecodeError:
        return cursor


def _no_records(response: PageResponse, beside: str, option: str) -> SchemaMismatchError:
    return response.wrong(f"no records, and {beside}", "records to go on from, or an end", option)


def _at_odds(response: PageResponse, one: str, other: str, option: str) -> SchemaMismatchError:
    return response.wrong(
        f"two things to say: {one}, and {other} by {option}",
        "both to agree, or records would be lost",
        f"{option}, or leave it out",
    )


def _foreign(cursor: Cursor, expected: str) -> CursorExpiredError:
    return CursorExpiredError(
        f"a cursor that is {kind_of(cursor)} cannot be gone on from; expected {expected}: was it made with another "
        "pagination? reset the entity's state to read it from the start"
    )
