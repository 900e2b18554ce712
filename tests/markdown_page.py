"""Runs one page of the documentation in the current folder: `python markdown_page.py PAGE`.

The fenced blocks are taken in order:

- a block whose first line is a comment with a file's name (`# orders.toml`): written to that file;
- ```` ```python ````: run, in one namespace for the whole page; mypy checks it as it checks the package;
- ```` ```text ```` right after a python block: what that one printed;
- ```` ```console ````: each `$ connector-kit …` or `$ python …` is run by a shell and has to exit with 0. Where output
  is shown after it, that is what it prints (both streams).

In shown output, `...` stands for any text. Raises `AssertionError` where something else is printed, and what the
page's own code raises.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType

import attrs

__all__ = ["Block", "Command", "blocks", "commands", "fits", "run"]

FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\w+\.\w+)\n")
RUN = re.compile(r"(?:[A-Z_]+=\S+ )*(?:connector-kit|python)\b")


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


def run_command(command: Command) -> None:
    """Run a command as a reader would, in a shell, and compare."""
    scripts = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command.typed],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"$ {command.typed}\n{done.stdout}"
    assert not command.shown or fits(command.shown, done.stdout), f"$ {command.typed}\n{done.stdout}"


def run(page: Path) -> None:
    """Do what the page shows, in the current folder."""
    module = ModuleType("page")
    sys.modules["page"] = module  # attrs and cattrs look a class's module up
    printed = None
    for block in blocks(page.read_text()):
        if named := FILE.match(block.text):
            Path(named[1]).write_text(block.text)
        if block.language == "text" and block.follows and printed is not None:
            assert fits(block.text, printed), f"line {block.line} shows something else than\n{printed}"
        printed = run_python(block, page, module) if block.language == "python" else None
        for command in commands(block.text) if block.language == "console" else ():
            if RUN.match(command.typed):
                run_command(command)


if __name__ == "__main__":
    run(Path(sys.argv[1]))
