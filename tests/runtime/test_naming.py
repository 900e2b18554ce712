"""What entities and fields are called in the destination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from connector_kit import Catalog, Entity, EntityOptions, Field, JsonRecords, Page, sync
from connector_kit.errors import ConfigError, SchemaMismatchError
from connector_kit.runtime.naming import Naming
from connector_kit.testing import MemoryDestination

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connector_kit.protocols import Destination
    from connector_kit.runtime.report import EntityReport


class People:
    """A source of the entities `people` and `pets`, which counts its reads."""

    def __init__(self, *ids: int, key: bool = True) -> None:
        self.ids = ids
        self.key = ("id",) if key else ()
        self.reads = 0

    async def connect(self) -> None: ...

    async def disconnect(self) -> None: ...

    async def discover_schema(self) -> Catalog:
        return Catalog([Entity("people", primary_key=self.key), Entity("pets", primary_key=self.key)])

    async def fetch_data(
        self, entity: str, /, *, since: object = None, cursor: object = None
    ) -> AsyncIterator[Page]:
        self.reads += 1
        yield Page([{"id": number, "name": f"{entity} {number}"} for number in self.ids])


async def synced(source: People, destination: Destination, **arguments: Any) -> EntityReport:
    arguments.setdefault("entities", ["people"])
    report = await sync(source, destination, **arguments)
    return report.entities[0]


class TestNaming:
    def test_names_of_fields_follow_into_keys(self) -> None:
        entity = Entity(
            "people",
            [Field("Id"), Field("meta")],
            primary_key="Id",
            replication_key="meta.modified",
            incremental="since",
        )
        naming = Naming.of(
            entity, EntityOptions(table="persons", rename={"Id": "id", "meta": "about"}), "shop_"
        )
        assert naming.entity == Entity(
            "shop_persons",
            [Field("id"), Field("about")],
            primary_key="id",
            replication_key="about.modified",
            incremental="since",
        )
        assert naming.apply([{"Id": 1, "meta": None}]) == [{"id": 1, "about": None}]

    def test_records_stay_lazy_where_no_field_is_renamed(self) -> None:
        records = JsonRecords.of_array(msgspec.json.encode([{"id": 1}]))
        assert Naming.of(Entity("people"), EntityOptions(table="persons")).apply(records) is records

    @pytest.mark.parametrize("rename", [{"a": "b"}, {"a": "c", "b": "c"}])
    def test_two_fields_cannot_have_one_name(self, rename: dict[str, str]) -> None:
        with pytest.raises(ConfigError, match=r"would leave 2 fields with the name '[bc]'"):
            Naming.of(Entity("people", [Field("a"), Field("b")]), EntityOptions(rename=rename))

    def test_nor_can_those_of_a_record_that_nobody_announced(self) -> None:
        naming = Naming.of(Entity("people"), EntityOptions(rename={"a": "b"}))
        assert naming.apply([{"a": 1}, {"b": 2}]) == [{"b": 1}, {"b": 2}]
        with pytest.raises(SchemaMismatchError, match="has a field 'b' already"):
            naming.apply([{"a": 1, "b": 2}])

    def test_fields_may_swap_names(self) -> None:
        naming = Naming.of(
            Entity("people", [Field("a"), Field("b")]), EntityOptions(rename={"a": "b", "b": "a"})
        )
        assert naming.apply([{"a": 1, "b": 2}]) == [{"b": 1, "a": 2}]

    def test_a_field_that_is_not_there_is_no_field_to_rename(self) -> None:
        with pytest.raises(
            ConfigError, match=r"`rename` has the field 'nmae', which is none of its fields \(name\)"
        ):
            Naming.of(Entity("people", [Field("name")]), EntityOptions(rename={"nmae": "b"}))


@pytest.mark.anyio
class TestOwnership:
    @pytest.mark.parametrize("key", [True, False])
    @pytest.mark.parametrize("mode", [None, "replace", "upsert"])
    async def test_what_is_somebody_elses_is_refused_before_it_is_read(
        self,
        mode: str | None,
        key: bool,  # noqa: FBT001 - pytest gives it by name
    ) -> None:
        if mode == "upsert" and not key:
            mode = "replace"
        destination, second = MemoryDestination(), People(10, 11, key=key)
        await synced(People(0, 1, key=key), destination, name="first", mode=mode)
        report = await synced(second, destination, name="second", mode=mode)
        assert isinstance(report.error, ConfigError)
        assert "'people' in this destination was written by the connector 'first', not 'second'" in str(
            report.error
        )
        assert "prefix" in str(report.error)
        assert second.reads == 0
        assert [row["id"] for row in destination.rows("people")] == [0, 1]

    async def test_a_prefix_lets_both_live(self) -> None:
        destination = MemoryDestination()
        for name, number in (("a", 1), ("b", 2)):
            for _ in range(2):
                report = await synced(People(number), destination, name=name, prefix=f"{name}_")
                assert report.status == "complete"
        assert destination.rows("a_people") == [{"id": 1, "name": "people 1"}]
        assert destination.rows("b_people") == [{"id": 2, "name": "people 2"}]

    async def test_one_connectors_other_entity_is_somebody_elses_too(self) -> None:
        destination = MemoryDestination()
        await synced(People(1), destination)
        report = await synced(
            People(2), destination, entities=["pets"], options={"pets": EntityOptions(table="people")}
        )
        assert isinstance(report.error, ConfigError)
        assert destination.rows("people") == [{"id": 1, "name": "people 1"}]

    async def test_two_entities_of_a_run_cannot_share_a_table(self) -> None:
        source = People(1)
        with pytest.raises(
            ConfigError, match="entities 'people' and 'pets' would both be 'people' in the destination"
        ):
            await sync(source, MemoryDestination(), options={"pets": EntityOptions(table="people")})
        assert source.reads == 0

    async def test_the_report_says_what_was_left_out(self) -> None:
        report = await sync(People(1), MemoryDestination(), entities=["pets"])
        assert report.left_out == ("people",)
        assert (await sync(People(1), MemoryDestination())).left_out == ()
