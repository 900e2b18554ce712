"""The documentation does what it says: its Python runs, its commands give the output it shows, its docstrings hold.

In README.md and docs/, the fenced blocks of one file are taken in order, in one temporary folder:

- ```` ```toml title="orders.toml" ```` (any language): a file, written to the folder before what follows it;
- ```` ```python ````: run, in one namespace for the whole file;
- ```` ```console ````: each `$ connector-kit …` or `$ python …` is run by a shell and has to exit with 0. Where output
  is shown after it, that is what it prints (both streams); `...` in it stands for any text.
"""

from __future__ import annotations

import doctest
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import attrs
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^( *)```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
RUN = re.compile(r"(?:[A-Z_]+=\S+ )*(?:connector-kit|python)\b")
WITH_DOCTESTS = sorted(path for path in (ROOT / "connector_kit").rglob("*.py") if ">>> " in path.read_text())


@attrs.frozen
class Block:
    """A fenced block: its language, the file it is (if it is one), its text and the line where that begins."""

    language: str
    title: str | None
    text: str
    line: int


@attrs.frozen
class Command:
    """What is typed, and what it is shown to print (empty: not shown)."""

    typed: str
    shown: str


def blocks(page: str) -> list[Block]:
    """Give the fenced blocks of a page."""
    return [
        Block(
            language,
            title or None,
            re.sub(f"^{indent}", "", text, flags=re.MULTILINE),
            page.count("\n", 0, match.start(4)) + 1,
        )
        for match in FENCE.finditer(page)
        for indent, language, title, text in [match.groups()]
    ]


def commands(text: str) -> list[Command]:
    """Give the commands of a console block; a line that ends in a backslash goes on in the next."""
    found = re.split(r"^\$ ", text.replace("\\\n", " "), flags=re.MULTILINE)[1:]
    return [
        Command(typed.strip(), shown.strip()) for typed, _, shown in (one.partition("\n") for one in found)
    ]


def fits(shown: str, printed: str) -> bool:
    """Tell whether this is what was printed, `...` standing for any text and spaces at the ends of lines left out."""
    pattern = ".*".join(re.escape(part) for part in shown.split("..."))
    return (
        re.fullmatch(pattern, re.sub(r" +$", "", printed, flags=re.MULTILINE).strip(), re.DOTALL) is not None
    )


def run_python(block: Block, path: Path, module: ModuleType) -> None:
    """Run a block in the page's namespace; a traceback shows the page's own lines."""
    padded = "\n" * (block.line - 1) + block.text
    exec(compile(padded, path, "exec"), module.__dict__)


def run_command(command: Command, folder: Path) -> None:
    """Run a command as a reader would, in a shell, and compare."""
    scripts = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command.typed],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"$ {command.typed}\n{done.stdout}"
    assert not command.shown or fits(command.shown, done.stdout), f"$ {command.typed}\n{done.stdout}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_does_what_it_shows(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)  # attrs and cattrs look a class's module up
    monkeypatch.chdir(tmp_path)
    for block in blocks(path.read_text()):
        if block.title is not None:
            (tmp_path / block.title).write_text(block.text)
        if block.language == "python":
            run_python(block, path, module)
        elif block.language == "console":
            for command in commands(block.text):
                if RUN.match(command.typed):
                    run_command(command, tmp_path)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(path: Path) -> None:
    assert [link for link in LINK.findall(path.read_text()) if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", WITH_DOCTESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_examples_in_docstrings_hold(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_a_page_is_taken_apart_into_files_python_and_commands() -> None:
    page = 'Text.\n\n```toml title="a.toml"\nx = 1\n```\n\n  ```python\n  if True:\n      y = 2\n  ```\n'
    assert blocks(page) == [
        Block("toml", "a.toml", "x = 1\n", 4),
        Block("python", None, "if True:\n    y = 2\n", 8),
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
