"""The laws of a connector, for every style of pagination, against a server on loopback."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_server import HttpServer, TableApi, serving

from connector_kit.connectors.rest import (
    CursorField,
    LastRecord,
    LinkHeader,
    NextUrl,
    NoPagination,
    Offset,
    PageNumber,
    Pagination,
    Resource,
    RestConfig,
    RestConnector,
)
from connector_kit.errors import UnknownEntityError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from connector_kit.records.page import Cursor, Page

START = datetime(2024, 1, 1, tzinfo=UTC)


@attrs.frozen
class Case:
    """A server that serves some records in a style, and the resource that fits it."""

    api: TableApi
    resource: Resource


def at(minutes: int) -> str:
    """Write a time as the server has it."""
    return (START + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw records, a style, what the server announces, and whether the page size can be asked for."""
    times = sorted(draw(st.lists(st.integers(0, 9), max_size=13)))
    records = [{"id": number, "at": at(minutes)} for number, minutes in enumerate(times)]
    announces, size = draw(st.booleans()), draw(st.none() | st.integers(1, 6))
    size_param = None if size is None else "limit"
    styles: list[Pagination] = [
        NoPagination(),
        CursorField(size_param=size_param),
        LastRecord(more="has_more" if announces else None, size_param=size_param),
        NextUrl(size_param=size_param),
        LinkHeader(size_param=size_param),
        PageNumber(total_pages="pages" if announces else None, size_param=size_param),
        Offset(total="total" if announces else None, size_param=size_param),
    ]
    style = draw(st.sampled_from(styles))
    api = TableApi(records, style.type, draw(st.integers(1, 5)), announces, draw(st.booleans()))
    where = (
        "" if style.type in ("none", "link_header") else draw(st.sampled_from(["data.items", "/data/items"]))
    )
    resource = Resource(
        "/things",
        where,
        pagination=style,
        page_size=size,
        since_param="since",
        primary_key="id",
        replication_key="at",
        ordered=True,
        incremental="since",
    )
    return Case(api, resource)


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with serving(TableApi([], "none")) as server:
        yield server


@asynccontextmanager
async def connected(server: HttpServer, case: Case) -> AsyncGenerator[RestConnector]:
    """Let the server serve the case, and connect to it."""
    server.answering = case.api
    connector = RestConnector(RestConfig(server.url, {"things": case.resource}))
    await connector.connect()
    try:
        yield connector
    finally:
        await connector.disconnect()


async def pages_of(connector: RestConnector, since: datetime | None, cursor: Cursor = None) -> list[Page]:
    """Read to the end."""
    return [page async for page in connector.fetch_data("things", since=since, cursor=cursor)]


def records_in(pages: list[Page]) -> list[Any]:
    return [record for page in pages for record in page.records]


backends = st.sampled_from(["asyncio", "trio"])
bounds = st.none() | st.integers(-1, 10).map(lambda minutes: START + timedelta(minutes=minutes))


@settings(deadline=None, max_examples=60)
@given(case=cases(), since=bounds, backend=backends)
def test_a_read_delivers_every_record_from_since_on_in_order(
    server: HttpServer, case: Case, since: datetime | None, backend: str
) -> None:
    """Law 5, with bounds before, at and after the times there are; and law 6: no cursor comes twice."""

    async def read() -> None:
        async with connected(server, case) as connector:
            pages = await pages_of(connector, since)
        expected = [
            record
            for record in case.api.records
            if since is None or datetime.fromisoformat(record["at"]) >= since
        ]
        assert records_in(pages) == expected
        cursors = [json.dumps(page.cursor) for page in pages if page.cursor is not None]
        assert len(set(cursors)) == len(cursors)

    anyio.run(read, backend=backend)


@settings(deadline=None, max_examples=60)
@given(case=cases(), since=bounds, backend=backends)
def test_a_read_goes_on_exactly_after_every_page(
    server: HttpServer, case: Case, since: datetime | None, backend: str
) -> None:
    """Laws 4 and 7: at each page's cursor, after a round trip through text, what followed it follows."""

    async def read() -> None:
        async with connected(server, case) as connector:
            pages = await pages_of(connector, since)
            for number, page in enumerate(pages, 1):
                assert page.cursor is not None or number == len(pages)
                if page.cursor is not None:
                    rest = await pages_of(connector, since, json.loads(json.dumps(page.cursor)))
                    assert records_in(rest) == records_in(pages[number:])

    anyio.run(read, backend=backend)


@settings(deadline=None, max_examples=60)
@given(case=cases(), limit=st.integers(0, 20), backend=backends)
def test_a_sample_is_the_beginning_of_a_full_read(
    server: HttpServer, case: Case, limit: int, backend: str
) -> None:
    """Law 10."""

    async def read() -> None:
        async with connected(server, case) as connector:
            assert await connector.get_sample_data("things", limit) == case.api.records[:limit]

    anyio.run(read, backend=backend)


@settings(deadline=None, max_examples=30)
@given(case=cases(), new=st.integers(0, 7), backend=backends)
def test_what_is_new_follows_the_last_cursor_of_a_lasting_style(
    server: HttpServer, case: Case, new: int, backend: str
) -> None:
    """Where the last page has a cursor, the next run reads from there what was appended since, and nothing else."""

    async def read() -> None:
        if not case.resource.pagination.lasting:
            return
        async with connected(server, case) as connector:
            pages = await pages_of(connector, None)
            last = pages[-1].cursor if pages else None
            assert last is not None or not pages
            had = len(case.api.records)
            added = [{"id": number, "at": at(9)} for number in range(had, had + new)]
            server.answering = attrs.evolve(case.api, records=[*case.api.records, *added])
            assert records_in(await pages_of(connector, None, last)) == added

    anyio.run(read, backend=backend)


def things(count: int) -> list[dict[str, Any]]:
    return [{"id": number, "at": at(number)} for number in range(count)]


def by_offset(count: int = 7, **options: Any) -> Case:
    """Make the case that tests take which do not care for the style."""
    resource = Resource(
        "/things", "data.items", pagination=Offset(total="total"), primary_key="id", **options
    )
    return Case(TableApi(things(count), "offset"), resource)


@pytest.mark.anyio
async def test_two_reads_at_once_do_not_disturb_each_other(server: HttpServer) -> None:
    """Law 8."""
    case = by_offset(20)
    results: list[Any] = []

    async def read() -> None:
        results.append(records_in(await pages_of(connector, None)))

    async with connected(server, case) as connector, anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(read)
    assert results == [things(20)] * 5


@pytest.mark.anyio
async def test_connecting_and_disconnecting_is_safe_in_any_order(server: HttpServer) -> None:
    """Law 1."""
    server.answering = by_offset().api
    connector = RestConnector(RestConfig(server.url, {"things": by_offset().resource}))
    await connector.disconnect()
    for _ in range(2):
        await connector.connect()
        await connector.connect()
        assert records_in(await pages_of(connector, None)) == things(7)
        await connector.disconnect()
        await connector.disconnect()


@pytest.mark.anyio
async def test_an_unknown_entity_is_refused_with_the_nearest_name(server: HttpServer) -> None:
    """Law 2, for reads and for samples."""
    async with connected(server, by_offset()) as connector:
        with pytest.raises(UnknownEntityError, match="did you mean 'things'"):
            _ = [page async for page in connector.fetch_data("thing")]
        with pytest.raises(UnknownEntityError, match="did you mean 'things'"):
            await connector.get_sample_data("thing")


@pytest.mark.anyio
async def test_a_page_number_goes_on_with_the_page_size_it_was_counted_with(server: HttpServer) -> None:
    """A cursor stored before the configured size was changed still goes on exactly."""
    style = PageNumber(total_pages="pages", size_param="limit")
    small = Resource("/things", "data.items", pagination=style, page_size=2)
    api = TableApi(things(7), "page_number", largest=5)
    async with connected(server, Case(api, small)) as connector:
        cursor = (await pages_of(connector, None))[0].cursor
    async with connected(server, Case(api, attrs.evolve(small, page_size=5))) as connector:
        assert records_in(await pages_of(connector, None, cursor)) == things(7)[2:]


@pytest.mark.anyio
async def test_a_sample_asks_for_no_more_than_it_gives(server: HttpServer) -> None:
    async with connected(server, by_offset(page_size=100)) as connector:
        server.asked.clear()
        assert await connector.get_sample_data("things", 2) == things(2)
    assert [asked.params["limit"] for asked in server.asked] == ["2"]
