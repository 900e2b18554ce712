"""Fields inferred from records."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.records.catalog import Entity, Field, FieldType, ListOf, Scalar, Struct
from connector_kit.records.fitting import fits, mismatches
from connector_kit.records.inference import MAX_DEPTH, MAX_NAMES, infer_fields

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.datetimes().map(datetime.isoformat),
    st.datetimes(),
    st.dates().map(date.isoformat),
    st.dates(),
    st.times(),
    st.decimals(),
    st.binary(max_size=8),
    st.sampled_from(["12:00", "20240101", "2024-02-30", "2024-01-01T25:00:00Z", "2024-01-01 12:30Z", "MTIz"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=10,
)
records = st.lists(st.dictionaries(st.sampled_from(["id", "a", "b", "c"]), values, max_size=4), max_size=6)


@given(records)
def test_every_record_fits_the_fields_inferred(several: list[dict[str, Any]]) -> None:
    entity = Entity("things", infer_fields(several))
    assert [line for record in several for line in mismatches(record, entity)] == []


@given(records, st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(several: list[dict[str, Any]], random: Any) -> None:
    shuffled = random.sample(several, len(several))
    assert _by_name(infer_fields(shuffled)) == _by_name(infer_fields(several))


@given(records)
def test_an_inferred_field_is_no_wider_than_needed_to_be_nullable(several: list[dict[str, Any]]) -> None:
    for field in infer_fields(several):
        found = [record.get(field.name) for record in several]
        assert field.nullable == (None in found)


def _by_name(fields: tuple[Field, ...]) -> dict[str, Any]:
    return {field.name: (_sorted(field.type), field.nullable) for field in fields}


def _sorted(kind: FieldType) -> Any:
    match kind:
        case Struct(fields):
            return _by_name(fields)
        case ListOf(item):
            return [_sorted(item)]
        case _:
            return kind


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        ([1, 2], Scalar.INTEGER),
        ([1, 2.5], Scalar.NUMBER),
        ([1, 2.5, Decimal("1.1")], Scalar.DECIMAL),
        ([True, False], Scalar.BOOLEAN),
        ([True, 1], Scalar.JSON),
        (["a", "b"], Scalar.STRING),
        (["2024-05-01T12:00:00Z", "2024-05-01 12:00:00.5+02:00"], Scalar.DATETIME),
        ([datetime(2024, 5, 1, tzinfo=UTC), "2024-05-01T12:00:00Z"], Scalar.DATETIME),
        (["2024-05-01", date(2024, 5, 2)], Scalar.DATE),
        (["2024-05-01", "2024-05-01T12:00:00Z"], Scalar.STRING),
        (["2024-05-01", "soon"], Scalar.STRING),
        ([date(2024, 5, 1), "soon"], Scalar.JSON),
        (["2024-02-30"], Scalar.STRING),
        (["20240501"], Scalar.STRING),
        (["12:30"], Scalar.STRING),
        ([time(12)], Scalar.TIME),
        ([b"x", bytearray(b"y"), memoryview(b"z")], Scalar.BINARY),
        ([1, "a"], Scalar.JSON),
        ([None], Scalar.JSON),
        ([object()], Scalar.JSON),
        ([[1], [2.5, None], ()], ListOf(Scalar.NUMBER)),
        ([[]], ListOf(Scalar.JSON)),
        ([[1], 1], Scalar.JSON),
        ([{"a": 1}, {"a": 2, "b": "x"}], Struct([Field("a", Scalar.INTEGER, nullable=False), Field("b", Scalar.STRING)])),
        ([{}], Struct([])),
    ],
)  # fmt: skip
def test_the_type_is_the_narrowest_that_fits_all_values(seen: list[Any], kind: FieldType) -> None:
    (field,) = infer_fields({"it": value} for value in seen)
    assert field.type == kind
    assert all(value is None or fits(value, kind) for value in seen)


def test_a_field_that_some_records_lack_is_nullable() -> None:
    assert infer_fields([{"a": 1}, {"a": 2, "b": 3}]) == (
        Field("a", Scalar.INTEGER, nullable=False),
        Field("b", Scalar.INTEGER, nullable=True),
    )


def test_no_records_have_no_fields() -> None:
    assert infer_fields([]) == ()


def test_a_mapping_by_key_is_json_and_takes_no_memory_for_its_keys() -> None:
    """Thousands of records, each with keys of its own below one field: the field stays one."""
    many = ({"counts": {f"day {number}": number}} for number in range(3 * MAX_NAMES))
    assert infer_fields(many) == (Field("counts", Scalar.JSON, nullable=False),)


def test_records_themselves_may_have_any_number_of_fields() -> None:
    wide = {f"field {number}": number for number in range(2 * MAX_NAMES)}
    assert len(infer_fields([wide, wide | {"more": 1}])) == 2 * MAX_NAMES + 1


def test_what_is_nested_too_deep_is_json() -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH + 10):
        value = [value]
    (field,) = infer_fields([{"a": value}])
    kind: FieldType = field.type
    for _ in range(MAX_DEPTH + 1):
        assert isinstance(kind, ListOf)
        kind = kind.item
    assert kind is Scalar.JSON
