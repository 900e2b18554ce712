"""Keys: each has its own permits, and only those that still count are kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.errors import ConfigError, RateLimitError
from connector_kit.limiters.adaptive_limiter import AdaptiveLimiter
from connector_kit.limiters.keyed_limiter import KeyedLimiter
from connector_kit.limiters.rate_limiter import RateLimiter
from connector_kit.limiters.rates import DeadRateWarning
from connector_kit.protocols import HearsAnswers, HearsQuota, LimitsKeys
from connector_kit.records.page import Quota
from connector_kit.testing.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from connector_kit.protocols import Limiter

SECOND = 1_000_000_000


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def test_it_satisfies_the_protocols(clock: VirtualClock) -> None:
    keyed = KeyedLimiter("1/s", clock=clock)
    one: Limiter = keyed.for_key("a")
    assert isinstance(keyed, LimitsKeys)
    assert isinstance(one, HearsQuota)
    assert isinstance(one, HearsAnswers)
    assert repr(one) == "KeyLimiter(key='a')"


def test_keys_do_not_take_each_others_permits(clock: VirtualClock) -> None:
    keyed = KeyedLimiter("2/s", clock=clock)
    assert keyed.for_key("a").try_acquire(2)
    assert not keyed.for_key("a").try_acquire()
    assert keyed.for_key("b").try_acquire(2)
    keyed.for_key("c").hear(Quota(remaining=0, reset_after=10))
    assert not keyed.for_key("c").try_acquire()
    keyed.for_key("d").answered(Quota(remaining=0, reset_after=10), 1)
    assert not keyed.for_key("d").try_acquire()
    keyed.for_key("e").refused(10, 1)
    assert not keyed.for_key("e").try_acquire()
    assert keyed.for_key("e").granted == 0


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_key_has_its_queue(backend: str, clock: VirtualClock) -> None:
    keyed = KeyedLimiter("1/10s", max_queue=1, clock=clock)
    granted: list[tuple[str, float]] = []

    async def call(key: str) -> None:
        await keyed.for_key(key).acquire()
        granted.append((key, clock.monotonic_ns() / SECOND))

    async def check() -> None:
        async with anyio.create_task_group() as group:
            for key in ("a", "a", "b", "b"):
                group.start_soon(call, key)
            await clock.sleep(1)
            assert keyed.for_key("a").waiting == 1
            with pytest.raises(RateLimitError):
                await keyed.for_key("a").acquire()

    clock.run(check, backend=backend)
    assert sorted(granted) == [("a", 0), ("a", 10), ("b", 0), ("b", 10)]


def test_limiters_may_differ_between_keys_and_adapt(clock: VirtualClock) -> None:
    adaptive = AdaptiveLimiter("9/s", clock=clock)
    keyed = KeyedLimiter(lambda key: adaptive if key == "large" else RateLimiter("1/s", clock=clock))
    small, large = keyed.for_key("small"), keyed.for_key("large")
    assert [small.try_acquire(), small.try_acquire()] == [True, False]
    assert [large.try_acquire() for _ in range(10)] == [True] * 9 + [False]
    assert large.granted == 9
    large.refused(2, large.granted)
    assert adaptive.rate == pytest.approx(9 * 0.7)
    large.answered(Quota(remaining=1, reset_after=3), large.granted)
    clock.advance(2)
    assert [large.try_acquire(), large.try_acquire()] == [True, False]


def test_wrong_rates_are_told_where_they_are_given(clock: VirtualClock) -> None:
    """Also those that warn, and once."""
    with pytest.raises(ConfigError, match="cannot make a limiter of '1/fortnight'"):
        KeyedLimiter("1/fortnight", clock=clock)
    with pytest.warns(DeadRateWarning):
        keyed = KeyedLimiter("100/s, 10/min", clock=clock)
    assert keyed.for_key("a").try_acquire()


class TestForgetting:
    def test_idle_keys_are_forgotten_as_others_come(self, clock: VirtualClock) -> None:
        keyed = KeyedLimiter("1/s", clock=clock)
        for number in range(1000):
            assert keyed.for_key(number).try_acquire()
            clock.advance(0.1)
            assert len(keyed) <= 2 * 10 + 2

    def test_a_key_that_waits_or_is_paused_is_kept(self, clock: VirtualClock) -> None:
        keyed = KeyedLimiter("1/s", clock=clock)
        keyed.for_key("paused").hear(Quota(remaining=0, reset_after=1000))
        for number in range(100):
            keyed.for_key(number).try_acquire()
            clock.advance(1)
        assert not keyed.for_key("paused").try_acquire()
        assert len(keyed) <= 4  # it does not keep the others from being forgotten

    @given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1500)), max_size=80), st.integers(1, 3))
    def test_no_key_is_ever_forgotten_that_still_counts(
        self, calls: list[tuple[int, int]], limit: int
    ) -> None:
        """As if every key were kept forever."""
        clock = VirtualClock()
        keyed = KeyedLimiter(f"{limit}/s", clock=clock)
        kept = {key: RateLimiter(f"{limit}/s", clock=clock) for key in range(7)}
        for key, pause in calls:
            clock.advance(pause / 1000)
            assert keyed.for_key(key).try_acquire() is kept[key].try_acquire()

    def test_a_limiter_handed_out_may_be_kept(self, clock: VirtualClock) -> None:
        """It does not go on counting by itself when its key was forgotten and came back."""
        keyed = KeyedLimiter("1/s", clock=clock)
        kept = keyed.for_key("a")
        assert kept.try_acquire()
        clock.advance(1)
        keyed.for_key("b").try_acquire()
        assert len(keyed) == 1
        assert keyed.for_key("a").try_acquire()
        assert not kept.try_acquire()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_wait_leaves_nothing(backend: str, clock: VirtualClock) -> None:
    keyed = KeyedLimiter("1/10s", clock=clock)

    async def check() -> None:
        await keyed.for_key("a").acquire()
        with anyio.move_on_after(5):
            await keyed.for_key("a").acquire()
        assert keyed.for_key("a").waiting == 0
        assert math.isclose(await keyed.for_key("a").acquire(), 5)

    clock.run(check, backend=backend)
