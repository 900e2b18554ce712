"""All wrappers that the package exports, what each is made with, and which orders of two of them cannot work.

Every test of all wrappers takes its list from here. A new wrapper is on it once it is exported; one that is not made
of its inner connector alone has a line in `MADE_WITH`, one that holds no connector in `INNERMOST`.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
import attrs
import sources
from anyio.abc import TaskGroup

import connector_kit
from connector_kit.blocking.paged import Paged
from connector_kit.blocking.threaded import Threaded
from connector_kit.capabilities import close_stream
from connector_kit.cassettes.recording import Recording
from connector_kit.cassettes.replaying import Replaying
from connector_kit.clock import Clock
from connector_kit.limiters.rate_limiter import RateLimiter
from connector_kit.observers.memory import MemoryObserver
from connector_kit.protocols import Connector, FullConnector
from connector_kit.records.page import Page
from connector_kit.wrappers.bulkhead.policy import Bulkhead, Slots
from connector_kit.wrappers.bulkhead.wrapper import Bulkheaded
from connector_kit.wrappers.cache.wrapper import Cached
from connector_kit.wrappers.circuit_breaker.wrapper import CircuitBreaking
from connector_kit.wrappers.fault_injection.wrapper import Faulty
from connector_kit.wrappers.hedge.wrapper import Hedge, Hedged
from connector_kit.wrappers.observation.wrapper import Observed
from connector_kit.wrappers.prefetch.wrapper import Prefetching
from connector_kit.wrappers.rate_limit.wrapper import RateLimited
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.stack.order import REFUSED, RefusedOrder
from connector_kit.wrappers.timeout.wrapper import TimeLimited, Timeouts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterator
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Record

PAGE_SIZE = 3
TABLE = sources.Table(size=8, page_size=PAGE_SIZE, lazy=(False, True))
PATIENT = Retry(attempts=100, first_wait=1, max_wait=8, deadline=1_000_000)
EAGER = Hedge(safe=("discover_schema", "get_sample_data", "partition_data"), delay="500ms", floor=10)
LONG = Timeouts(call="1d", page="1d", total="100d")

_numbers = itertools.count()


def shop() -> sources.Shop:
    """Make the connector that the stacks are around."""
    return sources.Shop({"orders": TABLE})


@attrs.define(eq=False)
class Bench:
    """What the wrappers of one stack are made with: a clock, a rate, tasks, room for files."""

    folder: Path
    clock: Clock
    tasks: TaskGroup
    rate: str = "1/s"
    source: sources.Shop = attrs.field(factory=shop)
    _lent: list[Callable[[], int]] = attrs.field(factory=list)
    """Each counts what is not given back: slots, places in a queue."""

    @property
    def held(self) -> int:
        """How much is not given back: streams, slots, places in a queue."""
        return self.source.opened - self.source.closed + sum(count() for count in self._lent)

    def file(self) -> Path:
        """Give a path that nobody else has."""
        return self.folder / f"{next(_numbers)}.jsonl"

    def slots(self) -> Slots:
        slots = Slots(Bulkhead(limit=1), clock=self.clock)
        self._lent.append(lambda: slots.taken + slots.waiting)
        return slots

    def limiter(self) -> RateLimiter:
        limiter = RateLimiter(self.rate, clock=self.clock)
        self._lent.append(lambda: limiter.waiting)
        return limiter


@asynccontextmanager
async def bench(folder: Path, clock: Clock, rate: str = "1/s") -> AsyncIterator[Bench]:
    """Give a bench, and look at the end that all is given back and no task is left."""
    async with anyio.create_task_group() as tasks:
        before = len(anyio.get_running_tasks())
        made = Bench(folder, clock, tasks, rate)
        yield made
        assert made.held == 0
        assert len(anyio.get_running_tasks()) == before


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


Around: TypeAlias = Callable[[Connector, Bench], FullConnector]

MADE_WITH: dict[type[object], Around] = {
    Observed: lambda inner, bench: Observed(inner, MemoryObserver(limit=100), clock=bench.clock),
    Prefetching: lambda inner, bench: Prefetching(inner, bench.tasks, 2),
    Cached: lambda inner, bench: Cached(inner, "1h", clock=bench.clock),
    TimeLimited: lambda inner, bench: TimeLimited(inner, LONG, clock=bench.clock),
    Retrying: lambda inner, bench: Retrying(inner, PATIENT, clock=bench.clock, random=Random(1)),
    Hedged: lambda inner, bench: Hedged(inner, EAGER, clock=bench.clock),
    CircuitBreaking: lambda inner, bench: CircuitBreaking(inner, clock=bench.clock),
    Bulkheaded: lambda inner, bench: Bulkheaded(inner, bench.slots()),
    RateLimited: lambda inner, bench: RateLimited(inner, bench.limiter()),
    Recording: lambda inner, bench: Recording(inner, bench.file()),
    Faulty: lambda inner, bench: Faulty(inner, clock=bench.clock),
    Paged: lambda inner, _: Paged(
        Records(inner), PAGE_SIZE, cursor_of=lambda record: {"after": record["id"] + 1}
    ),
}
"""How those are made that take more than the connector they are around."""


async def replayed(bench: Bench) -> Connector:
    """Record all that the laws ask for, and give the cassette."""
    path = bench.file()
    recording = Recording(bench.source, path)
    await answers_of(recording)
    recording.save()
    return Replaying(path)


@attrs.frozen
class Blocking:
    """What the shop serves, without `async`."""

    shop: sources.Shop

    def connect(self) -> None: ...

    def disconnect(self) -> None: ...

    def discover_schema(self) -> Catalog:
        return self.shop.catalog()

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> Iterator[Page]:
        table = self.shop.tables[entity]
        for first in range(self.shop.start_at(cursor), table.size, table.page_size):
            after = min(first + table.page_size, table.size)
            yield Page([table.record(index) for index in range(first, after)], {"after": after})


async def threaded(bench: Bench) -> Connector:
    """Give a connector whose client blocks."""
    return Threaded(Blocking(bench.source))


INNERMOST: dict[type[object], Callable[[Bench], Awaitable[Connector]]] = {
    Replaying: replayed,
    Threaded: threaded,
}
"""Those that hold no connector. They work with real threads and files, which no virtual time waits for."""


def exported() -> list[type[Any]]:
    """Return the classes of connectors that the package exports: all wrappers, and those that hold no connector."""
    values = (getattr(connector_kit, name) for name in dir(connector_kit))
    return [
        value
        for value in values
        if inspect.isclass(value)
        and hasattr(value, "fetch_data")
        and not getattr(value, "_is_protocol", False)
    ]


@attrs.frozen
class Wrapper:
    """A class of wrappers, and how to put one around a connector."""

    cls: type[object]
    around: Around

    def refusal(self, inner: Wrapper) -> RefusedOrder | None:
        """Return the line of the package's table that refuses to have `inner` inside; None where it is allowed."""
        names = (self.cls.__name__, inner.cls.__name__)
        found = (each for each in REFUSED if (each.outer, each.inner) == names and each.same is None)
        return next(found, None)


def _around(cls: type[Any]) -> Around:
    return MADE_WITH.get(cls, lambda inner, _: cls(inner))


WRAPPERS = [Wrapper(cls, _around(cls)) for cls in exported() if cls not in INNERMOST]

Stack: TypeAlias = tuple[Wrapper, ...]
"""Wrappers, the outermost first."""


def name(stack: Stack) -> str:
    """Give the stack's classes, for a test's name."""
    return "-".join(each.cls.__name__ for each in stack)


def stacked(stack: Stack, connector: Connector, bench: Bench) -> Connector:
    """Put the wrappers around a connector."""
    for each in reversed(stack):
        connector = each.around(connector, bench)
    return connector


async def pages_of(connector: Connector, cursor: Cursor = None) -> list[Page]:
    """Read to the end."""
    return [page async for page in connector.fetch_data("orders", cursor=cursor)]


async def answers_of(connector: FullConnector) -> list[object]:
    """Ask for everything that a connector gives: catalog, sample, all pages, those after each page."""
    catalog = await connector.discover_schema()
    told: list[object] = [catalog, list(await connector.get_sample_data("orders", 4))]
    pages = await pages_of(connector)
    return [*told, pages, *[await pages_of(connector, page.cursor) for page in pages]]
