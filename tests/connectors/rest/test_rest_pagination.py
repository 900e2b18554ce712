"""The styles of pagination as pure decisions: what they refuse, and what ends a read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connector_kit.connectors.rest.credentials import Credentials
from connector_kit.connectors.rest.origin import Site
from connector_kit.connectors.rest.pagination import (
    CursorField,
    LastRecord,
    LinkHeader,
    NextUrl,
    NoPagination,
    Offset,
    PageNumber,
    Pagination,
)
from connector_kit.connectors.rest.paging import Ask, Reply, Turn
from connector_kit.errors import CursorExpiredError, SchemaMismatchError

if TYPE_CHECKING:
    from connector_kit.records.page import Cursor

SITE = Site.of("https://api.example.com/v1", Credentials())


def reply(body: Any = None, asked: Cursor = None, records: Any = ({"id": 7},), **headers: str) -> Reply:
    """Make what a style sees."""
    return Reply(SITE, "/v1/things", headers, body, records, asked, size=10)


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
        style.ask(cursor, 10)


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
        style.turn(reply(body))
    assert words in str(caught.value)
    assert "GET /v1/things" in str(caught.value)
    assert "look at pagination." in str(caught.value)


@pytest.mark.parametrize(
    ("style", "seen", "turn"),
    [
        (CursorField(), reply({"next_cursor": ""}), Turn(None, more=False)),
        (CursorField(), reply({"next_cursor": None}), Turn(None, more=False)),
        (CursorField(), reply([]), Turn(None, more=False)),
        (CursorField("meta.next"), reply({"meta": {"next": 0}}), Turn(0, more=True)),
        (CursorField(more="more"), reply({"next_cursor": "c", "more": False}), Turn(None, more=False)),
        (LastRecord(more="more"), reply({"more": False}), Turn(7, more=False)),
        (LastRecord(), reply(), Turn(7, more=True)),
        (LastRecord(), reply(asked=7, records=()), Turn(7, more=False)),
        (NextUrl(), reply({"next": ""}), Turn(None, more=False)),
        (NextUrl(), reply({"next": "?p=2"}), Turn("/v1/things?p=2", more=True)),
        (
            NextUrl(),
            reply({"next": "https://API.example.com:443/x?a=b%20c#f"}),
            Turn("/x?a=b%20c", more=True),
        ),
        (LinkHeader(), reply(link="<?p=2>; rel=next"), Turn("/v1/things?p=2", more=True)),
        (LinkHeader(), reply(link='</a,b;c>; REL="last NEXT"'), Turn("/a,b;c", more=True)),
        (LinkHeader(), reply(link='<?p=1>; rel="prev", <?p=3>; title="next"'), Turn(None, more=False)),
        (PageNumber(), reply(), Turn({"page": 2, "size": 10}, more=True)),
        (PageNumber(first=0), reply(), Turn({"page": 1, "size": 10}, more=True)),
        (PageNumber(), reply(asked={"page": 4, "size": 3}), Turn({"page": 5, "size": 3}, more=True)),
        (PageNumber(first=0, total_pages="n"), reply({"n": 1}), Turn(None, more=False)),
        (PageNumber(total_pages="n"), reply({"n": 2}), Turn({"page": 2, "size": 10}, more=True)),
        (Offset(), reply(asked=3), Turn(4, more=True)),
        (Offset(total="n"), reply({"n": 4}, asked=3), Turn(4, more=False)),
    ],
)
def test_what_follows_an_answer(style: Pagination, seen: Reply, turn: Turn) -> None:
    assert style.turn(seen) == turn


@pytest.mark.parametrize(
    ("style", "cursor", "ask"),
    [
        (NoPagination(), None, Ask()),
        (CursorField(), None, Ask()),
        (CursorField(param="c", size_param="n"), "abc", Ask({"n": 10, "c": "abc"})),
        (LastRecord(), 5, Ask({"after_id": 5})),
        (NextUrl(size_param="n"), None, Ask({"n": 10})),
        (NextUrl(size_param="n"), "/v1/things?p=2", Ask(target="/v1/things?p=2")),
        (PageNumber(size_param="n"), {"page": 4, "size": 3}, Ask({"n": 3, "page": 4})),
        (Offset(), None, Ask({"limit": 10, "offset": 0})),
        (Offset(size_param=None), 20, Ask({"offset": 20})),
    ],
)
def test_what_is_asked_for_at_a_cursor(style: Pagination, cursor: Cursor, ask: Ask) -> None:
    assert style.ask(cursor, 10) == ask
