"""Where a list ends, what shows that a read goes round in circles, and what is told of pages that overlap."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from rest_server import Answering, Asked, Said, serving

from connector_kit.connectors.rest import (
    CursorField,
    LastRecord,
    NextUrl,
    NoPagination,
    Offset,
    PageNumber,
    Resource,
    RestConfig,
    RestConnector,
)
from connector_kit.destinations.memory import MemoryDestination
from connector_kit.errors import ConfigError, RepeatedCursorError, RequestRejectedError, SchemaMismatchError
from connector_kit.events import Event, Warned, observing
from connector_kit.records.catalog import Scalar
from connector_kit.runtime.sync import sync

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from connector_kit.records.page import Cursor

pytestmark = pytest.mark.anyio

THINGS = [{"id": number} for number in range(1, 7)]


@asynccontextmanager
async def connected(answering: Answering, **options: Any) -> AsyncGenerator[RestConnector]:
    """Connect to a server that answers like this, with one resource, `/things`, in pages of two."""
    with serving(answering) as server:
        given: dict[str, Any] = {"records": "items", "page_size": 2, **options}
        connector = RestConnector(RestConfig(server.url, {"things": Resource("/things", **given)}))
        await connector.connect()
        try:
            yield connector
        finally:
            await connector.disconnect()


async def keys(connector: RestConnector, cursor: Cursor = None) -> list[Any]:
    return [
        record["id"]
        async for page in connector.fetch_data("things", cursor=cursor)
        for record in page.records
    ]


def said(**body: Any) -> Said:
    return Said(json.dumps(body))


def by_page(asked: Asked) -> list[dict[str, int]]:
    start = int(asked.params["page"]) * 2 - 2
    return THINGS[start : start + 2]


def refusing(asked: Asked) -> Said:
    """Answer what is past the end with 400."""
    things = by_page(asked)
    return said(items=things) if things else Said('{"code": "no_such_page"}', 400)


async def test_a_status_that_is_declared_for_it_is_the_end() -> None:
    async with connected(refusing, pagination=PageNumber(), past_end=(400,)) as connector:
        assert await keys(connector) == [1, 2, 3, 4, 5, 6]
        assert await keys(connector, {"page": 4, "size": 2}) == []
    async with connected(refusing, pagination=PageNumber()) as connector:
        with pytest.raises(RequestRejectedError, match=r"400 Bad Request.*set past_end = \[400\]"):
            await keys(connector)


async def test_a_status_is_no_end_on_the_first_page_or_where_more_was_promised() -> None:
    """The path may be wrong; a server that counts more pages than it serves has lost some."""
    async with connected(lambda _: Said("", 404), pagination=Offset(), past_end=(404,)) as connector:
        with pytest.raises(RequestRejectedError, match="404 Not Found"):
            await keys(connector)

    def promising(asked: Asked) -> Said:
        return said(items=by_page(asked), pages=4) if by_page(asked) else Said("", 404)

    style = PageNumber(total_pages="pages")
    async with connected(promising, pagination=style, past_end=(404,)) as connector:
        with pytest.raises(RequestRejectedError, match="404 Not Found"):
            await keys(connector)


async def test_a_list_that_is_left_out_where_it_is_empty_is_declared() -> None:
    """Nothing else tells it from an answer that is no page."""

    def answering(asked: Asked) -> Said:
        return said(**({"items": by_page(asked)} if by_page(asked) else {}))

    async with connected(answering, pagination=PageNumber(), records_optional=True) as connector:
        assert await keys(connector) == [1, 2, 3, 4, 5, 6]
    async with connected(answering, pagination=PageNumber()) as connector:
        with pytest.raises(SchemaMismatchError, match=r"nothing at 'items'.*records_optional"):
            await keys(connector)


@pytest.mark.parametrize("body", ["null", '{"items": null}', '{"items": null, "error": null}'])
async def test_a_list_that_is_null_is_an_empty_one(body: str) -> None:
    where = "" if body == "null" else "items"
    async with connected(lambda _: Said(body), records=where, pagination=NoPagination()) as connector:
        assert await keys(connector) == []


async def test_an_empty_list_that_is_left_out_beside_the_next_cursor_is_gone_past() -> None:
    """As APIs answer whose format leaves out what is empty."""
    bodies: dict[str, dict[str, Any]] = {
        "": {"items": [{"id": 1}], "next": "a"},
        "a": {"next": "b"},
        "b": {"items": [{"id": 2}]},
    }

    async with connected(
        lambda asked: said(**bodies[asked.params.get("cursor", "")]), pagination=CursorField("next")
    ) as connector:
        assert await keys(connector) == [1, 2]


@pytest.mark.parametrize("key", ["", "id"])
async def test_the_same_page_twice_in_a_row_is_an_error(key: str) -> None:
    """With or without a primary key, however its cursors grow."""
    requests: list[Asked] = []

    def answering(asked: Asked) -> Said:
        requests.append(asked)
        return said(items=THINGS, next=str(len(requests)))

    for style in (Offset(), PageNumber(), CursorField("next")):
        requests.clear()
        async with connected(answering, pagination=style, primary_key=key or ()) as connector:
            with pytest.raises(RepeatedCursorError, match="the same page came twice in a row"):
                await keys(connector)
        assert len(requests) == 2


async def test_a_page_is_the_same_by_its_keys_whatever_else_changes() -> None:
    """A server may stamp each record with the time of the answer."""
    stamps = iter(range(100))

    def answering(_: Asked) -> Said:
        return said(items=[{"id": 1, "seen": next(stamps)}, {"id": 2, "seen": next(stamps)}])

    async with connected(answering, pagination=PageNumber(), primary_key="id") as connector:
        with pytest.raises(RepeatedCursorError, match="twice in a row"):
            await keys(connector)


async def test_records_pinned_to_the_top_of_every_page_are_no_circle() -> None:
    def answering(asked: Asked) -> Said:
        return said(items=[{"id": 0}, *by_page(asked)] if by_page(asked) else [])

    async with connected(answering, pagination=PageNumber(), primary_key="id") as connector:
        assert set(await keys(connector)) == {0, 1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize("key", ["", "id"])
async def test_a_list_that_starts_again_at_its_end_is_an_error(key: str) -> None:
    def answering(asked: Asked) -> Said:
        start = (int(asked.params["page"]) * 2 - 2) % 6
        return said(items=THINGS[start : start + 2])

    async with connected(answering, pagination=PageNumber(), primary_key=key or ()) as connector:
        with pytest.raises(RepeatedCursorError, match="a page that had come before came again"):
            await keys(connector)


async def test_a_last_page_that_comes_again_is_the_end_where_that_is_declared() -> None:
    def clamping(asked: Asked) -> Said:
        start = min(int(asked.params["page"]), 3) * 2 - 2
        return said(items=THINGS[start : start + 2])

    for key in ((), ("id",)):
        async with connected(clamping, pagination=PageNumber(clamps=True), primary_key=key) as connector:
            assert await keys(connector) == [1, 2, 3, 4, 5, 6]
        async with connected(clamping, pagination=PageNumber(), primary_key=key) as connector:
            with pytest.raises(RepeatedCursorError, match="set `clamps`"):
                await keys(connector)


async def test_empty_pages_with_new_cursors_are_bounded() -> None:
    requests: list[Asked] = []

    def answering(asked: Asked) -> Said:
        requests.append(asked)
        return said(items=[{"id": 7}] if len(requests) == 4 else [], next=str(len(requests)))

    async with connected(answering, pagination=CursorField("next"), max_empty_pages=3) as connector:
        with pytest.raises(RepeatedCursorError, match=r"4 pages in a row were empty.*max_empty_pages higher"):
            await keys(connector)
    assert len(requests) == 4 + 4


def with_a_row_in_front(asked: Asked) -> Said:
    """Serve a list by offset that gets a row in front behind its first page; its total stays as it was."""
    start = int(asked.params["offset"])
    things = THINGS if start == 0 else [{"id": 0}, *THINGS]
    return said(items=things[start : start + 2], total=6)


async def test_what_came_twice_does_not_count_towards_the_total_and_is_told() -> None:
    heard: list[Event] = []

    class Ear:
        def observe(self, event: Event, /) -> None:
            heard.append(event)

    style = Offset(total="total")
    async with connected(with_a_row_in_front, pagination=style, primary_key="id") as connector:
        with observing(Ear()):
            pages = [page async for page in connector.fetch_data("things")]
        assert [[record["id"] for record in page.records] for page in pages] == [[1, 2], [2, 3], [4, 5], [6]]
        for number, page in enumerate(pages[:-1], start=1):
            rest = [row["id"] for later in pages[number:] for row in later.records]
            assert await keys(connector, page.cursor) == rest
    [warned] = heard
    assert isinstance(warned, Warned)
    assert warned.entity == "things"
    assert "begins with the last record of the page before" in warned.warning
    assert "pagination.first = 1" in warned.warning


async def test_an_offset_that_counts_from_one_begins_there() -> None:
    """At 0 such a server begins with its first record as well, and each later page overlaps the one before."""

    def answering(asked: Asked) -> Said:
        start = max(int(asked.params["offset"]) - 1, 0)
        return said(items=THINGS[start : start + 2], total=6)

    async with connected(answering, pagination=Offset(total="total", first=1)) as connector:
        assert await keys(connector) == [1, 2, 3, 4, 5, 6]
    async with connected(answering, pagination=Offset(total="total"), primary_key="id") as connector:
        assert set(await keys(connector)) == {1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize(
    ("style", "key", "warns"),
    [
        (LastRecord("at"), ("id",), True),
        (LastRecord("at"), (), True),
        (LastRecord("id"), ("id", "at"), True),
        (LastRecord("id"), ("id",), False),
        (LastRecord("at", unique=True), ("id",), False),
        (NextUrl(), ("id",), False),
    ],
)
async def test_going_on_behind_a_field_that_is_not_unique_is_told_by_the_catalog(
    style: Any, key: tuple[str, ...], *, warns: bool
) -> None:
    """So `check` says it, and the report of every run."""
    heard: list[Event] = []

    class Ear:
        def observe(self, event: Event, /) -> None:
            heard.append(event)

    fields = {"id": Scalar.INTEGER, "at": Scalar.STRING}
    async with connected(
        lambda _: said(items=[]), pagination=style, primary_key=key, fields=fields
    ) as connector:
        with observing(Ear()):
            await connector.discover_schema()
        report = await sync(connector, MemoryDestination())
    warnings = [event.warning for event in heard if isinstance(event, Warned)]
    assert len(warnings) == warns
    assert report.entities[0].notes == tuple(warnings)
    if warns:
        assert "where records share a value at the border of a page" in warnings[0]


@pytest.mark.parametrize(
    ("options", "where", "given"),
    [
        ({"pagination": Offset(more="more", end="end")}, "pagination.end", "also `more`"),
        (
            {"pagination": NextUrl(), "past_end": (404,)},
            "past_end",
            'set with pagination "next_url", which asks for nothing past the end',
        ),
        ({"pagination": Offset(), "past_end": (404, 403)}, "past_end", "403"),
        ({"max_empty_pages": -1}, "max_empty_pages", "-1"),
    ],
)
def test_settings_of_an_end_that_cannot_work_are_told(options: Any, where: str, given: str) -> None:
    config = RestConfig("http://shop.example", {"things": Resource("/things", **options)})
    with pytest.raises(ConfigError) as caught:
        RestConnector(config).validate_config()
    [problem] = caught.value.problems
    assert (problem.path, problem.given) == (f"resources.things.{where}", given)
