"""The documentation shows the zoo as it is."""

from __future__ import annotations

from pathlib import Path

from connector_kit.testing.conformance.subject import CONNECTOR_LAWS

from .table import table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "conformance.md"


def test_the_page_has_the_table_of_the_zoo() -> None:
    """Where it has not: `python -m zoo.table`, in the folder of the tests, prints the one it should have."""
    assert table() in PAGE.read_text()


def test_the_page_says_of_every_law_what_is_examined() -> None:
    text = PAGE.read_text()
    missing = [
        law.name
        for law in (each.law for each in CONNECTOR_LAWS)
        if f"**{law.number}. {law.name.capitalize()}.**" not in text
    ]
    assert missing == []
