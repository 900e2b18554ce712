"""The benchmarks run, and the README shows the figures of the run that is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*options: str) -> str:
    """Give what the benchmarks print."""
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), *options]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.mark.slow
def test_every_benchmark_still_runs() -> None:
    assert {line.partition(":")[0] for line in run("--quick").splitlines()[4:]} == {
        "acquire",
        "config",
        "import",
        "page",
        "records",
    }


def test_the_readme_has_the_table_of_the_stored_run() -> None:
    """`python benchmarks/run.py --stored --readme` puts it there."""
    assert run("--stored", "--markdown").strip() in (ROOT / "README.md").read_text()
