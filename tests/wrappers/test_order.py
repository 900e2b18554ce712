"""The tables of orders: what the documentation says of them, and that they name wrappers that there are."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import attrs
import pytest
from stacks import exported

from connector_kit.wrappers.stack.order import ORDER, REFUSED
from connector_kit.wrappers.stack.protect import protect

DOCS = Path(__file__).resolve().parents[2] / "docs" / "explanation"
PAGE = (DOCS / "order-of-wrappers.md").read_text()
CLASSES = {cls.__name__: cls for cls in exported()}


def as_words(text: str) -> str:
    """Return a text in one line."""
    return " ".join(text.split())


@pytest.mark.parametrize(
    "text",
    [PAGE, (DOCS / "design.md").read_text(), (DOCS / "walk.md").read_text(), protect.__doc__ or ""],
    ids=["order-of-wrappers.md", "design.md", "walk.md", "protect"],
)
def test_where_the_order_is_shown_it_is_the_one_that_protect_builds(text: str) -> None:
    shown = re.search(r"Observed > [^`]* > connector", as_words(text))
    assert shown is not None
    assert shown[0] == " > ".join([*ORDER, "connector"])


def test_the_page_has_the_reason_for_every_two_neighbours() -> None:
    """And for no two that stand the other way round."""
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| \S", PAGE, re.MULTILINE)
    assert set(pairwise(ORDER[1:])) <= set(rows)
    places: dict[str, int] = {position: place for place, position in enumerate(ORDER)}
    assert [row for row in rows if places[row[0]] >= places[row[1]]] == []


def test_the_page_has_the_orders_that_are_refused_and_what_allows_them() -> None:
    rows = re.findall(r"^\| `(\w+)` around `(\w+)`[^|]*\| [^|]+\| (?:`(\w+)=True` )?\|$", PAGE, re.MULTILINE)
    refused = [(each.outer.partition(" ")[0], each.inner, each.allowed_by or "") for each in REFUSED]
    assert sorted(rows) == sorted(refused)


def test_the_tables_name_wrappers_and_their_options() -> None:
    assert {position.partition("(")[0] for position in ORDER} <= set(CLASSES)
    for each in REFUSED:
        assert each.inner in CLASSES
        if not each.outer.startswith("protect"):
            options = {field.name for field in attrs.fields(CLASSES[each.outer])}
            assert {each.allowed_by or "inner", each.same or "inner"} <= options
