"""Which values are the same, as keys and in fingerprints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.errors import SchemaMismatchError
from connector_kit.records.canonical import (
    Fingerprints,
    canonical,
    canonical_datetime,
    canonical_decimal,
    canonical_key,
)
from connector_kit.records.catalog import Entity, Field, Scalar

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
EAST = timezone(timedelta(hours=5, minutes=30))


class Size(IntEnum):
    LARGE = 1


SAME: list[tuple[Any, Any]] = [
    (1, 1.0),
    (1, True),
    (1, Size.LARGE),
    (0.0, -0.0),
    (Decimal(1), Decimal("1.0")),
    (Decimal("1E+2"), Decimal(100)),
    (Decimal("-0"), Decimal("0.000")),
    (2**64, str(2**64)),
    (NOON, NOON.astimezone(EAST)),
    ({"a": 1, "b": [2]}, {"b": [2.0], "a": 1}),
    ({"a": Decimal("1.50")}, MappingProxyType({"a": Decimal("1.5")})),
    ((1, 2), [1, 2]),
    ({3, 1, 2}, [1, 2, 3]),
]
DIFFERENT: list[tuple[Any, Any]] = [
    (1, "1"),
    (1, 2),
    (None, ""),
    (None, 0),
    (Decimal(1), 1),
    (0.1, Decimal("0.1")),
    (2**53, 2**53 + 1),
    (2**64, 2**64 + 1),
    (float(2**64), 2**64),
    (NOON, NOON.replace(tzinfo=None)),
    (NOON, NOON.isoformat()),
    ("a", b"a"),
    ([1, 2], [2, 1]),
    ({"a": None}, {}),
]


def fingerprint(value: Any) -> bytes:
    return Fingerprints().of_record("orders", {"value": value})


@pytest.mark.parametrize(("one", "other"), SAME)
def test_these_are_one(one: Any, other: Any) -> None:
    assert canonical_key([one]) == canonical_key([other])
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_these_are_two(one: Any, other: Any) -> None:
    assert canonical_key([one]) != canonical_key([other])
    assert fingerprint(one) != fingerprint(other) or {one, other} == {"a", b"a"}


@pytest.mark.parametrize("value", [float("nan"), Decimal("NaN")])
def test_nan_is_no_key(value: Any) -> None:
    with pytest.raises(ValueError, match="NaN is not the same as anything, itself included"):
        canonical_key([1, value])


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4))
def test_a_decimal_keeps_its_value(number: Decimal) -> None:
    assert Decimal(canonical_decimal(number)) == number
    assert canonical_decimal(number) == canonical_decimal(Decimal(f"{number:f}00"))


def test_a_decimal_of_a_billion_digits_is_not_written_out() -> None:
    assert canonical_decimal(Decimal("1.0E+999999")) == "1E+999999"


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_the_order_of_datetimes_is_that_of_their_texts(one: datetime, other: datetime) -> None:
    assert (canonical_datetime(one) < canonical_datetime(other)) == (one < other)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(values)
def test_a_form_is_its_own_form(value: Any) -> None:
    assert repr(canonical(canonical(value))) == repr(canonical(value))


class TestFingerprints:
    def test_a_volatile_field_is_left_out(self) -> None:
        prints = Fingerprints.of(Entity("orders"), ["fetched_at"])
        assert prints.of_record("orders", {"id": 1, "fetched_at": 1}) == prints.of_record("orders", {"id": 1})
        assert prints.of_record("orders", {"id": 1}) != prints.of_record("orders", {"id": 2})

    def test_the_zone_of_a_text_that_is_a_time_makes_no_difference(self) -> None:
        """Where the catalog says that the field is one."""
        entity = Entity("orders", [Field("at", Scalar.DATETIME), Field("note", Scalar.STRING)])
        prints = Fingerprints.of(entity)
        texts = [NOON.isoformat(), NOON.astimezone(EAST).isoformat()]
        assert len({prints.of_record("orders", {"at": text}) for text in texts}) == 1
        assert len({prints.of_record("orders", {"note": text}) for text in texts}) == 2
        assert prints.of_record("orders", {"at": "soon"}) != prints.of_record("orders", {"at": "later"})

    @pytest.mark.parametrize("value", [object(), "\ud800"])
    def test_what_has_no_form_is_refused(self, value: Any) -> None:
        with pytest.raises(SchemaMismatchError, match="a record of entity 'orders' cannot be compared"):
            fingerprint(value)
