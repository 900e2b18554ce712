"""A run that is killed, at whatever moment, and run again leaves what an undisturbed run leaves."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from connector_kit.registry.destinations import open_destination

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector_kit.protocols import Destination
    from connector_kit.records.checkpoint import Checkpoint

KILLS = 50
"""How many processes have to be killed at work, for each destination; a tenth of them at least in each way to write."""

MOST_ROUNDS = 40
MOST_KILLS_OF_A_RUN = 40
"""Then a run is left to end: the loop is bounded even where a run should never get anywhere."""

SIZES = (160, 220)
"""The source grows between two runs: the second one reads what is new, and is killed, too."""

CONFIG = """
connector = "mock"

[settings]
seed = 11
size = {size}
page_size = 10
latency = "1ms"
faults = 0.1

[resilience.retry]
first_wait = "1ms"
max_wait = "4ms"
"""

APPEND = ("--mode", "append", "--entity", "events")
"""Appending is exact where the source is read by cursor: any other read, run again when it is complete, repeats rows."""

WAYS: dict[str, dict[str, tuple[str, ...]]] = {
    "sqlite": {"upsert": (), "append": APPEND, "replace": ("--mode", "replace")},
    "jsonl": {"replace": ("--mode", "replace"), "append": APPEND, "mixed": ()},
}
"""For each destination the ways to write, with their options."""


@attrs.frozen
class RunFolder:
    """Where a series of runs works: a folder of its own, with one destination in it."""

    folder: Path
    kind: str
    options: tuple[str, ...]

    @property
    def destination(self) -> str:
        return "sqlite:out.sqlite" if self.kind == "sqlite" else "jsonl:out"

    def start(self, size: int) -> subprocess.Popen[str]:
        """Start the command as a person would; its events come on standard error, a line each."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "mock.toml").write_text(CONFIG.format(size=size))
        command = ["sync", "mock.toml", "--to", self.destination, *self.options, "--log", "json"]
        return subprocess.Popen(
            [sys.executable, "-m", "connector_kit", *command],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def complete(self, size: int) -> list[float]:
        """Let a run end; give when each of its events came, in seconds from its start."""
        began = time.monotonic()
        with self.start(size) as process:
            assert process.stderr is not None
            lines = [(time.monotonic() - began, line) for line in process.stderr]
        assert process.returncode == 0, "".join(line for _, line in lines[-10:])
        return [seconds for seconds, _ in lines]

    def content(self) -> dict[str, Any]:
        """Give every row of every entity, and what the checkpoints say of where the next run begins.

        How many rows a read had is not compared: an entity that was complete before a kill is read once more.
        """
        rows = _tables(self.folder / "out.sqlite") if self.kind == "sqlite" else _files(self.folder / "out")
        return {"rows": rows, "checkpoints": self._checkpoints()}

    def _checkpoints(self) -> dict[str, Any]:
        kept = ("connector", "mode", "watermark", "complete")
        name = str(self.folder / self.destination.partition(":")[2])
        found = anyio.run(checkpoints, open_destination(f"{self.kind}:{name}"))
        return {name: {key: getattr(each, key) for key in kept} for name, each in found.items()}


async def checkpoints(destination: Destination) -> Mapping[str, Checkpoint]:
    await destination.open()
    try:
        states = await destination.states()
        return {name: state.checkpoint for name, state in states.items() if state.checkpoint is not None}
    finally:
        await destination.close()


def _tables(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: sorted(connection.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr)
            for (name,) in names
            if name != "_connector_kit_state"
        }


def _files(folder: Path) -> dict[str, list[str]]:
    return {
        str(path.relative_to(folder)): sorted(path.read_text().splitlines())
        for path in folder.rglob("*.jsonl")
    }


@attrs.frozen
class Killer:
    """Chooses, from a seed, when a run is to be killed. `seconds` and `events` are those of an undisturbed run."""

    random: Random
    seconds: float
    events: int

    def strike(self, process: subprocess.Popen[str]) -> bool:
        """Kill the process at some moment; tell whether it was at work then."""
        assert process.stderr is not None
        if self.random.random() < 0.25:  # before the first event: while it starts, opens and plans
            time.sleep(self.random.uniform(0, self.seconds))
        else:  # after some event, so that the whole run is hit however fast the machine is
            for _ in range(self.random.randint(1, self.events)):
                if not process.stderr.readline():
                    break
            time.sleep(self.random.uniform(0, 0.004))
        process.send_signal(signal.SIGKILL)
        last_words = process.stderr.read()
        process.wait()
        assert process.returncode in {0, -signal.SIGKILL}, last_words
        return process.returncode == -signal.SIGKILL


def run_to_the_end(runs: RunFolder, size: int, killer: Killer) -> int:
    """Start, kill and start again until a run ends by itself; give the number of kills."""
    for kills in range(MOST_KILLS_OF_A_RUN):
        with runs.start(size) as process:
            if not killer.strike(process):
                return kills
    runs.complete(size)
    return MOST_KILLS_OF_A_RUN


@pytest.mark.slow
@pytest.mark.parametrize("kind", WAYS)
def test_killed_runs_leave_what_an_undisturbed_run_leaves(kind: str, tmp_path: Path) -> None:
    random = Random(20130101)
    undisturbed: dict[str, list[dict[str, Any]]] = {}
    killers: dict[str, Killer] = {}
    for way, options in WAYS[kind].items():
        runs = RunFolder(tmp_path / way, kind, options)
        events = runs.complete(SIZES[0])
        killers[way] = Killer(random, events[0], len(events))
        first = runs.content()
        runs.complete(SIZES[1])
        undisturbed[way] = [first, runs.content()]

    kills, rounds = Counter[str](dict.fromkeys(WAYS[kind], 0)), 0
    while kills.total() < KILLS or min(kills.values()) < KILLS // 10:
        rounds += 1
        assert rounds < MOST_ROUNDS, f"runs end before they are killed: {dict(kills)}"
        for way, options in WAYS[kind].items():
            runs = RunFolder(tmp_path / f"{way}-{rounds}", kind, options)
            for size, expected in zip(SIZES, undisturbed[way], strict=True):
                kills[way] += run_to_the_end(runs, size, killers[way])
                assert runs.content() == expected, f"{way}, round {rounds}, after {dict(kills)} kills"
    print(f"{kind}: {kills.total()} kills at work in {rounds} rounds: {dict(kills)}")  # noqa: T201 - for -rP
