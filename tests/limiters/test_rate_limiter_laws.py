"""What the limiter keeps to for every schedule of arrivals, costs, cancellations, stalls and refusals, on both loops.

One law says it all: each grant comes at the first moment at which (1) everybody who called earlier has been granted or
has left, (2) every rate has room (in every window, in every interval, in every hour of the calendar), and (3) nothing
was paused or stalled. Not before, which is the bound and the order; not after, which is work conservation. The bounds
are checked once more on their own, without any model, and under clocks that wake sleepers late and early.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import anyio
import attrs
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from connector_kit.durations import Duration
from connector_kit.errors import RateLimitError
from connector_kit.limiters.rate_limiter import RateLimiter
from connector_kit.limiters.rates import CalendarRate, Rate, Rates
from connector_kit.records.page import Quota
from connector_kit.testing.virtual_clock import VirtualClock

# Random rates often have one among them that another one makes superfluous; the bounds hold all the same.
pytestmark = pytest.mark.filterwarnings("ignore::connector_kit.limiters.rates.DeadRateWarning")

MS = 1_000_000
SECOND = 1_000 * MS
ROUNDING = 1_000
"""Nanoseconds by which the time of day, in whole microseconds, and a deadline, a float in the event loop, may be off."""
START = datetime(2024, 11, 3, 5, 59, 58, tzinfo=UTC)
"""Two seconds before a full hour; it ends New York's first one o'clock of that night, and Kathmandu's is elsewhere."""

AnyRate: TypeAlias = Rate | CalendarRate


@attrs.frozen
class Call:
    """Somebody who calls at `at` and gives up after `patience` (both in ms)."""

    at: int
    cost: int
    patience: int | None


@attrs.frozen
class Hindrance:
    """From `at` on, for `length` (both in ms), nothing runs (a stall) or nothing is allowed (a spent quota)."""

    at: int
    length: int
    stall: bool


@attrs.frozen
class Unpunctual:
    """A clock that lets sleep the given parts of what was asked, in turn: less than 1 is early, more is late."""

    clock: VirtualClock
    parts: list[float]

    def monotonic_ns(self) -> int:
        return self.clock.monotonic_ns()

    def now(self) -> datetime:
        return self.clock.now()

    async def sleep(self, seconds: float, /) -> None:
        self.parts.append(part := self.parts.pop(0))
        await self.clock.sleep(seconds * part)


@attrs.define
class Outcome:
    """What came of one call; moments in ns. They are in the order in which the calls were made."""

    call: Call
    arrived: int
    left: int = -1
    granted: bool = False
    refused: RateLimitError | None = None
    waited: float = math.nan


@attrs.define
class Story:
    """Plays calls and hindrances against one limiter and keeps what happened."""

    limiter: RateLimiter
    clock: VirtualClock
    outcomes: list[Outcome] = attrs.Factory(list)
    hindered: list[tuple[int, int]] = attrs.Factory(list)

    async def make(self, call: Call) -> None:
        await self.clock.sleep(call.at / 1000)
        patience = math.inf if call.patience is None else call.patience / 1000
        with anyio.move_on_after(patience):
            outcome = Outcome(call, self.clock.monotonic_ns())
            self.outcomes.append(outcome)
            try:
                outcome.waited = await self.limiter.acquire(call.cost)
                outcome.granted = True
            except RateLimitError as error:
                outcome.refused = error
            finally:
                outcome.left = self.clock.monotonic_ns()

    async def hinder(self, hindrance: Hindrance) -> None:
        await self.clock.sleep(hindrance.at / 1000)
        now = self.clock.monotonic_ns()
        if hindrance.stall:
            self.clock.advance(hindrance.length / 1000)
        else:
            self.limiter.hear(Quota(remaining=0, reset_after=hindrance.length / 1000))
        self.hindered.append((now, now + hindrance.length * MS))

    async def play(self, calls: list[Call], hindrances: list[Hindrance]) -> None:
        async with anyio.create_task_group() as group:
            for call in calls:
                group.start_soon(self.make, call)
            for hindrance in hindrances:
                group.start_soon(self.hinder, hindrance)

    def grants(self) -> list[tuple[int, int]]:
        return [(outcome.left, outcome.call.cost) for outcome in self.outcomes if outcome.granted]

    def unhindered(self, moment: int) -> list[int]:
        """Give the first moment from this one on at which nothing was stalled or paused.

        More than one where a hindrance starts at the very moment: what comes first is left to the event loop.
        """
        moments = {moment}
        for start, end in sorted(self.hindered):
            held_up = {moment for moment in moments if start <= moment < end}
            moments -= held_up - {start}
            moments |= {end} if held_up else set()
        return sorted(moments)


def room_at(rates: list[AnyRate], grants: list[tuple[int, int]], moment: int, cost: int) -> int:
    """Give the first moment from this one on with room for `cost` after the given grants under every rate."""
    while (later := max(room_under(rate, grants, moment, cost) for rate in rates)) > moment:
        moment = later
    return moment


def room_under(rate: AnyRate, grants: list[tuple[int, int]], moment: int, cost: int) -> int:
    """Give such a moment for one rate, by counting."""
    if isinstance(rate, CalendarRate):
        return room_in_calendar(rate, grants, moment, cost)
    if rate.burst is not None:
        return room_in_intervals(rate.burst, rate.interval_ns, grants, moment, cost)
    return room_in_windows(rate, grants, moment, cost)


def room_in_calendar(rate: CalendarRate, grants: list[tuple[int, int]], moment: int, cost: int) -> int:
    start, end = (to_ns(border) for border in rate.window(to_time(moment)))
    taken = sum(permits for at, permits in grants if start <= at < end)
    return moment if taken + cost <= rate.limit else end


def room_in_intervals(
    burst: int, interval: int, grants: list[tuple[int, int]], moment: int, cost: int
) -> int:
    """Every closed interval that begins at a grant and ends with this one has burst + floor(length / interval)."""
    for place, (start, _) in enumerate(grants):
        permits = cost + sum(taken for _, taken in grants[place:])
        moment = max(moment, start + (permits - burst) * interval)
    return moment


def to_time(moment: int) -> datetime:
    return START + timedelta(microseconds=moment // 1000)


def to_ns(time: datetime) -> int:
    return (time - START) // timedelta(microseconds=1) * 1000


def room_in_windows(rate: Rate, grants: list[tuple[int, int]], moment: int, cost: int) -> int:
    for candidate in sorted(
        {moment, *(taken + rate.per.ns for taken, _ in grants if taken + rate.per.ns > moment)}
    ):
        if cost + sum(permits for taken, permits in grants if taken > candidate - rate.per.ns) <= rate.limit:
            return candidate
    raise AssertionError("the last candidate is a window with nothing in it")


backends = st.sampled_from(["asyncio", "trio"])
lengths = st.integers(1, 40).map(lambda tenths: Duration(tenths / 10))
rates_of_limiters: st.SearchStrategy[list[AnyRate]] = st.lists(
    st.one_of(
        st.builds(Rate, st.integers(1, 5), lengths),
        st.integers(1, 5).flatmap(
            lambda limit: st.builds(Rate, st.just(limit), lengths, st.integers(1, limit))
        ),
        st.builds(
            CalendarRate,
            st.integers(8, 30),
            st.sampled_from(["hour", "day"]),
            st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu"]),
        ),
    ),
    min_size=1,
    max_size=3,
)
sleeps = st.lists(st.floats(0.3, 3), min_size=1, max_size=5)


@st.composite
def stories(draw: st.DrawFn, *, impatient: bool = True) -> tuple[list[AnyRate], list[Call]]:
    rates = draw(rates_of_limiters)
    largest = Rates(rates).cost_limit
    patience = st.none() | st.integers(0, 4000) if impatient else st.none()
    calls = st.builds(Call, st.integers(0, 3000), st.integers(1, largest), patience)
    return rates, draw(st.lists(calls, max_size=16))


hindrances_of_stories = st.lists(
    st.builds(Hindrance, st.integers(0, 4000), st.integers(1, 3000), st.booleans()), max_size=3
)


def tell(
    story: tuple[list[AnyRate], list[Call]],
    hindrances: list[Hindrance],
    backend: str,
    parts: list[float] | None = None,
) -> Story:
    rates, calls = story
    clock = VirtualClock(START)
    told = Story(RateLimiter(rates, clock=Unpunctual(clock, parts) if parts else clock), clock)
    clock.run(told.play, calls, hindrances, backend=backend)
    return told


@given(stories(), hindrances_of_stories, sleeps, backends)
def test_no_rate_is_ever_exceeded(
    story: tuple[list[AnyRate], list[Call]],
    hindrances: list[Hindrance],
    parts: list[float],
    backend: str,
) -> None:
    """Counted, without a model. What begins at a grant holds at least as much as anything else that holds it."""
    grants = tell(story, hindrances, backend, parts).grants()
    for rate in story[0]:
        for start, _ in grants:
            if isinstance(rate, CalendarRate):
                first, end = rate.window(to_time(start))
                assert sum(cost for moment, cost in grants if first <= to_time(moment) < end) <= rate.limit
            elif rate.burst is None:
                assert sum(cost for at, cost in grants if start <= at < start + rate.per.ns) <= rate.limit
            else:
                for end_at, _ in grants:
                    taken = sum(cost for moment, cost in grants if start <= moment <= end_at)
                    assert taken <= rate.burst + max(0, end_at - start) // rate.interval_ns


@given(stories(), hindrances_of_stories, backends)
def test_each_grant_comes_in_turn_and_at_its_first_moment(
    story: tuple[list[AnyRate], list[Call]], hindrances: list[Hindrance], backend: str
) -> None:
    """Who gave up took nothing and held nobody up; who did not was granted."""
    rates, calls = story
    told = tell(story, hindrances, backend)
    assert len(told.outcomes) == len(calls)
    earlier: list[tuple[int, int]] = []
    turn = 0
    for outcome in told.outcomes:
        turn = max(turn, outcome.arrived)
        first = room_at(rates, earlier, turn, outcome.call.cost)
        possible = told.unhindered(first)
        if outcome.granted:
            event("granted after a wait" if outcome.left > outcome.arrived else "granted at once")
            assert min(abs(outcome.left - moment) for moment in possible) <= ROUNDING
            assert outcome.waited == (outcome.left - outcome.arrived) / SECOND
            earlier.append((outcome.left, outcome.call.cost))
        else:
            event("gave up")
            assert outcome.call.patience is not None
            assert outcome.left <= possible[-1] + ROUNDING
            assert outcome.left >= outcome.arrived + outcome.call.patience * MS - ROUNDING
            if not outcome.call.patience:
                continue  # cancelled on arrival: it may not even have stood in the queue
        turn = max(turn, outcome.left)
    assert told.limiter.waiting == 0


@given(stories(), hindrances_of_stories, backends)
def test_nothing_is_left_behind(
    story: tuple[list[AnyRate], list[Call]], hindrances: list[Hindrance], backend: str
) -> None:
    """Once the longest window and pause are over, everything is free again, whoever was cancelled and when."""
    rates, _ = story
    told = tell(story, hindrances, backend)
    told.clock.advance(2 * 86_400)
    assert told.limiter.idle()
    for _ in range(Rates(rates).cost_limit):
        assert told.limiter.try_acquire()
    assert not told.limiter.try_acquire()


@given(
    stories(impatient=False),
    st.integers(0, 5000),
    st.none() | st.integers(0, 4),
    st.none() | st.builds(Hindrance, st.integers(0, 4000), st.integers(1, 3000), st.just(value=False)),
    backends,
)
def test_bounds_of_waiting_refuse_only_who_would_wait_too_long(
    story: tuple[list[AnyRate], list[Call]],
    max_wait: int,
    max_queue: int | None,
    pause: Hindrance | None,
    backend: str,
) -> None:
    """Nobody waits longer than max_wait. Nobody is refused whose permit would have come in that time, and nobody is
    told to come back later than it would have come, unless somebody ahead is refused, too.
    """
    rates, calls = story
    clock = VirtualClock(START)
    told = Story(RateLimiter(rates, max_wait=max_wait / 1000, max_queue=max_queue, clock=clock), clock)
    clock.run(told.play, calls, [] if pause is None else [pause], backend=backend)
    earlier: list[tuple[int, int]] = []
    turn = 0
    for place, outcome in enumerate(told.outcomes):
        assert outcome.left - outcome.arrived <= max_wait * MS + ROUNDING
        if outcome.granted:
            event("granted")
            earlier.append((outcome.left, outcome.call.cost))
        else:
            assert outcome.refused is not None
            assert outcome.refused.retry_after is not None
            ahead = [other for other in told.outcomes[:place] if other.left > outcome.arrived]
            if "max_queue" in str(outcome.refused):
                event("refused for the queue")
                assert max_queue is not None
                # Of those who left at that very moment, the event loop decides who was still there.
                assert sum(other.left >= outcome.arrived for other in told.outcomes[:place]) >= max_queue
            else:
                event("refused for the wait")
                assert (
                    outcome.refused.retry_after + (outcome.left - outcome.arrived) / SECOND > max_wait / 1000
                )
            if all(other.granted for other in ahead):
                first = room_at(rates, earlier, max(turn, outcome.arrived), outcome.call.cost)
                latest = told.unhindered(first)[-1]
                assert outcome.left < outcome.left + outcome.refused.retry_after * SECOND <= latest + ROUNDING
        turn = max(turn, outcome.left)
