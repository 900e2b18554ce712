"""Catalogs and entities: what contradicts itself is refused where it is made, with what to do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.errors import ConfigError, UnknownEntityError
from connector_kit.records.catalog import Catalog, Entity, Field, ListOf, Scalar, Struct

FIELDS = (Field("id", Scalar.INTEGER), Field("updated_at", Scalar.DATETIME))


class TestCatalog:
    @given(st.lists(st.text(min_size=1), unique=True))
    def test_gives_every_entity_by_its_name_in_its_order(self, names: list[str]) -> None:
        catalog = Catalog(Entity(name) for name in names)
        assert catalog.names == tuple(names) == tuple(entity.name for entity in catalog)
        assert [catalog[name] for name in names] == [Entity(name) for name in names]
        assert len(catalog) == len(names)

    @given(st.lists(st.text(min_size=1), unique=True), st.text())
    def test_any_other_name_is_refused(self, names: list[str], other: str) -> None:
        catalog = Catalog(Entity(name) for name in names if name != other)
        with pytest.raises(UnknownEntityError) as caught:
            catalog[other]
        assert caught.value.entity == other

    def test_the_nearest_name_is_offered(self) -> None:
        catalog = Catalog([Entity("orders"), Entity("customers")])
        with pytest.raises(
            UnknownEntityError, match=r"no entity 'order' in the catalog; did you mean 'orders'\?"
        ):
            catalog["order"]
        with pytest.raises(UnknownEntityError, match="known: orders, customers"):
            catalog["zzz"]
        with pytest.raises(UnknownEntityError, match="known: none"):
            Catalog()["orders"]

    def test_a_name_twice_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="the catalog has the entity 'orders' twice; give"):
            Catalog([Entity("orders"), Entity("orders", FIELDS)])


class TestEntity:
    def test_one_name_is_a_primary_key(self) -> None:
        assert Entity("orders", primary_key="id").primary_key == ("id",)
        assert Entity("orders", primary_key=["shop", "id"]).primary_key == ("shop", "id")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"fields": (*FIELDS, Field("id"))}, "has the field 'id' twice"),
            (
                {"fields": FIELDS, "primary_key": "nr"},
                r"the key 'nr' is none of its fields \(id, updated_at\)",
            ),
            ({"fields": FIELDS, "replication_key": "changed"}, "the key 'changed' is none of its fields"),
            ({"ordered": True}, "is ordered but has no replication_key"),
            ({"incremental": "since"}, "is read by since but has no replication_key"),
        ],
    )
    def test_a_contradiction_is_refused(self, arguments: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError, match=f"entity 'orders'.*{message}"):
            Entity("orders", **arguments)

    def test_without_fields_any_key_may_be_named(self) -> None:
        """Nothing is known of the records yet."""
        entity = Entity(
            "orders", primary_key="id", replication_key="updated_at", ordered=True, incremental="since"
        )
        assert (entity.fields, entity.replication_key) == ((), "updated_at")
        assert Entity("orders", incremental="cursor").replication_key is None

    def test_is_a_value(self) -> None:
        """Equal and hashable by content, nested types included; fields may come from any iterable."""
        nested = Field("lines", ListOf(Struct(iter([Field("sku", Scalar.STRING)]))))
        assert Entity("orders", iter([nested])) == Entity("orders", [nested])
        assert len({Entity("orders", [nested]), Entity("orders", (nested,))}) == 1
