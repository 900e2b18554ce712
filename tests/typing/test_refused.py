"""Type checkers refuse what authors get wrong: mypy in exactly the words announced, pyright on the same lines."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from refused_types import CASES, CURSOR, START

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SAID = re.compile(r"^(?P<file>\S+)\.py:(?P<line>\d+): (?P<kind>error|note): (?P<text>.*)$", re.MULTILINE)
FRAME = re.compile(r"Following member\(s\) of|Expected:$|Got:$")


@attrs.frozen
class Refusal:
    """One error: its line, what is said, and the notes that go with it."""

    line: int
    text: str
    notes: tuple[str, ...] = ()


def announced(text: str) -> Iterator[Refusal]:
    """Give the errors that a program announces."""
    lines = text.replace("CURSOR", CURSOR).splitlines()
    for number, line in enumerate(lines, start=1):
        if found := re.search(r"  # E: (.*)$", line):
            notes: list[str] = []
            for below in lines[number:]:
                if not below.startswith("# N: "):
                    break
                notes.append(below.removeprefix("# N: "))
            yield Refusal(number, found[1], tuple(notes))


def said(output: str, name: str) -> list[Refusal]:
    """Give the errors that mypy tells of a program; its notes without the words between the signatures."""
    errors: list[Refusal] = []
    for found in SAID.finditer(output):
        if Path(found["file"]).name == name:
            text = " ".join(found["text"].split())
            if found["kind"] == "error":
                errors.append(Refusal(int(found["line"]), text))
            elif not FRAME.search(text):
                errors[-1] = attrs.evolve(errors[-1], notes=(*errors[-1].notes, text))
    return errors


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("refused")
    for name, text in CASES.items():
        (folder / f"{name}.py").write_text(START + text, encoding="utf-8")
    return folder


def run(folder: Path, *command: str) -> str:
    files = [str(folder / f"{name}.py") for name in CASES]
    done = subprocess.run(
        [sys.executable, "-m", *command, *files], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert not done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def mypy(folder: Path) -> str:
    """Run mypy once over all programs, strictly, and give what it says."""
    return run(
        folder, "mypy", "--strict", "--config-file=", "--no-error-summary", f"--cache-dir={folder / 'cache'}"
    )


@pytest.fixture(scope="module")
def pyright(folder: Path) -> dict[str, list[int]]:
    """Run pyright once over all programs and give the lines on which each has errors."""
    found: dict[str, list[int]] = {name: [] for name in CASES}
    report: Any = json.loads(run(folder, "pyright", "--outputjson"))
    for each in report["generalDiagnostics"]:
        if each["severity"] == "error":
            found[Path(each["file"]).stem].append(each["range"]["start"]["line"] + 1)
    return found


@pytest.mark.parametrize("name", CASES)
def test_mypy_refuses_it_in_these_words(mypy: str, name: str) -> None:
    expected = list(announced(START + CASES[name]))
    assert expected
    assert said(mypy, name) == expected


@pytest.mark.parametrize("name", CASES)
def test_pyright_refuses_the_same_lines(pyright: dict[str, list[int]], name: str) -> None:
    expected = [refusal.line for refusal in announced(START + CASES[name])]
    assert sorted(set(pyright[name])) == expected
