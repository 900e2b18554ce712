"""Fields that are not in the catalog are kept, dropped or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.errors import SchemaMismatchError
from connector_kit.records.catalog import Entity, Field
from connector_kit.records.page import Page, Record
from connector_kit.runtime.options import EntityOptions
from connector_kit.runtime.read import Read

if TYPE_CHECKING:
    from collections.abc import Sequence

NewFields: TypeAlias = Literal["evolve", "freeze", "discard"]
KNOWN = ("id", "name")
ENTITY = Entity("orders", [Field(name) for name in KNOWN])
records = st.lists(
    st.dictionaries(st.sampled_from(["id", "name", "size", "colour"]), st.integers()), max_size=5
)


def fit_fields(entity: Entity, records: list[dict[str, int]], new_fields: NewFields) -> Sequence[Record]:
    """Return what a read lets through of a page."""
    _, written = Read("shop", entity, "replace", EntityOptions(new_fields=new_fields)).advance(Page(records))
    return written


@given(records)
def test_kept_as_they_are(given: list[dict[str, int]]) -> None:
    """Without being looked at: the sequence may be lazy."""
    assert fit_fields(ENTITY, given, "evolve") is given


@given(records)
def test_dropped(given: list[dict[str, int]]) -> None:
    expected = [{name: value for name, value in record.items() if name in KNOWN} for record in given]
    assert fit_fields(ENTITY, given, "discard") == expected


@given(records)
def test_refused_with_their_names(given: list[dict[str, int]]) -> None:
    new = next((sorted(record.keys() - KNOWN) for record in given if record.keys() - KNOWN), None)
    if new is None:
        assert fit_fields(ENTITY, given, "freeze") is given
    else:
        with pytest.raises(
            SchemaMismatchError, match=rf"has a new field: {', '.join(new)}; its fields are frozen"
        ):
            fit_fields(ENTITY, given, "freeze")


@given(records, st.sampled_from(["evolve", "freeze", "discard"]))
def test_where_no_fields_are_known_none_is_new(given: list[dict[str, int]], policy: NewFields) -> None:
    assert fit_fields(Entity("orders"), given, policy) is given
