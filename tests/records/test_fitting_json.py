"""Whether JSON decodes into the type made for an entity: where it does, every record fits."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.records.catalog import Entity, Field, FieldType, ListOf, Scalar, Struct
from connector_kit.records.json_records import JsonRecords
from connector_kit.wrappers.validation.policy import Announced

scalars = st.sampled_from(list(Scalar))
kinds: st.SearchStrategy[FieldType] = st.recursive(
    scalars,
    lambda inner: (
        inner.map(ListOf)
        | st.lists(
            st.builds(Field, st.sampled_from(["x", "y"]), inner, st.booleans()),
            max_size=2,
            unique_by=lambda field: field.name,
        ).map(Struct)
    ),
    max_leaves=3,
)
TEXTS = [
    *("2024-02-28", "2024-02-29", "2023-02-29", "2024-04-31", "0000-01-01", "2024-13-01", "2024-01-01\n"),
    *(
        "2024-01-01T00:00:00Z",
        "2024-01-01t00:00:00z",
        "2024-01-01 23:59",
        "2024-01-01T24:00:00",
        "2024-01-01T00:00+0530",
    ),
    *(
        "2024-01-01T00:00:00.123456+23:59",
        "2024-01-01T00:00:00.1Z",
        "12:00",
        "12:00:60",
        "12:00:00.123Z",
        "\u0662\u0660\u0662\u0664-\u0660\u0661-\u0660\u0661",
    ),
    *(
        "1",
        "-1.50",
        "1e5",
        "NaN",
        "Infinity",
        "1.",
        ".5",
        "\uff11",
        "",
        "=",
        "QQ==",
        "QUI=",
        "QUJD",
        "QUJ",
        "Q===",
        "é",
    ),
]
texts = st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
numbers = (
    st.sampled_from([0, -1, 2**70, 1.0, 1.5, 1e300])
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["x", "y", "z"]), inner, max_size=3)
    ),
    max_leaves=4,
)


@st.composite
def pages(draw: st.DrawFn) -> tuple[Entity, list[dict[str, Any]]]:
    fields = [Field(name, draw(kinds), draw(st.booleans())) for name in ("id", "x")]
    key = draw(st.sampled_from([(), ("id",)]))
    records = st.fixed_dictionaries({}, optional={"id": values, "x": values, "new": values})
    return Entity("orders", fields, primary_key=key), draw(st.lists(records, max_size=3))


@given(pages())
def test_what_surely_fits_does(page: tuple[Entity, list[dict[str, Any]]]) -> None:
    """Whatever types, values and keys: it never says so of a record in which looking at it finds something."""
    entity, eager = page
    if JsonRecords.of_array(msgspec.json.encode(eager)).surely_fit(entity):
        assert Announced(entity).split(eager) is None


@given(pages())
def test_validating_lazy_records_finds_what_it_finds_in_eager_ones(
    page: tuple[Entity, list[dict[str, Any]]],
) -> None:
    entity, eager = page
    lazy = JsonRecords.of_array(msgspec.json.encode(eager))
    assert Announced(entity).split(lazy) == Announced(entity).split(eager)


WELL = {
    Scalar.STRING: "x",
    Scalar.INTEGER: 2**70,
    Scalar.NUMBER: 1.5,
    Scalar.BOOLEAN: True,
    Scalar.DATETIME: "2024-05-01T12:00:00.123456Z",
    Scalar.DATE: "2024-05-01",
    Scalar.TIME: "12:00:00",
    Scalar.DECIMAL: "-1.50",
    Scalar.BINARY: "QUJD",
    Scalar.JSON: {"any": [1]},
}


@pytest.mark.parametrize("kind", list(Scalar))
def test_ordinary_records_of_every_type_are_known_to_fit_and_stay_as_they_came(kind: Scalar) -> None:
    """Else nothing would be gained by it."""
    inside = Struct((Field("x", kind, nullable=False), Field("y", ListOf(kind))))
    entity = Entity("orders", [Field("id", kind, nullable=False), Field("in", inside), Field("gone", kind)])
    record = {"in": {"x": WELL[kind], "y": [WELL[kind], None], "new": 1}, "id": WELL[kind], "new": "field"}
    json = msgspec.json.encode([record, {"id": WELL[kind], "in": None}]).replace(b'":', b'" : ')
    records = JsonRecords.of_array(json)
    assert records.surely_fit(entity)
    assert Announced(entity).split(records) is None
    assert records.json_lines().count(b" : ") > 1


def test_nothing_is_known_of_records_that_were_handed_out() -> None:
    """They may have been changed."""
    entity = Entity("orders", [Field("id", Scalar.INTEGER)])
    records = JsonRecords.of_array(b'[{"id": 1}]')
    assert records.surely_fit(entity)
    record = records[0]
    assert isinstance(record, dict)
    record["id"] = "no number"
    assert not records.surely_fit(entity)
    assert Announced(entity).split(records) is not None


def test_nothing_is_known_of_fields_whose_name_cannot_be_written() -> None:
    entity = Entity("orders", [Field('a"b', Scalar.INTEGER)])
    assert not JsonRecords.of_array(b"[]").surely_fit(entity)
    assert Announced(entity).split(JsonRecords.of_array(b'[{"a\\"b": 1}]')) is None
