"""What the strategies draw is right: records fit, reads keep the laws, cursors survive as text."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from connector_kit.errors import ConfigError
from connector_kit.records.catalog import Catalog, Entity, Field, FieldType, ListOf, Scalar, Struct
from connector_kit.records.checkpoint import Checkpoint
from connector_kit.records.cursor_watch import CursorWatch
from connector_kit.records.fitting import mismatches
from connector_kit.testing import strategies as draws

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from connector_kit.records.page import Cursor

ORDERS = Entity(
    "orders",
    fields=[
        Field("id", Scalar.INTEGER, nullable=False),
        Field("updated_at", Scalar.DATETIME, nullable=False),
        Field("price", Scalar.DECIMAL),
        Field("lines", ListOf(Struct([Field("sku", Scalar.STRING, nullable=False)]))),
    ],
    primary_key="id",
    replication_key="updated_at",
    ordered=True,
    incremental="since",
)

SOME = settings(max_examples=40)
"""What is drawn is large: an entity and its records take as long as fifty examples of most."""

ANY = settings(database=None, max_examples=3000, phases=[Phase.generate])
"""Finds one, and does not look for the smallest."""


def moment_of(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


@SOME
@given(data=st.data())
def test_a_record_fits_its_entity_and_has_its_keys(data: DataObject) -> None:
    entity = data.draw(draws.entities())
    record = data.draw(draws.records(entity))
    assert mismatches(record, entity) == []
    keys = [*entity.primary_key, *([entity.replication_key] if entity.replication_key else [])]
    assert [key for key in keys if record.get(key) is None] == []


@SOME
@given(data=st.data())
def test_a_record_as_json_comes_back_from_text_as_it_was(data: DataObject) -> None:
    entity = data.draw(draws.entities())
    record = data.draw(draws.records(entity, as_json=True))
    assert msgspec.json.decode(msgspec.json.encode(record)) == record
    assert mismatches(record, entity) == []


@given(cursor=draws.cursors())
def test_a_cursor_survives_in_a_checkpoint(cursor: Cursor) -> None:
    stored = Checkpoint("c", "e", "append", cursor=cursor).to_json()
    assert cursor is not None
    assert Checkpoint.from_json(stored).cursor == cursor


@SOME
@given(data=st.data())
def test_a_read_keeps_the_laws(data: DataObject) -> None:
    """Unique keys, records that fit, cursors of their own or none; in bounds."""
    entity = data.draw(draws.entities())
    read = data.draw(draws.reads(entity, max_pages=3, max_size=2))
    assert len(read) <= 3
    assert all(len(page.records) <= 2 for page in read)
    found = [record for page in read for record in page.records]
    assert [line for record in found for line in mismatches(record, entity)] == []
    if entity.primary_key:
        keys = [tuple(record[name] for name in entity.primary_key) for record in found]
        assert len(set(keys)) == len(keys)
    watch = CursorWatch()
    for page in read:
        watch.see(page.cursor)
    assert len({page.cursor is None for page in read}) <= 1


@SOME
@given(read=draws.reads(ORDERS), as_json=draws.reads(ORDERS, as_json=True))
def test_a_read_of_an_ordered_entity_is_in_order(read: Any, as_json: Any) -> None:
    for pages in (read, as_json):
        moments = [moment_of(record["updated_at"]) for page in pages for record in page.records]
        assert moments == sorted(moments)
        assert all(moment.tzinfo for moment in moments)
    assert all(isinstance(record["updated_at"], str) for page in as_json for record in page.records)


@SOME
@given(read=draws.reads(Entity("log", primary_key="n", replication_key="n", ordered=True)))
def test_a_key_that_grows_may_be_the_primary_key(read: Any) -> None:
    moments = [moment_of(record["n"]) for page in read for record in page.records]
    assert moments == sorted(set(moments))


@given(page=draws.pages(ORDERS, max_size=3))
def test_a_page_has_records_of_the_entity(page: Any) -> None:
    assert len(page.records) <= 3
    assert [line for record in page.records for line in mismatches(record, ORDERS)] == []


@settings(max_examples=30)
@given(catalog=draws.catalogs(max_size=3))
def test_a_catalog_has_so_many_entities(catalog: Catalog) -> None:
    assert len(catalog) <= 3


@settings(max_examples=10)
@given(entity=draws.entities(name="orders"))
def test_an_entity_may_be_named(entity: Entity) -> None:
    assert entity.name == "orders"


def test_entities_of_every_way_of_reading_are_drawn() -> None:
    """With keys and without, ordered and not, with fields and without."""
    seen: set[tuple[object, ...]] = set()

    @settings(database=None, derandomize=True, max_examples=200, phases=[Phase.generate])
    @given(draws.entities(max_depth=0))
    def look(entity: Entity) -> None:
        keyed, known = bool(entity.primary_key), bool(entity.fields)
        seen.add((entity.incremental, entity.ordered))
        seen.add((keyed, known, entity.replication_key is not None))

    look()
    ways = {(way, ordered) for way in ("cursor", "since") for ordered in (True, False)}
    shapes = {(keyed, known, True) for keyed in (True, False) for known in (True, False)}
    assert {*ways, (None, False), *shapes, (True, True, False)} <= seen


@pytest.mark.parametrize(
    ("kind", "python"),
    [(Scalar.DATETIME, datetime), (Scalar.DECIMAL, Decimal), (Scalar.BINARY, bytes), (Scalar.DATETIME, str)],
)
def test_values_come_in_python_and_in_json_form(kind: Scalar, python: type) -> None:
    entity = Entity("e", [Field("f", kind, nullable=False)])
    find(draws.records(entity), lambda record: isinstance(record["f"], python), settings=ANY)


def test_types_are_nested_as_deep_as_asked() -> None:
    """A list of structs is drawn where two levels are allowed, and nothing nested where none is."""

    def is_nested(kind: FieldType) -> bool:
        return isinstance(kind, ListOf) and isinstance(kind.item, Struct)

    find(draws.field_types(), is_nested, settings=ANY)

    @given(draws.fields(max_depth=0))
    def flat(field: Field) -> None:
        assert isinstance(field.type, Scalar)

    flat()


def test_a_replication_key_that_cannot_grow_is_refused() -> None:
    entity = Entity("e", [Field("at", ListOf(Scalar.STRING))], replication_key="at")
    with pytest.raises(ConfigError, match="'at' of entity 'e' is a list or a struct"):
        draws.records(entity)


def test_without_hypothesis_the_error_names_the_extra() -> None:
    program = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "from connector_kit.errors import ConfigError\n"
        "try:\n    import connector_kit.testing.strategies\n"
        "except ConfigError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'connector-kit[testing]'" in done.stdout
