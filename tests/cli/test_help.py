"""The help: there at once, and of use to a newcomer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from commands import in_a_process, in_this_process

import connector_kit.cli.verbs
from connector_kit.cli.program import VERBS, program

if TYPE_CHECKING:
    from commands import Run

MODULES_AFTER_HELP = """
import json, sys
from connector_kit.cli.main import main
assert main(["--help"]) == 0
print("\\n" + json.dumps(sorted(sys.modules)))
"""
HEAVY = {"anyio", "asyncio", "backoff", "cattrs", "httpx2", "msgspec", "rich", "sqlite3"}
WITHOUT_CLICK = """
import sys
sys.modules["click"] = None
from connector_kit.cli.main import main
sys.exit(main(["--help"]))
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return in_this_process(tmp_path, monkeypatch, capsys)


def python(source: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", source]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_help_imports_nothing_heavy() -> None:
    modules = json.loads(python(MODULES_AFTER_HELP).stdout.splitlines()[-1])
    assert HEAVY & set(modules) == set()
    assert [
        name for name in modules if name.startswith(("connector_kit.connectors", "connector_kit.cli.verbs"))
    ] == []


def test_without_click_one_line_names_the_extra() -> None:
    ended = python(WITHOUT_CLICK)
    assert ended.returncode == 9
    assert ended.stderr.splitlines() == [
        "error: the command line needs click, which is not installed; pip install 'connector-kit[cli]'"
    ]


def test_every_module_of_a_verb_is_a_verb_and_the_other_way_round() -> None:
    folder = Path(connector_kit.cli.verbs.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == set(VERBS)


def test_a_shell_that_completes_gets_the_verbs_in_the_order_of_their_use() -> None:
    assert program.list_commands(click.Context(program)) == list(VERBS)


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_the_command_alone_shows_the_verbs(run: Run, words: list[str]) -> None:
    ended = run(*words)
    assert ended.code == 0
    assert all(verb in ended.out and what in ended.out for verb, what in VERBS.items())


@pytest.mark.parametrize("words", [*([verb] for verb in VERBS), ["state", "show"], ["state", "reset"]])
def test_the_help_of_a_verb_has_two_examples_and_the_next_step(run: Run, words: list[str]) -> None:
    ended = run(*words, "--help")
    assert ended.code == 0
    _, _, end = ended.out.partition("Examples:\n")
    examples, _, after = end.partition("Next: ")
    assert len([line for line in examples.splitlines() if line.startswith("    connector-kit ")]) == 2
    assert after.strip()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["snyc"], "no verb 'snyc'; did you mean 'sync'?"),
        (["frobnicate"], "no verb 'frobnicate'; expected one of list, spec,"),
        (["sync", "mock"], "Missing option '--to'"),
        (["state"], "Missing command"),
        (["--frobnicate"], "No such option"),
        (["read", "mock", "--since", "yesterday"], "'yesterday' is no time; expected one like 2024-05-01"),
        (["check", "mock", "--set", "size"], "a setting is written name=value"),
        (["sync", "mock", "--to", "sqlite:x", "--report", "x.html"], "expected a file FILE.json"),
        (["sync", "mock", "--to", "sqlite:x", "--report", "nowhere/x.json"], "expected a file FILE.json"),
    ],
)
def test_a_command_line_that_is_not_understood_ends_with_2(run: Run, words: list[str], said: str) -> None:
    ended = run(*words)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: ")
    assert said in ended.err
    assert "Usage: connector-kit" in ended.err


def test_the_module_is_the_command_too(tmp_path: Path) -> None:
    ended = in_a_process(tmp_path)("--version")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("connector-kit, version ")
