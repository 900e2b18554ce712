"""Threaded: synchronous clients in threads, cancelled between pages, with nothing left at work."""

from __future__ import annotations

import sqlite3
import sys
import threading
from concurrent.futures import Future
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import attrs
import boto3
import pytest
import sources
from moto.server import ThreadedMotoServer

from connector_kit.blocking.threaded import Threaded, WorkerThreads
from connector_kit.capabilities import close_stream
from connector_kit.errors import (
    ConfigError,
    ConnectionFailedError,
    RequestRejectedError,
    ServiceUnavailableError,
    TimedOutError,
)
from connector_kit.protocols import Connector, FullConnector
from connector_kit.records.catalog import Catalog, Entity
from connector_kit.records.page import Page
from connector_kit.runtime.session import connected
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.stack.layers import layers, unwrap
from connector_kit.wrappers.timeout.wrapper import TimeLimited, Timeouts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from connector_kit.records.page import Cursor, Record

PATIENT = Retry(attempts=10_000, first_wait="1ms", max_wait="1ms")
"""Until the thread that was given up is back."""

pytestmark = pytest.mark.anyio
tenant: ContextVar[str] = ContextVar("tenant", default="nobody")


@attrs.define(eq=False)
class Database:
    """A table of a SQLite file; its connection belongs to the thread that made it, as sqlite3's do."""

    path: Path
    page_size: int = 2
    db: sqlite3.Connection | None = None

    def connect(self) -> None:
        self.db = sqlite3.connect(self.path)

    def disconnect(self) -> None:
        if self.db is not None:
            self.db.close()
            self.db = None

    def discover_schema(self) -> Catalog:
        assert self.db is not None
        return Catalog(Entity(name) for (name,) in self.db.execute("select name from sqlite_master"))

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> Iterator[Page]:
        assert self.db is not None
        rows = self.db.execute("select id from orders where id > ? order by id", [cursor or 0])
        try:
            while found := rows.fetchmany(self.page_size):
                yield Page([{"id": each} for (each,) in found], found[-1][0])
        finally:
            rows.close()


@attrs.define(eq=False)
class Bucket:
    """The objects of an S3 bucket, listed by boto3's paginator."""

    url: str
    s3: Any = None
    closed: int = 0

    def connect(self) -> None:
        self.s3 = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def disconnect(self) -> None:
        if self.s3 is not None:
            self.s3.close()

    def discover_schema(self) -> Catalog:
        return Catalog(Entity(bucket["Name"]) for bucket in self.s3.list_buckets()["Buckets"])

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> Iterator[Page]:
        settings = {"PageSize": 3} | ({"StartingToken": cursor} if cursor else {})
        try:
            for answer in self.s3.get_paginator("list_objects_v2").paginate(
                Bucket=entity, PaginationConfig=settings
            ):
                yield Page([{"key": item["Key"]} for item in answer["Contents"]])
        finally:
            self.closed += 1


@attrs.define(eq=False)
class Client:
    """A synchronous connector whose every page waits for `gate`; it keeps note of its threads and of what is open."""

    gate: threading.Event = attrs.field(factory=threading.Event)
    asked: threading.Event = attrs.field(factory=threading.Event)
    at_once: int = 0
    most_at_once: int = 0
    opened: int = 0
    closed: int = 0
    connected: int = 0
    threads: set[int] = attrs.field(factory=set)
    seen: list[str] = attrs.field(factory=list)
    fault: BaseException | None = None

    def note(self) -> None:
        self.threads.add(threading.get_ident())
        self.seen.append(tenant.get())

    def connect(self) -> None:
        self.note()
        self.connected += 1

    def disconnect(self) -> None:
        self.note()
        self.connected -= 1

    def discover_schema(self) -> Catalog:
        self.note()
        self.asked.set()
        self.gate.wait()
        if self.fault:
            raise self.fault
        return Catalog([Entity("orders")])

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> Iterator[Page]:
        self.note()
        if entity != "orders":
            raise RequestRejectedError(f"no table {entity!r}")
        self.opened += 1
        try:
            for place in range(int(cursor) if isinstance(cursor, int) else 0, 3):
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                self.asked.set()
                self.gate.wait()
                self.note()
                self.at_once -= 1
                yield Page([{"id": place}], place + 1)
        finally:
            self.note()
            self.closed += 1


def willing(client: Client | None = None) -> Client:
    """Give a client that never waits."""
    client = client or Client()
    client.gate.set()
    return client


def in_the_client() -> list[str]:
    """Give the threads that are in the code of this module, but for the one that asks."""
    frames = sys._current_frames()
    found = []
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0) if thread is not threading.current_thread() else None
        while frame is not None:
            if frame.f_code.co_filename == __file__:
                found.append(thread.name)
                break
            frame = frame.f_back
    return found


def own_threads() -> list[str]:
    """Give the threads that belong to a connector."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("connector-kit")]


async def until(event: threading.Event) -> None:
    """Wait for what a thread does."""
    await anyio.to_thread.run_sync(event.wait)


async def cancelled(scope: anyio.CancelScope) -> None:
    scope.cancel()


async def pages_of(connector: Connector, cursor: Cursor = None) -> list[Page]:
    return [page async for page in connector.fetch_data("orders", cursor=cursor)]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A file with five orders."""
    path = tmp_path / "orders.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("create table orders (id integer primary key)")
        db.executemany("insert into orders values (?)", [[number] for number in range(1, 6)])
    db.close()
    return Database(path)


@pytest.fixture(scope="module")
def bucket_url() -> Iterator[str]:
    """A server that answers as S3 does, with a bucket of eight objects."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    bucket = Bucket("http://{}:{}".format(*server.get_host_and_port()))
    bucket.connect()
    bucket.s3.create_bucket(Bucket="orders")
    for number in range(8):
        bucket.s3.put_object(Bucket="orders", Key=f"{number}.json", Body=b"{}")
    bucket.disconnect()
    yield bucket.url
    server.stop()


class TestRealClients:
    async def test_sqlite_is_read_in_the_thread_it_belongs_to(self, database: Database) -> None:
        async with connected(Threaded(database, same_thread=True)) as threaded:
            assert (await threaded.discover_schema()).names == ("orders",)
            assert [page.cursor for page in await pages_of(threaded)] == [2, 4, 5]
            assert [page.cursor for page in await pages_of(threaded, cursor=2)] == [4, 5]
        assert own_threads() == []

    async def test_sqlite_in_changing_threads_says_what_is_wrong_itself(self, database: Database) -> None:
        """What same_thread is for: a connection made elsewhere is refused."""
        database.connect()  # in the thread of the event loop
        with pytest.raises(sqlite3.ProgrammingError, match="created in a thread"):
            await Threaded(database).discover_schema()
        database.disconnect()

    async def test_sqlite_cancelled_between_pages_leaves_no_thread(self, database: Database) -> None:
        async with connected(Threaded(database, same_thread=True)) as threaded:
            pages = threaded.fetch_data("orders")
            with anyio.CancelScope() as scope:
                async for _ in pages:
                    scope.cancel()
            assert scope.cancelled_caught
            assert in_the_client() == []
            await close_stream(pages)
            assert len(await pages_of(threaded)) == 3
        assert own_threads() == []

    async def test_boto3_lists_a_bucket(self, bucket_url: str) -> None:
        async with connected(Threaded(Bucket(bucket_url))) as threaded:
            assert (await threaded.discover_schema()).names == ("orders",)
            pages = await pages_of(threaded)
        assert [len(page.records) for page in pages] == [3, 3, 2]

    @pytest.mark.parametrize("same_thread", [False, True])
    async def test_boto3_cancelled_between_pages_leaves_no_thread(
        self, bucket_url: str, *, same_thread: bool
    ) -> None:
        bucket = Bucket(bucket_url)
        async with connected(Threaded(bucket, same_thread=same_thread)) as threaded:
            pages = threaded.fetch_data("orders")
            with anyio.CancelScope() as scope:
                async for _ in pages:
                    scope.cancel()
            assert scope.cancelled_caught
            await close_stream(pages)
            assert bucket.closed == 1
            assert in_the_client() == []
        assert own_threads() == []


class TestTransparent:
    @pytest.mark.parametrize("same_thread", [False, True])
    async def test_gives_the_pages_of_the_connector(self, *, same_thread: bool) -> None:
        client = willing()
        threaded = Threaded(client, same_thread=same_thread)
        assert await pages_of(threaded) == list(client.fetch_data("orders"))
        assert await pages_of(threaded, cursor=1) == list(client.fetch_data("orders", cursor=1))
        assert client.opened == client.closed
        await threaded.disconnect()

    async def test_what_a_connector_lacks_is_made_up_for(self) -> None:
        threaded = Threaded(willing())
        assert isinstance(threaded, FullConnector)
        threaded.validate_config()
        assert await threaded.get_sample_data("orders", 2) == [{"id": 0}, {"id": 1}]
        assert await threaded.partition_data("orders", target=3) == [None]

    async def test_optional_methods_without_async_are_used(self) -> None:
        class Able(Client):
            def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
                self.note()
                return [{"entity": entity, "limit": limit}]

            def validate_config(self) -> None:
                raise ConfigError("no token")

            def partition_data(
                self, entity: str, /, *, since: datetime | None = None, target: int
            ) -> Sequence[Cursor]:
                self.note()
                return [0, target]

        able = Able()
        threaded = Threaded(able)
        with pytest.raises(ConfigError, match="no token"):
            threaded.validate_config()
        assert await threaded.get_sample_data("orders", 3) == [{"entity": "orders", "limit": 3}]
        assert await threaded.get_sample_data("orders", 0) == []
        assert await threaded.partition_data("orders", target=4) == [0, 4]
        assert threading.get_ident() not in able.threads

    async def test_exceptions_pass_as_they_are(self) -> None:
        threaded = Threaded(willing())
        pages = threaded.fetch_data("carts")
        with pytest.raises(RequestRejectedError, match="no table 'carts'"):
            await anext(pages)
        with pytest.raises(StopAsyncIteration):
            await anext(pages)

    async def test_a_stray_stop_iteration_is_an_error_and_not_the_end(self) -> None:
        with pytest.raises(RuntimeError, match="StopIteration"):
            await Threaded(willing(Client(fault=StopIteration()))).discover_schema()

    @pytest.mark.parametrize("same_thread", [False, True])
    async def test_the_client_sees_the_callers_context_and_no_event_loop(self, *, same_thread: bool) -> None:
        client = willing()
        threaded = Threaded(client, same_thread=same_thread)
        tenant.set("acme")
        await threaded.connect()
        assert client.seen == ["acme"]

        class Nested(Client):
            def connect(self) -> None:
                anyio.run(anyio.sleep, 0)

        nested = Threaded(Nested(), same_thread=same_thread)
        await nested.connect()
        for each in (nested, threaded):
            await each.disconnect()

    async def test_an_iterator_that_is_no_generator_need_not_be_closed(self) -> None:
        class Plain(Client):
            def fetch_data(
                self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
            ) -> Iterator[Page]:
                return iter([Page([]), Page([])])

        pages = Threaded(Plain()).fetch_data("orders")
        await anext(pages)
        await close_stream(pages)
        with pytest.raises(StopAsyncIteration):
            await anext(pages)

    async def test_is_a_layer_like_any_other(self) -> None:
        client = Client()
        stack = Retrying(Threaded(client))
        assert [type(layer).__name__ for layer in layers(stack)] == ["Retrying", "Threaded", "Client"]
        assert unwrap(stack, Client) is client

    async def test_is_shown_with_what_is_not_as_by_default(self) -> None:
        assert repr(Threaded(Client(), threads=2)).startswith("Threaded(threads=2)\nClient(")

    async def test_an_asynchronous_connector_is_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"Shop\.connect is async.*leave it out"):
            Threaded(sources.Shop())  # type: ignore[type-var]  # what is refused at run time, too


class TestBounded:
    async def test_no_more_threads_than_allowed(self) -> None:
        client = Client()
        threaded = Threaded(client, threads=2)

        async def open_the_gate() -> None:
            await until(client.asked)
            client.gate.set()

        async with anyio.create_task_group() as tasks:
            for _ in range(6):
                tasks.start_soon(pages_of, threaded)
            tasks.start_soon(open_the_gate)
        assert client.most_at_once <= 2
        assert (client.opened, client.closed) == (6, 6)

    async def test_everything_happens_in_one_thread_where_that_is_asked_for(self) -> None:
        client = willing()
        threaded = Threaded(client, same_thread=True)
        async with connected(threaded):
            async with anyio.create_task_group() as tasks:
                for _ in range(4):
                    tasks.start_soon(pages_of, threaded)
            pages = threaded.fetch_data("orders")
            await anext(pages)
            await close_stream(pages)
            assert len(own_threads()) == 1
        assert len(client.threads) == 1
        assert own_threads() == []
        await threaded.connect()
        await threaded.disconnect()
        await threaded.disconnect()
        assert own_threads() == []


class TestCancelled:
    @pytest.mark.parametrize("same_thread", [False, True])
    async def test_waits_for_the_page_under_way_and_discards_it(self, *, same_thread: bool) -> None:
        client = Client()
        threaded = Threaded(client, same_thread=same_thread)
        pages = threaded.fetch_data("orders")

        async def cancel(scope: anyio.CancelScope) -> None:
            await until(client.asked)
            scope.cancel()
            client.gate.set()

        scope = anyio.CancelScope()
        async with anyio.create_task_group() as tasks:
            with scope:
                tasks.start_soon(cancel, scope)
                await anext(pages)
        assert scope.cancelled_caught
        assert in_the_client() == []
        assert (client.opened, client.closed) == (1, 1)
        with pytest.raises(StopAsyncIteration):
            await anext(pages)
        await threaded.disconnect()

    @pytest.mark.parametrize("same_thread", [False, True])
    async def test_a_stuck_client_is_left_to_its_thread(self, *, same_thread: bool) -> None:
        """The time limit holds; the thread counts as busy, closes its stream when it is back, and is free again."""
        stuck = Client()
        threaded = Threaded(stuck, threads=1, same_thread=same_thread, grace_period="10ms")
        with pytest.raises(TimedOutError, match="page took longer"):
            await anext(TimeLimited(threaded, Timeouts(page=0.01)).fetch_data("orders"))
        assert in_the_client() != []
        with pytest.raises(ServiceUnavailableError) as raised:
            await threaded.discover_schema()
        assert raised.value.message == (
            "the client is stuck: 1 of 1 threads are in calls that were given up and have not returned; expected a free "
            "one; try again later, and give the client time limits of its own"
        )
        stuck.gate.set()
        assert len(await pages_of(Retrying(threaded, PATIENT))) == 3
        assert (stuck.opened, stuck.closed) == (2, 2)
        await threaded.disconnect()
        assert own_threads() == []

    async def test_a_retry_gets_past_a_client_that_was_stuck(self) -> None:
        client = Client()
        timed = TimeLimited(Threaded(client, threads=1, grace_period="10ms"), Timeouts(page="10ms"))
        with pytest.raises(TimedOutError):
            await anext(timed.fetch_data("orders"))
        client.gate.set()
        assert len(await pages_of(Retrying(timed.inner, PATIENT))) == 3

    async def test_who_is_cancelled_before_its_turn_never_asks(self) -> None:
        client = Client()
        threaded = Threaded(client, threads=1)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pages_of, threaded)
            await until(client.asked)
            with anyio.move_on_after(0):
                await pages_of(threaded)
                raise AssertionError("it came through")
            client.gate.set()
        assert client.opened == 1

    async def test_nothing_is_left_at_work_at_whichever_moment_the_cancellation_comes(self) -> None:
        """Before the thread begins, on asyncio always and on trio half of the time; or just after it."""
        threaded = Threaded(willing(), threads=1)
        for _ in range(20):
            scope = anyio.CancelScope()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cancelled, scope)
                with scope:
                    await threaded.discover_schema()
            assert scope.cancelled_caught
            assert in_the_client() == []
        assert await threaded.discover_schema()

    def test_a_job_that_was_called_off_does_nothing_when_its_thread_comes(self) -> None:
        job: Future[None] = Future()
        done: list[str] = []
        work = WorkerThreads(1, same=False, grace_period=1)._job(job, Future(), lambda: done.append("made"))
        assert job.cancel()
        work()
        assert done == []


class TestDisconnect:
    @pytest.mark.parametrize("same_thread", [False, True])
    async def test_closes_what_is_still_read_and_says_so(self, *, same_thread: bool) -> None:
        client = willing()
        threaded = Threaded(client, same_thread=same_thread)
        async with connected(threaded):
            pages = threaded.fetch_data("orders")
            await anext(pages)
        assert (client.opened, client.closed, client.connected) == (1, 1, 0)
        with pytest.raises(ConnectionFailedError) as raised:
            await anext(pages)
        assert raised.value.message == (
            "the connector was disconnected before this read was complete; expected it to stay connected; connect and "
            "read on from the last cursor"
        )
        await close_stream(pages)
        assert own_threads() == []

    @pytest.mark.parametrize("same_thread", [False, True])
    async def test_waits_for_a_page_that_another_task_is_fetching(self, *, same_thread: bool) -> None:
        client = Client()
        threaded = Threaded(client, threads=1, same_thread=same_thread)
        told: list[str] = []

        async def read() -> None:
            try:
                await pages_of(threaded)
            except ConnectionFailedError as error:
                told.append(error.message)

        async with anyio.create_task_group() as tasks:
            await threaded.connect()
            tasks.start_soon(read)
            await until(client.asked)
            tasks.start_soon(read)  # this one waits for the thread
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(threaded.disconnect)
            await anyio.wait_all_tasks_blocked()
            client.gate.set()
        assert len(told) == 2
        assert (client.opened, client.closed, client.connected) == (1, 1, 0)
        assert client.seen == ["nobody"] * len(client.seen)

    async def test_waits_for_a_call_in_another_thread(self) -> None:
        client = Client()
        threaded = Threaded(client, threads=2)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(threaded.discover_schema)
            await until(client.asked)
            tasks.start_soon(threaded.disconnect)
            for _ in range(100):
                await anyio.lowlevel.checkpoint()
            assert client.connected == 0, "the call is still under way"
            client.gate.set()
        assert client.connected == -1

    async def test_is_done_even_when_cancelled(self) -> None:
        client = willing()
        threaded = Threaded(client)
        await threaded.connect()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await threaded.disconnect()
        assert client.connected == 0

    async def test_a_page_that_comes_after_it_is_discarded(self) -> None:
        client = Client()
        threaded = Threaded(client)
        told: list[object] = []

        async def read() -> None:
            pages = threaded.fetch_data("orders")
            try:
                told.append(await anext(pages))
            except ConnectionFailedError as error:
                told.append(type(error))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await until(client.asked)
            tasks.start_soon(threaded.disconnect)
            await anyio.wait_all_tasks_blocked()
            client.gate.set()
        assert told == [ConnectionFailedError]

    async def test_has_an_end_even_where_the_client_has_none(self) -> None:
        class Stuck(Client):
            def disconnect(self) -> None:
                self.gate.wait()

        stuck = Stuck()
        with pytest.raises(TimedOutError) as raised:
            await Threaded(stuck, same_thread=True, grace_period="10ms").disconnect()
        assert raised.value.message == (
            "disconnect took longer than 10ms and was left to its thread; expected the client to let go; give it time "
            "limits, so that none of its calls lasts forever"
        )
        stuck.gate.set()
        while own_threads():
            await anyio.lowlevel.checkpoint()

    async def test_its_errors_come_out_and_the_thread_ends(self) -> None:
        class Bad(Client):
            def disconnect(self) -> None:
                raise ConnectionFailedError("gone")

        with pytest.raises(ConnectionFailedError, match="gone"):
            await Threaded(Bad(), same_thread=True).disconnect()
        assert own_threads() == []
