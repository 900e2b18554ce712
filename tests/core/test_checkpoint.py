"""Checkpoints: what is stored comes back as it was, or is refused when it is made."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.errors import DataError
from connector_kit.records.checkpoint import MAX_CHECKPOINT_BYTES, Checkpoint, FingerprintLog, Mode

if TYPE_CHECKING:
    from connector_kit.records.page import Cursor

texts = st.text(st.characters(exclude_categories=["Cs"]))
cursors: st.SearchStrategy[Cursor] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
times = st.none() | st.datetimes(timezones=st.just(UTC))
modes: st.SearchStrategy[Mode] = st.sampled_from(("append", "upsert", "replace"))
counts = st.integers(0, 2**60)
checkpoints = st.builds(
    Checkpoint, texts, texts, modes, times, cursors, times, counts, counts, st.booleans(), times
)
PLAIN = Checkpoint("shop", "orders", "upsert")


@given(checkpoints)
def test_comes_back_as_it_was(checkpoint: Checkpoint) -> None:
    """For any cursor that is a JSON value, numbers of any size included."""
    encoded = checkpoint.to_json()
    assert Checkpoint.from_json(encoded) == checkpoint == Checkpoint.from_json(encoded.decode())


@pytest.mark.parametrize(
    "cursor",
    [
        float("nan"),
        float("inf"),
        {"at": float("-inf")},
        datetime(2024, 1, 1, tzinfo=UTC),
        [date(2024, 1, 1)],
        {1, 2},
        {1: "a"},
        {"a": {None: 1}},
        b"bytes",
        Decimal(1),
        uuid.UUID(int=1),
        Checkpoint("a", "b", "append"),
        "\ud800",
        object(),
    ],
    ids=lambda value: repr(value).partition(" at 0x")[0],
)
def test_a_cursor_that_would_come_back_as_something_else_is_refused(cursor: object) -> None:
    """The encoder alone would write NaN as null, and a set, a time or bytes as what cannot be told from text."""
    with pytest.raises(DataError, match=r"the cursor of entity 'orders' is no JSON value: .*must survive"):
        attrs.evolve(PLAIN, cursor=cursor).to_json()  # type: ignore[arg-type]  # this is what is refused


def test_a_cursor_nested_without_end_is_refused() -> None:
    nested: list[Cursor] = []
    nested.append(nested)
    with pytest.raises(DataError, match="no JSON value"):
        attrs.evolve(PLAIN, cursor=nested).to_json()


def test_a_tuple_is_a_list() -> None:
    """JSON has one kind of sequence."""
    assert Checkpoint.from_json(attrs.evolve(PLAIN, cursor=(1, "a")).to_json()).cursor == [1, "a"]


def test_a_checkpoint_that_grows_is_refused() -> None:
    room = MAX_CHECKPOINT_BYTES - len(attrs.evolve(PLAIN, cursor="").to_json())
    assert len(attrs.evolve(PLAIN, cursor="x" * room).to_json()) == MAX_CHECKPOINT_BYTES
    with pytest.raises(DataError, match="65537 bytes, more than 65536; a cursor must be a position"):
        attrs.evolve(PLAIN, cursor="x" * (room + 1)).to_json()


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"connector": 1}',
        PLAIN.to_json().replace(b"upsert", b"merge"),
        b"\xff",
        b'{"a":' + b"[" * 9999,
    ],
)
def test_what_was_not_stored_by_us_is_refused(stored: bytes) -> None:
    with pytest.raises(DataError, match=r"a stored checkpoint cannot be read: .*; reset the entity's state"):
        Checkpoint.from_json(stored)


def test_unknown_names_are_ignored() -> None:
    """What a later version stores can be read by an earlier one."""
    later = PLAIN.to_json()[:-1] + b', "colour": "red"}'
    assert Checkpoint.from_json(later) == PLAIN


def test_a_log_is_stored_beside_it_and_comes_back_by_its_size() -> None:
    """The JSON holds no more than the size; another log is refused."""
    stored = attrs.evolve(PLAIN, log=FingerprintLog(3, b"defg"))
    decoded = Checkpoint.from_json(stored.to_json())
    assert decoded.log == FingerprintLog(keep=7)
    assert decoded.with_log(b"abcdefg").log == FingerprintLog(added=b"abcdefg")
    with pytest.raises(DataError, match="has 3 bytes; expected the 7 that its checkpoint says"):
        decoded.with_log(b"abc")
