"""What a message says of a body that is no JSON: what is wrong, and where."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.records.json_fault import json_fault

MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"a": 1 "b": 2}', "expecting ',' delimiter at byte 8 (line 1, column 9)"),
        (b'{"a": 1,\n "b" 2}', "expecting ':' delimiter at byte 14 (line 2, column 6)"),
        ('{"ä": 1 "b": 2}'.encode(), "expecting ',' delimiter at byte 9 (line 1, column 9)"),
        (MARK + b"[1 2]", "expecting ',' delimiter at byte 6 (line 1, column 4)"),
        (b"<html>", "expecting value at byte 0 (line 1, column 1)"),
        (b"[1] 2", "extra data at byte 4 (line 1, column 5)"),
        (b'["a\nb"]', "invalid control character at byte 3 (line 1, column 4)"),
        (b'["a\xff"]', "no UTF-8 at byte 3 (line 1, column 4)"),
        (b'["\\ud83d\\ude00", "\\ud83d"]', "half a surrogate pair at byte 18 (line 1, column 19)"),
        (b'["\\\\ud83d", "\\ude00"]', "half a surrogate pair at byte 13 (line 1, column 14)"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": 1e400}', "Number out of range"),
    ],
)
def test_a_fault_says_what_is_wrong_and_where(body: bytes, said: str) -> None:
    fault = json_fault(body)
    assert str(fault).startswith(said)
    assert fault is not None
    assert not fault.cut


@given(
    st.recursive(
        st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda of: st.lists(of) | st.dictionaries(st.text(), of),
    ),
    st.data(),
)
def test_a_document_that_ends_too_early_is_told_from_one_that_is_wrong(
    value: Any, data: st.DataObject
) -> None:
    whole = json.dumps([value]).encode()
    assert json_fault(whole) is None
    size = data.draw(st.integers(0, len(whole) - 1))
    fault = json_fault(whole[:size])
    assert fault is not None
    assert (fault.cut, fault.byte) == (True, size)


@given(st.binary(max_size=40) | st.text('[]{}":,01eE.-\\ud8cd tfn\n', max_size=20).map(str.encode))
def test_there_is_a_fault_exactly_where_the_reader_refuses(body: bytes) -> None:
    try:
        msgspec.json.decode(body)
    except ValueError:
        assert json_fault(body) is not None
    else:
        assert json_fault(body) is None
