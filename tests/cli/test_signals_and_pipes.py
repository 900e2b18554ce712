"""Real signals and closed pipes, on real processes."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from commands import in_a_process, measured

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZE = 400
SYNC = ("sync", "mock", "--set", f"size={SIZE}", "--set", "page_size=10", "--to", "sqlite:out.sqlite")
SLOW = (*SYNC, "--set", "latency=30ms", "--log", "json", "--json")

STUBBORN = """
from pathlib import Path

import anyio

from connector_kit.records.catalog import Catalog, Entity
from connector_kit.records.page import Page


class Stubborn:
    async def connect(self): ...
    async def disconnect(self): ...

    async def discover_schema(self):
        return Catalog([Entity("things", primary_key="id")])

    async def fetch_data(self, entity, /, *, since=None, cursor=None):
        yield Page([{"id": 1}], "behind 1")
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                while not Path("let go").exists():
                    await anyio.sleep(0.01)
                for _ in range(20):  # a signal that came before is noticed meanwhile
                    await anyio.sleep(0.01)
"""
"""A connector whose read takes its time to end, which a first signal waits for."""


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "connector_kit", *words]
    return subprocess.Popen(
        command, cwd=folder, env=measured(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def wait_for(process: subprocess.Popen[str], wanted: Callable[[str], bool]) -> None:
    """Read what the process writes to standard error up to a line that is wanted."""
    assert process.stderr is not None
    assert any(wanted(line) for line in process.stderr), "the process has ended without it"


def event_ids(folder: Path) -> list[int]:
    with closing(sqlite3.connect(folder / "out.sqlite")) as connection:
        return sorted(number for (number,) in connection.execute("SELECT id FROM events"))


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_ends_the_run_after_the_page_in_hand(tmp_path: Path, asked: signal.Signals) -> None:
    with start(tmp_path, *SLOW) as process:
        wait_for(process, lambda line: '"event": "pages_written"' in line)
        process.send_signal(asked)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "finishing the pages in hand; once more to stop now" in err
    assert "error" not in err.replace('"error": null', "")
    report = json.loads(out)
    assert (report["stopped"], report["complete"]) == (True, False)
    events = next(entity for entity in report["entities"] if entity["entity"] == "events")
    assert events["status"] == "stopped"
    assert event_ids(tmp_path) == list(range(1, events["rows"] + 1))

    again = in_a_process(tmp_path)(*SYNC, "--json")
    assert again.code == 0
    assert json.loads(again.out)["complete"]
    assert event_ids(tmp_path) == list(range(1, SIZE + 1))


@pytest.mark.parametrize(("signals", "code"), [(1, 3), (2, 130)])
def test_a_second_signal_does_not_wait_for_the_report(tmp_path: Path, signals: int, code: int) -> None:
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    with start(
        tmp_path, "sync", "stubborn:Stubborn", "--to", "sqlite:out.sqlite", "--log", "json"
    ) as process:
        wait_for(process, lambda line: '"event": "pages_written"' in line)
        process.send_signal(signal.SIGINT)
        wait_for(process, lambda line: "finishing the pages in hand" in line)
        if signals > 1:
            process.send_signal(signal.SIGINT)
        (tmp_path / "let go").touch()
        out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert ("of 1 entity complete" in out) is (signals == 1)
    assert ("interrupted; what is stored is sound" in err) is (signals > 1)
    assert "Traceback" not in err


def test_an_interrupted_verb_ends_with_130_and_one_line(tmp_path: Path) -> None:
    with start(tmp_path, "read", "mock", "orders", "--set", "latency=1h", "--log", "json") as process:
        wait_for(process, lambda line: '"operation": "discover_schema"' in line)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1].startswith("interrupted; ")
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [("read", "mock", "--set", "size=100000"), ("discover", "mock", "--json")])
def test_a_reader_that_leaves_is_no_error(tmp_path: Path, words: tuple[str, ...]) -> None:
    with start(tmp_path, *words) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (0, "")
