"""What holds for every source file of the repository."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("connector_kit", "tests", "docs", "benchmarks", "typings", ".ci")
PACKAGE = sorted((ROOT / "connector_kit").rglob("*.py"))

REASON = r"\s*(?:-|#|\()\s*\S+.*\w{3}"
SUPPRESSIONS = {
    "noqa": re.compile(rf"noqa: [A-Z0-9, ]+?{REASON}"),
    "type: ignore": re.compile(rf"type: ignore\[[a-z, -]+\]{REASON}"),
    "pyright: ignore": re.compile(rf"pyright: ignore\[\w+\]{REASON}"),
    "pragma: no": re.compile(rf"pragma: no (?:cover|branch){REASON}"),
}
HOME_FOLDERS = re.compile(r"(?<![\w.~$}])/(?:home|root|Users|work|opt)/\w")


def text_files() -> Iterator[Path]:
    """Give every text file that belongs to the repository."""
    yield from (path for path in ROOT.glob("*") if path.suffix in {".md", ".toml", ".txt"})
    yield ROOT / "Makefile"
    for folder in FOLDERS:
        yield from (
            path
            for path in (ROOT / folder).rglob("*")
            if path.is_file()
            and not any(
                part.startswith((".", "__pycache__")) for part in path.relative_to(ROOT / folder).parts
            )
        )


def comments(source: str) -> dict[int, str]:
    """Give the comment of each line that has one."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def unexplained(source: str) -> list[int]:
    """Give the lines that silence a tool, or cast, without saying why."""
    said = comments(source)
    lines = [
        line
        for line, comment in said.items()
        for marker, explained in SUPPRESSIONS.items()
        if marker in comment and not explained.search(comment)
    ]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"cast", "typing.cast"}:
            span = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            lines += [] if any(line in said for line in span) else [node.lineno]
    return lines


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: str(path.relative_to(ROOT)))
def test_whoever_silences_a_tool_says_why_on_the_line(path: Path) -> None:
    assert unexplained(path.read_text()) == []


@pytest.mark.parametrize(
    ("source", "complaints"),
    [
        ("x = 1  # noqa: S311 - spreads waits, guards nothing", 0),
        ("x = 1  # noqa: S311, BLE001 - spreads waits", 0),
        ("x = 1  # noqa: S311 (spreads waits)", 0),
        ("x = 1  # noqa: S311", 1),
        ("x = 1  # noqa", 1),
        ("x: int = y  # type: ignore[assignment]  # the stub is wrong", 0),
        ("x: int = y  # type: ignore[assignment]", 1),
        ("x = 1  # pragma: no cover - only on Windows", 0),
        ("x = 1  # pragma: no cover", 1),
        ("x = cast('int', y)", 1),
        ("x = cast('int', y)  # the decoder has checked it", 0),
        ("x = '# noqa'", 0),
    ],
)
def test_a_suppression_without_a_reason_is_found(source: str, complaints: int) -> None:
    assert len(unexplained(source)) == complaints


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_lives_in_it(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    here = [str(place) for place in (ROOT, Path.home()) if place != Path("/")]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in text_files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if HOME_FOLDERS.search(line) or any(place in line for place in here)
    ]
    assert found == []
