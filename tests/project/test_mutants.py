"""The page on mutation testing shows the run that is kept, which holds what it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanation" / "mutation-testing.md"
RESULTS = ROOT / "benchmarks" / "mutants.json"


def stored() -> str:
    """Give the section that the stored run makes."""
    command = [sys.executable, str(ROOT / "benchmarks" / "mutants.py"), "--stored"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def packages() -> set[str]:
    """Give the packages whose modules the stored run has."""
    modules = json.loads(RESULTS.read_text())["modules"]
    return {module["name"].partition(".")[0] for module in modules}


def test_the_page_has_the_figures_of_the_stored_run() -> None:
    """`python benchmarks/mutants.py --stored --page` puts them there."""
    assert stored() in PAGE.read_text()


def test_nine_of_ten_mutants_of_each_package_are_killed() -> None:
    """Those that do the same as the original count as survivors."""
    head, *rows = (
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in stored().splitlines()
        if line.startswith(tuple(f"| {name} |" for name in ("package", *packages())))
    )
    shares = {row[0]: float(row[head.index("share")].removesuffix(" %")) for row in rows}
    assert set(shares) == packages() >= {"limiters", "wrappers"}
    assert min(shares.values()) >= 90


def test_every_module_is_looked_at() -> None:
    """At least 15 mutants of each, or all it has."""
    modules = json.loads(RESULTS.read_text())["modules"]
    for module in modules:
        assert module["tried"] >= min(15, module["mutants"])
        assert module["tried"] == module["killed"] + module["stopped"] + len(module["left"])


def test_every_survivor_has_a_reason() -> None:
    assert "not looked at" not in stored()
