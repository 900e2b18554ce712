"""The main job through the command line, and the state it leaves."""

from __future__ import annotations

import json
import os
import select
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from commands import in_this_process, measured

if TYPE_CHECKING:
    from pathlib import Path

    from commands import Run

FLAKY = """
connector = "mock"
name = "shop"
select = ["orders", "events"]

[settings]
size = 300
page_size = 20
faults = 0.2

[resilience.retry]
first_wait = "1ms"
max_wait = "2ms"

[entities.orders]
mode = "replace"
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    (tmp_path / "flaky.toml").write_text(FLAKY)
    return in_this_process(tmp_path, monkeypatch, capsys)


def counts(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {
            name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for name in names
            if not name.startswith("_")
        }


def test_a_run_brings_everything_and_the_next_one_what_is_new(run: Run, tmp_path: Path) -> None:
    words = ("sync", "mock", "--to", "sqlite:out.sqlite", "--json", "--set", "page_size=50")
    first = json.loads(run(*words, "--set", "size=200").out)
    assert (first["complete"], first["rows"], first["connector"]) == (True, 20 + 200 + 200 + 16, "mock")
    second = json.loads(run(*words, "--set", "size=260").out)
    rows = {entity["entity"]: entity["rows"] for entity in second["entities"]}
    assert rows == {
        "customers": 6 + 2,
        "orders": 60 + 2,
        "events": 60,
        "countries": 16,
    }  # two share the border
    assert counts(tmp_path / "out.sqlite") == {"customers": 26, "orders": 260, "events": 260, "countries": 16}


def test_the_report_says_per_entity_what_was_done(run: Run) -> None:
    ended = run("sync", "flaky.toml", "--to", "sqlite:out.sqlite")
    assert ended.code == 0
    head, orders, events, faults, more_faults, others, summary, hint = ended.out.splitlines()
    assert head.split()[:6] == ["entity", "mode", "status", "rows", "pages", "retries"]
    assert orders.split()[:5] == ["orders", "replace", "complete", "300", "15"]
    assert events.split()[:5] == ["events", "upsert", "complete", "300", "15"]
    assert int(orders.split()[5]) > 0
    assert orders.endswith("s")  # where the time went: seconds of each part, or less than a hundredth in all
    assert faults.startswith("faults met by orders: ")
    assert more_faults.startswith("faults met by events: ")
    assert others == "not read, since others were chosen: customers, countries"
    assert summary.startswith("2 of 2 entities complete, 600 rows in ")
    assert hint == "look at the rows: sqlite3 out.sqlite .tables"


def test_options_of_the_command_go_before_the_file(run: Run, tmp_path: Path) -> None:
    ended = run(
        "sync",
        "flaky.toml",
        "--to",
        "jsonl:out",
        "--entity",
        "customers",
        "--name",
        "mine",
        "--mode",
        "append",
    )
    assert ended.code == 0
    assert [path.name for path in (tmp_path / "out").glob("*.jsonl")] == ["customers.jsonl"]
    assert "head -n 3 out/*.jsonl" in ended.out
    state = json.loads(run("state", "show", "jsonl:out", "--json").out)
    assert {
        name: (each["checkpoint"]["connector"], each["checkpoint"]["mode"]) for name, each in state.items()
    } == {"customers": ("mine", "append")}


def test_a_destination_of_another_connector_is_refused(run: Run) -> None:
    run("sync", "flaky.toml", "--to", "sqlite:out.sqlite")
    ended = run("sync", "mock", "--to", "sqlite:out.sqlite", "--entity", "orders")
    assert ended.code == 9
    assert "was written by the connector 'shop', not 'mock'" in ended.err


def test_the_report_can_go_to_a_file(run: Run, tmp_path: Path) -> None:
    assert run("sync", "mock", "--set", "size=10", "--to", "jsonl:out", "--report", "report.json").code == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["rows"] == 1 + 10 + 10 + 16


def test_a_report_that_cannot_be_written_is_an_error_after_the_run(run: Run, tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    ended = run("sync", "mock", "--set", "size=10", "--to", "sqlite:out.sqlite", "--report", "report.json")
    assert ended.code == 10
    assert ended.err.splitlines()[-1].startswith("error: the report cannot be written to report.json")
    assert counts(tmp_path / "out.sqlite")["orders"] == 10


def test_events_are_told_in_brief_lines(run: Run) -> None:
    told = run("sync", "flaky.toml", "--to", "sqlite:out.sqlite").err.splitlines()
    assert "orders: started, mode replace" in told
    assert "events: complete, 300 rows" in told
    assert any(line.startswith("orders: attempt 1 failed, retrying in 0.00s: ") for line in told)


def test_events_are_told_as_json(run: Run) -> None:
    told = run("sync", "flaky.toml", "--to", "sqlite:out.sqlite", "--log", "json").err
    events: list[dict[str, Any]] = [json.loads(line) for line in told.splitlines()]
    written = [event for event in events if event["event"] == "pages_written" and event["entity"] == "orders"]
    assert written[-1]["rows"] == sum(event["records"] for event in written) == 300
    assert sum(event["pages"] for event in written) == 15
    failed = next(event for event in events if event["event"] == "retry_scheduled")
    assert failed["error"].endswith("Error")
    assert failed["detail"].partition(" [")[0] in failed["message"]
    assert all({"time", "level", "message"} <= set(event) for event in events)


def test_state_shows_how_far_each_entity_is(run: Run) -> None:
    run("sync", "flaky.toml", "--to", "sqlite:out.sqlite")
    lines = run("state", "show", "sqlite:out.sqlite").out.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["events", "shop", "upsert"],
        ["orders", "shop", "replace"],
    ]
    assert "to its end" in lines[1]
    one = json.loads(run("state", "show", "sqlite:out.sqlite", "orders", "--json").out)
    assert list(one) == ["orders"]
    assert one["orders"]["rows"] == 300


def test_state_counts_the_rows_that_are_there_not_those_of_the_last_read(run: Run, tmp_path: Path) -> None:
    for size in (20, 30):
        assert (
            run("sync", "mock", "--set", f"size={size}", "--entity", "orders", "--to", "sqlite:x").code == 0
        )
    assert json.loads(run("state", "show", "sqlite:x", "orders", "--json").out)["orders"]["rows"] == 30
    assert counts(tmp_path / "x")["orders"] == 30
    assert "30" in run("state", "show", "sqlite:x", "orders").out.split()


@pytest.mark.parametrize("destination", ["sqlite:out", "jsonl:out"])
def test_a_checkpoint_that_is_damaged_is_shown_and_reset_and_hides_no_other(
    run: Run, tmp_path: Path, destination: str
) -> None:
    run("sync", "mock", "--set", "size=20", "--to", destination)
    if destination == "sqlite:out":
        with closing(sqlite3.connect(tmp_path / "out")) as connection, connection:
            connection.execute("UPDATE _connector_kit_state SET checkpoint = '{' WHERE entity = 'orders'")
    else:
        (tmp_path / "out" / ".connector_kit" / "orders.json").write_text("{\n")
    shown = run("state", "show", destination)
    assert shown.code == 0
    assert [line.split()[1:3] for line in shown.out.splitlines() if line.startswith("orders")] == [
        ["unreadable", "20"]
    ]
    assert "orders: " in shown.err
    assert "reset the entity's state" in shown.err
    states = json.loads(run("state", "show", destination, "--json").out)
    assert states["orders"]["checkpoint"] is None
    assert states["events"]["checkpoint"]["complete"]
    assert run("sync", "mock", "--set", "size=20", "--entity", "orders", "--to", destination).code != 0
    assert run("state", "reset", destination, "orders", "--yes").out == "reset: orders\n"
    ended = run(
        "sync",
        "mock",
        *("--set", "size=20", "--entity", "orders", "--mode", "replace", "--to", destination),
    )
    assert ended.code == 0
    assert json.loads(run("state", "show", destination, "--json").out)["orders"]["rows"] == 20


def test_state_is_reset_for_one_entity_or_for_all(run: Run) -> None:
    run("sync", "flaky.toml", "--to", "sqlite:out.sqlite")
    assert run("state", "reset", "sqlite:out.sqlite", "events", "--yes").out == "reset: events\n"
    assert list(json.loads(run("state", "show", "sqlite:out.sqlite", "--json").out)) == ["orders"]
    assert run("state", "reset", "sqlite:out.sqlite", "--yes").out == "reset: orders\n"
    assert run("state", "show", "sqlite:out.sqlite").out == "no entity has a checkpoint here\n"
    assert run("state", "reset", "sqlite:out.sqlite", "--yes").out == "no entity has a checkpoint here\n"


def test_where_nobody_can_be_asked_a_reset_wants_a_yes(run: Run) -> None:
    run("sync", "flaky.toml", "--to", "sqlite:out.sqlite")
    ended = run("state", "reset", "sqlite:out.sqlite")
    assert ended.code == 2
    assert "expected --yes" in ended.err
    assert len(json.loads(run("state", "show", "sqlite:out.sqlite", "--json").out)) == 2


@pytest.mark.parametrize("verb", ["show", "reset"])
def test_state_of_what_is_not_there_makes_nothing(run: Run, tmp_path: Path, verb: str) -> None:
    for destination in ("sqlite:none.sqlite", "jsonl:none"):
        ended = run("state", verb, destination)
        assert ended.code == 9
        assert ended.err.startswith("error: there is no 'none")
    assert {path.name for path in tmp_path.iterdir()} == {"flaky.toml"}


def test_state_of_an_unknown_entity_says_which_there_are(run: Run) -> None:
    run("sync", "flaky.toml", "--to", "sqlite:out.sqlite")
    assert "did you mean 'orders'?" in run("state", "show", "sqlite:out.sqlite", "ordres").err
    ended = run("state", "reset", "sqlite:out.sqlite", "zzz", "--yes")
    assert (ended.code, "there are: events, orders" in ended.err) == (7, True)


def on_a_terminal(folder: Path, words: list[str], answer: bytes = b"") -> tuple[int, str]:
    """Run a command on a terminal of its own, type the answer, and give the exit code and all that was shown."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "connector_kit", *words]
    environment = measured() | {"TERM": "xterm", "COLUMNS": "140", "LINES": "40"}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.write(ours, answer)
    shown = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux's way to say that the other side is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return process.wait(60), shown.decode()


def test_on_a_terminal_progress_is_drawn_and_then_the_report(run: Run, tmp_path: Path) -> None:
    words = ["sync", "flaky.toml", "--to", "sqlite:out.sqlite", "--set", "latency=20ms"]
    code, shown = on_a_terminal(tmp_path, words)
    assert code == 0
    assert " rows" in shown
    assert "/s" in shown
    drawn, _, report = shown.rpartition("entity")
    assert "reading" in drawn
    assert "2 of 2 entities complete, 600 rows" in report
    assert counts(tmp_path / "out.sqlite")["orders"] == 300


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", {"events", "orders"}), (b"y\n", set[str]())])
def test_on_a_terminal_a_reset_asks_first(run: Run, tmp_path: Path, answer: bytes, left: set[str]) -> None:
    run("sync", "flaky.toml", "--to", "sqlite:out.sqlite")
    code, shown = on_a_terminal(tmp_path, ["state", "reset", "sqlite:out.sqlite"], answer)
    assert code == 0
    assert "Forget how far events, orders were read? [y/N]" in shown
    assert set(json.loads(run("state", "show", "sqlite:out.sqlite", "--json").out)) == left
