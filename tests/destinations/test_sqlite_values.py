"""What SQLite makes of values and names: nothing but what is documented."""

from __future__ import annotations

import json
import math
import sqlite3
import string
from collections import defaultdict
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.destinations.sqlite.database import Database
from connector_kit.destinations.sqlite.file import open_database
from connector_kit.destinations.sqlite.rows import arranged
from connector_kit.destinations.sqlite.state_table import CREATE_STATES
from connector_kit.destinations.sqlite.tables import fold, table_name
from connector_kit.destinations.sqlite.values import ColumnType, fitted, to_sql
from connector_kit.errors import BadRecordError, ConfigError, SchemaMismatchError
from connector_kit.records.catalog import Entity
from connector_kit.records.checkpoint import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from connector_kit.records.page import Record

DONE = Checkpoint("shop", "things", "append", complete=True)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    INTEGERS,
    st.floats(allow_nan=False),
    TEXT,
    st.from_regex(r"0*[0-9]{1,3}", fullmatch=True),
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data.sqlite"


@pytest.fixture
def database(file: Path) -> Iterator[Database]:
    opened = Database(open_database(file, 1.0, sqlite3.Connection))
    yield opened
    opened.close()


def land(database: Database, records: Sequence[Record], *, name: str = "things") -> list[dict[str, Any]]:
    """Write a page in a new generation, and read it back."""
    database.start(Entity(name), "replace", resume=False)
    database.write(name, records, None)
    database.finish(name, Checkpoint("shop", name, "replace", complete=True))
    connection = database._connection
    quoted = name.replace('"', '""')
    cursor = connection.execute(f'SELECT * FROM "{quoted}"')
    columns = [column for column, *_ in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor]


@given(value=JSON)
def test_any_json_value_comes_back_with_its_type(value: object) -> None:
    [[found]] = [_through(value)]
    if isinstance(value, list | dict):
        assert isinstance(found, str)
        assert json.loads(found) == _finite(value)
    elif isinstance(value, bool):
        assert (type(found), found) == (int, int(value))
    else:
        assert (type(found), found) == (type(value), value)


def _through(value: object) -> tuple[object, ...]:
    """Database a value in a column as tables here have them, and read it back."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE things (value)")
        connection.execute("INSERT INTO things VALUES (?)", (to_sql(value),))
        return tuple(found for (found,) in connection.execute("SELECT value FROM things"))


def _finite(value: Any) -> Any:
    """JSON has no infinity: within nested values it becomes null."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and math.isinf(value) else value


@given(
    value=st.integers()
    | st.integers(0, 900).map(lambda power: 3**power)
    | st.decimals(allow_nan=False, allow_infinity=False)
)
def test_a_number_keeps_all_its_digits_and_its_order(value: int | Decimal) -> None:
    """It is stored as the nearest number that SQLite has; where that is another one, its digits stand beside it."""
    fit = fitted(ColumnType.ANY, [value], any_integer=True)
    [number] = fit.values
    [digits] = fit.digits or [""]
    assert isinstance(number, int | float)
    assert Decimal(digits or repr(number)) == value
    assert not math.isnan(number)
    assert (number > 50) == (Decimal(value) > 50) or abs(Decimal(value) - 50) < Decimal("1e-12")


@given(
    moments=st.lists(
        st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))])), min_size=2
    )
)
def test_text_order_of_aware_datetimes_is_time_order(moments: list[datetime]) -> None:
    within = [moment for moment in moments if 1 < moment.year < 9999]
    assert sorted(within) == sorted(within, key=to_sql)  # type: ignore[arg-type]  # text can be compared
    for moment in within:
        text = to_sql(moment)
        assert isinstance(text, str)
        assert text.endswith("Z")
        assert datetime.fromisoformat(text) == moment


class Colour(Enum):
    RED = "red"


class Size(IntEnum):
    SMALL = 1


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("007", "007"),
        (Decimal("1.10"), 1.1),
        (Decimal(12), 12.0),
        (b"\x00\xff", b"\x00\xff"),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"ab"), b"ab"),
        (date(2013, 1, 2), "2013-01-02"),
        (time(5, 6), "05:06:00"),
        (datetime(2013, 1, 2, 3), "2013-01-02T03:00:00.000000"),  # noqa: DTZ001 - a naive one on purpose
        (datetime(2013, 1, 2, 3, tzinfo=UTC), "2013-01-02T03:00:00.000000Z"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=3))), "0001-01-01T00:00:00.000000+03:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Colour.RED, "red"),
        (Size.SMALL, 1),
        (Text("kept"), "kept"),
        ({"a": [1, {"b": None}]}, '{"a":[1,{"b":null}]}'),
        (MappingProxyType({"at": datetime(2013, 1, 2, tzinfo=UTC)}), '{"at":"2013-01-02T00:00:00Z"}'),
        ((1, 2), "[1,2]"),
        ({"one"}, '["one"]'),
        (range(3), "[0,1,2]"),
        (math.inf, math.inf),
    ],
)
def test_values_that_json_does_not_have(value: object, form: object) -> None:
    found = to_sql(value)
    assert (type(found), found) == (type(form), form)
    assert _through(value) == (form,)


def test_nan_is_null() -> None:
    assert _through(math.nan) == (None,)


@pytest.mark.parametrize("value", [object(), {("a", 1): 2}, [object()], {"\ud800": 1}])
def test_a_value_that_cannot_be_stored_is_refused_with_its_field(
    database: Database, file: Path, value: object
) -> None:
    database.start(Entity("things"), "append", resume=True)
    with pytest.raises(BadRecordError, match=r"field 'odd'"):
        database.write("things", [{"id": 1, "odd": 1}, {"id": 2, "odd": value}], DONE)
    assert not database.states()


def test_text_with_a_lone_surrogate_is_refused(database: Database) -> None:
    database.start(Entity("things"), "append", resume=True)
    with pytest.raises(SchemaMismatchError, match="surrogates"):
        database.write("things", [{"id": 1}, {"id": "\ud800"}], DONE)
    database.write("things", [{"id": 1}], DONE)


def test_a_large_integer_among_small_ones(database: Database) -> None:
    """The usual way takes integers to be small; the page is then stored again, and once."""
    large = 2**70 + 1
    assert land(database, [{"a": 1, "b": 2}, {"a": large, "b": "x"}]) == [
        {"a": 1, "b": 2, "_digits_a": ""},
        {"a": float(large), "b": "x", "_digits_a": str(large)},
    ]


class Lazy:
    """Records as a lazy page has them: a sequence that is no list, of mappings that are no dicts."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self.records = records
        self.passes = 0

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: Any) -> Any:
        raise AssertionError("a page is iterated, once")

    def __iter__(self) -> Iterator[Record]:
        self.passes += 1
        return (MappingProxyType(record) for record in self.records)

    def __contains__(self, value: object) -> bool:
        raise NotImplementedError

    __reversed__ = index = count = __contains__


def test_a_lazy_page_is_iterated_once(database: Database) -> None:
    page: Any = Lazy([{"a": 1, "b": 2**80}, {"a": 2, "b": 3}])
    assert [row["_digits_b"] for row in land(database, page)] == [str(2**80), ""]
    assert page.passes == 1


@given(
    records=st.lists(
        st.dictionaries(st.sampled_from("abcd"), st.one_of(st.none(), INTEGERS, TEXT), min_size=3),
        min_size=1,
        max_size=6,
    )
)
def test_rows_are_the_records_in_the_order_of_the_names(records: list[dict[str, Any]]) -> None:
    columns = arranged(records, ())
    fits = {name: fitted(ColumnType.ANY, values) for name, values in columns.values.items()}
    names, rows = columns.stored_rows(fits)
    assert set(names) == set().union(*records)
    for record, row in zip(records, rows, strict=True):
        assert dict(zip(names, row, strict=True)) == {name: record.get(name) for name in names}


INSIDE = st.recursive(
    SCALARS
    | st.integers()
    | st.datetimes()
    | st.decimals(allow_nan=False)
    | st.binary(max_size=3)
    | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3) | st.tuples(inner),
)


@given(
    st.lists(
        st.none() | st.lists(INSIDE, max_size=3) | st.dictionaries(TEXT, INSIDE, max_size=3),
        min_size=1,
        max_size=5,
    )
)
def test_lists_and_objects_are_the_same_text_one_by_one_and_together(column: list[Any]) -> None:
    assert list(fitted(ColumnType.JSON, column).values) == [to_sql(value) for value in column]


def test_a_record_that_makes_up_missing_values_is_read_as_it_is() -> None:
    records: list[Record] = [{"a": 1, "b": 2}, defaultdict(int, {"a": 1, "c": 3})]
    assert arranged(records, ()).values == {"a": [1, 1], "b": [2, None], "c": [None, 3]}


# -- names ----------------------------------------------------------------------------------------------------------

NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6
) | st.sampled_from(["select", "a b", 'quo"te', "x'); DROP TABLE t; --", "rowid", "", "?", "[a]", "`a`", "é"])


@given(names=st.lists(NAMES, min_size=1, max_size=5, unique_by=fold))
def test_any_field_name_is_a_column(names: list[str]) -> None:
    with closing(connected_in_memory()) as connection:
        database = Database(connection)
        record = {name: number for number, name in enumerate(names)}
        assert land(database, [record]) == [record]


@given(name=NAMES.filter(bool))
def test_any_entity_name_is_a_table(name: str) -> None:
    with closing(connected_in_memory()) as connection:
        database = Database(connection)
        assert land(database, [{"id": 1}], name=name) == [{"id": 1}]
        entity = Entity(name, primary_key="id")
        database.start(entity, "upsert", resume=True)
        database.write(name, [{"id": 1, "new": 2}], None)
        assert land(database, [{"id": 3}], name=name) == [{"id": 3, "new": None}]


def connected_in_memory() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA legacy_alter_table = ON")
    for statement in CREATE_STATES:
        connection.execute(statement)
    return connection


@given(name=st.text(string.ascii_letters + "éÉß", max_size=4))
def test_names_fold_as_sqlite_compares_them(name: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        [[same]] = connection.execute("SELECT ? = ? COLLATE NOCASE", (name, name.swapcase()))
    assert bool(same) == (fold(name) == fold(name.swapcase()))


@pytest.mark.parametrize(
    "name", ["", "a\0b", "\ud800", "sqlite_master", "SQLITE_x", "_connector_kit_state", "_Connector_Kit"]
)
def test_reserved_entity_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="option `table`"):
        table_name(name)


@pytest.mark.parametrize("name", ["a\0b", "\ud800", 5, None])
def test_field_names_that_are_no_text_are_refused(database: Database, name: Any) -> None:
    database.start(Entity("things"), "append", resume=True)
    with pytest.raises(SchemaMismatchError, match="valid text"):
        database.write("things", [{"id": 1, name: 2}], DONE)


def test_fields_that_differ_only_in_case_are_refused(database: Database) -> None:
    """In one record, between records, and between the catalog and a record."""
    database.start(Entity("things", primary_key="id"), "append", resume=True)
    for records in ([{"Id": 2}], [{"a": 1}, {"A": 2}], [{"a": 1, "A": 2}]):
        with pytest.raises(SchemaMismatchError, match="ignore case"):
            database.write("things", records, DONE)
    database.write("things", [{"id": 1, "É": 1, "é": 2}], DONE)


def test_a_column_may_take_any_but_the_last_name_of_the_row_number(database: Database) -> None:
    """What is provisional is told by row numbers; fields named rowid and oid do not stand in the way."""
    entity = Entity("things")
    database.start(entity, "append", resume=True)
    database.write("things", [{"rowid": 900, "OID": "x"}], DONE)
    database.write("things", [{"rowid": 1, "OID": "y"}], None)
    database.start(entity, "append", resume=True)
    assert database._connection.execute('SELECT "rowid" FROM things').fetchall() == [(900,)]
    with pytest.raises(SchemaMismatchError, match="_rowid_"):
        database.write("things", [{"_rowid_": 1}], DONE)


def test_entities_that_differ_only_in_case_are_refused(database: Database) -> None:
    database.start(Entity("Things"), "append", resume=True)
    with pytest.raises(ConfigError, match=r"'things' and 'Things'"):
        database.start(Entity("things"), "append", resume=True)


def test_records_without_fields(database: Database) -> None:
    database.start(Entity("things"), "append", resume=True)
    with pytest.raises(SchemaMismatchError, match="without columns"):
        database.write("things", [{}], DONE)
    database.write("things", [{"a": 1}], DONE)
    database.write("things", [{}, {}], DONE)
    assert database._connection.execute("SELECT a FROM things").fetchall() == [(1,), (None,), (None,)]
