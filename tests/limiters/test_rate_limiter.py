"""The limiter's rules, one by one. What must hold for all schedules is in test_rate_limiter_laws."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import anyio
import pytest

from connector_kit.clock import AnyioClock
from connector_kit.durations import Duration
from connector_kit.errors import ConfigError, RateLimitError
from connector_kit.limiters.rate_limiter import RateLimiter
from connector_kit.limiters.rates import DeadRateWarning, Rate, Rates
from connector_kit.limiters.windows import SlidingLog, window_of
from connector_kit.protocols import HearsQuota
from connector_kit.records.page import Quota
from connector_kit.testing.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from connector_kit.protocols import Limiter

SECOND = 1_000_000_000

on_both = pytest.mark.parametrize("backend", ["asyncio", "trio"])


class Calls:
    """Callers of one limiter, on a virtual clock; `granted` has (caller, seconds since the start) in order."""

    def __init__(self, limiter: RateLimiter, clock: VirtualClock) -> None:
        self.limiter = limiter
        self.clock = clock
        self.granted: list[tuple[str, float]] = []
        self.refused: list[tuple[str, RateLimitError]] = []

    async def call(self, name: str, at: float, cost: int = 1, patience: float = math.inf) -> None:
        await self.clock.sleep(at)
        with anyio.move_on_after(patience):
            try:
                await self.limiter.acquire(cost)
            except RateLimitError as error:
                self.refused.append((name, error))
            else:
                self.granted.append((name, self.clock.monotonic_ns() / SECOND))

    def run(self, backend: str, *calls: Callable[[Calls], Coroutine[object, object, None]]) -> None:
        async def together() -> None:
            async with anyio.create_task_group() as group:
                for call in calls:
                    group.start_soon(call, self)

        self.clock.run(together, backend=backend)


def call(
    name: str, at: float, cost: int = 1, patience: float = math.inf
) -> Callable[[Calls], Coroutine[object, object, None]]:
    return lambda calls: calls.call(name, at, cost, patience)


def stall(at: float, seconds: float) -> Callable[[Calls], Coroutine[object, object, None]]:
    async def block(calls: Calls) -> None:
        await calls.clock.sleep(at)
        calls.clock.advance(seconds)

    return block


def hear(at: float, quota: Quota) -> Callable[[Calls], Coroutine[object, object, None]]:
    async def tell(calls: Calls) -> None:
        await calls.clock.sleep(at)
        calls.limiter.hear(quota)

    return tell


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def test_it_is_a_limiter_that_hears_of_quotas() -> None:
    limiter: Limiter = RateLimiter("10/s")
    assert isinstance(limiter, HearsQuota)


def test_rates_come_in_any_form() -> None:
    rate = Rate(10, Duration(1))
    rates = Rates.of("10/s, 1000/day")
    assert RateLimiter("10/s").rates == RateLimiter(rate).rates == RateLimiter([rate]).rates == Rates((rate,))
    assert RateLimiter(rates).rates == rates
    assert repr(RateLimiter(rates)) == "RateLimiter('10/s, 1000/day')"


@pytest.mark.anyio
async def test_free_permits_are_granted_without_a_wait() -> None:
    limiter = RateLimiter("3/day", clock=AnyioClock())
    assert [await limiter.acquire(), await limiter.acquire(2)] == [0.0, 0.0]
    assert not limiter.try_acquire()


@on_both
def test_the_wait_is_exact_and_told(backend: str, clock: VirtualClock) -> None:
    limiter = RateLimiter("2/10s", clock=clock)

    async def check() -> list[float]:
        first = await limiter.acquire()
        await clock.sleep(4)
        return [first, await limiter.acquire(), await limiter.acquire(), await limiter.acquire()]

    assert clock.run(check, backend=backend) == [0.0, 0.0, 6.0, 4.0]


@on_both
def test_every_rate_holds(backend: str, clock: VirtualClock) -> None:
    calls = Calls(RateLimiter("2/s, 3/min", clock=clock), clock)
    calls.run(backend, *(call(str(number), 0) for number in range(5)))
    assert [moment for _, moment in calls.granted] == [0, 0, 1, 60, 60]


@on_both
@pytest.mark.parametrize("rates", ["1/s, 3/min", "3/min, 1/s"])
def test_a_permit_that_one_rate_refuses_is_not_taken_from_the_other(
    rates: str, backend: str, clock: VirtualClock
) -> None:
    limiter = RateLimiter(rates, clock=clock)

    async def check() -> None:
        assert limiter.try_acquire()
        assert not any(limiter.try_acquire() for _ in range(10))
        await clock.sleep(1)
        assert limiter.try_acquire()
        await clock.sleep(1)
        assert limiter.try_acquire()

    clock.run(check, backend=backend)


@on_both
def test_a_cheap_call_does_not_overtake_an_expensive_one(backend: str, clock: VirtualClock) -> None:
    calls = Calls(RateLimiter("3/10s", clock=clock), clock)
    calls.run(backend, call("first", 0, 1), call("expensive", 1, 3), call("cheap", 2, 1))
    assert calls.granted == [("first", 0), ("expensive", 10), ("cheap", 20)]


@on_both
def test_a_newcomer_does_not_overtake_the_queue(backend: str, clock: VirtualClock) -> None:
    """Also where the permits of the first in the queue have just become free and it has not woken up yet."""
    calls = Calls(RateLimiter("1/10s", clock=clock), clock)

    async def stall_and_call(calls: Calls) -> None:
        await clock.sleep(9)
        clock.advance(5)
        assert not calls.limiter.try_acquire()
        await calls.call("newcomer", 0)

    calls.run(backend, call("first", 0), call("second", 1), stall_and_call)
    assert calls.granted == [("first", 0), ("second", 14), ("newcomer", 24)]


@pytest.mark.parametrize("cost", [0, -1, 3])
def test_a_cost_that_can_never_be_granted_is_refused(cost: int, clock: VirtualClock) -> None:
    limiter = RateLimiter("2/s, 5/min", clock=clock)
    expected = (
        rf"a cost of {cost} permits can never be granted under 2/s, 5/min; expected 1 to 2; lower the cost"
    )
    with pytest.raises(ConfigError, match=expected):
        clock.run(limiter.acquire, cost)
    with pytest.raises(ConfigError, match=expected):
        limiter.try_acquire(cost)
    assert limiter.try_acquire(2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rates": "10/fortnight"}, r"of '10/fortnight' .*expected a rate like .*the unit 'fortnight'"),
        ({"rates": []}, "expected a rate like"),
        (
            {"rates": "1/s", "max_wait": -1},
            r"max_wait=-1; expected a duration of zero or more seconds, not -1",
        ),
        ({"rates": "1/s", "max_wait": math.nan}, "expected a duration of zero or more seconds"),
        ({"rates": "1/s", "max_queue": -1}, r"max_queue=-1; expected zero calls or more; leave it out"),
    ],
)
def test_settings_that_make_no_sense_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RateLimiter(**arguments)  # type: ignore[arg-type]  # wrong on purpose


class TestCancellation:
    @on_both
    def test_in_the_queue_leaves_the_order_of_the_others(self, backend: str, clock: VirtualClock) -> None:
        calls = Calls(RateLimiter("1/10s", clock=clock), clock)
        calls.run(backend, call("a", 0), call("b", 1), call("c", 2, patience=5), call("d", 3))
        assert calls.granted == [("a", 0), ("b", 10), ("d", 20)]

    @on_both
    def test_of_the_first_hands_over_to_the_next(self, backend: str, clock: VirtualClock) -> None:
        calls = Calls(RateLimiter("2/10s", clock=clock), clock)
        calls.run(backend, call("a", 0), call("expensive", 1, cost=2, patience=4), call("c", 2), call("d", 3))
        assert calls.granted == [("a", 0), ("c", 5), ("d", 10)]
        assert calls.limiter.waiting == 0

    @on_both
    def test_of_everybody_leaves_an_empty_queue(self, backend: str, clock: VirtualClock) -> None:
        calls = Calls(RateLimiter("1/10s", clock=clock), clock)
        calls.run(backend, call("a", 0), *(call(str(n), 1, patience=3) for n in range(9)), call("late", 8))
        assert calls.granted == [("a", 0), ("late", 10)]
        assert calls.limiter.waiting == 0

    @on_both
    def test_before_the_start_takes_nothing(self, backend: str, clock: VirtualClock) -> None:
        """`acquire` is a cancellation point even where permits are free."""
        limiter = RateLimiter("1/day", clock=clock)

        async def check() -> None:
            with anyio.CancelScope() as scope:
                scope.cancel()
                await limiter.acquire()
            assert scope.cancelled_caught

        clock.run(check, backend=backend)
        assert limiter.try_acquire()

    @on_both
    def test_of_one_whose_turn_has_just_come_hands_over(self, backend: str, clock: VirtualClock) -> None:
        """The first is cancelled and wakes the second, which is cancelled before it runs."""
        limiter = RateLimiter("1/10s", clock=clock)
        granted: list[float] = []

        async def check() -> None:
            first, second = anyio.CancelScope(), anyio.CancelScope()

            async def wait(scope: anyio.CancelScope) -> None:
                with scope:
                    await limiter.acquire()
                    granted.append(clock.monotonic_ns() / SECOND)
                second.cancel()

            async with anyio.create_task_group() as group:
                await limiter.acquire()
                for scope in (first, second, anyio.CancelScope()):
                    group.start_soon(wait, scope)
                    await clock.sleep(1)
                assert limiter.waiting == 3
                first.cancel()

        clock.run(check, backend=backend)
        assert granted == [10]

    def test_by_asyncio_itself_hands_over_and_takes_nothing(self, clock: VirtualClock) -> None:
        """A bare `Task.cancel` knows no scopes and may hit between the wake-up and the next step."""
        limiter = RateLimiter("1/10s", clock=clock)

        async def check() -> None:
            await limiter.acquire()
            first, second, third = (asyncio.create_task(limiter.acquire()) for _ in range(3))
            await clock.sleep(1)
            first.cancel()
            await asyncio.wait([first])
            second.cancel()
            assert await third == 10
            assert first.cancelled()
            assert second.cancelled()
            assert clock.monotonic_ns() == 10 * SECOND

        clock.run(check)


class TestHearing:
    @on_both
    def test_a_spent_quota_pauses_everybody_and_then_the_queue_goes_on(
        self, backend: str, clock: VirtualClock
    ) -> None:
        """Under the rates and in order: no herd."""
        calls = Calls(RateLimiter("2/10s", clock=clock), clock)
        spent = Quota(remaining=0, reset_after=30)
        calls.run(backend, hear(0, spent), *(call(name, 1 + n) for n, name in enumerate("abcde")))
        assert calls.granted == [("a", 30), ("b", 30), ("c", 40), ("d", 40), ("e", 50)]

    @on_both
    def test_while_the_first_sleeps_lengthens_its_wait(self, backend: str, clock: VirtualClock) -> None:
        calls = Calls(RateLimiter("1/10s", clock=clock), clock)
        spent = Quota(limit=1, remaining=0, reset_after=20)
        calls.run(backend, call("a", 0), call("b", 1), hear(5, spent))
        assert calls.granted == [("a", 0), ("b", 25)]

    @on_both
    def test_a_shorter_pause_does_not_end_a_longer_one(self, backend: str, clock: VirtualClock) -> None:
        calls = Calls(RateLimiter("1/s", clock=clock), clock)
        calls.run(
            backend,
            hear(0, Quota(remaining=0, reset_after=30)),
            hear(1, Quota(remaining=0, reset_after=2)),
            call("a", 2),
        )
        assert calls.granted == [("a", 30)]

    def test_a_pause_stops_who_does_not_wait(self, clock: VirtualClock) -> None:
        limiter = RateLimiter("10/s", clock=clock)
        limiter.hear(Quota(remaining=0, reset_after=0.5))
        assert not limiter.try_acquire()
        clock.advance(0.499999999)
        assert not limiter.try_acquire()
        clock.advance(0.000000001)
        assert limiter.try_acquire()

    def test_a_quota_below_zero_is_spent(self, clock: VirtualClock) -> None:
        limiter = RateLimiter("10/s", clock=clock)
        limiter.hear(Quota(remaining=-1, reset_after=1))
        assert not limiter.try_acquire()

    @pytest.mark.parametrize(
        "quota",
        [
            Quota(),
            Quota(limit=10, remaining=1, reset_after=60),
            Quota(limit=10, remaining=0),
            Quota(reset_after=60),
            *(Quota(remaining=0, reset_after=seconds) for seconds in (0.0, -5.0, math.nan, math.inf, 1e300)),
        ],
    )
    def test_a_quota_that_says_nothing_of_a_moment_changes_nothing(
        self, quota: Quota, clock: VirtualClock
    ) -> None:
        limiter = RateLimiter("1/s", clock=clock)
        limiter.hear(quota)
        assert limiter.try_acquire()


class TestBounds:
    @on_both
    def test_a_wait_beyond_max_wait_is_refused_at_once(self, backend: str, clock: VirtualClock) -> None:
        calls = Calls(RateLimiter("1/10s", max_wait=15, clock=clock), clock)
        calls.run(backend, *(call(name, n) for n, name in enumerate("abcd")))
        assert calls.granted == [("a", 0), ("b", 10)]
        assert [(name, error.retry_after) for name, error in calls.refused] == [("c", 18), ("d", 17)]
        assert str(calls.refused[0][1]) == (
            "a permit under 1/10s takes a wait of 18s; expected at most 15s (max_wait); "
            "come back in 18s, or allow a longer wait"
        )

    @on_both
    def test_a_wait_of_exactly_max_wait_is_allowed(self, backend: str, clock: VirtualClock) -> None:
        calls = Calls(RateLimiter("1/10s", max_wait=Duration(10), clock=clock), clock)
        calls.run(backend, call("a", 0), call("b", 0))
        assert [moment for _, moment in calls.granted] == [0, 10]

    @on_both
    def test_no_wait_at_all_can_be_asked_for(self, backend: str, clock: VirtualClock) -> None:
        calls = Calls(RateLimiter("1/10s", max_wait=0, clock=clock), clock)
        calls.run(backend, call("a", 0), call("b", 1), call("c", 10))
        assert calls.granted == [("a", 0), ("c", 10)]

    @on_both
    def test_a_pause_counts_as_a_wait(self, backend: str, clock: VirtualClock) -> None:
        calls = Calls(RateLimiter("10/s", max_wait=15, clock=clock), clock)
        calls.run(backend, hear(0, Quota(remaining=0, reset_after=20)), call("a", 1), call("b", 6))
        assert [(name, error.retry_after) for name, error in calls.refused] == [("a", 19)]
        assert calls.granted == [("b", 20)]

    @on_both
    def test_who_waits_is_refused_when_a_pause_makes_it_too_long(
        self, backend: str, clock: VirtualClock
    ) -> None:
        """At the end of the sleep at the latest: nobody waits longer than max_wait, and nobody is stuck behind."""
        calls = Calls(RateLimiter("1/10s", max_wait=20, clock=clock), clock)
        spent = Quota(remaining=0, reset_after=100)
        calls.run(backend, call("a", 0), call("b", 1), call("c", 2), hear(5, spent), call("late", 104))
        assert calls.granted == [("a", 0), ("late", 105)]
        assert [(name, error.retry_after) for name, error in calls.refused] == [("b", 95), ("c", 95)]
        assert "takes a wait of 1m44s; expected at most 20s" in str(calls.refused[0][1])

    @on_both
    def test_a_queue_beyond_max_queue_is_refused_at_once(self, backend: str, clock: VirtualClock) -> None:
        calls = Calls(RateLimiter("1/10s", max_queue=2, clock=clock), clock)
        calls.run(backend, *(call(name, n) for n, name in enumerate("abcd")), call("e", 11))
        assert calls.granted == [("a", 0), ("b", 10), ("c", 20), ("e", 30)]
        assert [(name, error.retry_after) for name, error in calls.refused] == [("d", 27)]
        assert str(calls.refused[0][1]) == (
            "2 calls wait for a permit under 1/10s already; expected at most 2 (max_queue); "
            "come back in 27s, or allow a longer queue"
        )

    @on_both
    def test_no_queue_at_all_can_be_asked_for(self, backend: str, clock: VirtualClock) -> None:
        calls = Calls(RateLimiter("1/10s", max_queue=0, clock=clock), clock)
        calls.run(backend, call("a", 0), call("b", 4))
        assert calls.granted == [("a", 0)]
        assert [(name, error.retry_after) for name, error in calls.refused] == [("b", 6)]

    @on_both
    def test_a_caller_who_left_no_longer_counts(self, backend: str, clock: VirtualClock) -> None:
        calls = Calls(RateLimiter("1/10s", max_wait=10, max_queue=1, clock=clock), clock)
        calls.run(backend, call("a", 0), call("b", 1, patience=2), call("c", 4))
        assert calls.granted == [("a", 0), ("c", 10)]

    @on_both
    def test_a_stall_delays_and_refuses_nobody(self, backend: str, clock: VirtualClock) -> None:
        calls = Calls(RateLimiter("1/10s", max_wait=10, clock=clock), clock)
        calls.run(backend, call("a", 0), call("b", 1), stall(5, 100))
        assert calls.granted == [("a", 0), ("b", 105)]


class TestBudgetWindows:
    def test_a_dead_rate_is_warned_of_where_the_limiter_is_made(self) -> None:
        with pytest.warns(DeadRateWarning, match="100/s never holds anything up beside 10/min") as caught:
            RateLimiter("100/s, 10/min")
        assert [warning.filename for warning in caught] == [__file__]

    def test_a_rate_that_another_one_implies_keeps_no_log(self, clock: VirtualClock) -> None:
        budget = window_of(Rates.parse("10/s, 1000000/day"), clock)
        assert isinstance(budget, SlidingLog)
        assert budget.limit == 10

    def test_of_two_equal_rates_one_is_kept(self, clock: VirtualClock) -> None:
        budget = window_of(Rates.parse("10/s, 10/s"), clock)
        assert isinstance(budget, SlidingLog)

    def test_a_large_limit_keeps_a_short_log(self, clock: VirtualClock) -> None:
        """And every permit is there at once, as with a small one."""
        budget = window_of(Rates.parse("1000000/day"), clock)
        assert isinstance(budget, SlidingLog)
        day = 86_400 * SECOND
        for step in range(10_000):
            budget.commit(step * (day // 10_000), 100)
        assert len(budget) <= 1002
        assert not budget.take(day - 1, 1)
        assert budget.take(day + day // 1000, 100)

    def test_a_limiter_is_idle_when_nothing_counts_any_more(self, clock: VirtualClock) -> None:
        limiter = RateLimiter("2/s, 3/min burst 3", clock=clock)
        assert limiter.idle()
        assert limiter.try_acquire()
        clock.advance(1)
        assert not limiter.idle()
        clock.advance(19)
        assert limiter.idle()
        limiter.hear(Quota(remaining=0, reset_after=5))
        assert not limiter.idle()
        limiter.close()

    @on_both
    def test_a_burst_is_had_at_once_and_the_rest_evenly(self, backend: str, clock: VirtualClock) -> None:
        calls = Calls(RateLimiter("6/min burst 2", clock=clock), clock)
        calls.run(backend, *(call(name, 0) for name in "abcd"))
        assert [moment for _, moment in calls.granted] == [0, 0, 10, 20]
        with pytest.raises(ConfigError, match="a cost of 3 permits can never be granted under 6/min burst 2"):
            calls.limiter.try_acquire(3)
