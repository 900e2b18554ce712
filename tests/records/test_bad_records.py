"""Which records of a page are none, and what is said of them."""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import attrs
import pytest

from connector_kit.errors import SchemaMismatchError
from connector_kit.records.bad_records import key_text, raw_record, unencodable, unusable, without
from connector_kit.records.batches import joined
from connector_kit.records.json_records import JsonRecords

Pair = namedtuple("Pair", "id name")  # noqa: PYI024 - as a driver gives rows, without types


@dataclass
class Row:
    id: int


@attrs.frozen
class Value:
    id: int


def sqlite_row() -> sqlite3.Row:
    base = sqlite3.connect(":memory:")
    base.row_factory = sqlite3.Row
    row: sqlite3.Row = base.execute("select 1 as id").fetchone()
    base.close()
    return row


@pytest.mark.parametrize(
    ("row", "write"),
    [
        ((1, "a"), "dict(zip(names, row))"),
        ([1, "a"], "dict(zip(names, row))"),
        (Pair(1, "a"), "row._asdict()"),
        (Row(1), "dataclasses.asdict(row)"),
        (Value(1), "attrs.asdict(row)"),
        (sqlite_row(), "dict(row)"),
        ("a", "dict(row)"),
    ],
)
def test_rows_that_are_no_mappings_are_refused_with_what_to_write(row: Any, write: str) -> None:
    with pytest.raises(SchemaMismatchError) as caught:
        unusable("orders", [{"id": 1}, row])
    assert "record 1 of a page of entity 'orders'" in caught.value.message
    assert f"a {type(row).__name__}; expected a mapping" in caught.value.message
    assert f"write {write} " in caught.value.message


def test_mappings_of_any_class_are_records() -> None:
    assert unusable("orders", [{"id": 1}, MappingProxyType({"id": 2})]) == {}
    assert unusable("orders", []) == {}


def test_null_among_records_is_a_bad_one_and_the_others_are_good() -> None:
    rows: list[Any] = [{"id": 1}, None, {"id": 2}]
    assert unusable("orders", rows) == {1: "it is null"}
    assert without(rows, [1]) == [{"id": 1}, {"id": 2}]


def test_a_document_that_cannot_be_decoded_is_a_bad_record_with_its_key_and_field() -> None:
    records = JsonRecords.of_array(rb'[{"id": 3}, {"id": 4, "name": "cut \ud83d"}]')
    assert unusable("orders", records) == {
        1: "field 'name' has half of a surrogate pair in it, which is no text"
    }
    text = raw_record(records, 1)
    assert text == r'{"id": 4, "name": "cut \ud83d"}'
    assert key_text(text, ("id",)) == "id=4"
    assert without(records, [1]) == [{"id": 3}]


def test_a_value_without_json_form_is_named_by_its_field() -> None:
    records: list[Any] = [{"id": 1}, {"id": 2, "v": "\ud83d"}, {"id": 3, "v": object()}]
    faults = unencodable(records)
    assert list(faults) == [1, 2]
    assert faults[1].startswith("field 'v' has half of a surrogate pair")
    assert faults[2].startswith("field 'v': a value of type object has no JSON form")


def test_what_cannot_be_decoded_has_no_json_form_either() -> None:
    records = JsonRecords.of_array(rb'[{"id": 1}, null, {"id": 2, "v": "\ud83d"}]')
    assert list(unencodable(records)) == [1, 2]


def test_pages_that_are_joined_stay_lazy_and_their_positions_count_on() -> None:
    torn = JsonRecords.of_array(rb'[{"id": 2}, {"id": 3, "v": "\ud83d"}]')
    records = joined([JsonRecords.of_array(b'[{"id":  1}]'), torn, [{"id": 4}]])
    assert list(unusable("orders", records)) == [2]
    assert raw_record(records, 2) == r'{"id": 3, "v": "\ud83d"}'
    lazy = JsonRecords.of_array(b'[{"id": 1.10}]')
    assert unusable("orders", joined([lazy, lazy])) == {}
    assert lazy.json_lines() == b'{"id": 1.10}\n'  # nothing was made of it, which would write 1.1


def test_keys_are_told_by_path_and_shortened() -> None:
    assert key_text({"sys": {"id": 7}, "part": "x" * 99}, ("sys.id", "part")).startswith("sys.id=7, part='xx")
    assert len(key_text({"id": "x" * 99}, ("id",))) < 50
    assert key_text(None, ("id",)) == key_text("no JSON", ("id",)) == ""
