"""blocking: a connector for scripts and notebooks, whose loop and streams end with its block, also at Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Literal

import anyio
import attrs
import pytest
import sources
from doubles import Able, Ear

from connector_kit.blocking.blocking import _LoopCall, blocking
from connector_kit.blocking.threaded import Threaded
from connector_kit.errors import (
    AuthenticationError,
    ConfigError,
    ConnectionFailedError,
    RepeatedCursorError,
    RequestRejectedError,
    TimedOutError,
)
from connector_kit.events import PageDelivered, RetryScheduled, emit, observing
from connector_kit.protocols import SyncConnector
from connector_kit.records.page import Page
from connector_kit.runtime.session import connected
from connector_kit.wrappers.fault_injection.wrapper import Fail, Faulty
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.retry.wrapper import Retrying

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor

Backend = Literal["asyncio", "trio"]


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return "trio" if request.param == "trio" else "asyncio"


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name == "connector-kit"] == []


async def pages_of(shop: sources.Shop) -> list[Page]:
    return [page async for page in shop.fetch_data("orders")]


@attrs.define(eq=False)
class Interrupted(sources.Shop):
    """Somebody presses Ctrl-C while page number `at` is waited for, or the catalog."""

    at: int = 1
    ended: list[str] = attrs.field(factory=list)

    async def press_ctrl_c_and_wait(self, name: str) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        try:
            await anyio.sleep_forever()
        finally:
            self.ended.append(name)

    async def discover_schema(self) -> Catalog:
        await self.press_ctrl_c_and_wait("discover_schema")
        raise AssertionError

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        self.opened += 1
        try:
            for place in range(self.at):
                yield Page([{"id": place}], place)
            await self.press_ctrl_c_and_wait("fetch_data")
        finally:
            self.closed += 1


def test_everything_a_connector_does_simply_returns(backend: Backend) -> None:
    able = Able()
    with blocking(able, backend=backend) as source:
        assert isinstance(source, SyncConnector)
        assert able.connected
        assert source.discover_schema().names == ("orders",)
        assert source.get_sample_data("orders", 3) == [{"entity": "orders", "limit": 3}]
        assert source.partition_data("orders", target=5) == [{"after": 0}, {"after": 5}]
        pages = list(source.fetch_data("orders"))
        assert pages == anyio.run(pages_of, sources.Shop())
        assert list(source.fetch_data("orders", cursor=pages[0].cursor)) == pages[1:]
        since = sources.as_time(pages[1].records[0])
        assert [record for page in source.fetch_data("orders", since=since) for record in page.records] == [
            record for page in pages[1:] for record in page.records
        ]
    assert able.calls[-1] == "disconnect"
    assert able.opened == able.closed


def test_what_a_connector_lacks_is_made_up_for() -> None:
    source = blocking(sources.Shop())
    source.validate_config()
    with source:
        assert [record["id"] for record in source.get_sample_data("orders", 4)] == [0, 1, 2, 3]
        assert source.partition_data("orders", target=2) == [None]


def test_a_wrong_configuration_is_found_first() -> None:
    able = Able(wrong="no token")
    with pytest.raises(ConfigError, match="no token"):
        blocking(able).connect()
    with pytest.raises(ConfigError, match="no token"):
        blocking(able).validate_config()
    assert "connect" not in able.calls


def test_it_works_where_an_event_loop_runs_as_in_a_notebook() -> None:
    async def cell() -> int:
        with blocking(sources.Shop()) as source:
            return sum(len(page.records) for page in source.fetch_data("orders"))

    assert asyncio.run(cell()) == 10


def test_it_connects_again_and_disconnects_twice(backend: Backend) -> None:
    shop = sources.Shop()
    source = blocking(shop, backend=backend)
    source.disconnect()
    for _ in range(2):
        source.connect()
        source.connect()
        assert len(list(source.fetch_data("orders"))) == 4
        source.disconnect()
        source.disconnect()
    assert not shop.connected


def test_unconnected_it_says_what_to_write() -> None:
    source = blocking(sources.Shop())
    with pytest.raises(ConfigError, match=r"not connected.*with blocking\(connector\) as source"):
        source.discover_schema()
    with pytest.raises(ConfigError, match="not connected"):
        next(iter(source.fetch_data("orders")))


def test_errors_come_out_as_they_are(backend: Backend) -> None:
    class Locked(sources.Shop):
        async def connect(self) -> None:
            raise AuthenticationError("wrong token")

    with blocking(sources.Shop(), backend=backend) as source, pytest.raises(RequestRejectedError):
        list(source.fetch_data("carts"))
    with pytest.raises(AuthenticationError, match="wrong token"):
        blocking(Locked(), backend=backend).connect()


def test_an_error_in_the_block_disconnects_and_comes_out(backend: Backend) -> None:
    shop = sources.Shop()
    with pytest.raises(ZeroDivisionError), blocking(shop, backend=backend):
        raise ZeroDivisionError
    assert not shop.connected


def test_an_error_of_disconnect_comes_out_and_ends_the_loop() -> None:
    class Bad(sources.Shop):
        async def disconnect(self) -> None:
            raise ConnectionFailedError("gone")

    source = blocking(Bad())
    source.connect()
    with pytest.raises(ConnectionFailedError, match="gone"):
        source.disconnect()
    with pytest.raises(ConfigError, match="not connected"):
        source.discover_schema()


def test_leaving_a_read_closes_its_stream(backend: Backend) -> None:
    shop = sources.Shop()
    with blocking(shop, backend=backend) as source:
        for _ in source.fetch_data("orders"):
            break
        assert (shop.opened, shop.closed) == (1, 1)
        with closing(source.fetch_data("orders")) as pages:  # type: ignore[type-var]  # a generator, declared as an iterator
            next(pages)
        assert (shop.opened, shop.closed) == (2, 2)


def test_the_end_of_the_block_closes_what_is_still_read(backend: Backend) -> None:
    """And whoever goes on reading is told, instead of finding the end."""
    shop = sources.Shop()
    with blocking(shop, backend=backend) as source:
        pages = source.fetch_data("orders")
        next(pages)
    assert (shop.opened, shop.closed) == (1, 1)
    with pytest.raises(ConnectionFailedError, match="disconnected before this read was complete"):
        next(pages)


def test_a_repeated_cursor_is_no_endless_loop() -> None:
    class Endless(sources.Shop):
        def change(self, entity: str, page: Page, number: int) -> Page:
            return attrs.evolve(page, cursor={"after": 3})

    with blocking(Endless()) as source, pytest.raises(RepeatedCursorError):
        list(source.fetch_data("orders"))


def test_the_callers_observers_hear_of_what_happens(backend: Backend) -> None:
    """Context variables go with the call."""

    class Telling(sources.Shop):
        def change(self, entity: str, page: Page, number: int) -> Page:
            emit(PageDelivered(entity, len(page.records), 0.0))
            return page

    ear = Ear()
    retrying = Retrying(Faulty(Telling(), [None, Fail()]), Retry(first_wait="1us"))
    with blocking(retrying, backend=backend) as source, observing(ear):
        list(source.fetch_data("orders"))
    assert [type(event) for event in ear.heard] == [RetryScheduled] + [PageDelivered] * 4


def test_ctrl_c_cancels_the_call_and_waits_for_its_end(backend: Backend) -> None:
    shop = Interrupted()
    with blocking(shop, backend=backend) as source:
        with pytest.raises(KeyboardInterrupt):
            source.discover_schema()
        assert shop.ended == ["discover_schema"]
        assert source.partition_data("orders", target=1) == [None], "it can still be used"


@pytest.mark.parametrize("at", [0, 2])
def test_ctrl_c_in_a_read_closes_the_stream(backend: Backend, at: int) -> None:
    shop = Interrupted(at=at)
    got: list[Page] = []
    with blocking(shop, backend=backend) as source:
        with pytest.raises(KeyboardInterrupt):
            got.extend(source.fetch_data("orders"))
        assert shop.ended == ["fetch_data"]
        assert (shop.opened, shop.closed) == (1, 1)


def test_ctrl_c_out_of_the_block_disconnects(backend: Backend) -> None:
    shop = Interrupted()
    with pytest.raises(KeyboardInterrupt), blocking(shop, backend=backend) as source:
        source.discover_schema()
    assert not shop.connected


def test_one_task_connects_and_disconnects(backend: Backend) -> None:
    """As with `connected`: a client may insist on it."""

    class Client(sources.Shop):
        tasks: tuple[int, ...] = ()

        async def connect(self) -> None:
            self.tasks += (anyio.get_current_task().id,)

        async def disconnect(self) -> None:
            self.tasks += (anyio.get_current_task().id,)

    client = Client()
    with blocking(client, backend=backend):
        pass
    assert len(client.tasks) == 2
    assert len(set(client.tasks)) == 1


def test_there_and_back_again(backend: Backend) -> None:
    """What is blocking can be a connector once more, in threads."""

    async def test() -> None:
        async with connected(Threaded(blocking(sources.Shop(), backend=backend))) as threaded:
            pages = [page async for page in threaded.fetch_data("orders")]
            assert pages == await pages_of(sources.Shop())

    anyio.run(test)


@pytest.mark.anyio
async def test_a_call_given_up_before_it_began_asks_nobody() -> None:
    """Ctrl-C may come before the event loop has heard of the call."""
    able = Able()
    call = _LoopCall(able.discover_schema)
    call.give_up()
    with pytest.raises(TimedOutError, match="nobody waits for its answer"):
        await call.run()
    assert call.ended.is_set()
    assert able.calls == []
