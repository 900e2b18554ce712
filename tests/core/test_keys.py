"""Keys that are paths into nested records."""

from typing import Any

import msgspec
import pytest

from connector_kit import Catalog, Entity, Field
from connector_kit.errors import ConfigError
from connector_kit.records.json_records import JsonRecords
from connector_kit.records.keys import column_at, value_at

RECORDS: list[dict[str, Any]] = [{"sys": {"id": 7, "by": {"name": "ann"}}}, {"sys": None}, {}, {"sys": 3}]


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("sys.id", [7, None, None, None]),
        ("sys.by.name", ["ann", None, None, None]),
        ("sys", [{"id": 7, "by": {"name": "ann"}}, None, None, 3]),
        ("other.id", [None] * 4),
    ],
)
def test_a_path_leads_into_nested_records(key: str, values: list[object]) -> None:
    assert [value_at(record, key) for record in RECORDS] == values
    assert list(column_at(RECORDS, key)) == values
    assert list(column_at(JsonRecords.of_array(msgspec.json.encode(RECORDS)), key)) == values


def test_a_field_of_that_very_name_counts_first() -> None:
    record: dict[str, Any] = {"sys.id": 1, "sys": {"id": 2}}
    assert value_at(record, "sys.id") == 1
    assert list(column_at([record], "sys.id")) == [1]


def test_each_record_for_itself() -> None:
    """One record has the name itself, the next one the path."""
    mixed: list[dict[str, Any]] = [{"sys.id": 1}, {"sys": {"id": 2}}, {"sys.id": None, "sys": {"id": 3}}]
    assert list(column_at(mixed, "sys.id")) == [value_at(record, "sys.id") for record in mixed] == [1, 2, 3]


def test_an_entity_may_have_a_path_for_its_key() -> None:
    entity = Entity("items", [Field("sys")], primary_key="sys.id")
    assert Catalog([entity])["items"].primary_key == ("sys.id",)
    with pytest.raises(ConfigError, match=r"'other\.id' is none of its fields"):
        Entity("items", [Field("sys")], primary_key="other.id")
