"""Whether values fit their types, and what is said where they do not."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from connector_kit.records.catalog import Entity, Field, FieldType, ListOf, Scalar, Struct
from connector_kit.records.fitting import fits, mismatches

LINE = Struct([Field("sku", Scalar.STRING, nullable=False), Field("price", Scalar.NUMBER)])

YES: list[tuple[Any, FieldType]] = [
    ("a", Scalar.STRING),
    (1, Scalar.INTEGER),
    (1, Scalar.NUMBER),
    (1.5, Scalar.NUMBER),
    (True, Scalar.BOOLEAN),
    (datetime(2024, 1, 1, tzinfo=UTC), Scalar.DATETIME),
    ("2024-01-01T00:00:00Z", Scalar.DATETIME),
    (date(2024, 1, 1), Scalar.DATE),
    ("2024-01-01", Scalar.DATE),
    (time(12), Scalar.TIME),
    ("12:00:00.25", Scalar.TIME),
    (Decimal("1.1"), Scalar.DECIMAL),
    (1, Scalar.DECIMAL),
    (1.5, Scalar.DECIMAL),
    ("1.50", Scalar.DECIMAL),
    (b"x", Scalar.BINARY),
    ("eA==", Scalar.BINARY),
    (None, Scalar.JSON),
    (object(), Scalar.JSON),
    ([1, None], ListOf(Scalar.INTEGER)),
    ((), ListOf(Scalar.INTEGER)),
    ({"sku": "x", "more": 1}, LINE),
]

NO: list[tuple[Any, FieldType]] = [
    (None, Scalar.STRING),
    (1, Scalar.STRING),
    (True, Scalar.INTEGER),
    (1.0, Scalar.INTEGER),
    (True, Scalar.NUMBER),
    (Decimal(1), Scalar.NUMBER),
    (1, Scalar.BOOLEAN),
    ("2024-01-01", Scalar.DATETIME),
    ("20240101T000000", Scalar.DATETIME),
    ("٢٠٢٤-01-01", Scalar.DATE),
    (datetime(2024, 1, 1, tzinfo=UTC), Scalar.DATE),
    (20240101, Scalar.DATE),
    ("12", Scalar.TIME),
    ("one", Scalar.DECIMAL),
    ("NaN", Scalar.DECIMAL),
    (True, Scalar.DECIMAL),
    ("é", Scalar.BINARY),
    ("x", Scalar.BINARY),
    (1, Scalar.BINARY),
    ("ab", ListOf(Scalar.STRING)),
    (b"ab", ListOf(Scalar.INTEGER)),
    (["a"], ListOf(Scalar.INTEGER)),
    ({"price": 1}, LINE),
    ({"sku": "x", "price": "free"}, LINE),
    ([], LINE),
]


@pytest.mark.parametrize(("value", "kind"), YES)
def test_fits(value: Any, kind: FieldType) -> None:
    assert fits(value, kind)


@pytest.mark.parametrize(("value", "kind"), NO)
def test_does_not_fit(value: Any, kind: FieldType) -> None:
    assert not fits(value, kind)


@pytest.mark.parametrize(("value", "kind"), [*YES, *NO])
def test_a_record_has_mismatches_exactly_where_a_value_does_not_fit(value: Any, kind: FieldType) -> None:
    found = mismatches({"it": value}, Entity("things", [Field("it", kind, nullable=False)]))
    assert bool(found) == (value is None or not fits(value, kind))


def test_mismatches_say_where_what_and_what_was_expected() -> None:
    entity = Entity(
        "orders",
        [
            Field("id", Scalar.INTEGER, nullable=False),
            Field("at", Scalar.DATETIME, nullable=False),
            Field("note", Scalar.STRING),
            Field("lines", ListOf(LINE)),
            Field("tags", ListOf(Scalar.STRING)),
            Field("buyer", LINE),
        ],
    )
    record = {
        "at": None,
        "lines": [{"sku": "a"}, None, {"sku": "b", "price": "free"}, {"price": 1}],
        "tags": "x" * 1000,
        "buyer": 3,
        "not announced": 1,
    }
    assert mismatches(record, entity) == [
        "id: is missing and is not nullable; expected integer",
        "at: is None and is not nullable; expected datetime",
        "lines[2].price: 'free' does not fit; expected number",
        "lines[3].sku: is missing and is not nullable; expected string",
        f"tags: '{'x' * 17}...{'x' * 18}' does not fit; expected list of string",
        "buyer: 3 does not fit; expected struct",
    ]


def test_an_entity_without_fields_has_no_mismatches() -> None:
    assert mismatches({"a": object()}, Entity("things")) == []
