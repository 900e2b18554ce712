"""Cached: asked once in a while, one call for all who ask at once, and neither errors nor cancellations are kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
import sources
from doubles import Able, Ear
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.durations import Duration
from connector_kit.errors import ConfigError, ConnectionFailedError
from connector_kit.events import AnswerReused, observing
from connector_kit.records.catalog import Catalog, Entity
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.cache.wrapper import AnswerCache, Cached
from connector_kit.wrappers.fault_injection.wrapper import Fail, Faulty, Stall

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND = 1_000_000_000
backends = st.sampled_from(["asyncio", "trio"])


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@attrs.define(eq=False)
class Growing(sources.Shop):
    """A source whose catalog has one entity more with every call; a call takes `seconds`, and some fail."""

    clock: VirtualClock = attrs.field(kw_only=True)
    seconds: float = 1.0
    failing: set[int] = attrs.field(factory=set)
    begun: int = 0
    under_way: int = 0

    async def discover_schema(self) -> Catalog:
        self.begun += 1
        number = self.begun
        self.under_way += 1
        assert self.under_way == 1, "one call answers all who ask meanwhile"
        try:
            await self.clock.sleep(self.seconds)
        finally:
            self.under_way -= 1
        if number in self.failing:
            raise ConnectionFailedError(f"call {number} failed")
        return Catalog([Entity(f"entity {index}") for index in range(number)])


class TestKeeping:
    def test_the_catalog_is_asked_for_again_when_its_time_is_over(
        self, clock: VirtualClock, anyio_backend: str
    ) -> None:
        """The time counts from when the answer came."""

        async def test() -> None:
            cached = Cached(Growing(clock=clock), ttl="10s", clock=clock)
            found = []
            for pause in (0, 9.5, 0.5, 9, 1):
                await clock.sleep(pause)
                found.append(len(await cached.discover_schema()))
            assert found == [1, 1, 2, 2, 3]

        clock.run(test, backend=anyio_backend)

    def test_samples_are_kept_by_entity_and_limit(self, clock: VirtualClock, anyio_backend: str) -> None:
        """And a caller who changes the list changes nobody else's."""

        async def test() -> None:
            able = Able()
            cached = Cached(able, ttl="10s", clock=clock)
            for entity, limit in [("a", 1), ("a", 2), ("b", 1), ("a", 1), ("a", 2), ("b", 1)]:
                sample = await cached.get_sample_data(entity, limit)
                assert sample == [{"entity": entity, "limit": limit}]
                assert isinstance(sample, list)
                sample.clear()
            assert able.calls == ["get_sample_data"] * 3

        clock.run(test, backend=anyio_backend)

    def test_a_sample_made_of_pages_is_kept_too(self, clock: VirtualClock, anyio_backend: str) -> None:
        async def test() -> None:
            shop = sources.Shop()
            cached = Cached(shop, ttl="10s", clock=clock)
            for _ in range(3):
                assert [record["id"] for record in await cached.get_sample_data("orders", 4)] == [0, 1, 2, 3]
            assert (shop.opened, shop.closed) == (1, 1)

        clock.run(test, backend=anyio_backend)

    def test_memory_is_bounded_and_keeps_what_was_used_last(
        self, clock: VirtualClock, anyio_backend: str
    ) -> None:
        async def test() -> None:
            able = Able()
            cached = Cached(able, ttl="10s", clock=clock, max_samples=2)
            for entity in ("a", "b", "a", "c", "a", "b"):
                await cached.get_sample_data(entity)
                assert len(cached._samples) <= 2
            assert len(able.calls) == 4, "a, b, c, and b again, which was used least when c came"

        clock.run(test, backend=anyio_backend)

    def test_an_error_is_not_kept(self, clock: VirtualClock, anyio_backend: str) -> None:
        async def test() -> None:
            cached = Cached(Growing(clock=clock, failing={1}), ttl="10s", clock=clock)
            with pytest.raises(ConnectionFailedError):
                await cached.discover_schema()
            assert len(await cached.discover_schema()) == 2

        clock.run(test, backend=anyio_backend)

    def test_reads_partitions_and_connections_are_never_kept(
        self, clock: VirtualClock, anyio_backend: str
    ) -> None:
        async def test() -> None:
            able = Able()
            cached = Cached(able, ttl="10s", clock=clock)
            for _ in range(2):
                cached.validate_config()
                await cached.connect()
                await cached.partition_data("orders", target=2)
                assert len([page async for page in cached.fetch_data("orders")]) == 4
                await cached.disconnect()
            assert able.opened == 2
            assert able.calls == ["validate_config", "connect", "partition_data", "disconnect"] * 2

        clock.run(test, backend=anyio_backend)

    def test_the_events_tell_how_old_an_answer_is(self, clock: VirtualClock, anyio_backend: str) -> None:
        async def test() -> None:
            cached, ear = Cached(Able(), ttl="10s", clock=clock), Ear()
            with observing(ear):
                for _ in range(2):
                    await cached.discover_schema()
                    await cached.get_sample_data("orders")
                    await clock.sleep(3)
            assert ear.heard == [
                AnswerReused("discover_schema", None, 3.0),
                AnswerReused("get_sample_data", "orders", 3.0),
            ]

        clock.run(test, backend=anyio_backend)


class TestForgetting:
    def test_the_next_callers_ask_anew(self, clock: VirtualClock, anyio_backend: str) -> None:
        async def test() -> None:
            able = Able()
            cached = Cached(able, ttl="10s", clock=clock)
            for _ in range(2):
                await cached.discover_schema()
                await cached.get_sample_data("orders")
                cached.forget()
            assert able.calls == ["discover_schema", "get_sample_data"] * 2

        clock.run(test, backend=anyio_backend)

    def test_a_call_from_before_answers_only_those_who_came_before(
        self, clock: VirtualClock, anyio_backend: str
    ) -> None:
        """What it gives may be as old as what was to be forgotten: who comes later asks anew, and that is kept."""

        async def test() -> None:
            asked = 0

            async def ask() -> int:
                nonlocal asked
                asked += 1
                number = asked
                await clock.sleep(5)
                return number

            answers = AnswerCache[str, int](Duration(100), 10, clock)
            got: list[int] = []

            async def get() -> None:
                answer, _ = await answers.get("question", ask)
                got.append(answer)

            async with anyio.create_task_group() as tasks:
                for _ in range(2):
                    tasks.start_soon(get)
                await clock.sleep(1)
                answers.forget()
                tasks.start_soon(get)
                await clock.sleep(4.5)
                assert got == [1, 1], "the first call is over, the second is not"
                tasks.start_soon(get)
            assert got == [1, 1, 2, 2]
            assert await answers.get("question", ask) == (2, 0.0)

        clock.run(test, backend=anyio_backend)


class TestSharing:
    @given(
        backend=backends,
        callers=st.lists(
            st.tuples(st.integers(0, 30), st.none() | st.integers(0, 30)), min_size=1, max_size=10
        ),
        seconds=st.integers(1, 9),
        failing=st.sets(st.integers(1, 6)),
    )
    def test_one_call_at_a_time_and_everybody_gets_what_is_true(
        self, backend: str, callers: list[tuple[int, int | None]], seconds: int, failing: set[int]
    ) -> None:
        """Callers at any time, some of whom are cancelled: an answer no older than allowed, or an error of a call."""
        clock = VirtualClock()
        ttl = 5
        source = Growing(clock=clock, seconds=seconds, failing=failing)
        cached = Cached(source, ttl=ttl, clock=clock)
        came: dict[int, float] = {}  # by the answer's size, the first time that somebody had it
        told: list[str] = []

        async def call(at: int, patience: int | None) -> None:
            await clock.sleep(at)
            with anyio.move_on_after(math.inf if patience is None else patience) as scope:
                try:
                    size = len(await cached.discover_schema())
                except ConnectionFailedError as error:
                    told.append(str(error))
                    return
                now = clock.monotonic_ns() / SECOND
                assert now - came.setdefault(size, now) < ttl
                assert size not in failing
                return
            assert scope.cancelled_caught, "only who gives up comes away with nothing"

        async def test() -> None:
            async with anyio.create_task_group() as tasks:
                for at, patience in callers:
                    tasks.start_soon(call, at, patience)
            assert set(told) <= {f"call {number} failed" for number in failing}
            assert source.under_way == 0
            assert cached._catalogs._calls == {}

        clock.run(test, backend=backend)

    def test_all_who_ask_meanwhile_share_the_answer(self, clock: VirtualClock, anyio_backend: str) -> None:
        async def test() -> None:
            source, ear = Growing(clock=clock), Ear()
            cached = Cached(source, ttl="10s", clock=clock)
            with observing(ear):
                async with anyio.create_task_group() as tasks:
                    for _ in range(5):
                        tasks.start_soon(cached.discover_schema)
            assert source.begun == 1
            assert ear.heard == [AnswerReused("discover_schema", None, 0.0)] * 4

        clock.run(test, backend=anyio_backend)

    def test_all_who_ask_meanwhile_share_the_error(self, clock: VirtualClock, anyio_backend: str) -> None:
        """They would else make the same failing call one after the other."""

        async def test() -> None:
            faulty = Faulty(sources.Shop(), (Fail(),) * 9, clock=clock)
            cached = Cached(slowed(faulty, clock), ttl="10s", clock=clock)
            failed = 0

            async def call() -> None:
                nonlocal failed
                with pytest.raises(ConnectionFailedError):
                    await cached.discover_schema()
                failed += 1

            async with anyio.create_task_group() as tasks:
                for _ in range(5):
                    tasks.start_soon(call)
            assert (failed, faulty.requests) == (5, 1)

        clock.run(test, backend=anyio_backend)

    def test_another_caller_takes_over_where_the_first_is_cancelled(
        self, clock: VirtualClock, anyio_backend: str
    ) -> None:
        """At once, and the others go on sharing."""

        async def test() -> None:
            source = Growing(clock=clock, seconds=10)
            cached = Cached(source, ttl="100s", clock=clock)
            answered: list[float] = []

            async def first() -> None:
                with anyio.move_on_after(4):
                    await cached.discover_schema()

            async def other() -> None:
                await clock.sleep(1)
                assert len(await cached.discover_schema()) == 2
                answered.append(clock.monotonic_ns() / SECOND)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(first)
                for _ in range(3):
                    tasks.start_soon(other)
            assert source.begun == 2
            assert [round(moment, 6) for moment in answered] == [14.0] * 3

        clock.run(test, backend=anyio_backend)


def slowed(faulty: Faulty[sources.Shop], clock: VirtualClock) -> Faulty[Faulty[sources.Shop]]:
    """Let the first call take a while, so that others can join it."""
    return Faulty(faulty, (Stall(1),), clock=clock)


class TestConstruction:
    @pytest.mark.parametrize(
        ("arguments", "error", "said"),
        [
            ({"ttl": 0}, ConfigError, "leave Cached out instead"),
            ({"ttl": -1}, ConfigError, "ttl=-1; expected a duration"),
            ({"ttl": "soon"}, ConfigError, "ttl='soon'; expected a duration"),
            ({"ttl": 1, "max_samples": 0}, ValueError, "'max_samples' must be >= 1"),
        ],
    )
    def test_what_would_keep_nothing_is_refused(
        self, arguments: dict[str, Any], error: type[Exception], said: str
    ) -> None:
        make: Callable[..., object] = Cached
        with pytest.raises(error, match=said):
            make(sources.Shop(), **arguments)

    def test_is_shown_without_what_it_keeps(self) -> None:
        shown = repr(Cached(sources.Shop(), "5m"))
        assert "ttl=Duration('5m')" in shown
        assert "AnswerCache" not in shown
