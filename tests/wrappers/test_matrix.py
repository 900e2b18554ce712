"""Every wrapper, alone and around every other one: the laws of wrappers for each stack that can be built.

A new wrapper joins by a line in `WRAPPERS` (or in `INNERMOST`, where it holds no connector); a test finds those that
are in neither.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from itertools import product
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest
import sources
from anyio.lowlevel import checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st

import connector_kit.wrappers
from connector_kit.capabilities import close_stream
from connector_kit.clock import AnyioClock, Clock
from connector_kit.errors import ConfigError
from connector_kit.limiters.rate_limiter import RateLimiter
from connector_kit.observers.memory import MemoryObserver
from connector_kit.policies.bulkhead import Bulkhead
from connector_kit.policies.retry import Retry
from connector_kit.policies.timeouts import Timeouts
from connector_kit.protocols import Connector, FullConnector
from connector_kit.testing.schedules import schedules
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.bulkheaded import Bulkheaded
from connector_kit.wrappers.cached import Cached
from connector_kit.wrappers.circuit_breaking import CircuitBreaking
from connector_kit.wrappers.faulty import Faulty, Schedule, Stall
from connector_kit.wrappers.observed import Observed
from connector_kit.wrappers.paged import Paged
from connector_kit.wrappers.rate_limited import RateLimited
from connector_kit.wrappers.recording import Recording
from connector_kit.wrappers.replaying import Replaying
from connector_kit.wrappers.retrying import Retrying
from connector_kit.wrappers.slots import Slots
from connector_kit.wrappers.time_limited import TimeLimited
from connector_kit.wrappers.translating import Translating
from connector_kit.wrappers.validating import Validating

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterator
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Page, Record

BACKENDS = ("asyncio", "trio")
PAGE_SIZE = 3
TABLE = sources.Table(size=8, page_size=PAGE_SIZE)
MAX_FAULTS = 12
PATIENT = Retry(attempts=100, first_wait=1, max_wait=8, deadline=1_000_000)
LONG = Timeouts(call="1d", page="1d", total="100d")
FOREVER = 1_000_000
"""Seconds after which a test that hangs is given up; virtual ones, so that nobody waits for them."""


@attrs.define(eq=False)
class Bench:
    """What the wrappers of one stack are made with: a clock, a rate, room for files; and whether it is all given back."""

    folder: Path
    clock: Clock
    rate: str = "1/s"
    given_back: list[Callable[[], bool]] = attrs.field(factory=list)
    """Each tells whether what a wrapper gives out (slots, places in a queue) is all there again."""

    def file(self) -> Path:
        """Give a path that nobody else has."""
        return self.folder / f"{len(list(self.folder.iterdir()))}-{id(self)}-{len(self.given_back)}.jsonl"

    def slots(self) -> Slots:
        slots = Slots(Bulkhead(limit=1), clock=self.clock)
        self.given_back.append(lambda: (slots.taken, slots.waiting) == (0, 0))
        return slots

    def limiter(self) -> RateLimiter:
        limiter = RateLimiter(self.rate, clock=self.clock)
        self.given_back.append(lambda: limiter.waiting == 0)
        return limiter


@attrs.frozen
class Records:
    """The records of a connector one by one, for `Paged` to gather again."""

    inner: Connector

    async def connect(self) -> None:
        await self.inner.connect()

    async def disconnect(self) -> None:
        await self.inner.disconnect()

    async def discover_schema(self) -> Catalog:
        return await self.inner.discover_schema()

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Record]:
        pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
        try:
            async for page in pages:
                for record in page.records:
                    yield record
        finally:
            with anyio.CancelScope(shield=True):
                await close_stream(pages)


@attrs.frozen
class Wrapper:
    """A line of the table: how to put the wrapper around a connector, and which ones must not be inside."""

    cls: type[object]
    around: Callable[[Connector, Bench], FullConnector]
    refuses: dict[type[object], str] = attrs.field(factory=dict)
    """Each with the words of the refusal."""


WRAPPERS = [
    Wrapper(Observed, lambda inner, bench: Observed(inner, MemoryObserver(limit=100), clock=bench.clock)),
    Wrapper(Cached, lambda inner, bench: Cached(inner, "1h", clock=bench.clock)),
    Wrapper(TimeLimited, lambda inner, bench: TimeLimited(inner, LONG, clock=bench.clock)),
    Wrapper(
        Retrying,
        lambda inner, bench: Retrying(inner, PATIENT, clock=bench.clock, random=Random(1)),
        {Retrying: "attempts would multiply"},
    ),
    Wrapper(
        CircuitBreaking,
        lambda inner, bench: CircuitBreaking(inner, clock=bench.clock),
        {Retrying: "an open circuit would stop no retry"},
    ),
    Wrapper(
        Bulkheaded,
        lambda inner, bench: Bulkheaded(inner, bench.slots()),
        {Retrying: "slots would be held while retries are waited for"},
    ),
    Wrapper(
        RateLimited,
        lambda inner, bench: RateLimited(inner, bench.limiter()),
        {Retrying: "retries would go past the limit"},
    ),
    Wrapper(Validating, lambda inner, _: Validating(inner)),
    Wrapper(Recording, lambda inner, bench: Recording(inner, bench.file())),
    Wrapper(
        Translating, lambda inner, _: Translating(inner), {Retrying: "which decides by the translated class"}
    ),
    Wrapper(Faulty, lambda inner, bench: Faulty(inner, clock=bench.clock)),
    Wrapper(
        Paged,
        lambda inner, _: Paged(
            Records(inner), PAGE_SIZE, cursor_of=lambda record: {"after": record["id"] + 1}
        ),
    ),
]


def shop() -> sources.Shop:
    """Make the connector that the stacks are around."""
    return sources.Shop({"orders": TABLE})


async def replayed(bench: Bench) -> Connector:
    """Record all that the laws ask for, and give the cassette."""
    path = bench.file()
    recording = Recording(shop(), path)
    await whole_of(recording)
    recording.save()
    return Replaying(path)


INNERMOST: dict[type[object], Callable[[Bench], Awaitable[Connector]]] = {Replaying: replayed}
"""Those that hold no connector: everything else may be put around them."""

Stack = tuple[Wrapper, ...]
PAIRS = list(product(WRAPPERS, WRAPPERS))
LEGAL: list[Stack] = [
    *((each,) for each in WRAPPERS),
    *((outer, inner) for outer, inner in PAIRS if inner.cls not in outer.refuses),
]
RETRYING = [stack for stack in LEGAL if any(each.cls is Retrying for each in stack)]


def name(stack: Stack) -> str:
    return "-".join(each.cls.__name__ for each in stack)


def stacked(stack: Stack, connector: Connector, bench: Bench) -> Connector:
    """Put the wrappers around a connector, the first one outermost."""
    for each in reversed(stack):
        connector = each.around(connector, bench)
    return connector


async def pages_of(connector: Connector, cursor: Cursor = None) -> list[Page]:
    """Read to the end."""
    return [page async for page in connector.fetch_data("orders", cursor=cursor)]


async def whole_of(connector: Connector) -> list[object]:
    """Ask for everything that a connector gives: catalog, sample, all pages, those after each page."""
    assert isinstance(connector, FullConnector)
    catalog = await connector.discover_schema()
    told: list[object] = [catalog, list(await connector.get_sample_data("orders", 4))]
    pages = await pages_of(connector)
    return [*told, pages, *[await pages_of(connector, page.cursor) for page in pages]]


async def bare_whole() -> list[object]:
    """Give the same of the connector without any wrapper."""
    return await whole_of(Translating(shop()))


every_legal_stack = pytest.mark.parametrize("stack", LEGAL, ids=map(name, LEGAL))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give one folder for the cassettes of all stacks."""
    return tmp_path_factory.mktemp("cassettes")


def public_wrappers() -> Iterator[type[object]]:
    """Give the classes that modules of the package export and that have a connector's methods."""
    for module in pkgutil.iter_modules(connector_kit.wrappers.__path__):
        defined = importlib.import_module(f"connector_kit.wrappers.{module.name}")
        for exported in getattr(defined, "__all__", ()):
            value = getattr(defined, exported)
            if (
                inspect.isclass(value)
                and hasattr(value, "fetch_data")
                and not getattr(value, "_is_protocol", False)
            ):
                yield value


def test_no_wrapper_is_forgotten() -> None:
    assert set(public_wrappers()) == {each.cls for each in WRAPPERS} | set(INNERMOST)


@pytest.mark.parametrize(
    ("outer", "inner"),
    [pair for pair in PAIRS if pair[1].cls in pair[0].refuses],
    ids=lambda each: each.cls.__name__,
)
def test_an_order_that_cannot_work_is_refused_with_the_reason(
    outer: Wrapper, inner: Wrapper, folder: Path
) -> None:
    """Directly around it, and with others in between."""
    bench = Bench(folder, VirtualClock())
    for between in ((), (WRAPPERS[0], WRAPPERS[2])):
        with pytest.raises(ConfigError, match=outer.refuses[inner.cls]):
            stacked((outer, *between, inner), sources.Shop(), bench)


@every_legal_stack
@pytest.mark.parametrize("backend", BACKENDS)
def test_without_a_fault_it_gives_what_the_bare_connector_gives(
    stack: Stack, backend: str, folder: Path
) -> None:
    """Transparent: the same catalog, sample and pages, from the start and from every cursor; every stream closed."""
    clock, source = VirtualClock(), shop()
    bench = Bench(folder, clock)

    async def test() -> None:
        assert await whole_of(stacked(stack, source, bench)) == await bare_whole()

    clock.run(test, backend=backend)
    assert source.opened == source.closed
    assert all(whole() for whole in bench.given_back)


async def use(connector: Connector, clock: Clock) -> None:
    """Ask for the catalog, a sample and all pages, with some time for each page."""
    assert isinstance(connector, FullConnector)
    await connector.discover_schema()
    await connector.get_sample_data("orders", 4)
    stream = connector.fetch_data("orders")
    try:
        async for _ in stream:
            await clock.sleep(0.5)
    finally:
        with anyio.CancelScope(shield=True):
            await close_stream(stream)


@every_legal_stack
@settings(max_examples=5)
@given(after=st.floats(0, 40), readers=st.integers(1, 2))
def test_cancelled_at_any_moment_it_leaves_nothing_behind(
    stack: Stack, after: float, readers: int, folder: Path
) -> None:
    """No stream is open, no slot and no place in a queue is taken, no task runs; and the next read is whole."""
    for backend in BACKENDS:
        clock, source = VirtualClock(), shop()
        bench = Bench(folder, clock)
        slow = Faulty(source, [Stall(0.7)] * 40, clock=clock)

        async def test(source: sources.Shop, slow: Connector, bench: Bench) -> None:
            connector = stacked(stack, slow, bench)
            before = len(anyio.get_running_tasks())
            with anyio.move_on_after(after):
                async with anyio.create_task_group() as tasks:
                    for _ in range(readers):
                        tasks.start_soon(use, connector, bench.clock)
            assert source.opened == source.closed
            assert all(whole() for whole in bench.given_back)
            assert len(anyio.get_running_tasks()) == before
            with anyio.fail_after(FOREVER):
                assert await pages_of(connector) == await pages_of(shop())

        clock.run(test, source, slow, bench, backend=backend)


@every_legal_stack
@pytest.mark.parametrize("backend", BACKENDS)
def test_no_scope_is_open_while_a_page_is_handed_over(stack: Stack, backend: str, folder: Path) -> None:
    """A consumer cancels its own scope around a page, goes on in another task, and keeps its own deadline."""
    clock = VirtualClock()
    bench = Bench(folder, clock)

    async def take(stream: AsyncIterator[Page], pages: list[Page]) -> None:
        pages.append(await anext(stream))

    async def test() -> None:
        pages: list[Page] = []
        with anyio.fail_after(FOREVER):
            deadline = anyio.current_effective_deadline()
            stream = stacked(stack, shop(), bench).fetch_data("orders")
            with anyio.CancelScope() as scope:
                pages.append(await anext(stream))
                assert anyio.current_effective_deadline() == deadline
                scope.cancel()
                await checkpoint()
            assert scope.cancelled_caught
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(take, stream, pages)
            async for page in stream:
                pages.append(page)
                assert anyio.current_effective_deadline() == deadline
        assert pages == await pages_of(shop())

    clock.run(test, backend=backend)


@pytest.mark.parametrize("stack", RETRYING, ids=map(name, RETRYING))
@settings(max_examples=10)
@given(schedule=schedules(max_in_a_row=MAX_FAULTS, max_size=MAX_FAULTS))
def test_with_a_retry_it_is_exact_under_any_schedule_of_faults(
    stack: Stack, schedule: Schedule, folder: Path
) -> None:
    """The pages are those of a read without faults: none lost, none twice; every stream is closed."""
    for backend in BACKENDS:
        clock, source = VirtualClock(), shop()
        bench = Bench(folder, clock)
        faulty = Faulty(source, schedule, clock=clock)

        async def test(connector: Connector) -> None:
            assert await pages_of(connector) == await pages_of(shop())

        clock.run(test, stacked(stack, faulty, bench), backend=backend)
        assert source.opened == source.closed
        assert all(whole() for whole in bench.given_back)


@pytest.mark.parametrize("outer", WRAPPERS, ids=lambda each: each.cls.__name__)
@pytest.mark.parametrize("innermost", INNERMOST, ids=lambda each: each.__name__)
@pytest.mark.parametrize("backend", BACKENDS)
def test_around_what_holds_no_connector_it_is_transparent_too(
    outer: Wrapper, innermost: type[object], backend: str, folder: Path
) -> None:
    bench = Bench(folder, AnyioClock(), rate="1000/s")

    async def test() -> None:
        connector = await INNERMOST[innermost](bench)
        assert await whole_of(stacked((outer,), connector, bench)) == await bare_whole()

    anyio.run(test, backend=backend)
