"""Four real processes share a limit through an SQLite file, and through a real Redis."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest
from redis_server import running_redis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis_server import RedisServer

SECOND = 1_000_000_000
WORKER = Path(__file__).parent.parent / "shared_limiter_worker.py"
PROCESSES = 4
LIMIT = 200
WINDOW = 2 * SECOND
RATES = f"{LIMIT}/2s"
SHARE = 0.25
KEY = "connector_kit:limiter:default"


@attrs.frozen
class Team:
    """Processes that take permits as fast as they get them."""

    processes: tuple[subprocess.Popen[str], ...]

    @classmethod
    @contextmanager
    def at_work(cls, kind: str, address: str, seconds: float) -> Iterator[Team]:
        """Start them; they end by themselves after so many seconds, and are killed where the block ends before."""
        until = time.monotonic_ns() + round(seconds * SECOND)
        command = [sys.executable, str(WORKER), kind, address, RATES, str(SHARE), str(until)]
        team = cls(
            tuple(
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                for _ in range(PROCESSES)
            )
        )
        try:
            yield team
        finally:
            for process in team.processes:
                process.kill()
                process.communicate()

    def said(self) -> list[list[str]]:
        """Wait for all of them; give what each has written."""
        lines = []
        for process in self.processes:
            out, errors = process.communicate(timeout=60)
            assert process.returncode in {0, -signal.SIGKILL}, errors
            lines.append(out.splitlines())
        return lines


def moments(said: list[list[str]], source: str = "store") -> list[int]:
    return sorted(int(line.split()[0]) for lines in said for line in lines if line.endswith(source))


def assert_bound(grants: list[int], window: int = WINDOW) -> None:
    """At most the limit in every half-open window: a permit and the one `LIMIT` later are a window apart."""
    assert len(grants) > LIMIT
    closest = min(later - grant for grant, later in zip(grants, grants[LIMIT:], strict=False))
    assert closest >= window


def used(grants: list[int], first: int, windows: int) -> float:
    """Give the share of the permits that were taken: how soon the one so many windows later came, at best 1."""
    return windows * WINDOW / (grants[first + windows * LIMIT] - grants[first])


@pytest.mark.slow
def test_four_processes_and_a_file_one_killed(tmp_path: Path) -> None:
    """The bound holds by the moments at which the file was written; what the killed one might have had, others have."""
    with Team.at_work("sqlite", str(tmp_path / "limits.sqlite"), seconds=15) as team:
        time.sleep(6)
        team.processes[0].kill()
        said = team.said()
    grants = moments(said)
    shares = used(grants, 0, 5), used(grants, 3 * LIMIT, 2)
    report("sqlite", *shares, [len(each) for each in said])
    assert_bound(grants)
    assert min(shares) >= 0.97
    assert all(said)


@attrs.frozen
class GrantLog:
    """What stands in Redis' own log: the moment of every grant, by its clock in nanoseconds."""

    grants: dict[int, int] = attrs.field(factory=dict)

    def copy(self, server: RedisServer) -> None:
        with server.client() as client:
            for field, value in client.hgetall(KEY).items():
                window, colon, number = str(field).partition(":")
                if colon:
                    assert window == "1"
                    ends, permits = map(int, str(value).split())
                    assert permits == 1
                    self.grants[int(number)] = ends * 1000 - WINDOW

    def moments(self) -> list[int]:
        numbers = sorted(self.grants)
        assert all(later == number + 1 for number, later in pairwise(numbers)), (
            "the log was read often enough"
        )
        return [self.grants[number] for number in numbers]


@contextmanager
def copying(server: RedisServer) -> Iterator[GrantLog]:
    """Copy what stands in Redis' log, several times in each window, as long as the block runs."""
    log, ended = GrantLog(), threading.Event()

    def copy() -> None:
        while not ended.wait(0.2):
            log.copy(server)

    copier = threading.Thread(target=copy)
    copier.start()
    try:
        yield log
    finally:
        ended.set()
        copier.join()
        log.copy(server)


@pytest.mark.slow
def test_four_processes_and_redis_one_killed(tmp_path: Path) -> None:
    """The bound holds by Redis' own clock; what the killed one might have had, others have."""
    with (
        running_redis(tmp_path) as server,
        copying(server) as log,
        Team.at_work("redis", server.url, seconds=15) as team,
    ):
        time.sleep(6)
        team.processes[0].kill()
        said = team.said()
    grants = log.moments()
    shares = used(grants, 0, 5), used(grants, 3 * LIMIT, 2)
    report("redis", *shares, [len(each) for each in said])
    assert_bound(grants)
    assert min(shares) >= 0.97
    assert all(said)
    assert 0 <= len(grants) - len(moments(said)) <= PROCESSES, "but for the last ones, all stand in both"


@pytest.mark.slow
def test_redis_is_killed_and_started_again(tmp_path: Path) -> None:
    """Meanwhile each process keeps to its share; then all keep to the limit together again, and use it."""
    with running_redis(tmp_path) as server, Team.at_work("redis", server.url, seconds=20) as team:
        with copying(server) as before:
            while len(before.grants) <= LIMIT:  # into the second window
                time.sleep(0.05)
        gone = time.monotonic_ns()
        server.kill()
        time.sleep(5)
        server.start()
        back = time.monotonic_ns()
        with copying(server) as after:
            said = team.said()
    for log in (before, after):
        assert_bound(log.moments())
    own = round(LIMIT * SHARE)
    alone = [len(moments([lines], "here")) for lines in said]
    share = used(after.moments(), 0, 3)
    report("redis, back", share, alone)
    for lines, permits in zip(said, alone, strict=True):
        assert own <= permits <= own * ((back - gone + SECOND) // WINDOW + 2), "it went on, within its share"
        assert [line for line in lines if line.startswith("Limiter")] == [
            "LimiterDegraded",
            "LimiterRestored",
        ]
    assert share >= 0.97


def report(*facts: object) -> None:
    print(*facts)  # noqa: T201 - for -rP
