"""The documentation does what it says: its Python runs, its commands give the output it shows, its docstrings hold.

In README.md and docs/, the fenced blocks of one file are taken in order, in one temporary folder:

- a block whose first line is a comment with a file's name (`# orders.toml`): written to that file;
- ```` ```python ````: run, in one namespace for the whole page; mypy checks it as it checks the package;
- ```` ```text ```` right after a python block: what that one printed;
- ```` ```console ````: each `$ connector-kit …` or `$ python …` is run by a shell and has to exit with 0. Where output
  is shown after it, that is what it prints (both streams).

In shown output, `...` stands for any text.
"""

from __future__ import annotations

import doctest
import importlib
import io
import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType

import attrs
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\w+\.\w+)\n")
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
RUN = re.compile(r"(?:[A-Z_]+=\S+ )*(?:connector-kit|python)\b")
WITH_DOCTESTS = sorted(path for path in (ROOT / "connector_kit").rglob("*.py") if ">>> " in path.read_text())


@attrs.frozen
class Block:
    """A fenced block: its language, its text, the line where that begins, and whether it directly follows the last one."""

    language: str
    text: str
    line: int
    follows: bool = False


@attrs.frozen
class Command:
    """What is typed, and what it is shown to print (empty: not shown)."""

    typed: str
    shown: str


def blocks(page: str) -> list[Block]:
    """Give the fenced blocks of a page."""
    found: list[Block] = []
    end = 0
    for match in FENCE.finditer(page):
        indent, language, text = match.groups()
        line = page.count("\n", 0, match.start(3)) + 1
        follows = bool(found) and not page[end : match.start()].strip()
        found.append(Block(language, re.sub(f"^{indent}", "", text, flags=re.MULTILINE), line, follows))
        end = match.end()
    return found


def commands(text: str) -> list[Command]:
    """Give the commands of a console block; a line that ends in a backslash goes on in the next."""
    found = re.split(r"^\$ ", text.replace("\\\n", " "), flags=re.MULTILINE)[1:]
    return [
        Command(typed.strip(), shown.strip()) for typed, _, shown in (one.partition("\n") for one in found)
    ]


def fits(shown: str, printed: str) -> bool:
    """Tell whether this is what was printed, `...` standing for any text and spaces at the ends of lines left out."""
    pattern = ".*".join(re.escape(part) for part in shown.strip().split("..."))
    return (
        re.fullmatch(pattern, re.sub(r" +$", "", printed, flags=re.MULTILINE).strip(), re.DOTALL) is not None
    )


def run_python(block: Block, path: Path, module: ModuleType) -> str:
    """Run a block in the page's namespace and give what it printed; a traceback shows the page's own lines."""
    padded = "\n" * (block.line - 1) + block.text
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(padded, path, "exec"), module.__dict__)
    return printed.getvalue()


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
    printed = None
    for block in blocks(path.read_text()):
        if named := FILE.match(block.text):
            (tmp_path / named[1]).write_text(block.text)
        if block.language == "text" and block.follows and printed is not None:
            assert fits(block.text, printed), f"line {block.line} shows something else than\n{printed}"
        printed = run_python(block, path, module) if block.language == "python" else None
        for command in commands(block.text) if block.language == "console" else ():
            if RUN.match(command.typed):
                run_command(command, tmp_path)


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
