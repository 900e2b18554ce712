"""`Faulty` does what its schedule says, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
from doubles import Ear
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.errors import (
    ConfigError,
    ConnectionFailedError,
    RateLimitError,
    ServiceUnavailableError,
    TransientError,
)
from connector_kit.protocols import Connector, FullConnector
from connector_kit.records.catalog import Catalog, Entity
from connector_kit.records.page import Cursor, Page, Record
from connector_kit.testing.strategies import schedules
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.fault_injection.wrapper import (
    Cut,
    Fail,
    Fault,
    Faulty,
    Refuse,
    Repeat,
    Schedule,
    Stall,
)
from connector_kit.wrappers.observation.wrapper import Observed
from connector_kit.wrappers.translation.wrapper import Translating

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from datetime import datetime

PAGES = [Page([{"id": number}], number) for number in range(1, 4)]


@attrs.define
class Three:
    """A connector with three pages, no optional methods, and a count of the streams that are open."""

    open: int = 0
    connected: bool = False

    async def connect(self) -> None:
        self.connected = True

    async def disconnect(self) -> None:
        self.connected = False

    async def discover_schema(self) -> Catalog:
        return Catalog([Entity("things")])

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        self.open += 1
        try:
            for page in PAGES:
                if not isinstance(cursor, int) or not isinstance(page.cursor, int) or page.cursor > cursor:
                    yield page
        finally:
            self.open -= 1


class Full(Three):
    """The same with the optional methods."""

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        return [{"id": limit}]

    def validate_config(self) -> None:
        raise ConfigError("nothing is right")

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        return list(range(target))


async def outcome(stream: AsyncIterator[Page]) -> tuple[list[Page], Exception | None]:
    pages = []
    try:
        async for page in stream:
            pages.append(page)  # noqa: PERF401 - what came before the error counts
    except TransientError as error:
        return pages, error
    return pages, None


def test_faulty_is_a_full_connector() -> None:
    stack: Faulty[Three] = Faulty(Three())
    connector: FullConnector = stack
    assert isinstance(connector, FullConnector)


@pytest.mark.anyio
@pytest.mark.parametrize("inside", [lambda inner: inner, Translating, lambda inner: Observed(inner, Ear())])
async def test_what_nobody_has_is_no_request(inside: Callable[[Three], Connector]) -> None:
    """A wrapper has every method; it is the connector that is asked, or not."""
    faulty = Faulty(inside(Three()), [Fail()])
    assert await faulty.partition_data("things", target=2) == [None]
    assert faulty.requests == 0
    with pytest.raises(ConnectionFailedError, match=r"request 1 \(fetch_data\)"):
        await faulty.get_sample_data("things")


@pytest.mark.anyio
async def test_without_a_schedule_nothing_changes() -> None:
    inner = Full()
    faulty = Faulty(inner)
    await faulty.connect()
    assert inner.connected
    assert await faulty.discover_schema() == await inner.discover_schema()
    assert [page async for page in faulty.fetch_data("things")] == PAGES
    assert [page async for page in faulty.fetch_data("things", cursor=1)] == PAGES[1:]
    assert await faulty.get_sample_data("things", 7) == [{"id": 7}]
    assert await faulty.partition_data("things", target=2) == [0, 1]
    with pytest.raises(ConfigError):
        faulty.validate_config()
    await faulty.disconnect()
    assert not inner.connected


@pytest.mark.anyio
async def test_without_optional_methods_the_defaults_go_through_the_schedule() -> None:
    faulty = Faulty(Three(), [None, Fail(), None])
    faulty.validate_config()
    assert await faulty.partition_data("things", target=2) == [None]
    with pytest.raises(ConnectionFailedError):
        await faulty.get_sample_data("things", 2)
    assert faulty.requests == 2
    assert await faulty.get_sample_data("things", 2) == [{"id": 1}, {"id": 2}]
    assert faulty.inner.open == 0


@pytest.mark.anyio
@pytest.mark.parametrize("fault", [Fail(), Cut(), Refuse(3)])
async def test_every_call_but_disconnect_may_fail(fault: Fault) -> None:
    faulty = Faulty(Full(), [fault] * 4)
    with pytest.raises(TransientError):
        await faulty.connect()
    with pytest.raises(TransientError):
        await faulty.discover_schema()
    with pytest.raises(TransientError):
        await faulty.get_sample_data("things")
    with pytest.raises(TransientError):
        await faulty.partition_data("things", target=2)
    assert faulty.inner.connected == isinstance(fault, Cut)
    await faulty.disconnect()
    assert faulty.requests == 4


@pytest.mark.anyio
async def test_fail_comes_before_the_inner_connector_is_asked() -> None:
    faulty = Faulty(Three(), [None, Fail(ServiceUnavailableError)])
    stream = faulty.fetch_data("things")
    assert await anext(stream) == PAGES[0]
    assert faulty.inner.open == 1
    pages, error = await outcome(stream)
    assert pages == []
    assert isinstance(error, ServiceUnavailableError)
    assert "request 2 (fetch_data) fails on purpose" in str(error)


@pytest.mark.anyio
async def test_cut_loses_the_page() -> None:
    asked: list[Page] = []

    @attrs.define
    class Counting(Three):
        async def fetch_data(
            self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
        ) -> AsyncIterator[Page]:
            for page in PAGES:
                asked.append(page)
                yield page

    pages, error = await outcome(Faulty(Counting(), [None, Cut()]).fetch_data("things"))
    assert pages == PAGES[:1]
    assert isinstance(error, ConnectionFailedError)
    assert asked == PAGES[:2]


@pytest.mark.anyio
async def test_cut_loses_the_news_of_the_end() -> None:
    pages, error = await outcome(Faulty(Three(), [None, None, None, Cut()]).fetch_data("things"))
    assert pages == PAGES
    assert isinstance(error, ConnectionFailedError)


@pytest.mark.anyio
async def test_refuse_says_how_long_to_wait() -> None:
    _, error = await outcome(Faulty(Three(), [Refuse(2.5)]).fetch_data("things"))
    assert isinstance(error, RateLimitError)
    assert error.retry_after == 2.5


def test_stall_takes_its_time_and_then_delivers(anyio_backend: str) -> None:
    clock = VirtualClock()

    async def read() -> list[Page]:
        return [page async for page in Faulty(Three(), [None, Stall("2m")], clock=clock).fetch_data("things")]

    assert clock.run(read, backend=anyio_backend) == PAGES
    assert clock.monotonic_ns() == 120_000_000_000


@pytest.mark.anyio
async def test_repeat_delivers_a_page_twice() -> None:
    stream = Faulty(Three(), [None, Repeat()]).fetch_data("things")
    assert [page async for page in stream] == [PAGES[0], PAGES[1], PAGES[1], PAGES[2]]


@pytest.mark.anyio
async def test_a_repeated_page_can_be_repeated_and_lost_like_any_other() -> None:
    stream = Faulty(Three(), [Repeat(), Repeat(), Cut()]).fetch_data("things")
    pages, error = await outcome(stream)
    assert pages == [PAGES[0], PAGES[0]]
    assert isinstance(error, ConnectionFailedError)


@pytest.mark.anyio
@pytest.mark.parametrize("fault", [Fail(), Cut(), Refuse()])
async def test_after_an_error_the_stream_is_over_and_holds_nothing(fault: Fault) -> None:
    faulty = Faulty(Three(), [None, fault])
    stream = faulty.fetch_data("things")
    await anext(stream)
    with pytest.raises(TransientError):
        await anext(stream)
    assert faulty.inner.open == 0
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    assert faulty.requests == 2


@pytest.mark.anyio
async def test_closing_early_closes_the_inner_stream() -> None:
    faulty = Faulty(Three())
    stream: Any = faulty.fetch_data("things")
    async for _ in stream:
        break
    assert faulty.inner.open == 1
    await stream.aclose()
    assert faulty.inner.open == 0
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


def test_a_cancelled_stall_leaves_nothing_open(anyio_backend: str) -> None:
    clock = VirtualClock()
    faulty = Faulty(Three(), [None, Stall("1h")], clock=clock)

    async def give_up() -> bool:
        stream = faulty.fetch_data("things")
        await anext(stream)
        with anyio.move_on_after(60) as scope:
            await anext(stream)
        return scope.cancelled_caught

    assert clock.run(give_up, backend=anyio_backend)
    assert faulty.inner.open == 0


@pytest.mark.anyio
async def test_streams_draw_from_one_schedule_in_the_order_of_requests() -> None:
    faulty = Faulty(Three(), [None, None, Fail(), None])
    one, two = faulty.fetch_data("things"), faulty.fetch_data("things")
    await anext(one)
    await anext(two)
    with pytest.raises(ConnectionFailedError):
        await anext(two)
    assert [page async for page in one] == PAGES[1:]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@given(schedule=schedules(max_in_a_row=3))
def test_read_again_at_the_last_cursor_every_schedule_is_got_through(
    backend: str, schedule: Schedule
) -> None:
    """What schedules() promises: no more than so many faults in a row, all of them transient, none losing exactness."""
    clock = VirtualClock()
    faulty = Faulty(Three(), schedule, clock=clock)

    async def read() -> list[Page]:
        pages: list[Page] = []
        while True:
            more, error = await outcome(
                faulty.fetch_data("things", cursor=pages[-1].cursor if pages else None)
            )
            pages += more
            if error is None:
                return pages

    assert clock.run(read, backend=backend) == PAGES


@given(st.integers(0, 4).flatmap(lambda most: st.tuples(st.just(most), schedules(max_in_a_row=most))))
def test_schedules_are_bounded(case: tuple[int, Schedule]) -> None:
    most, schedule = case
    row = 0
    for fault in schedule:
        row = row + 1 if fault else 0
        assert row <= most
    assert len(schedule) <= 30
