"""The adaptive limiter against servers: never above its rates, soon below theirs, in order, and back again."""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise

import anyio
import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.errors import ConfigError, RateLimitError
from connector_kit.limiters.adaptive_limiter import AdaptiveLimiter
from connector_kit.protocols import HearsAnswers, HearsQuota
from connector_kit.records.page import Quota
from connector_kit.testing.virtual_clock import VirtualClock

SECOND = 1_000_000_000

on_both = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@attrs.define
class Server:
    """Serves at most `limit` requests in any `per` seconds, and refuses the others; both may be changed."""

    clock: VirtualClock
    limit: int
    per: float
    tells: bool = True
    asked: list[tuple[float, bool]] = attrs.Factory(list)
    _served: deque[float] = attrs.Factory(deque)

    def ask(self) -> None:
        now = self.clock.monotonic_ns() / SECOND
        while self._served and self._served[0] + self.per <= now:
            self._served.popleft()
        served = len(self._served) < self.limit
        self.asked.append((now, served))
        if not served:
            wait = self._served[len(self._served) - self.limit] + self.per - now
            raise RateLimitError("too many requests", retry_after=wait if self.tells else None)
        self._served.append(now)

    def served(self, start: float, end: float) -> int:
        return sum(served for at, served in self.asked if start <= at < end)

    def refused(self, start: float, end: float) -> int:
        return sum(not served for at, served in self.asked if start <= at < end)


def load(
    server: Server,
    limiter: AdaptiveLimiter,
    *,
    until: float,
    workers: int,
    halve: float | None = None,
    backend: str,
) -> None:
    """Ask as often as the limiter allows, `workers` at once and 100 ms each; the server halves its quota at `halve`."""
    clock = server.clock

    async def work() -> None:
        while clock.monotonic_ns() < until * SECOND:
            await limiter.acquire()
            grant = limiter.granted
            await clock.sleep(0.05)
            try:
                server.ask()
            except RateLimitError as refusal:
                await clock.sleep(0.05)
                limiter.refused(refusal.retry_after, grant)
            else:
                await clock.sleep(0.05)

    async def change(after: float) -> None:
        await clock.sleep(after)
        server.limit //= 2

    async def together() -> None:
        async with anyio.create_task_group() as group:
            if halve is not None:
                group.start_soon(change, halve)
            for _ in range(workers):
                group.start_soon(work)

    clock.run(together, backend=backend)


@pytest.mark.unmeasured
@on_both
@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize(
    ("rates", "limit", "per", "least"),
    [("20/s", 20, 1.0, 0.75), ("600/min", 600, 60.0, 0.5), ("20/s, 1000000/day", 20, 1.0, 0.75)],
)
def test_a_server_that_halves_its_quota_without_telling(
    rates: str, limit: int, per: float, least: float, *, tells: bool, backend: str
) -> None:
    """From a minute after that on, at most 5 % are refused, and most of what is left of the quota is used.

    Half of it at least where the windows are long and refusals do not say for how long: each pauses for a window.
    """
    clock = VirtualClock()
    server = Server(clock, limit, per, tells)
    load(server, AdaptiveLimiter(rates, clock=clock), until=480, workers=10, halve=60, backend=backend)
    assert server.refused(0, 60) == 0
    assert server.served(0, 60) >= 0.9 * 60 * limit / per
    served, refused = server.served(120, 480), server.refused(120, 480)
    assert refused <= 0.05 * (served + refused)
    assert served >= least * 360 * limit / 2 / per


@on_both
def test_a_quota_that_comes_back_is_found_and_nothing_is_held_down_any_more(backend: str) -> None:
    clock = VirtualClock()
    limiter = AdaptiveLimiter("20/s", clock=clock)
    server = Server(clock, 20, 1.0)
    load(server, limiter, until=120, workers=10, halve=60, backend=backend)
    assert limiter.rate < 20
    server.limit = 20
    load(server, limiter, until=360, workers=10, backend=backend)
    assert limiter.rate == math.inf
    assert server.served(300, 360) == pytest.approx(60 * 20, rel=0.01)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 400),
            st.sampled_from(["call", "answer", "refuse"]),
            st.integers(0, 30),
            st.integers(0, 3000),
        ),
        max_size=60,
    ),
    st.sampled_from(["asyncio", "trio"]),
)
def test_whatever_it_hears_it_never_grants_more_than_its_rates(
    steps: list[tuple[int, str, int, int]], backend: str
) -> None:
    """And whoever waits is let through in the end, in order."""
    clock = VirtualClock()
    limiter = AdaptiveLimiter("3/s, 10/5s burst 4", clock=clock)
    grants: list[tuple[int, int]] = []

    async def call(number: int) -> None:
        await limiter.acquire()
        grants.append((clock.monotonic_ns(), number))

    async def check() -> None:
        async with anyio.create_task_group() as group:
            for number, (pause, step, remaining, after) in enumerate(steps):
                await clock.sleep(pause / 1000)
                grant = min(remaining, limiter.granted)
                if step == "answer":
                    limiter.answered(Quota(remaining=remaining, reset_after=after / 1000), grant)
                elif step == "refuse":
                    limiter.refused(after / 1000 or None, grant)
                else:
                    group.start_soon(call, number)

    clock.run(check, backend=backend)
    moments = [moment for moment, _ in grants]
    assert [number for _, number in grants] == [
        number for number, step in enumerate(steps) if step[1] == "call"
    ]
    for start in moments:
        assert sum(start <= moment < start + SECOND for moment in moments) <= 3
        for end in moments:
            between = sum(start <= moment <= end for moment in moments)
            assert between <= 4 + max(0, end - start) // (SECOND // 2)


@on_both
def test_a_refusal_pauses_everybody_and_lets_them_go_one_after_the_other(backend: str) -> None:
    clock = VirtualClock()
    limiter = AdaptiveLimiter("10/s", clock=clock)
    moments: list[float] = []

    async def call() -> None:
        await limiter.acquire()
        moments.append(clock.monotonic_ns() / SECOND)

    async def check() -> None:
        assert [limiter.try_acquire() for _ in range(11)] == [True] * 10 + [False]
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(call)
            await clock.sleep(0.5)
            assert limiter.waiting == 5
            limiter.refused(30.0, limiter.granted)

    clock.run(check, backend=backend)
    assert moments[:2] == [30.5, 30.5]  # as after any rest, one that was missed is made up for
    assert all(0.1 < later - earlier < 0.15 for earlier, later in pairwise(moments[1:]))


def test_it_satisfies_the_protocols() -> None:
    limiter = AdaptiveLimiter("10/s, 100/min")
    assert isinstance(limiter, HearsAnswers)
    assert isinstance(limiter, HearsQuota)
    assert repr(limiter) == "AdaptiveLimiter('10/s, 100/min')"


def test_what_is_heard_without_a_request_is_of_the_newest() -> None:
    clock = VirtualClock()
    limiter = AdaptiveLimiter("10/s", clock=clock)
    assert limiter.try_acquire()
    limiter.hear(Quota(remaining=0, reset_after=5))
    assert not limiter.try_acquire()
    assert not limiter.idle()
    clock.advance(5)
    assert limiter.idle()
    limiter.close()


@pytest.mark.parametrize(
    ("decrease", "recovery"), [(0, 30), (1, 30), (math.nan, 30), (0.7, 0), (0.7, -1), (0.7, math.inf)]
)
def test_settings_that_make_no_sense_are_refused(decrease: float, recovery: float) -> None:
    with pytest.raises(
        ConfigError, match=r"cannot adapt with decrease=.* and recovery=.*; expected a factor"
    ):
        AdaptiveLimiter("1/s", decrease=decrease, recovery=recovery)


def test_what_is_said_of_settings_that_make_no_sense() -> None:
    with pytest.raises(ConfigError) as raised:
        AdaptiveLimiter("1/s", decrease=2)
    assert raised.value.message == (
        "cannot adapt with decrease=2 and recovery=30.0; expected a factor between 0 and 1, and a number of seconds above "
        "0; leave them out for 0.7 and 30"
    )


def test_by_default_it_falls_by_three_tenths_and_is_back_after_half_a_minute() -> None:
    clock = VirtualClock()
    limiter = AdaptiveLimiter("10/s", clock=clock)
    assert limiter.try_acquire(10)
    limiter.refused(2.0, limiter.granted)
    assert limiter.rate == pytest.approx(7.0)
    clock.advance(2.0 + 29.999)
    assert 9.9 < limiter.rate < 10.0
    clock.advance(0.001)
    assert limiter.rate == math.inf


def test_what_was_sent_within_the_shortest_window_is_the_rate_that_was_refused() -> None:
    clock = VirtualClock()
    limiter = AdaptiveLimiter("10/s, 3600/h", clock=clock)
    assert limiter.try_acquire(10)
    clock.advance(0.5)
    limiter.refused(2.0, limiter.granted)
    assert limiter.rate == pytest.approx(7.0)


def test_counts_by_the_calendar_survive(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("counts") / "counts.json"
    clock = VirtualClock()
    first = AdaptiveLimiter("3/day@UTC", state=path, clock=clock)
    assert first.try_acquire(2)
    first.close()
    second = AdaptiveLimiter("3/day@UTC", state=path, clock=clock)
    assert [second.try_acquire(), second.try_acquire()] == [True, False]
