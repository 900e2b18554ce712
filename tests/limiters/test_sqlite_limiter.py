"""A limiter shared through an SQLite file. Several instances on one file stand for several processes here."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.errors import ConfigError, ConnectorError, RateLimitError, TimedOutError
from connector_kit.limiters.rates import DeadRateWarning
from connector_kit.limiters.settings import LimiterSettings, SharedSettings
from connector_kit.limiters.sqlite_limiter import TABLES, SQLiteLimiter, SQLiteStore, SQLiteWindow
from connector_kit.limiters.windows import HardWindow, SlidingLog
from connector_kit.records.page import Quota
from connector_kit.testing.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECOND = 1_000_000_000


class Dial:
    """A clock that is set by hand and, as after a start of the machine, may go back."""

    def __init__(self) -> None:
        self.ns = 1_000 * SECOND

    def __call__(self) -> int:
        return self.ns


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "limits.sqlite"


@pytest.fixture
def dial() -> Dial:
    return Dial()


def settings(rates: str, name: str = "shop") -> SharedSettings:
    return SharedSettings.of(name, LimiterSettings.of(rates, max_wait=None, max_queue=None, state=None))


@pytest.fixture
def log(path: Path, dial: Dial) -> Iterator[SQLiteStore]:
    with closing(SQLiteStore(path, settings("3/10s"), dial)) as opened:
        yield opened


def test_all_who_share_a_file_and_a_name_take_from_one_limit(
    log: SQLiteStore, path: Path, dial: Dial
) -> None:
    with closing(SQLiteStore(path, settings("3/10s"), dial)) as other:
        assert log.take(2) == 0
        assert other.take(1) == 0
        dial.ns += SECOND
        assert other.take(1) == log.take(1) == 9 * SECOND
        dial.ns += 9 * SECOND
        assert other.take(3) == 0


def test_another_name_has_a_limit_of_its_own(log: SQLiteStore, path: Path, dial: Dial) -> None:
    with closing(SQLiteStore(path, settings("1/min", name="bank"), dial)) as other:
        assert log.take(3) == other.take(1) == 0


def test_several_rates_hold_at_once_and_all_or_none_give(path: Path, dial: Dial) -> None:
    with closing(SQLiteStore(path, settings("2/s, 3/min"), dial)) as log:
        assert log.take(2) == 0
        assert log.take(1) == SECOND
        dial.ns += SECOND
        assert log.take(2) == 59 * SECOND
        assert log.take(1) == 0


def test_a_clock_that_begins_anew_forgets_nothing_too_early(log: SQLiteStore, dial: Dial) -> None:
    """The machine was started again: what was granted before counts as granted now, at the latest."""
    assert log.take(3) == 0
    dial.ns = 2 * SECOND
    assert log.take(1) == 10 * SECOND
    dial.ns = 11 * SECOND
    assert log.take(1) == SECOND
    dial.ns = 12 * SECOND
    assert log.take(3) == 0


def test_a_pause_lasts_no_longer_where_the_clock_begins_anew(log: SQLiteStore, dial: Dial) -> None:
    log.take(1)
    log.pause(30 * SECOND)
    dial.ns = 5 * SECOND
    assert log.take(1) == 30 * SECOND
    dial.ns = 35 * SECOND
    assert log.take(1) == 0


def test_a_shorter_pause_does_not_end_a_longer_one(log: SQLiteStore, dial: Dial) -> None:
    log.pause(30 * SECOND)
    log.pause(SECOND)
    assert log.take(1) == 30 * SECOND


def test_other_rates_are_refused_until_nothing_counts_any_more(
    log: SQLiteStore, path: Path, dial: Dial
) -> None:
    log.take(1)
    with closing(SQLiteStore(path, settings("5/s"), dial)) as other:
        with pytest.raises(
            ConfigError, match=r"'shop' in .* is in use with 3/10s; expected the same rates .* not 5/s"
        ):
            other.take(1)
        dial.ns += 10 * SECOND
        assert other.take(5) == 0
        with pytest.raises(ConfigError, match="is in use with 5/s"):
            log.take(1)


def test_the_file_does_not_grow_with_what_is_over(path: Path, dial: Dial) -> None:
    with closing(SQLiteStore(path, settings("20/s, 100000/day"), dial)) as log:
        for _ in range(2_000):
            assert log.take(1) == 0
            dial.ns += SECOND // 20
    with closing(sqlite3.connect(path)) as connection:
        rows = dict(connection.execute("SELECT window, count(*) FROM grants GROUP BY window").fetchall())
    # A grant within a thousandth of the day shares the entry of the day's first one in it: two hours would be 84.
    assert rows == {SECOND: 20, 86_400 * SECOND: 2}


@given(
    st.integers(1, 6),
    st.integers(1, 50),
    st.integers(0, 10),
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6)), max_size=40),
)
def test_a_window_in_a_file_is_the_sliding_log(
    limit: int, ns: int, grain: int, calls: list[tuple[int, int]]
) -> None:
    """They agree on every moment and on every permit, with and without a grain."""
    memory = SlidingLog(limit, ns, grain)
    with closing(sqlite3.connect(":memory:")) as connection:
        for table in TABLES:
            connection.execute(table)
        connection.execute("INSERT INTO windows VALUES ('x', ?, 0)", (ns,))
        window = SQLiteWindow(connection, "x", HardWindow(limit, ns, grain))
        now = 1_000
        for gap, cost in calls:
            now += gap
            taken = min(cost, limit)
            ready = memory.ready_at(now, taken)
            assert window.ready_at(now, taken) == ready
            if ready == now:
                memory.commit(now, taken)
                window.commit(now, taken)


@pytest.mark.parametrize("content", [b"x" * 4096, b"not a database"])
def test_a_file_of_something_else_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(
        ConfigError, match=r"limits\.sqlite: file is not a database; expected a database that a limiter"
    ):
        SQLiteLimiter(path, "1/s")


def test_a_database_of_something_else_is_refused_and_left_as_it_is(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE orders (id)")
    before = path.read_bytes()
    with pytest.raises(
        ConfigError, match="is a database of something else; expected one that a limiter has made"
    ):
        SQLiteLimiter(path, "1/s")
    assert path.read_bytes() == before


def test_a_folder_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unable to open database file; expected .*; correct the path"):
        SQLiteLimiter(tmp_path / "none" / "limits.sqlite", "1/s")


@pytest.mark.parametrize(
    ("rates", "name", "message"),
    [
        ("10/s burst 2", "x", r"10/s burst 2 cannot be shared by processes; expected hard windows"),
        ("10/day@UTC", "x", r"10/day@UTC cannot be shared by processes; expected hard windows"),
        ("10", "x", "cannot make a limiter of '10'"),
        ("10/s", "", "cannot share a limiter by the name ''; expected up to 200 characters"),
        ("10/s", "a b", "by the name 'a b'"),
    ],
)
def test_rates_and_names_that_cannot_be_shared_are_refused(
    path: Path, rates: str, name: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        SQLiteLimiter(path, rates, name=name)
    assert not path.exists()


def test_a_dead_rate_keeps_no_log() -> None:
    with pytest.warns(DeadRateWarning):
        both = settings("100/s, 10/min")
    assert both.windows == (HardWindow(10, 60 * SECOND),)


def test_from_ten_thousand_permits_on_those_within_a_thousandth_of_the_window_share_an_entry() -> None:
    assert settings("10000/s").windows == (HardWindow(10_000, SECOND, 0),)
    assert settings("10001/s").windows == (HardWindow(10_001, SECOND, SECOND // 1000),)


class TestWords:
    """What is said of a file, in full."""

    def test_of_something_else(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE mine (a)")
        with pytest.raises(ConfigError) as raised:
            SQLiteLimiter(path, "1/s")
        assert raised.value.message == (
            f"{path} is a database of something else; expected one that a limiter has made, or none; give the limiter a "
            "path of its own"
        )

    def test_that_there_cannot_be(self, tmp_path: Path) -> None:
        path = tmp_path / "none" / "limits.sqlite"
        with pytest.raises(ConfigError) as raised:
            SQLiteLimiter(path, "1/s")
        assert raised.value.message == (
            f"cannot share a limiter through {path}: unable to open database file; expected a database that a limiter has "
            "made, or a path for a new one, in a folder that can be written to; correct the path, or the permissions"
        )

    def test_with_other_rates(self, log: SQLiteStore, path: Path, dial: Dial) -> None:
        log.take(1)
        with closing(SQLiteStore(path, settings("5/s"), dial)) as other, pytest.raises(ConfigError) as raised:
            other.take(1)
        assert raised.value.message == (
            f"the limiter 'shop' in {path} is in use with 3/10s; expected the same rates from all who share it, not 5/s; "
            "change them everywhere and wait until the old windows are over, or take another name"
        )

    def test_that_somebody_holds(self, path: Path, dial: Dial) -> None:
        with (
            closing(SQLiteStore(path, settings("3/10s"), dial, busy_timeout=0.0)) as log,
            closing(sqlite3.connect(path, isolation_level=None)) as holder,
        ):
            holder.execute("BEGIN IMMEDIATE")
            with pytest.raises(TimedOutError) as raised:
                log.take(1)
        assert raised.value.message == (
            f"{path} was in use by others for 0 s; expected a millisecond for each; find out which program holds the "
            "database"
        )

    def test_that_takes_no_write(self, log: SQLiteStore, path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("DROP TABLE grants")
        with pytest.raises(ConnectorError) as raised:
            log.take(1)
        assert raised.value.message == (
            f"cannot count permits in {path}: no such table: grants; expected to write them before they are used, so that "
            "none is granted; make room, or correct the permissions"
        )


def test_a_dead_rate_is_told_where_the_limiter_is_made(path: Path) -> None:
    with pytest.warns(DeadRateWarning, match="100/s never holds anything up") as caught:
        SQLiteLimiter(path, "100/s, 10/min")
    assert caught[0].filename == __file__


def test_a_file_that_somebody_holds_is_an_error_after_a_while(
    log: SQLiteStore, path: Path, dial: Dial
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TimedOutError, match=r"was in use by others for 0\.05 s; expected a millisecond"):
            SQLiteStore(path, settings("3/10s"), dial, busy_timeout=0.05)


def test_a_file_that_cannot_be_written_grants_nothing(log: SQLiteStore, path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TABLE grants")
    with pytest.raises(
        ConnectorError, match=r"cannot count permits in .*no such table: grants; expected to write them"
    ):
        log.take(1)


def test_a_file_that_does_not_take_a_write_grants_nothing(log: SQLiteStore) -> None:
    log.take(1)
    assert log._connection is not None
    log._connection.execute("PRAGMA query_only = 1")
    with pytest.raises(ConnectorError, match="attempt to write a readonly database; expected to write them"):
        log.take(1)


def test_many_may_make_the_file_at_once(tmp_path: Path, dial: Dial) -> None:
    """Each of them comes with the first permit in mind, and none of them is told that the file is locked."""
    for number in range(10):
        path = tmp_path / f"{number}.sqlite"
        together = threading.Barrier(8)
        waits: list[int] = []

        def come(path: Path = path, together: threading.Barrier = together, waits: list[int] = waits) -> None:
            together.wait()
            with closing(SQLiteStore(path, settings("8/min"), dial)) as log:
                waits.append(log.take(1))

        comers = [threading.Thread(target=come) for _ in range(8)]
        for comer in comers:
            comer.start()
        for comer in comers:
            comer.join()
        assert waits == [0] * 8


def test_a_file_that_was_removed_is_made_anew_for_all(log: SQLiteStore, path: Path, dial: Dial) -> None:
    """Else those who have it open would count past those who come."""
    log.take(3)
    path.unlink()
    with closing(SQLiteStore(path, settings("3/10s"), dial)) as other:
        assert other.take(2) == log.take(1) == 0
        assert other.take(1) == log.take(1) == 10 * SECOND


def test_a_folder_that_was_removed_is_an_error(log: SQLiteStore, path: Path) -> None:
    log.take(1)
    shutil.rmtree(path.parent)
    with pytest.raises(ConnectorError, match="unable to open database file"):
        log.take(1)


FORKS = """
import os, sys
from connector_kit.limiters.sqlite_limiter import SQLiteStore
from connector_kit.limiters.settings import SharedSettings
from connector_kit.limiters.settings import LimiterSettings

settings = SharedSettings.of("shop", LimiterSettings.of("3/min", max_wait=None, max_queue=None, state=None))
log = SQLiteStore(sys.argv[1], settings, lambda: 0)
waits = [log.take(1)]
child = os.fork()
if child == 0:
    os._exit(log.take(1))
os.waitpid(child, 0)
print(waits + [log.take(1), log.take(1)])
"""


def test_a_forked_process_opens_the_file_for_itself(path: Path) -> None:
    forking = subprocess.run([sys.executable, "-c", FORKS, path], check=True, capture_output=True, text=True)
    assert forking.stdout == f"[0, 0, {60 * SECOND}]\n"


def test_what_was_opened_before_a_fork_is_left_alone(log: SQLiteStore) -> None:
    log.take(1)
    others = log._connection
    log._process = -1  # as in a child
    assert log.take(1) == 0
    assert others is not None
    assert others.execute("SELECT 1").fetchall() == [(1,)]
    others.close()


def test_is_shown_with_its_place(path: Path) -> None:
    assert repr(SQLiteLimiter(path, "1/s")) == f"SQLiteLimiter('{path}', '1/s', name='default')"


def test_waits_for_what_another_one_has_taken(path: Path, anyio_backend: str) -> None:
    clock = VirtualClock()
    one, other = (SQLiteLimiter(path, "2/min", clock=clock) for _ in range(2))

    async def main() -> None:
        assert await one.acquire(2) == 0.0
        assert not await other.try_acquire()
        assert one.waiting == other.waiting == 0
        assert 60.0 <= await other.acquire() < 60.01

    clock.run(main, backend=anyio_backend)
    one.close()
    other.close()
    one.close()


@pytest.mark.anyio
async def test_threads_at_work_do_not_hold_up_a_permit(path: Path) -> None:
    """They may be waiting for this very permit."""
    limiter = SQLiteLimiter(path, "100/s")
    everybody = anyio.to_thread.current_default_thread_limiter()
    released = threading.Event()

    async def work() -> None:
        await anyio.to_thread.run_sync(released.wait)

    async with anyio.create_task_group() as tasks:
        for _ in range(int(everybody.total_tokens)):
            tasks.start_soon(work)
        await anyio.wait_all_tasks_blocked()
        assert await limiter.acquire() == 0.0
        released.set()
    limiter.close()


@pytest.mark.anyio
async def test_by_default_a_call_costs_one_permit(path: Path) -> None:
    with closing(SQLiteLimiter(path, "2/h")) as limiter:
        assert await limiter.acquire() == 0.0
        assert await limiter.try_acquire()
        assert not await limiter.try_acquire()


@pytest.mark.anyio
async def test_a_pause_is_shared(path: Path) -> None:
    one, other = (SQLiteLimiter(path, "10/s", max_wait=1) for _ in range(2))
    one.hear(Quota(remaining=0, reset_after=60.0))
    with pytest.raises(RateLimitError) as here:
        await one.acquire()
    one.close()
    with pytest.raises(RateLimitError) as there:
        await other.acquire()
    assert not await other.try_acquire()
    assert all(59 < (error.value.retry_after or 0) <= 60 for error in (here, there))
    other.close()
