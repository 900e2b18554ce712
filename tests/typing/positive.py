"""What type checkers must accept. Never run: `make check` has mypy --strict and pyright read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, assert_type

from connector_kit import (
    AnyioClock,
    Catalog,
    Clock,
    Connector,
    Cursor,
    Entity,
    FullConnector,
    Limiter,
    LoggingObserver,
    Observed,
    Page,
    RateLimited,
    RateLimiter,
    Record,
    Resilience,
    Retry,
    Retrying,
    Rule,
    SupportsPartitions,
    SupportsSample,
    SupportsValidation,
    SyncConnector,
    TimeLimited,
    Timeouts,
    Translating,
    connected,
    layers,
    protect,
    sample,
    stream,
    unwrap,
)
from connector_kit.errors import RequestRejectedError
from connector_kit.protocols import HearsQuota
from connector_kit.testing.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator
    from datetime import datetime

    from connector_kit.events import Observer


class MyConnector:
    """An async generator, and no class of the kit: what most authors write."""

    token = "t"

    async def connect(self) -> None: ...

    async def disconnect(self) -> None: ...

    async def discover_schema(self) -> Catalog:
        return Catalog([Entity("orders")])

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        yield Page([{"id": 1}], cursor={"after": 1})


class Wider(MyConnector):
    """Takes more than is asked for, and promises more: a named entity, more keywords, a generator."""

    async def fetch_data(
        self,
        entity: str,
        *,
        since: datetime | None = None,
        cursor: Cursor = None,
        page_size: int = 100,
    ) -> AsyncGenerator[Page]:
        yield Page(())


class Plain:
    """A plain method that gives an iterator of another kind; properties and more methods do not matter."""

    @property
    def url(self) -> str:
        return "https://example.org"

    async def connect(self, patience: float = 10.0) -> None: ...

    async def disconnect(self) -> None: ...

    async def discover_schema(self) -> Catalog:
        return Catalog()

    def fetch_data(self, entity: str, /, **options: Any) -> AsyncIterator[Page]:
        return MyConnector().fetch_data(entity, **options)


class Everything(MyConnector):
    """Has the optional methods as well."""

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> list[dict[str, str]]:
        return []

    def validate_config(self) -> None: ...

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> list[Cursor]:
        return [None]


class Blocking:
    """A client that blocks."""

    def connect(self) -> None: ...

    def disconnect(self) -> None: ...

    def discover_schema(self) -> Catalog:
        return Catalog()

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> Iterator[Page]:
        yield Page(())


def connectors() -> list[Connector]:
    """Any object with the four methods is one."""
    return [MyConnector(), Wider(), Plain(), Everything()]


def capabilities(able: Everything) -> None:
    """An optional method makes an object satisfy its protocol, and all of them the full one."""
    full: FullConnector = able
    with_sample: SupportsSample = able
    with_validation: SupportsValidation = able
    with_partitions: SupportsPartitions = able
    connector: Connector = full
    blocking: SyncConnector = Blocking()
    del with_sample, with_validation, with_partitions, connector, blocking


def stacks(limiter: RateLimiter, retry: Retry, observer: Observer) -> None:
    """A checker knows what a stack is made of, however deep; every wrapper is a full connector."""
    stack = Retrying(RateLimited(MyConnector(), limiter), retry)
    assert_type(stack, Retrying[RateLimited[MyConnector]])
    assert_type(stack.inner.inner, MyConnector)
    assert_type(stack.inner.inner.token, str)
    deep = Observed(TimeLimited(Retrying(Translating(Plain())), Timeouts(page="60s")), observer)
    assert_type(deep.inner.inner.inner.inner.url, str)
    wrappers: list[FullConnector] = [
        stack,
        deep,
        RateLimited(MyConnector(), limiter),
        TimeLimited(MyConnector(), Timeouts()),
        Translating(
            MyConnector(), [Rule(KeyError, RequestRejectedError), Rule((OSError, ValueError), lambda _: None)]
        ),
        Observed(MyConnector(), observer),
        protect(MyConnector(), Resilience(rate="10/s"), limiter=limiter, observer=observer),
    ]
    del wrappers


def looking_inside(stack: Connector) -> None:
    """`unwrap` gives the class that it was asked for."""
    assert_type(unwrap(stack, MyConnector), MyConnector)
    assert_type(layers(stack), tuple[Connector, ...])


async def reading(connector: Everything) -> None:
    """`connected` gives back what it was given; pages and records have their types."""
    async with connected(Retrying(connector)) as same:
        assert_type(same, Retrying[Everything])
        async with stream(same, "orders", cursor=[1, {"a": None}]) as orders:
            async for page in orders:
                assert_type(page, Page)
                assert_type(page.records, Sequence[Record])
            async for record in orders.records():
                assert_type(record["id"], Any)
    assert_type(await sample(connector, "orders", 5), Sequence[Record])
    assert_type(await same.get_sample_data("orders"), Sequence[Record])


def parts() -> None:
    """The kit's own parts satisfy its protocols."""
    limiter: Limiter = RateLimiter("10/s")
    observer: Observer = LoggingObserver()
    clocks: list[Clock] = [AnyioClock(), VirtualClock()]
    del limiter, observer, clocks


def hears(limiter: HearsQuota) -> None:
    """A limiter may also listen; that is asked at run time."""
    assert isinstance(limiter, HearsQuota)
