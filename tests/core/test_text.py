"""How values are written for a person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.durations import rounded_duration
from connector_kit.text import counted, one_line, printable


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.00s"), (0.994, "0.99s"), (1, "1s"), (3.44, "3.4s"), (9.96, "10s"), (59.7, "1m"), (72.4, "1m12s"), (7200, "2h")],
)  # fmt: skip
def test_a_length_of_time_has_about_two_digits(seconds: float, text: str) -> None:
    assert rounded_duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 entities"), (1, "1 entity"), (2, "2 entities"), (1234, "1,234 entities")]
)
def test_one_is_counted_as_one(number: int, text: str) -> None:
    assert counted(number, "entity", "entities") == text
    assert counted(number, "row") == text.replace("entity", "row").replace("entities", "rows")


@given(st.text(), st.integers(3, 20))
def test_nothing_in_a_line_moves_the_cursor_and_it_is_no_longer_than_asked(text: str, most: int) -> None:
    assert printable(text).isprintable()
    assert len(printable(text)) == len(text)
    line = one_line(text, most)
    assert line.isprintable()
    assert len(line) <= most
    assert one_line(text) == " ".join(printable(text).split())
