"""The reference and the index are complete: every public name, every page, and every test they speak of."""

from __future__ import annotations

import re
from pathlib import Path

import connector_kit
import connector_kit.auth
import connector_kit.connectors
import connector_kit.destinations
import connector_kit.testing

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
NAME = re.compile(r"^\| `(\w+)` \| \S", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
HELD_BY = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def test_the_reference_has_every_public_name_once() -> None:
    listed = NAME.findall((DOCS / "reference" / "api.md").read_text())
    doors = (
        connector_kit,
        connector_kit.auth,
        connector_kit.connectors,
        connector_kit.destinations,
        connector_kit.testing,
    )
    assert sorted(listed) == sorted(name for door in doors for name in door.__getattr__("__all__"))


def test_the_index_links_to_every_page_and_example() -> None:
    links = {(DOCS / link).resolve() for link in LINK.findall((DOCS / "README.md").read_text())}
    pages = {*DOCS.rglob("*.md"), *(DOCS / "examples").glob("*.*")} - {DOCS / "README.md"}
    assert sorted(str(page.relative_to(DOCS)) for page in pages - links) == []


def test_the_tests_that_the_documentation_names_are_there() -> None:
    named = {
        (page.name, path, test)
        for page in [ROOT / "README.md", *DOCS.rglob("*.md")]
        for path, test in HELD_BY.findall(page.read_text())
    }
    assert named
    missing = [
        (page, path, test)
        for page, path, test in sorted(named)
        if not (ROOT / path).is_file() or (test and f"def {test}(" not in (ROOT / path).read_text())
    ]
    assert missing == []
