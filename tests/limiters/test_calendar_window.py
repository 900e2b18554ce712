"""Calendar windows and the file their counts survive in: never more than the limit, whoever dies and whatever is set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.errors import ConfigError, ConnectorError
from connector_kit.limiters.count_file import CountFile
from connector_kit.limiters.rate_limiter import RateLimiter
from connector_kit.limiters.rates import CalendarRate
from connector_kit.limiters.windows import CalendarWindow
from connector_kit.testing.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from pathlib import Path

    from connector_kit.clock import Clock

SECOND = 1_000_000_000
NIGHT = datetime(2024, 3, 10, 4, 0, tzinfo=UTC)
"""One hour before midnight in New York; the day that begins then has 23 hours."""
DAILY = CalendarRate(3, "day", "America/New_York")


class Wall:
    """A time of day that is set by hand, also back."""

    def __init__(self, now: datetime = NIGHT) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


def limiter(folder: Path, clock: Clock, rates: str = str(DAILY)) -> RateLimiter:
    return RateLimiter(rates, state=folder / "counts.json", clock=clock)


def taken(some: RateLimiter) -> int:
    """Take everything that is free."""
    count = 0
    while some.try_acquire():
        count += 1
    return count


class TestWindow:
    def test_permits_come_back_at_midnight_and_not_before(self) -> None:
        wall = Wall()
        budget = CalendarWindow(DAILY, wall.now)
        assert budget.take(0, 2)
        assert budget.ready_at(5, 1) == 5
        assert budget.ready_at(5, 2) == 5 + 3600 * SECOND
        wall.time += timedelta(hours=1, microseconds=-1)
        assert not budget.take(5, 2)
        assert budget.in_use(5)
        wall.time += timedelta(microseconds=1)
        assert not budget.in_use(5)
        assert budget.take(5, 3)
        assert budget.ready_at(5, 1) == 5 + 23 * 3600 * SECOND

    def test_the_earliest_moment_counts_whole_windows(self) -> None:
        wall = Wall()
        budget = CalendarWindow(DAILY, wall.now)
        hour, day = 3600 * SECOND, DAILY.shortest_ns
        assert [budget.earliest(0, permits, 0) for permits in (3, 4, 6, 7, 9, 10)] == [
            0,
            hour,
            hour,
            hour + day,
            hour + day,
            hour + 2 * day,
        ]
        assert budget.earliest(0, 3, 7) == 7
        assert budget.earliest(0, 4, 2 * hour) == 2 * hour

    def test_permits_that_fill_the_window_wait_for_nothing_but_a_pause(self) -> None:
        budget = CalendarWindow(DAILY, Wall().now)
        assert [budget.earliest(10, permits, 5) for permits in (2, 3)] == [10, 10]
        assert budget.earliest(10, 3, 20) == 20
        assert budget.earliest(10, 4, 20) == 10 + 3600 * SECOND

    def test_the_counts_of_the_last_three_windows_are_kept(self) -> None:
        wall, counts = Wall(), dict[datetime, int]()
        budget = CalendarWindow(DAILY, wall.now, counts)
        for days in range(5):
            wall.time = NIGHT + timedelta(days=days)
            assert budget.take(0, 1)
            assert len(counts) == min(days + 1, 3)
        assert max(counts) == DAILY.window(wall.time)[0]

    def test_a_clock_put_back_across_midnight_goes_on_with_the_count_of_the_day_before(self) -> None:
        wall = Wall()
        budget = CalendarWindow(DAILY, wall.now)
        assert budget.take(0, 3)
        wall.time += timedelta(hours=2)
        assert budget.take(0, 1)
        wall.time -= timedelta(hours=2)
        assert not budget.take(0, 1)
        wall.time += timedelta(hours=2)
        assert not budget.take(0, 3)
        assert budget.take(0, 2)

    @given(st.lists(st.tuples(st.integers(-30, 90), st.integers(1, 3)), max_size=60))
    def test_no_day_has_more_than_its_limit_and_memory_is_bounded(self, steps: list[tuple[int, int]]) -> None:
        """Under a clock that is set forth and back by hours, as long as it is not put back over two midnights."""
        wall, counts = Wall(), dict[datetime, int]()
        budget = CalendarWindow(DAILY, wall.now, counts)
        grants: dict[datetime, int] = {}
        latest = wall.time
        for hours, cost in steps:
            latest = max(latest, wall.time)
            wall.time = max(wall.time + timedelta(hours=hours), latest - timedelta(hours=20))
            day = DAILY.window(wall.time)[0]
            free = grants.get(day, 0) + cost <= DAILY.limit
            assert budget.take(0, cost) is free
            if free:
                grants[day] = grants.get(day, 0) + cost
            assert len(counts) <= 3


class TestRestart:
    def test_counts_survive(self, tmp_path: Path) -> None:
        clock = VirtualClock(NIGHT)
        first = limiter(tmp_path, clock)
        assert first.try_acquire(2)
        first.close()
        second = limiter(tmp_path, clock)
        assert taken(second) == 1
        clock.advance(3600)
        assert taken(second) == 3
        second.close()
        assert taken(limiter(tmp_path, clock)) == 0

    def test_a_new_limit_goes_on_with_the_count(self, tmp_path: Path) -> None:
        clock = VirtualClock(NIGHT)
        first = limiter(tmp_path, clock)
        assert taken(first) == 3
        first.close()
        assert taken(limiter(tmp_path, clock, "5/day@America/New_York, 9/month@UTC")) == 2

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_who_waits_for_midnight_gets_the_first_moment_of_the_day(
        self, backend: str, tmp_path: Path
    ) -> None:
        clock = VirtualClock(NIGHT)
        waiting = limiter(tmp_path, clock)
        assert taken(waiting) == 3
        assert clock.run(waiting.acquire, backend=backend) == 3600

    def test_a_process_killed_right_after_a_grant_has_counted_it(self, tmp_path: Path) -> None:
        """Whatever was granted is on the disk before anybody can use it."""
        script = (
            "import os, sys\n"
            "from connector_kit.limiters.rate_limiter import RateLimiter\n"
            "limiter = RateLimiter('3/month@UTC', state=sys.argv[1])\n"
            "assert limiter.try_acquire()\n"
            "os.kill(os.getpid(), 9)\n"
        )
        for _ in range(3):
            done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "counts.json")], check=False)
            assert done.returncode == -9
        counts = json.loads((tmp_path / "counts.json").read_text())["counts"]["month@UTC"]
        assert sum(counts.values()) == 3

    def test_without_a_file_counts_begin_at_zero(self) -> None:
        assert taken(RateLimiter(DAILY, clock=VirtualClock(NIGHT))) == 3

    def test_the_smaller_of_two_rates_in_the_same_windows_counts(self, tmp_path: Path) -> None:
        with pytest.warns(UserWarning, match="4/day@UTC never holds anything up beside 2/day@UTC"):
            both = limiter(tmp_path, VirtualClock(NIGHT), "4/day@UTC, 2/day@UTC, 9/month@UTC")
        assert taken(both) == 2


class TestFile:
    def test_a_second_limiter_is_refused_until_the_first_is_closed_or_gone(self, tmp_path: Path) -> None:
        clock = VirtualClock(NIGHT)
        first = limiter(tmp_path, clock)
        with pytest.raises(ConfigError, match=r"counts.json is in use by another limiter.*share the limiter"):
            limiter(tmp_path, clock)
        first.close()
        first.close()
        second = limiter(tmp_path, clock)
        del second
        limiter(tmp_path, clock)

    @pytest.mark.parametrize(
        "content",
        [
            b"no json",
            b"\xff\xfe",
            b"[]",
            b"null",
            b"{}",
            b'{"format": "something else", "counts": {}}',
            b'{"format": "connector_kit permit counts 1", "counts": {"day@UTC": {"2024-01-01": 1}}}',
            b'{"format": "connector_kit permit counts 1", "counts": {"day@UTC": {"2024-01-01T00:00Z": -1}}}',
            b'{"format": "connector_kit permit counts 1", "counts": {"day@UTC": {"2024-01-01T00:00Z": true}}}',
            b'{"format": "connector_kit permit counts 1", "counts": {"day@UTC": 3}}',
        ],
    )
    def test_something_else_is_refused_and_stays_as_it_is(self, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / "counts.json"
        path.write_bytes(content)
        with pytest.raises(
            ConfigError, match=r"counts.json holds no permit counts; expected .*; give state= another"
        ):
            CountFile(path)
        assert path.read_bytes() == content

    def test_a_place_that_cannot_be_written_to_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(
            ConfigError, match=r"cannot keep permit counts in .*: No such file or directory; expected"
        ):
            CountFile(tmp_path / "nowhere" / "counts.json")

    def test_what_cannot_be_stored_is_not_granted(self, tmp_path: Path) -> None:
        """By no rate, and the count stays as it is on the disk."""
        clock = VirtualClock(NIGHT)
        both = limiter(tmp_path, clock, f"5/min, {DAILY}")
        assert both.try_acquire()
        stored = (tmp_path / "counts.json").read_bytes()
        (tmp_path / "counts.json.new").mkdir()
        for _ in range(3):
            with pytest.raises(
                ConnectorError, match=r"cannot store permit counts in .*; expected to write it"
            ):
                both.try_acquire()
        (tmp_path / "counts.json.new").rmdir()
        assert (tmp_path / "counts.json").read_bytes() == stored
        assert taken(both) == 2

    def test_a_file_without_calendar_rates_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(
            ConfigError, match=r"has nothing to keep: there is no calendar rate in 3/s; expected"
        ):
            RateLimiter("3/s", state=tmp_path / "counts.json")
        assert os.listdir(tmp_path) == []  # noqa: PTH208 - names only

    def test_it_shows_its_path(self, tmp_path: Path) -> None:
        assert repr(CountFile(tmp_path / "a.json")) == f"CountFile('{tmp_path / 'a.json'}')"
