"""One pool of connections: kept between pages, closed by disconnect, and let go of whatever a reader does."""

from __future__ import annotations

import threading

import anyio
import pytest
from anyio import to_thread
from rest_server import PATIENCE, HttpServer, Said, TableApi, serving

from connector_kit.connectors.rest import Offset, Resource, RestConfig, RestConnector
from connector_kit.errors import ConnectionFailedError

API = TableApi([{"id": number, "at": ""} for number in range(9)], "offset")
THINGS = Resource("/things", "data.items", pagination=Offset(total="total"))


def connector_for(server: HttpServer, resource: Resource = THINGS) -> RestConnector:
    return RestConnector(RestConfig(server.url, {"things": resource}))


@pytest.mark.anyio
async def test_the_pages_of_a_read_come_over_one_connection_which_disconnect_closes() -> None:
    with serving(API) as server:
        connector = connector_for(server)
        await connector.connect()
        assert server.opened == 0  # connect asks the server nothing
        pages = [page async for page in connector.fetch_data("things")]
        assert (len(pages), len(server.asked), server.opened, server.open_connections) == (3, 3, 1, 1)
        await connector.disconnect()
        assert await to_thread.run_sync(server.wait_until_closed)


@pytest.mark.anyio
async def test_a_stream_closed_early_asks_for_nothing_more_and_the_next_one_works() -> None:
    with serving(API) as server:
        connector = connector_for(server)
        await connector.connect()
        stream = connector.fetch_data("things")
        first = await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]  # an async generator, as the contract's AsyncIterator may be
        assert (len(first.records), len(server.asked)) == (3, 1)
        assert len([page async for page in connector.fetch_data("things")]) == 3
        assert server.opened == 1
        await connector.disconnect()
        assert await to_thread.run_sync(server.wait_until_closed)


@pytest.mark.anyio
async def test_cancellation_in_the_middle_of_a_body_closes_the_connection() -> None:
    """At once, and not only when the pool is closed; the connector can be used again."""
    release = threading.Event()
    held = Said('[{"id": 1}, {"id": 2}]', until=release)
    with serving(lambda _: held) as server:
        connector = connector_for(server, Resource("/things"))
        await connector.connect()
        async with anyio.create_task_group() as tasks:

            async def read() -> None:
                _ = [page async for page in connector.fetch_data("things")]

            tasks.start_soon(read)
            await to_thread.run_sync(server.sending.wait, PATIENCE)
            tasks.cancel_scope.cancel()
        release.set()
        assert await to_thread.run_sync(server.wait_until_closed)
        server.answering = lambda _: Said('[{"id": 3}]')
        assert [page.records async for page in connector.fetch_data("things")] == [[{"id": 3}]]
        await connector.disconnect()
        assert await to_thread.run_sync(server.wait_until_closed)


@pytest.mark.anyio
async def test_a_refused_page_leaves_its_connection_usable() -> None:
    with serving(lambda _: Said("no", 503)) as server:
        connector = connector_for(server)
        await connector.connect()
        for _ in range(3):
            with pytest.raises(Exception, match="503"):
                _ = [page async for page in connector.fetch_data("things")]
        assert (len(server.asked), server.opened) == (3, 1)
        await connector.disconnect()


@pytest.mark.anyio
async def test_a_read_that_goes_on_after_disconnect_says_what_is_missing() -> None:
    with serving(API) as server:
        connector = connector_for(server)
        await connector.connect()
        stream = connector.fetch_data("things")
        await anext(stream)
        await connector.disconnect()
        with pytest.raises(ConnectionFailedError, match="not connected"):
            await anext(stream)
