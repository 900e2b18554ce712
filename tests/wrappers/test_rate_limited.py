"""RateLimited: a permit before everything that asks the other side, and an ear for what it says of its quota."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
import sources
from doubles import Able, Ear, Slow, Turnstile

from connector_kit.capabilities import close_stream
from connector_kit.errors import ConfigError, RateLimitError
from connector_kit.events import PermitGranted, QuotaHeard, observing
from connector_kit.limiters.adaptive_limiter import AdaptiveLimiter
from connector_kit.limiters.keyed_limiter import KeyedLimiter
from connector_kit.limiters.rate_limiter import RateLimiter
from connector_kit.records.page import Page, Quota
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.fault_injection.wrapper import Faulty, Refuse
from connector_kit.wrappers.rate_limit.wrapper import RateLimited
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.timeout.wrapper import TimeLimited, Timeouts
from connector_kit.wrappers.translation.wrapper import Translating

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import datetime

    from connector_kit.protocols import Connector
    from connector_kit.records.page import Cursor

pytestmark = pytest.mark.anyio


async def begin(connector: Connector) -> None:
    """Ask for one page."""
    stream = connector.fetch_data("orders")
    await anext(stream)
    await close_stream(stream)


async def read(connector: Connector) -> int:
    """Read to the end, and count the pages."""
    return len([page async for page in connector.fetch_data("orders")])


class TestPermits:
    async def test_one_for_every_call_and_every_page_asked_for(self) -> None:
        """The request that finds no further page is one as well; disconnecting must not be held up."""
        gate = Turnstile()
        limited = RateLimited(Able(), gate)
        limited.validate_config()
        limited.fetch_data("orders")
        assert gate.granted == []
        calls: list[Callable[[], Awaitable[object]]] = [
            limited.connect,
            limited.discover_schema,
            partial(limited.get_sample_data, "orders"),
            partial(limited.partition_data, "orders", target=2),
        ]
        for number, call in enumerate(calls, start=1):
            await call()
            assert gate.granted == [1] * number
        await limited.disconnect()
        assert len(gate.granted) == 4
        assert await read(limited) == 4
        assert gate.granted == [1] * 9

    async def test_costs_of_operations(self) -> None:
        """What costs nothing asks for no permit."""
        gate = Turnstile()
        costs = {
            "connect": 0,
            "discover_schema": 5,
            "fetch_data": 3,
            "get_sample_data": 2,
            "partition_data": 4,
        }
        limited = RateLimited(Able(), gate, costs=costs)
        await limited.connect()
        await limited.discover_schema()
        await limited.get_sample_data("orders")
        await limited.partition_data("orders", target=2)
        await begin(limited)
        assert gate.granted == [5, 2, 4, 3]

    @pytest.mark.parametrize("costs", [{"fetch": 2}, {"disconnect": 1}, {"connect": -1}])
    def test_costs_that_mean_nothing_are_refused(self, costs: dict[str, int]) -> None:
        """A cost under a wrong name would silently not be taken."""
        with pytest.raises(ConfigError, match=r"the cost -?\d for .* means nothing; give .* fetch_data"):
            RateLimited(sources.Shop(), Turnstile(), costs=costs)

    @pytest.mark.parametrize(
        "wrapped", [lambda shop: shop, Translating, lambda shop: TimeLimited(shop, Timeouts())]
    )
    async def test_a_sample_made_of_pages_takes_a_permit_for_each(
        self, wrapped: type[Translating[sources.Shop]]
    ) -> None:
        """Whatever is between: no way leads past the limiter. One partition, made up, asks nobody."""
        gate = Turnstile()
        limited = RateLimited(wrapped(sources.Shop()), gate)
        assert len(await limited.get_sample_data("orders", 7)) == 7
        assert gate.granted == [1, 1, 1]
        assert await limited.get_sample_data("orders", 0) == []
        assert await limited.partition_data("orders", target=4) == [None]
        assert gate.granted == [1, 1, 1]

    def test_a_cancelled_wait_takes_no_permit_and_asks_nobody(self, anyio_backend: str) -> None:
        """For a call and for a page; the stream goes on afterwards with the next page."""
        clock = VirtualClock()
        gate, able = Turnstile(10, clock=clock), Able()

        async def test() -> None:
            limited = RateLimited(able, gate)
            with anyio.move_on_after(5):
                await limited.connect()
            stream = limited.fetch_data("orders")
            await anext(stream)
            with anyio.move_on_after(5):
                await anext(stream)
            assert able.calls == []
            assert gate.granted == [1]
            assert (await anext(stream)).cursor == {"after": 6}
            await close_stream(stream)

        clock.run(test, backend=anyio_backend)

    def test_a_real_limiter_holds_calls_and_pages_to_its_rate(self, anyio_backend: str) -> None:
        """Five pages and the end, two to a second."""
        clock = VirtualClock()

        async def test() -> None:
            limited = RateLimited(
                sources.Shop({"orders": sources.Table(size=5, page_size=1)}), RateLimiter("2/s", clock=clock)
            )
            assert await read(limited) == 5

        clock.run(test, backend=anyio_backend)
        assert clock.monotonic_ns() == pytest.approx(2_000_000_000, abs=1000)

    def test_the_time_of_waiting_is_told(self, anyio_backend: str) -> None:
        """Only where there was any."""
        clock, ear = VirtualClock(), Ear()

        async def test() -> None:
            gate = Turnstile(2.5, clock=clock)
            limited = RateLimited(sources.Shop(), gate)
            with observing(ear):
                await limited.connect()
                await begin(limited)
                gate.wait = 0.0
                await limited.discover_schema()

        clock.run(test, backend=anyio_backend)
        assert ear.heard == [PermitGranted("connect", None, 2.5), PermitGranted("fetch_data", "orders", 2.5)]


class Telling(sources.Shop):
    """Says with every second page what is left of its quota."""

    def change(self, entity: str, page: Page, number: int) -> Page:
        return Page(page.records, page.cursor, Quota(100, 99 - number, 60.0) if number % 2 else None)


class TestQuota:
    async def test_what_a_page_says_is_passed_on(self) -> None:
        gate, ear = Turnstile(), Ear()
        with observing(ear):
            assert await read(RateLimited(Telling(), gate)) == 4
        assert gate.heard == [Quota(100, 98, 60.0), Quota(100, 96, 60.0)]
        assert ear.heard == [QuotaHeard("orders", quota) for quota in gate.heard]

    async def test_a_refusal_means_that_nothing_is_left(self) -> None:
        """Of a call and of a page, and the error goes on its way."""
        gate, ear = Turnstile(), Ear()
        limited = RateLimited(Faulty(sources.Shop(), [Refuse(30.0), Refuse(None)]), gate)
        with observing(ear):
            with pytest.raises(RateLimitError):
                await limited.discover_schema()
            with pytest.raises(RateLimitError):
                await anext(limited.fetch_data("orders"))
        assert gate.heard == [Quota(None, 0, 30.0), Quota(None, 0, None)]
        assert ear.heard == [QuotaHeard(None, gate.heard[0]), QuotaHeard("orders", gate.heard[1])]

    async def test_a_limiter_that_does_not_listen_is_left_alone(self) -> None:
        class Deaf:
            async def acquire(self, cost: int = 1) -> float:
                return 0.0

        assert await read(RateLimited(Telling(), Deaf())) == 4

    async def test_other_errors_say_nothing_of_a_quota(self) -> None:
        gate = Turnstile()
        with pytest.raises(ConfigError):
            await RateLimited(Broken(), gate).connect()
        assert (gate.granted, gate.heard) == ([1], [])


class Broken(sources.Shop):
    async def connect(self) -> None:
        raise ConfigError("no token")


class TestOrder:
    def test_outside_a_retry_is_refused_unless_asked_for(self) -> None:
        """However deep the retry is: its retries would go past the limit."""
        inner = TimeLimited(Retrying(sources.Shop(), Retry()), Timeouts())
        with pytest.raises(
            ConfigError, match=r"outside Retrying.*Retrying\(RateLimited\(connector, limiter\), retry\)"
        ):
            RateLimited(inner, Turnstile())
        assert RateLimited(inner, Turnstile(), allow_outside_retry=True).inner is inner

    def test_a_retry_takes_a_permit_for_every_attempt(self, anyio_backend: str) -> None:
        clock = VirtualClock()
        gate = Turnstile(clock=clock)

        async def test() -> None:
            faulty = Faulty(sources.Shop(), [None, Refuse(5.0), Refuse(5.0)], clock=clock)
            assert await read(Retrying(RateLimited(faulty, gate), clock=clock)) == 4

        clock.run(test, backend=anyio_backend)
        assert gate.granted == [1] * 7

    def test_queueing_is_not_the_attempts_time(self, anyio_backend: str) -> None:
        """An attempt that waits an hour for its permit has all of its time left."""
        clock = VirtualClock()

        async def test() -> None:
            timed = TimeLimited(Slow(pages=(4, 4, 4), clock=clock), Timeouts(call=5, page=5), clock=clock)
            assert await read(RateLimited(timed, Turnstile(3600, clock=clock))) == 2

        clock.run(test, backend=anyio_backend)
        assert clock.monotonic_ns() == 3 * 3604 * 1_000_000_000


class TestKeys:
    def test_each_key_has_its_permits(self, anyio_backend: str) -> None:
        """Five pages and the end of either entity, two to a second and entity."""
        clock = VirtualClock()
        tables = {name: sources.Table(size=5, page_size=1) for name in ("orders", "events")}

        async def test() -> None:
            keyed = KeyedLimiter("2/s", clock=clock)
            limited = RateLimited(sources.Shop(tables), keyed, key=lambda operation, entity: entity)
            async with anyio.create_task_group() as group:
                for entity in tables:
                    group.start_soon(count, limited, entity)
            assert len(keyed) == 2

        async def count(limited: Connector, entity: str) -> None:
            assert len([page async for page in limited.fetch_data(entity)]) == 5

        clock.run(test, backend=anyio_backend)
        assert clock.monotonic_ns() == pytest.approx(2_000_000_000, abs=1000)

    async def test_a_key_is_made_of_operation_and_entity(self) -> None:
        asked: list[tuple[str, str | None]] = []

        def key(operation: str, entity: str | None) -> str:
            asked.append((operation, entity))
            return operation

        limited = RateLimited(Able(), KeyedLimiter("100/s"), key=key)
        await limited.connect()
        await limited.discover_schema()
        await limited.get_sample_data("orders")
        await read(limited)
        assert asked == [
            ("connect", None),
            ("discover_schema", None),
            ("get_sample_data", "orders"),
            ("fetch_data", "orders"),
        ]

    def test_a_key_without_keys_and_keys_without_a_key_are_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"does not say whose permits are taken; expected a key with"):
            RateLimited(sources.Shop(), KeyedLimiter("1/s"))
        with pytest.raises(ConfigError, match=r"does not say whose permits are taken; expected a key with"):
            RateLimited(sources.Shop(), Turnstile(), key=lambda operation, entity: entity)

    async def test_costs_by_function(self) -> None:
        gate = Turnstile()
        limited = RateLimited(Able(), gate, costs=lambda operation, entity: len(entity or ""))
        await limited.connect()
        await begin(limited)
        assert gate.granted == [6]


class TestLearning:
    def test_what_comes_of_a_request_is_told_with_its_grant(self, anyio_backend: str) -> None:
        """Two are under way; the later one is answered first, and what the earlier one hears is older."""
        clock = VirtualClock()
        limiter = AdaptiveLimiter("100/s", clock=clock)

        async def ask(after: float, remaining: int) -> None:
            async def fetch() -> Page:
                await clock.sleep(after)
                return Page([], None, Quota(100, remaining, 60.0))

            await begin(RateLimited(OnePage(fetch), limiter))

        async def test() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(ask, 2.0, 99)
                await clock.sleep(1)
                group.start_soon(ask, 0.5, 0)
            assert not limiter.try_acquire()

        clock.run(test, backend=anyio_backend)

    async def test_a_refusal_lowers_the_rate(self) -> None:
        limiter, ear = AdaptiveLimiter("100/s"), Ear()
        limited = RateLimited(Faulty(sources.Shop(), [Refuse(0.01), None, None, Refuse(0.01)]), limiter)
        with observing(ear):
            with pytest.raises(RateLimitError):
                await limited.discover_schema()
            assert limiter.rate < 100
            with pytest.raises(RateLimitError):
                await read(limited)
        assert QuotaHeard("orders", Quota(remaining=0, reset_after=0.01)) in ear.heard


class OnePage(sources.Shop):
    """Delivers what `fetch` gives."""

    def __init__(self, fetch: Callable[[], Awaitable[Page]]) -> None:
        super().__init__()
        self.fetch = fetch

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        yield await self.fetch()
