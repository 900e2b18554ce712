"""The comparison with other libraries still runs, finds every row, and the pages show the run that is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "docs" / "explanation" / "performance.md")


def run(*options: str) -> str:
    """Give what the comparison prints."""
    command = [sys.executable, str(ROOT / "benchmarks" / "peers" / "compare.py"), *options]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def tables(printed: str) -> list[list[list[str]]]:
    """Give the cells of each table."""
    blocks = [block for block in printed.split("\n\n") if block.startswith("|")]
    return [[line.strip("| ").split(" | ") for line in block.splitlines()] for block in blocks]


@pytest.mark.slow
def test_the_kit_and_its_floors_write_every_row_and_the_kit_under_every_fault() -> None:
    printed = tables(run("--quick"))
    assert {
        (table[0][0], name): (lost, repeated)
        for table in printed
        if table[0][-1] == "repeated"
        for name, *_, lost, repeated in table[2:]
    } == {
        ("HTTP to JSONL", "connector_kit"): ("0", "0"),
        ("HTTP to JSONL", "raw bytes, httpx2"): ("0", "0"),
        ("HTTP to JSONL", "bare httpx2 + msgspec"): ("0", "0"),
        ("HTTP to SQLite", "connector_kit"): ("0", "0"),
        ("HTTP to SQLite", "bare httpx2 + msgspec + executemany"): ("0", "0"),
        ("memory to JSONL", "connector_kit"): ("0", "0"),
        ("memory to JSONL", "plain async generator + msgspec"): ("0", "0"),
    }
    under_faults = next(table for table in printed if table[0][-1] == "stall")
    kit = {name: outcomes for name, *outcomes in under_faults[2:] if name.startswith("connector_kit")}
    assert {name: {each.partition(",")[0] for each in outcomes} for name, outcomes in kit.items()} == {
        "connector_kit": {"whole"},
        "connector_kit (SQLite)": {"whole"},
    }


def test_the_pages_have_the_tables_of_the_stored_run() -> None:
    """`python benchmarks/peers/compare.py --stored` puts them there."""
    pages = "\n".join(page.read_text() for page in PAGES)
    printed = run("--stored", "--print").strip().split("\n\n")
    assert [section for section in printed if section not in pages] == []
