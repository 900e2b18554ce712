"""The styles of pagination as pure decisions: what they refuse, and what ends a read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
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
from connector_kit.records.json_records import JsonRecords

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
        (Offset(), {"page": 3, "size": 1}),
    ],
)
def test_a_cursor_of_another_style_is_refused(style: Pagination, cursor: Cursor) -> None:
    """After a change of the config, say. Nothing is guessed: a wrong place would lose or repeat records."""
    with pytest.raises(CursorExpiredError, match="was it made with another pagination"):
        style.request(cursor, 10)


@pytest.mark.parametrize(
    ("style", "body", "words"),
    [
        (CursorField(), {"next_cursor": {"a": 1}}, "an object at 'next_cursor'; expected a text or a number"),
        (CursorField(), {"next_cursor": True}, "a boolean at 'next_cursor'"),
        (
            CursorField(more="more"),
            {"next_cursor": "c", "more": 2},
            "a number at 'more'; expected true or false",
        ),
        (CursorField(end="over"), {"next_cursor": "c", "over": "maybe"}, "a string at 'over'"),
        (CursorField(end="over"), {"next_cursor": "c", "over": []}, "a list at 'over'"),
        (LastRecord(field="key"), {}, "a last record with null at 'key'"),
        (NextUrl(), {"next": 5}, "a number at 'next'; expected the URL of the next page"),
        (PageNumber(total_pages="pages"), {"pages": "many"}, "a string at 'pages'; expected a whole number"),
        (PageNumber(total_pages="pages"), {"pages": 0}, "0 at 'pages' and records all the same"),
        (Offset(total="total"), {"total": 1.5}, "a number at 'total'; expected a whole number"),
        (Offset(total="total"), {"total": True}, "a boolean at 'total'; expected a whole number"),
        (Offset(total="total"), {"total": {"value": 3}}, "an object at 'total'"),
    ],
)
def test_an_answer_that_does_not_fit_the_style_is_told(style: Pagination, body: Any, words: str) -> None:
    with pytest.raises(SchemaMismatchError) as caught:
        style.next_page(response(body))
    assert words in str(caught.value)
    assert "the answer for /v1/things" in str(caught.value)
    assert "look at pagination." in str(caught.value)


@pytest.mark.parametrize(
    ("style", "seen", "words"),
    [
        (CursorField(more="more"), response({"more": True}), "nothing at 'next_cursor', and a flag"),
        (
            CursorField(more="more"),
            response({"more": True, "next_cursor": None}),
            "null at 'next_cursor', and a flag",
        ),
        (NextUrl(end="over"), response({"over": False}), "nothing at 'next', and a flag"),
        (LinkHeader(more="more"), response({"more": True}), "no next URL in the header Link, and a flag"),
        (LastRecord(more="more"), response({"more": True}, records=()), "no records, and a flag"),
        (Offset(more="more"), response({"more": True}, records=()), "no records, and a flag"),
        (
            Offset(total="n"),
            response({"n": 9}, asked=4, records=()),
            "nothing follows after 4 records, and there are 9",
        ),
        (
            Offset(total="n", more="more"),
            response({"n": 9, "more": False}, asked=4),
            "nothing follows after 5 records, and there are 9 by total",
        ),
        (
            PageNumber(total_pages="n", more="more"),
            response({"n": 3, "more": False}, asked={"page": 2, "size": 1}),
            "page 2 is the last one, and there are 3 by total_pages",
        ),
    ],
)
def test_an_end_that_the_answer_itself_denies_is_none(
    style: Pagination, seen: PageResponse, words: str
) -> None:
    """Whichever of the two is wrong, the other one would lose records."""
    with pytest.raises(SchemaMismatchError) as caught:
        style.next_page(seen)
    assert words in str(caught.value)


@pytest.mark.parametrize("nothing", [None, False, 0, 0.0, "", [], {}])
@pytest.mark.parametrize("style", [CursorField("next"), NextUrl("next")], ids=lambda style: style.type)
def test_every_way_of_saying_nothing_is_the_end(style: Pagination, nothing: Any) -> None:
    assert style.next_page(response({"next": nothing})) == NextPage(None, more=False, said=True)


@pytest.mark.parametrize(
    "style",
    [
        CursorField("next"),
        LastRecord(),
        NextUrl("next"),
        LinkHeader(),
        PageNumber(),
        Offset(),
    ],
    ids=lambda style: style.type,
)
@pytest.mark.parametrize(
    ("option", "flag", "more"),
    [
        *(("more", true, True) for true in (True, 1, "true", "True")),
        *(("more", false, False) for false in (False, 0, "false")),
        ("end", True, False),
        ("end", False, True),
    ],
)
def test_a_flag_tells_the_end_of_every_style(style: Any, option: str, flag: Any, *, more: bool) -> None:
    """`more`, or its opposite `end`, as servers write true and false."""
    flagged = attrs.evolve(style, **{option: "page.flag"})
    seen = response({"next": "/things?p=2", "page": {"flag": flag}}, link="</things?p=2>; rel=next")
    following = flagged.next_page(seen)
    assert (following.more, following.said) == (more, True)
    assert "page.flag" in flagged.values()


@pytest.mark.parametrize("flag", [{}, {"flag": None}])
def test_a_flag_that_is_not_there_says_nothing(flag: Any) -> None:
    """Then the other signs count; none of them ends a read too early."""
    assert Offset(more="flag").next_page(response(flag)).more
    assert not Offset(more="flag").next_page(response(flag, records=())).more
    assert CursorField("next", more="flag").next_page(response({"next": 1, **flag})).more


@pytest.mark.parametrize(
    ("total", "more"), [("4", False), (4.0, False), (" 4 ", False), ("5", True), (None, True), (-1, True)]
)
def test_a_total_may_be_a_text_and_one_that_says_nothing_ends_nothing(total: Any, *, more: bool) -> None:
    assert Offset(total="n").next_page(response({"n": total}, asked=3)).more == more
    pages = response({"n": total}, asked={"page": 4, "size": 1})
    assert PageNumber(total_pages="n").next_page(pages).more == more


def keyed(body: Any, *ids: int, asked: Cursor) -> PageResponse:
    """Make an answer with these primary keys."""
    return attrs.evolve(response(body, asked, [{"id": each} for each in ids]), key=("id",))


def test_what_came_twice_does_not_count_towards_a_total() -> None:
    """And the cursor knows, so that a read that goes on there does not end too early either."""
    style = Offset(total="n")
    first = style.next_page(keyed({"n": 4}, 1, 2, asked=None))
    assert first == NextPage({"offset": 2, "repeated": 0, "last": [2]}, more=True, said=True)
    assert style.request(first.cursor, 10) == PageRequest({"limit": 10, "offset": 2})
    moved = style.next_page(keyed({"n": 4}, 2, 3, asked=first.cursor))
    assert moved == NextPage({"offset": 4, "repeated": 1, "last": [3]}, more=True, said=True)
    assert not style.next_page(keyed({"n": 4}, 4, asked=moved.cursor)).more
    two = style.next_page(keyed({"n": 4}, 1, 2, asked=first.cursor))
    assert two == NextPage({"offset": 4, "repeated": 2, "last": [2]}, more=True, said=True)
    behind = style.next_page(keyed({"n": 4}, asked=moved.cursor))
    assert behind == NextPage(moved.cursor, more=False, said=True)


def test_what_came_twice_is_looked_for_where_a_page_begins_with_what_the_page_before_has() -> None:
    """Or with its last key: the record itself may have changed."""
    first = JsonRecords.of_array(b'[{"id": 1, "at": 1}, {"id": 2, "at": 1}]')
    asked: Cursor = {"offset": 2, "repeated": 0, "last": [2]}

    def repeated(records: bytes) -> int:
        seen = PageResponse(
            ORIGIN,
            "/v1/things",
            {},
            None,
            JsonRecords.of_array(records),
            asked,
            2,
            ("id",),
            first.json_lines(),
        )
        return seen.repeated([2])

    assert repeated(b'[{"id": 2, "at": 9}, {"id": 3, "at": 1}]') == 1
    assert repeated(b'[{"id": 1, "at": 1}, {"id": 2, "at": 1}]') == 2
    assert repeated(b'[{"id": 3, "at": 1}, {"id": 2, "at": 1}]') == 0
    assert repeated(b"[]") == 0


def test_once_pages_have_moved_an_empty_one_is_the_end() -> None:
    style = PageNumber(total_pages="n")
    first = style.next_page(keyed({"n": 2}, 1, 2, asked=None))
    assert first == NextPage({"page": 2, "size": 10, "last": [2]}, more=True, said=True)
    moved = style.next_page(keyed({"n": 2}, 2, 3, asked=first.cursor))
    assert moved == NextPage({"page": 3, "size": 10, "moved": True}, more=True)
    assert style.request(moved.cursor, 10) == PageRequest({"page": 3})
    assert style.next_page(keyed({"n": 2}, 4, asked=moved.cursor)).more
    assert not style.next_page(keyed({"n": 2}, asked=moved.cursor)).more


@pytest.mark.parametrize("key", [(), ("id", "at"), ("other",)])
def test_without_a_whole_key_nothing_is_known_to_come_twice(key: tuple[str, ...]) -> None:
    seen = attrs.evolve(response({"n": 9}, asked={"offset": 2, "repeated": 0, "last": [7]}), key=key)
    following = Offset(total="n").next_page(seen).cursor
    assert following == {"offset": 3, "repeated": 0, "last": [7]}


@pytest.mark.parametrize(
    ("cursor", "encoded", "sent"),
    [
        ("aaa%3D%3D", None, "aaa=="),
        ("a%2Bb+c", None, "a+b c"),
        ("aaa==", None, "aaa=="),
        ("50% %3D", None, "50% %3D"),
        ("100%", None, "100%"),
        ("%FF", None, "%FF"),
        ("aaa%3D%3D", False, "aaa%3D%3D"),
        ("a=%3D", True, "a=="),
    ],
)
def test_a_cursor_that_came_url_encoded_is_not_encoded_twice(
    cursor: str, *, encoded: bool | None, sent: str
) -> None:
    """`encoded` says of a server's cursors what they are, where their look misleads. A body has it as it came."""
    request = CursorField(encoded=encoded).request(cursor, 10)
    assert request.at("query") == {"cursor": sent}
    assert request.at("body") == {"cursor": cursor}


@pytest.mark.parametrize(
    ("style", "seen", "turn"),
    [
        (CursorField(), response({"next_cursor": ""}), NextPage(None, more=False, said=True)),
        (CursorField(), response([]), NextPage(None, more=False)),
        (CursorField("meta.next"), response({"meta": {"next": 7}}), NextPage(7, more=True, said=True)),
        (
            CursorField(more="more"),
            response({"next_cursor": "c", "more": False}),
            NextPage(None, more=False, said=True),
        ),
        (LastRecord(more="more"), response({"more": False}), NextPage(7, more=False, said=True)),
        (LastRecord(), response(), NextPage(7, more=True)),
        (LastRecord(), response(asked=7, records=()), NextPage(7, more=False)),
        (NextUrl(), response({}), NextPage(None, more=False)),
        (NextUrl(), response({"next": "?p=2"}), NextPage("/v1/things?p=2", more=True, said=True)),
        (
            NextUrl(),
            response({"next": "https://API.example.com:443/x?a=b%20c#f"}),
            NextPage("/x?a=b%20c", more=True, said=True),
        ),
        (LinkHeader(), response(link="<?p=2>; rel=next"), NextPage("/v1/things?p=2", more=True, said=True)),
        (LinkHeader(), response(link='</a,b;c>; REL="last NEXT"'), NextPage("/a,b;c", more=True, said=True)),
        (LinkHeader(), response(link='<?p=1>; rel="prev", <?p=3>; title="next"'), NextPage(None, more=False)),
        (PageNumber(), response(), NextPage({"page": 2, "size": 10}, more=True)),
        (PageNumber(first=0), response(), NextPage({"page": 1, "size": 10}, more=True)),
        (PageNumber(), response(asked={"page": 4, "size": 3}), NextPage({"page": 5, "size": 3}, more=True)),
        (PageNumber(first=0, total_pages="n"), response({"n": 1}), NextPage(None, more=False, said=True)),
        (
            PageNumber(total_pages="n"),
            response({"n": 2}),
            NextPage({"page": 2, "size": 10}, more=True, said=True),
        ),
        (Offset(), response(asked=3), NextPage(4, more=True)),
        (Offset(total="n"), response({"n": 4}, asked=3), NextPage(4, more=False, said=True)),
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
        (Offset(first=1), None, PageRequest({"limit": 10, "offset": 1})),
        (Offset(first=1), 20, PageRequest({"limit": 10, "offset": 21})),
        (
            NextUrl(size_param="n", keep_params=True),
            "/v1/things?p=2",
            PageRequest({"n": 10}, "/v1/things?p=2", fill=True),
        ),
    ],
)
def test_what_is_asked_for_at_a_cursor(style: Pagination, cursor: Cursor, expected: PageRequest) -> None:
    assert style.request(cursor, 10) == expected


@pytest.mark.parametrize(
    ("record", "value"),
    [
        ({"sys": {"id": 7}}, 7),
        ({"sys.id": 8, "sys": {"id": 7}}, 8),
        ({"sys": {"id": None}, "sys.id": 8}, 8),
    ],
)
def test_the_last_record_is_gone_on_from_by_a_path_as_a_key_is(record: Any, value: int) -> None:
    """A field of that very name counts first."""
    page = LastRecord("sys.id").next_page(response(records=[{"sys": {"id": 1}}, record]))
    assert page.cursor == value


def test_the_last_record_is_gone_on_from_by_a_json_pointer() -> None:
    page = LastRecord("/a.b/0").next_page(response(records=[{"a.b": [5]}]))
    assert page.cursor == 5
