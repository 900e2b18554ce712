"""Merging shapes is a lattice, so that inference does not depend on the order of records."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connector_kit.records.catalog import Scalar
from connector_kit.records.inference import (
    ANYTHING,
    MAX_NAMES,
    NOTHING,
    Kind,
    Shape,
    field_of,
    field_type,
    limited,
    merge,
    shape_of,
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.datetimes().map(str)
    | st.datetimes()
    | st.dates().map(str)
    | st.dates()
    | st.times()
    | st.decimals(allow_nan=False)
    | st.binary(max_size=5)
    | st.just(object())
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcde"), inner, max_size=3),
    max_leaves=12,
)


def _all_merged(several: list[Shape]) -> Shape:
    merged = NOTHING
    for shape in several:
        merged = merge(merged, shape, max_names=3)
    return merged


shapes = st.lists(values.map(shape_of), max_size=3).map(_all_merged)


@given(shapes, shapes)
def test_merging_is_commutative(one: Shape, other: Shape) -> None:
    assert merge(one, other, max_names=3) == merge(other, one, max_names=3)


@given(shapes, shapes, shapes)
def test_merging_is_associative(one: Shape, two: Shape, three: Shape) -> None:
    left = merge(merge(one, two, max_names=3), three, max_names=3)
    assert left == merge(one, merge(two, three, max_names=3), max_names=3)


@given(shapes, shapes)
def test_merging_is_idempotent(one: Shape, other: Shape) -> None:
    merged = merge(one, other)
    assert merge(merged, merged) == merged
    assert merge(merged, one) == merged == merge(other, merged)


@given(shapes)
def test_nothing_is_the_zero_and_anything_absorbs_all_but_null(shape: Shape) -> None:
    assert merge(shape, NOTHING) == shape == merge(NOTHING, shape)
    assert merge(shape, ANYTHING) == ANYTHING


def test_an_object_with_too_many_names_is_anything_but_null() -> None:
    many = Shape(frozenset({Kind.OBJECT}), names=dict.fromkeys(map(str, range(MAX_NAMES + 1)), NOTHING))
    assert limited(many, MAX_NAMES) == Shape(frozenset({Kind.OTHER}))
    assert limited(many, None) is many
    assert field_type(limited(many, MAX_NAMES)) is Scalar.JSON


def test_what_only_one_side_lacks_is_nullable() -> None:
    merged = merge(shape_of({"a": 1, "b": 2}), shape_of({"a": 3}))
    assert not field_of("a", merged.names["a"]).nullable
    assert field_of("b", merged.names["b"]).nullable


def test_of_nothing_the_field_is_nullable_json() -> None:
    field = field_of("a", NOTHING)
    assert (field.type, field.nullable) == (Scalar.JSON, True)
