"""The mock connector keeps the laws of a connector."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.connectors.mock import MockConfig, MockConnector
from connector_kit.errors import (
    ConfigError,
    CursorExpiredError,
    RequestRejectedError,
    UnknownEntityError,
)
from connector_kit.protocols import FullConnector
from connector_kit.records.fitting import mismatches
from connector_kit.records.inference import infer_fields

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connector_kit.records.page import Cursor, Page, Record

ENTITIES = ("customers", "orders", "events", "countries")
START = datetime(2024, 1, 1, tzinfo=UTC)

entities = st.sampled_from(ENTITIES)
sizes = st.integers(0, 60)
page_sizes = st.integers(1, 25)


async def connected(config: MockConfig) -> MockConnector:
    connector = MockConnector(config)
    await connector.connect()
    return connector


async def read(
    config: MockConfig, entity: str, *, since: datetime | None = None, cursor: Cursor = None
) -> list[Page]:
    connector = await connected(config)
    return [page async for page in connector.fetch_data(entity, since=since, cursor=cursor)]


def records_of(pages: list[Page]) -> list[Record]:
    return [record for page in pages for record in page.records]


def pages_of(
    config: MockConfig, entity: str, since: datetime | None = None, cursor: Cursor = None
) -> list[Page]:
    """Read on asyncio; for properties, which the event loop does not change."""

    async def main() -> list[Page]:
        return await read(config, entity, since=since, cursor=cursor)

    return anyio.run(main)


def all_of(
    config: MockConfig, entity: str, since: datetime | None = None, cursor: Cursor = None
) -> list[Record]:
    return records_of(pages_of(config, entity, since, cursor))


def test_it_is_a_full_connector() -> None:
    mock = MockConnector()
    connector: FullConnector = mock
    assert isinstance(connector, FullConnector)


@pytest.mark.anyio
async def test_every_record_fits_the_catalog_and_has_a_key_of_its_own() -> None:
    connector = await connected(MockConfig(size=500))
    catalog = await connector.discover_schema()
    assert catalog.names == ENTITIES
    for entity in catalog:
        found = records_of([page async for page in connector.fetch_data(entity.name)])
        assert [line for record in found for line in mismatches(record, entity)] == []
        keys = [tuple(record[name] for name in entity.primary_key) for record in found]
        assert len(set(keys)) == len(keys) > 0


@pytest.mark.anyio
async def test_the_catalog_announces_no_more_than_there_is() -> None:
    """Inferred from the records, the fields are the same, but for what the catalog leaves open on purpose."""
    connector = await connected(MockConfig(size=2_000))
    for entity in await connector.discover_schema():
        inferred = infer_fields(records_of([page async for page in connector.fetch_data(entity.name)]))
        differing = [one.name for one, two in zip(entity.fields, inferred, strict=True) if one != two]
        assert differing in ([], ["payload"])


def test_orders_belong_to_customers_that_are_there() -> None:
    for size in (1, 9, 10, 11, 345):
        ids = {record["id"] for record in all_of(MockConfig(size=size), "customers")}
        owners = {record["customer_id"] for record in all_of(MockConfig(size=size), "orders")}
        assert owners <= ids
        assert {record["customer_id"] for record in all_of(MockConfig(size=size), "events")} <= ids | {None}


@given(entities, sizes, st.integers(), page_sizes, page_sizes)
def test_the_page_size_does_not_change_the_records(
    entity: str, size: int, seed: int, one: int, two: int
) -> None:
    first = all_of(MockConfig(seed=seed, size=size, page_size=one), entity)
    assert first == all_of(MockConfig(seed=seed, size=size, page_size=two), entity)


@pytest.mark.parametrize("entity", ["customers", "orders", "events"])
def test_another_seed_gives_other_records(entity: str) -> None:
    assert all_of(MockConfig(seed=1), entity) != all_of(MockConfig(seed=2), entity)


@given(entities, sizes, page_sizes)
def test_every_page_has_a_cursor_of_its_own_that_survives_as_text(
    entity: str, size: int, page_size: int
) -> None:
    cursors = [
        json.dumps(page.cursor) for page in pages_of(MockConfig(size=size, page_size=page_size), entity)
    ]
    assert "null" not in cursors
    assert len(set(cursors)) == len(cursors)


@given(entities, sizes, page_sizes, st.none() | st.integers(-3, 25))
def test_a_read_goes_on_at_every_cursor_exactly(
    entity: str, size: int, page_size: int, minutes: int | None
) -> None:
    since = None if minutes is None else START + timedelta(minutes=minutes)
    config = MockConfig(size=size, page_size=page_size)
    pages = pages_of(config, entity, since)
    for position, page in enumerate(pages):
        cursor = json.loads(json.dumps(page.cursor))
        assert pages_of(config, entity, since, cursor) == pages[position + 1 :]


@given(
    st.sampled_from(["customers", "orders"]),
    sizes,
    st.integers(-200, 1600).map(lambda seconds: START + timedelta(seconds=seconds)),
    st.integers(-12, 12).map(lambda hours: timezone(timedelta(hours=hours))),
)
def test_since_delivers_exactly_what_is_not_older(
    entity: str, size: int, since: datetime, zone: timezone
) -> None:
    full = all_of(MockConfig(size=size), entity)
    newer = [record for record in full if datetime.fromisoformat(record["updated_at"]) >= since]
    assert all_of(MockConfig(size=size), entity, since.astimezone(zone)) == newer


def test_since_includes_all_records_of_that_very_time() -> None:
    """Three records share a time; a microsecond later, none of them is delivered."""
    config = MockConfig(size=30)
    at = START + timedelta(minutes=4)
    assert sorted(record["id"] for record in all_of(config, "orders", at))[:3] == [13, 14, 15]
    assert min(record["id"] for record in all_of(config, "orders", at + timedelta(microseconds=1))) == 16


@pytest.mark.parametrize("entity", ["events", "countries"])
def test_since_leaves_out_nothing_where_there_is_no_replication_key(entity: str) -> None:
    late = datetime(2100, 1, 1, tzinfo=UTC)
    assert all_of(MockConfig(), entity, late) == all_of(MockConfig(), entity)


def test_customers_are_ordered_and_orders_are_not() -> None:
    customers = [record["updated_at"] for record in all_of(MockConfig(), "customers")]
    assert customers == sorted(customers)
    orders = [record["updated_at"] for record in all_of(MockConfig(), "orders")]
    assert orders != sorted(orders)


@given(sizes, sizes, st.integers())
def test_a_larger_size_adds_records_that_are_not_older(size: int, more: int, seed: int) -> None:
    for entity in ("customers", "orders", "events"):
        few = all_of(MockConfig(seed=seed, size=size), entity)
        many = all_of(MockConfig(seed=seed, size=size + more), entity)
        assert all(record in many for record in few)
        times = [record.get("updated_at", record.get("at")) for record in few]
        added = [record.get("updated_at", record.get("at")) for record in many if record not in few]
        assert max(times, default="") <= min(added, default="9")


@given(entities, sizes, page_sizes)
def test_a_read_goes_on_at_its_end_with_nothing(entity: str, size: int, page_size: int) -> None:
    config = MockConfig(size=size, page_size=page_size)
    for page in pages_of(config, entity)[-1:]:
        assert pages_of(config, entity, None, page.cursor) == []


@given(st.integers(1, 60), sizes, page_sizes)
def test_from_the_last_cursor_on_come_the_events_that_were_added(
    size: int, more: int, page_size: int
) -> None:
    before = pages_of(MockConfig(size=size, page_size=page_size), "events")
    later = MockConfig(size=size + more, page_size=page_size)
    added = all_of(later, "events", None, before[-1].cursor)
    assert records_of(before) + added == all_of(later, "events")


@given(entities, sizes, page_sizes, st.integers(1, 12), st.none() | st.integers(-3, 25))
def test_partitions_together_are_one_full_read(
    entity: str, size: int, page_size: int, target: int, minutes: int | None
) -> None:
    since = None if minutes is None else START + timedelta(minutes=minutes)
    config = MockConfig(size=size, page_size=page_size)

    async def main() -> tuple[list[Cursor], list[list[Page]]]:
        connector = await connected(config)
        cursors = list(await connector.partition_data(entity, since=since, target=target))
        parts = [
            [page async for page in connector.fetch_data(entity, since=since, cursor=each)]
            for each in cursors
        ]
        for part in parts:
            for position, page in enumerate(part):
                rest = [page async for page in connector.fetch_data(entity, since=since, cursor=page.cursor)]
                assert rest == part[position + 1 :]
        return cursors, parts

    cursors, parts = anyio.run(main)
    found = [record for part in parts for record in records_of(part)]
    assert _sorted(found) == _sorted(all_of(config, entity, since))
    assert 1 <= len(cursors) <= target
    lengths = [len(records_of(part)) for part in parts]
    assert max(lengths) - min(lengths) <= 1


def _sorted(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda record: str(record.get("id", record.get("code"))))


@pytest.mark.anyio
@pytest.mark.parametrize("entity", ENTITIES)
async def test_a_sample_has_at_most_so_many_records_of_a_full_read(entity: str) -> None:
    connector = await connected(MockConfig(size=40))
    full = records_of([page async for page in connector.fetch_data(entity)])
    for limit in (0, 1, 7, 1000):
        found = await connector.get_sample_data(entity, limit)
        assert len(found) == min(limit, len(full))
        assert all(record in full for record in found)
    assert list(await connector.get_sample_data(entity, -1)) == []


@pytest.mark.anyio
async def test_two_fetches_at_once_do_not_disturb_each_other() -> None:
    config = MockConfig(size=100, page_size=10)
    connector = await connected(config)
    streams = [connector.fetch_data("orders"), connector.fetch_data("orders")]
    found: list[list[Page]] = [[], []]
    for _ in range(10):
        for stream, pages in zip(streams, found, strict=True):
            pages.append(await anext(stream))
    for stream in streams:
        assert [page async for page in stream] == []
    assert found[0] == found[1] == await read(config, "orders")


@pytest.mark.anyio
async def test_closing_early_leaves_the_next_read_whole() -> None:
    connector = await connected(MockConfig(size=100, page_size=10))
    stream: Any = connector.fetch_data("orders")
    await anext(stream)
    await stream.aclose()
    assert len(records_of([page async for page in connector.fetch_data("orders")])) == 100


@pytest.mark.anyio
async def test_a_record_can_be_changed_without_changing_the_next_read() -> None:
    connector = await connected(MockConfig(size=100))
    for entity in ENTITIES:
        before: list[Any] = records_of([page async for page in connector.fetch_data(entity)])
        text = json.dumps(before)
        for record in before:
            for value in record.values():
                if isinstance(value, list | dict):
                    value.clear()
        assert json.dumps(records_of([page async for page in connector.fetch_data(entity)])) == text


@pytest.mark.anyio
async def test_the_lifecycle_can_be_gone_through_again() -> None:
    connector = MockConnector()
    await connector.disconnect()
    for _ in range(2):
        await connector.connect()
        assert len(await connector.get_sample_data("orders")) == 10
        await connector.disconnect()
        await connector.disconnect()


@pytest.mark.anyio
async def test_a_request_without_a_connection_is_refused_with_what_to_do() -> None:
    connector = MockConnector()
    with pytest.raises(RequestRejectedError, match=r"call connect\(\) first"):
        await connector.get_sample_data("orders")
    with pytest.raises(RequestRejectedError, match="not connected"):
        await anext(connector.fetch_data("orders"))


@pytest.mark.anyio
async def test_an_unknown_entity_is_refused_with_the_nearest_known_name() -> None:
    connector = await connected(MockConfig())
    attempts: list[Callable[[], Awaitable[object]]] = [
        lambda: anext(connector.fetch_data("order")),
        lambda: connector.get_sample_data("order"),
        lambda: connector.partition_data("order", target=2),
    ]
    for attempt in attempts:
        with pytest.raises(UnknownEntityError, match="did you mean 'orders'"):
            await attempt()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "cursor",
    [3, "3", [3], {}, {"from": "3"}, {"from": -1}, {"from": 3, "to": 2}, {"from": 3, "to": None}, {"from": 1, "x": 2}],
)  # fmt: skip
async def test_a_cursor_of_somebody_else_is_refused(cursor: Cursor) -> None:
    connector = await connected(MockConfig())
    with pytest.raises(RequestRejectedError, match="none of the mock connector's"):
        await anext(connector.fetch_data("orders", cursor=cursor))


@pytest.mark.anyio
@pytest.mark.parametrize("cursor", [{"from": 1001}, {"from": 0, "to": 1001}])
async def test_a_cursor_beyond_the_end_has_expired(cursor: Cursor) -> None:
    connector = await connected(MockConfig(size=1000))
    with pytest.raises(CursorExpiredError, match=r"goes to record 1001, but there are 1000"):
        await anext(connector.fetch_data("orders", cursor=cursor))


@given(sizes, page_sizes, st.integers(0, 60))
def test_a_cursor_without_an_end_has_one_where_the_newest_come_first(
    size: int, page_size: int, low: int
) -> None:
    """Orders are read from their end down; what is added above it is for the next run to find, by since."""
    config = MockConfig(size=size + low, page_size=page_size)
    assert [record["id"] for record in all_of(config, "orders", None, {"from": low})] == [
        *range(size + low, low, -1)
    ]


@pytest.mark.anyio
async def test_since_without_a_time_zone_is_refused() -> None:
    connector = await connected(MockConfig())
    with pytest.raises(RequestRejectedError, match="without a time zone"):
        await anext(connector.fetch_data("orders", since=datetime(2024, 1, 1)))  # noqa: DTZ001 - on purpose


@given(st.integers(0, 10**9 - 1))
def test_every_record_up_to_the_largest_size_can_be_read(index: int) -> None:
    config = MockConfig(size=10**9, page_size=1)
    (record,) = all_of(config, "orders", None, {"from": index, "to": index + 1})
    assert record["id"] == index + 1
    assert datetime.fromisoformat(record["updated_at"]) == START + timedelta(minutes=index // 3)


def test_a_configuration_that_contradicts_itself_is_refused() -> None:
    MockConnector(MockConfig(faults=0.5)).validate_config()
    MockConnector(MockConfig(max_faults_in_a_row=0)).validate_config()
    with pytest.raises(ConfigError) as refused:
        MockConnector(MockConfig(faults=0.5, max_faults_in_a_row=0)).validate_config()
    assert [problem.path for problem in refused.value.problems] == ["max_faults_in_a_row"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": -1},
        {"size": 10**9 + 1},
        {"page_size": 0},
        {"faults": 1.1},
        {"faults": -0.1},
        {"max_faults_in_a_row": -1},
        {"latency": -1},
        {"rate": "fast"},
    ],
)
def test_a_value_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        MockConfig(**wrong)
