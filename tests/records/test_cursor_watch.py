"""A read that goes round in circles is found, soon; one that moves on never is."""

from __future__ import annotations

from itertools import chain, cycle, islice
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.errors import RepeatedCursorError
from connector_kit.records.cursor_watch import CircleWatch, CursorWatch

if TYPE_CHECKING:
    from connector_kit.records.page import Cursor

values: st.SearchStrategy[Cursor] = st.recursive(
    st.text(max_size=3) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=4,
)


def first_raise(watch: CursorWatch, cursors: list[Cursor]) -> int | None:
    """Give the number of the cursor, from 1, that was refused."""
    for number, cursor in enumerate(cursors, start=1):
        try:
            watch.see(cursor)
        except RepeatedCursorError:
            return number
    return None


@given(st.integers(0, 200), st.integers(1, 100))
def test_a_circle_is_found_within_the_stated_bound(before: int, length: int) -> None:
    numbers = list(range(before + length))
    cursors: list[Cursor] = [*islice(chain(numbers[:before], cycle(numbers[before:])), 1000)]
    found = first_raise(CursorWatch(), cursors)
    assert found is not None
    assert before + length < found <= 2 * max(before + 2, length) + length - 2
    if length == 1:
        assert found == before + 2


@given(st.lists(values, unique_by=repr), st.data())
def test_cursors_that_differ_never_raise(cursors: list[Cursor], data: st.DataObject) -> None:
    """With pages that carry none between them."""
    for place in data.draw(st.lists(st.integers(0, 20), max_size=5)):
        cursors.insert(min(place, len(cursors)), None)
    assert first_raise(CursorWatch(), cursors) is None


@given(values)
def test_the_same_cursor_again_is_refused_at_once(cursor: Cursor) -> None:
    """Also an equal one, and behind pages without a cursor."""
    watch = CursorWatch()
    for each in (None, cursor, None, None):
        watch.see(each)
    with pytest.raises(RepeatedCursorError, match="every page must move on"):
        watch.see(cursor)


def test_what_a_refusal_says() -> None:
    watch = CursorWatch()
    watch.see(1)
    with pytest.raises(RepeatedCursorError) as raised:
        watch.see(1)
    assert raised.value.message == (
        "a page carries the cursor of an earlier page of the same read; every page must move on, so this read would never "
        "end: look at how the connector computes its cursor (or how the server answers it)"
    )


def test_a_cursor_that_is_changed_in_place_is_refused() -> None:
    """Pages that were read ahead would all carry the last one's place."""
    cursor = {"after": 1}
    watch = CursorWatch()
    watch.see(cursor)
    cursor["after"] = 2
    with pytest.raises(RepeatedCursorError):
        watch.see(cursor)


@given(st.integers(1, 5000))
def test_what_is_remembered_does_not_grow(pages: int) -> None:
    watch = CircleWatch()
    assert not any(watch.comes_again(number) for number in range(pages))
    assert len(watch.__slots__) == 4
    assert not hasattr(watch, "__dict__")
