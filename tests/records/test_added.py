"""Fields that are added to records are the same whether the records are dicts or the JSON they came in."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.records.added import with_fields
from connector_kit.records.batches import column, joined, peeked
from connector_kit.records.json_lines import json_lines, json_size, wrapped_lines
from connector_kit.records.json_records import JsonRecords

FIELDS = {"_run": "a}\n", "_at": 5}
RECORDS = st.lists(
    st.dictionaries(
        st.text("ab{},\n", max_size=3), st.text("a{},\n", max_size=3) | st.integers(0, 3), max_size=3
    ),
    max_size=4,
)


@given(records=RECORDS)
def test_lazy_and_eager_records_get_the_same_fields(records: list[dict[str, Any]]) -> None:
    expected = [{**record, **FIELDS} for record in records]
    lazy = JsonRecords.of_array(msgspec.json.encode(records))
    for given_records in (records, lazy, joined([lazy, []])):
        extended = with_fields(given_records, FIELDS)
        lines = b"".join(json_lines("t", extended))
        assert [msgspec.json.decode(line) for line in lines.splitlines()] == expected
        assert list(extended) == expected
        assert [peeked(extended, position) for position in range(len(expected))] == expected
        assert [extended[position] for position in range(len(expected))] == expected
        assert list(extended[1:]) == expected[1:]
        assert list(column(extended, "_at")) == [5] * len(expected)
        assert list(column(extended, "a")) == [record.get("a") for record in records]
        wrapped = b"".join(wrapped_lines("t", extended, lambda record: {"r": record}))
        assert [msgspec.json.decode(line)["r"] for line in wrapped.splitlines()] == expected
        assert (json_size(extended) > 0) == bool(expected)
