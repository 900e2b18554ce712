"""The styles of pagination as pure decisions: what they refuse, and what ends a read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connector_kit.connectors.rest.origin import Credentials, Origin
from connector_kit.connectors.rest.paging import (
    CursorField,
    LastRecord,
    LinkHeader,
    NextPage,
    NextUrl,
    NoPagination,
    Offset,
    PageNumber,
    PageRequest,
    PageResponse,
    Pagination,
)
from connector_kit.errors import CursorExpiredError, SchemaMismatchError

if TYPE_CHECKING:
    from connector_kit.records.page import Cursor

ORIGIN = Origin.of("https://api.example.com/v1", Credentials())


def response(
    body: Any = None, asked: Cursor = None, records: Any = ({"id": 7},), **headers: str
) -> PageResponse:
    """Make what a style sees."""
    return PageResponse(ORIGIN, "/v1/things", headers, body, records, asked, size=10)


@pytest.mark.parametrize(
    ("style", "cursor"),
    [
        (NoPagination(), "x"),
        (CursorField(), {"a": 1}),
        (LastRecord(), ["a"]),
        (NextUrl(), 5),
        (NextUrl(), "https://evil.example/things"),
        (LinkHeader(), "things"),
        (PageNumber(), 3),
        (PageNumber(), {"page": "3", "size": 1}),
        (Offset(), "3"),
        (Offset(), True),
    ],
)
def test_a_cursor_of_another_style_is_refused(style: Pagination, cursor: Cursor) -> None:
    """After a change of the config, say. Nothing is guessed: a wrong place would lose or repeat records."""
    with pytest.raises(CursorExpiredError, match="was it made with another pagination"):
        style.request(cursor, 10)


@pytest.mark.parametrize(
    ("style", "body", "words"),
    [
        (CursorField(), {"next_cursor": {}}, "an object at 'next_cursor'; expected a text or a number"),
        (CursorField(), {"next_cursor": True}, "a boolean at 'next_cursor'"),
        (
            CursorField(more="more"),
            {"next_cursor": "c", "more": 1},
            "a number at 'more'; expected true or false",
        ),
        (LastRecord(field="key"), {}, "a last record with null at 'key'"),
        (LastRecord(more="more"), {}, "null at 'more'"),
        (NextUrl(), {"next": 5}, "a number at 'next'; expected the URL of the next page"),
        (PageNumber(total_pages="pages"), {"pages": "9"}, "a string at 'pages'; expected an integer"),
        (Offset(total="total"), {}, "null at 'total'; expected an integer"),
        (Offset(total="total"), {"total": True}, "a boolean at 'total'; expected an integer"),
    ],
)
def test_an_answer_that_does_not_fit_the_style_is_told(style: Pagination, body: Any, words: str) -> None:
    with pytest.raises(SchemaMismatchError) as caught:
        style.next_page(response(body))
    assert words in str(caught.value)
    assert "GET /v1/things" in str(caught.value)
    assert "look at pagination." in str(caught.value)


@pytest.mark.parametrize(
    ("style", "seen", "turn"),
    [
        (CursorField(), response({"next_cursor": ""}), NextPage(None, more=False)),
        (CursorField(), response({"next_cursor": None}), NextPage(None, more=False)),
        (CursorField(), response([]), NextPage(None, more=False)),
        (CursorField("meta.next"), response({"meta": {"next": 0}}), NextPage(0, more=True)),
        (CursorField(more="more"), response({"next_cursor": "c", "more": False}), NextPage(None, more=False)),
        (LastRecord(more="more"), response({"more": False}), NextPage(7, more=False)),
        (LastRecord(), response(), NextPage(7, more=True)),
        (LastRecord(), response(asked=7, records=()), NextPage(7, more=False)),
        (NextUrl(), response({"next": ""}), NextPage(None, more=False)),
        (NextUrl(), response({"next": "?p=2"}), NextPage("/v1/things?p=2", more=True)),
        (
            NextUrl(),
            response({"next": "https://API.example.com:443/x?a=b%20c#f"}),
            NextPage("/x?a=b%20c", more=True),
        ),
        (LinkHeader(), response(link="<?p=2>; rel=next"), NextPage("/v1/things?p=2", more=True)),
        (LinkHeader(), response(link='</a,b;c>; REL="last NEXT"'), NextPage("/a,b;c", more=True)),
        (LinkHeader(), response(link='<?p=1>; rel="prev", <?p=3>; title="next"'), NextPage(None, more=False)),
        (PageNumber(), response(), NextPage({"page": 2, "size": 10}, more=True)),
        (PageNumber(first=0), response(), NextPage({"page": 1, "size": 10}, more=True)),
        (PageNumber(), response(asked={"page": 4, "size": 3}), NextPage({"page": 5, "size": 3}, more=True)),
        (PageNumber(first=0, total_pages="n"), response({"n": 1}), NextPage(None, more=False)),
        (PageNumber(total_pages="n"), response({"n": 2}), NextPage({"page": 2, "size": 10}, more=True)),
        (Offset(), response(asked=3), NextPage(4, more=True)),
        (Offset(total="n"), response({"n": 4}, asked=3), NextPage(4, more=False)),
    ],
)
def test_what_follows_an_answer(style: Pagination, seen: PageResponse, turn: NextPage) -> None:
    assert style.next_page(seen) == turn


@pytest.mark.parametrize(
    ("style", "cursor", "expected"),
    [
        (NoPagination(), None, PageRequest()),
        (CursorField(), None, PageRequest()),
        (CursorField(param="c", size_param="n"), "abc", PageRequest({"n": 10, "c": "abc"})),
        (LastRecord(), 5, PageRequest({"after_id": 5})),
        (NextUrl(size_param="n"), None, PageRequest({"n": 10})),
        (NextUrl(size_param="n"), "/v1/things?p=2", PageRequest(target="/v1/things?p=2")),
        (PageNumber(size_param="n"), {"page": 4, "size": 3}, PageRequest({"n": 3, "page": 4})),
        (Offset(), None, PageRequest({"limit": 10, "offset": 0})),
        (Offset(size_param=None), 20, PageRequest({"offset": 20})),
    ],
)
def test_what_is_asked_for_at_a_cursor(style: Pagination, cursor: Cursor, expected: PageRequest) -> None:
    assert style.request(cursor, 10) == expected
