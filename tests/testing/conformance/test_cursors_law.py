"""The law of cursors: whatever is no JSON value, changes, grows or tells a secret is found."""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelves import Shelf, book, told

from connector_kit.connectors.mock import MockConnector
from connector_kit.records.page import Page
from connector_kit.testing.conformance.connector.cursors import changed_by_text, cursors, grows
from connector_kit.testing.conformance.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.page import Record


def with_cursor(value: Any) -> type[Shelf]:
    """Make a shelf whose second page has this cursor."""

    class Odd(Shelf):
        """Has an odd cursor."""

        def cursor(self, position: int) -> Any:
            return value if position == 6 else super().cursor(position)

    return Odd


@pytest.mark.anyio
@pytest.mark.parametrize(
    "value",
    [
        (1, 2),
        {"at": (1, 2)},
        datetime(2024, 1, 1, tzinfo=UTC),
        b"token",
        {1, 2},
        float("nan"),
        float("inf"),
        {1: 2},
        [{"deep": {2: 3}}],
        "\ud800",
        object(),
        MappingProxyType({"after": 3}),
        "x" * 70_000,
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_cursor_that_does_not_come_back_is_found(value: Any) -> None:
    verdict = await cursors(with_cursor(value))
    (evidence,) = verdict.evidence
    assert (evidence.entity, evidence.page) == ("books", 2)
    assert "cannot be stored" in evidence.what or "comes back" in evidence.what
    assert len(evidence.what) < 500


@pytest.mark.anyio
@pytest.mark.parametrize(
    "value", ["", 0, False, 2**63, 2**70, -1.5, 1e300, [], {}, [None, {"a": [1, "b"]}], "ö\n\"'\u2028"]
)
async def test_a_json_value_passes(value: Any) -> None:
    assert (await cursors(with_cursor(value))).outcome == "held"


class Moving(Shelf):
    """Hands out the one dict that it goes on with."""

    def __init__(self) -> None:
        super().__init__()
        self.state: dict[str, int] = {}

    def cursor(self, position: int) -> Any:
        self.state["after"] = position
        return self.state


@pytest.mark.anyio
async def test_a_cursor_that_is_moved_on_later_is_found() -> None:
    verdict = await cursors(Moving)
    assert 'from {"after":3} to {"after":7}' in verdict.evidence[0].what
    assert verdict.evidence[0].page == 1


class Listing(Shelf):
    """Lists all that was read in its cursor."""

    page_size = 20

    def __init__(self) -> None:
        super().__init__([book(number) for number in range(500)])

    def cursor(self, position: int) -> Any:
        return {"after": position, "seen": [f"book-{number:05}" for number in range(position)]}


@pytest.mark.anyio
async def test_a_cursor_that_grows_with_every_page_is_found() -> None:
    verdict = await cursors(Listing)
    assert "the cursors grow with every page" in told(verdict)
    assert len(verdict.evidence) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("secret", "cursor"),
    [
        ("s3cret", "/things?key=s3cret&page=2"),
        ("a/b c", "/things?key=a%2Fb+c"),
        ("a/b c", "/things?key=a/b%20c"),
        ('quo"te', {"key": 'quo"te'}),
    ],
)
async def test_a_secret_in_a_cursor_is_found_and_not_told(secret: str, cursor: Any) -> None:
    verdict = await cursors(Subject(with_cursor(cursor), secrets=(secret, "")))
    assert "contains a secret" in told(verdict)
    assert secret not in told(verdict)


@pytest.mark.anyio
async def test_no_cursors_are_said_to_be_unchecked() -> None:
    class Without(Shelf):
        """Has no cursors."""

        def page(self, records: Sequence[Record], position: int) -> Page:
            return Page(records)

    verdict = await cursors(Without)
    assert (verdict.outcome, verdict.unchecked) == (
        "unchecked",
        ("the cursors of books: no page carries one",),
    )


@pytest.mark.anyio
async def test_the_mock_passes() -> None:
    verdict = await cursors(MockConnector)
    assert (verdict.outcome, verdict.unchecked) == ("held", ())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(json_values)
def test_every_json_value_comes_back(value: Any) -> None:
    assert changed_by_text(value) == ""


@given(st.lists(st.integers(0, 100_000), max_size=20))
def test_only_steady_growth_beyond_a_position_counts(sizes: list[int]) -> None:
    steady = len(sizes) >= 5 and sizes == sorted(set(sizes)) and sizes[-1] > 4096
    assert grows(sizes) == steady
