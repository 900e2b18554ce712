"""Which exit code an error or a run ends with, and that the documentation says so."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connector_kit import errors
from connector_kit.cli.exit_codes import Code, code_of, code_of_report
from connector_kit.cli.main import main
from connector_kit.errors import (
    AuthenticationError,
    BadRecordError,
    CircuitOpenError,
    ConfigError,
    ConnectorError,
    DataError,
    DestinationError,
    PermissionDeniedError,
    RetriesExhaustedError,
    SchemaMismatchError,
    TimedOutError,
    UnknownEntityError,
)
from connector_kit.runtime.report import EntityReport, Report, Status

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "exit-codes.md"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TimedOutError("x"), 4),
        (RetriesExhaustedError("x"), 5),
        (CircuitOpenError("x", 1.0), 5),
        (SchemaMismatchError("x"), 6),
        (DataError("x"), 6),
        (UnknownEntityError("x"), 7),
        (ConnectorError("x"), 7),
        (AuthenticationError("x"), 8),
        (PermissionDeniedError("x"), 8),
        (ConfigError("x"), 9),
        (DestinationError("x"), 10),
        (ValueError("x"), 70),
    ],
)
def test_an_error_has_the_code_of_its_group(error: Exception, code: int) -> None:
    assert code_of(error) == code


def report(*failures: tuple[Status, Exception | None], stopped: bool = False) -> Report:
    entities = tuple(
        EntityReport(f"e{i}", "append", status, error=error) for i, (status, error) in enumerate(failures)
    )
    return Report("c", datetime.now(UTC), 1.0, entities, stopped)


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (report(("complete", None)), Code.OK),
        (report(("complete", None), stopped=True), Code.OK),
        (report(("complete", None), ("stopped", None), stopped=True), Code.STOPPED),
        (report(stopped=True), Code.STOPPED),
        (report(), Code.OK),
        (report(("failed", TimedOutError("x")), ("stopped", None), stopped=True), Code.TRANSIENT),
        (report(("failed", TimedOutError("x")), ("failed", AuthenticationError("x"))), Code.AUTHENTICATION),
        (report(("failed", DestinationError("x")), ("failed", ConfigError("x"))), Code.DESTINATION),
        (report(("failed", KeyError("x")), ("failed", ConfigError("x"))), Code.BUG),
    ],
)
def test_a_run_ends_with_its_most_severe_failure(ended: Report, code: Code) -> None:
    assert code_of_report(ended) == code


def test_every_group_of_errors_has_a_code_of_its_own_and_none_is_a_bug() -> None:
    classes = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
    more: dict[type, dict[str, object]] = {
        CircuitOpenError: {"retry_after": 1.0},
        BadRecordError: {"bad": {0: "x"}},
    }
    made = [each("x", **more.get(each, {})) for each in classes]
    assert Code.BUG not in {code_of(error) for error in made}


def test_the_documentation_lists_every_code_by_number_and_name() -> None:
    listed = {
        (int(number), name)
        for number, name in re.findall(r"^\| (\d+) \| (\w+) \|", PAGE.read_text(), re.MULTILINE)
    }
    assert listed == {(code.value, code.name.lower()) for code in Code}


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name.endswith("Error")])
def test_the_documentation_gives_each_group_the_code_it_has(name: str) -> None:
    rows = re.findall(r"^\| (`.*`.*) \| (\d+) \|$", PAGE.read_text(), re.MULTILINE)
    documented = {known: int(code) for classes, code in rows for known in re.findall(r"`(\w+)`", classes)}
    if name in documented:
        cls = getattr(errors, name)
        assert code_of(cls("x", retry_after=1.0) if cls is CircuitOpenError else cls("x")) == documented[name]


ENDING = """
import atexit, sys, threading
from connector_kit.cli.main import process

class Taken:
    def __del__(self):
        print("taken apart")

kept = Taken()
atexit.register(lambda: print("called at the exit"))
may_end = threading.Event()
threading._register_atexit(may_end.set)
threading.Thread(target=lambda: print("waited for", may_end.wait(30))).start()
process()
"""


@pytest.mark.parametrize(("words", "code"), [(("list", "--json"), 0), (("spec", "nobody"), 9)])
def test_a_process_ends_with_its_code_and_takes_nothing_apart(
    tmp_path: Path, words: tuple[str, ...], code: int
) -> None:
    """Which would take a tenth of a second where there is much. Threads, and what was registered, have their turn."""
    command = [sys.executable, "-c", ENDING, *words]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == code
    assert ended.stdout.splitlines()[-2:] == ["waited for True", "called at the exit"]


def test_a_program_that_calls_the_command_goes_on() -> None:
    assert main(["list", "--json"]) == 0
