"""The documentation does what it says: its Python runs, its commands give the output it shows, its docstrings hold."""

from __future__ import annotations

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import markdown_page
import pytest
from markdown_page import Block, Command, blocks, commands, fits

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
WITH_DOCTESTS = sorted(path for path in (ROOT / "connector_kit").rglob("*.py") if ">>> " in path.read_text())


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_does_what_it_shows(path: Path, tmp_path: Path) -> None:
    """In a process of its own, which ends whatever the page leaves running."""
    command = [sys.executable, "-W", "error", markdown_page.__file__, str(path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow  # a type checker reads the whole package
def test_the_python_shown_has_the_types_it_claims(tmp_path: Path) -> None:
    shown = {}
    for path in PAGES:
        script = tmp_path / f"{'_'.join(path.relative_to(ROOT).with_suffix('').parts).replace('-', '_')}.py"
        python = [block for block in blocks(path.read_text()) if block.language == "python"]
        text = ""
        for block in python:
            text += (
                "\n" * (block.line - 1 - text.count("\n")) + block.text
            )  # so that mypy tells the page's own lines
        if python:
            script.write_text(text)
            shown[script.stem] = path
    checked = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--allow-redefinition",
            *(str(tmp_path / f"{name}.py") for name in shown),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(path: Path) -> None:
    assert [link for link in LINK.findall(path.read_text()) if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", WITH_DOCTESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_examples_in_docstrings_hold(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_a_page_is_taken_apart_into_blocks_and_commands() -> None:
    page = "Text.\n\n```python\nx = 1\n```\n\n```text\n1\n```\n\nMore.\n\n  ```toml\n  # a.toml\n    y = 2\n  ```\n"
    assert blocks(page) == [
        Block("python", "x = 1\n", 4),
        Block("text", "1\n", 8, follows=True),
        Block("toml", "# a.toml\n  y = 2\n", 14),
    ]
    assert commands("$ one --more \\\n    x\nshown\n\n$ two\n") == [
        Command("one --more      x", "shown"),
        Command("two", ""),
    ]


@pytest.mark.parametrize(
    ("shown", "printed", "expected"),
    [
        ("a\nb", "a  \nb\n", True),
        ("a ... c", "a 12.5 c", True),
        ("a\n...\nz", "a\nmany\nlines\nz", True),
        ("a", "a\nb", False),
        ("a.c", "abc", False),
    ],
)
def test_shown_output_is_compared_with_dots_as_any_text(shown: str, printed: str, *, expected: bool) -> None:
    assert fits(shown, printed) is expected
