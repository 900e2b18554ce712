"""Ways to run the command line in tests: in this process, where that is all the same, or as a person does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from connector_kit.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


MEASURING = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_PROCESS_")}
"""What makes coverage measure a process that is started: conftest.py takes it out of the environment."""


@attrs.frozen
class Ended:
    """How a command ended: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


Run: TypeAlias = Callable[..., Ended]


def measured() -> dict[str, str]:
    """Return the environment for a process whose lines are to be counted, where any are."""
    return os.environ | MEASURING


def in_this_process(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Give what runs a command in this process, in this folder, from which it can import."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)

    def run(*words: str) -> Ended:
        code = main(words)
        shown = capsys.readouterr()
        return Ended(code, shown.out, shown.err)

    return run


def in_a_process(folder: Path) -> Run:
    """Give what runs a command in a process of its own, in this folder; keywords go to `subprocess.run`."""

    def run(*words: str, **how: Any) -> Ended:
        command = [sys.executable, "-m", "connector_kit", *words]
        options: dict[str, Any] = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "env": measured(),
        } | how
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, text=True, check=False, timeout=60, **options
        )
        return Ended(done.returncode, done.stdout or "", done.stderr or "")

    return run
