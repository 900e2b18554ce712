"""What others see of the tables: declared types, primary keys, what people added, and one plain file."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector_kit.destinations.sqlite.database import Database
from connector_kit.destinations.sqlite.definition import Definition
from connector_kit.destinations.sqlite.file import open_database
from connector_kit.destinations.sqlite.state_table import CREATE_STATES
from connector_kit.errors import BadRecordError, DestinationError, SchemaMismatchError
from connector_kit.records.catalog import Entity, Field, FieldType, ListOf, Scalar
from connector_kit.records.checkpoint import Checkpoint, FingerprintLog, Mode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from connector_kit.records.page import Record

KEYED = Entity("things", primary_key="id")
PLAIN = Entity("things")


def reached(
    page: int, mode: Mode = "append", *, complete: bool = False, log: FingerprintLog | None = None
) -> Checkpoint:
    return Checkpoint("shop", "things", mode, cursor=page, complete=complete, log=log or FingerprintLog())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data.sqlite"


@pytest.fixture
def database(file: Path) -> Iterator[Database]:
    opened = Database(open_database(file, 0.0, sqlite3.Connection))
    yield opened
    opened.close()


def ask(file: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as connection, connection:
        return connection.execute(sql).fetchall()


def types(file: Path) -> dict[str, str]:
    return {name: kind for _, name, kind, *_ in ask(file, "PRAGMA table_info(things)")}


def keys(file: Path) -> list[str]:
    return [name for _, name, *_, position in ask(file, "PRAGMA table_info(things)") if position]


def land(
    database: Database, entity: Entity, *pages: Sequence[Record], mode: Mode = "append", finish: bool = True
) -> None:
    database.start(entity, mode, resume=True)
    for number, page in enumerate(pages):
        database.write("things", page, reached(number, mode))
    if finish:
        database.finish("things", reached(len(pages), mode, complete=True))


# -- declared types ----------------------------------------------------------------------------------------------------


ANNOUNCED: dict[str, tuple[FieldType, str]] = {
    "id": (Scalar.INTEGER, "BIGINT"),
    "n": (Scalar.NUMBER, "REAL"),
    "price": (Scalar.DECIMAL, "REAL"),
    "ok": (Scalar.BOOLEAN, "BOOLEAN"),
    "name": (Scalar.STRING, "TEXT"),
    "at": (Scalar.DATETIME, "DATETIME"),
    "day": (Scalar.DATE, "DATE"),
    "opens": (Scalar.TIME, "TEXT"),
    "raw": (Scalar.BINARY, "BLOB"),
    "tags": (ListOf(Scalar.STRING), "JSON"),
    "what": (Scalar.JSON, ""),
}


@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
def test_columns_have_the_types_that_were_announced_and_the_table_its_key(
    database: Database, file: Path, mode: Mode
) -> None:
    entity = Entity("things", [Field(name, kind) for name, (kind, _) in ANNOUNCED.items()], primary_key="id")
    land(database, entity, mode=mode)
    assert types(file) == {name: declared for name, (_, declared) in ANNOUNCED.items()}
    assert keys(file) == ([] if mode == "append" else ["id"])


def test_types_that_nobody_announced_are_those_of_the_first_values(database: Database, file: Path) -> None:
    """A column that has had no value yet gets its type with the first one."""
    first = {
        "id": 1,
        "n": 1.5,
        "ok": True,
        "name": "a",
        "at": "2024-05-01T10:00:00+02:00",
        "day": "2024-05-01",
        "later": None,
    }
    land(database, KEYED, [first], [{"id": 2, "later": {"a": 1}}])
    assert types(file) == {
        "id": "BIGINT",
        "n": "REAL",
        "ok": "BOOLEAN",
        "name": "TEXT",
        "at": "DATETIME",
        "day": "DATE",
        "later": "JSON",
    }
    assert ask(file, "SELECT at, later FROM things") == [
        ("2024-05-01T08:00:00.000000Z", None),
        (None, '{"a":1}'),
    ]


@pytest.mark.parametrize(
    ("values", "declared", "stored"),
    [
        ([1, 1.5], "REAL", [1.0, 1.5]),
        ([1, 2**60 + 1, 1.5], "NUMERIC", [1, 2**60 + 1, 1.5]),
        ([1.5, 2**60 + 1], "NUMERIC", [1.5, 2**60 + 1]),
        ([True, 2], "BIGINT", [1, 2]),
        ([7, "007"], "", [7, "007"]),
        (["007", 7], "", ["007", 7]),
        ([1.5, "1.50"], "", [1.5, "1.50"]),
        (["a", b"a"], "", ["a", b"a"]),
        (["2024-05-01", "2024-05-01T10:00:00Z"], "DATETIME", ["2024-05-01", "2024-05-01T10:00:00.000000Z"]),
        (["2024-05-01", "soon"], "TEXT", ["2024-05-01", "soon"]),
        ([{"a": 1}, "text"], "TEXT", ['{"a":1}', "text"]),
        ([[1], 5], "", ["[1]", 5]),
        ([time(5), "late"], "TEXT", ["05:00:00", "late"]),
        (
            [date(2024, 5, 1), datetime(2024, 5, 1, tzinfo=UTC)],
            "DATETIME",
            ["2024-05-01", "2024-05-01T00:00:00.000000Z"],
        ),
    ],
)
@pytest.mark.parametrize("together", [False, True], ids=["pages", "one page"])
def test_a_column_gets_a_wider_type_rather_than_change_a_value(
    database: Database, file: Path, values: list[Any], declared: str, stored: list[Any], *, together: bool
) -> None:
    records = [{"v": value} for value in values]
    land(database, PLAIN, *([records] if together else [[record] for record in records]))
    found = [value for (value,) in ask(file, "SELECT v FROM things")]
    assert found == stored
    assert {type(value) for value in found if not isinstance(value, int | float)} == {
        type(value) for value in stored if not isinstance(value, int | float)
    }
    assert types(file) == {"v": declared}


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30),
    st.from_regex(r"\A0?[0-9]{1,3}(\.[0-9]0)?\Z"),
    st.text("ab1", max_size=3),
    st.binary(max_size=2),
    st.lists(st.integers(0, 3), max_size=2),
)


@settings(deadline=None)
@given(pages=st.lists(st.lists(VALUES, min_size=1, max_size=4), min_size=1, max_size=5))
def test_no_value_is_changed_whatever_came_before_it(pages: list[list[Any]]) -> None:
    """Each number keeps its value or its digits, each text its letters, in whatever column it lands."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for statement in CREATE_STATES:
            connection.execute(statement)
        database = Database(connection)
        land(database, PLAIN, *([{"v": value} for value in page] for page in pages), finish=False)
        digits = any(row[1] == "_digits_v" for row in connection.execute("PRAGMA table_info(things)"))
        sql = f"SELECT v, {'_digits_v' if digits else repr('')} FROM things"
        rows = connection.execute(sql).fetchall()
    for (found, exact), value in zip(rows, [value for page in pages for value in page], strict=True):
        if isinstance(value, list):
            assert found == str(value).replace(" ", "")
        elif isinstance(value, int | float | Decimal):
            assert isinstance(found, int | float)
            assert found == value or Decimal(exact or repr(found)) == value
        else:
            assert (type(found), found) == (type(value), value)


def test_times_are_in_one_form_that_sorts_by_time(database: Database, file: Path) -> None:
    east = timezone(timedelta(hours=5))
    moments = [
        "2024-01-01T10:00:00+05:00",
        datetime(2024, 1, 1, 10, 15, tzinfo=east),
        "2024-01-01 05:30:00.5Z",
        "2024-01-01T05:30:00.500000001Z",
        "2024-01-01T06:00Z",
    ]
    entity = Entity("things", [Field("at", Scalar.DATETIME)])
    land(database, entity, [{"at": moment} for moment in moments], [{"at": moment} for moment in moments[:1]])
    assert [at for (at,) in ask(file, "SELECT at FROM things ORDER BY rowid")] == [
        "2024-01-01T05:00:00.000000Z",
        "2024-01-01T05:15:00.000000Z",
        "2024-01-01T05:30:00.500000Z",
        "2024-01-01T05:30:00.500000001Z",
        "2024-01-01T06:00:00.000000Z",
        "2024-01-01T05:00:00.000000Z",
    ]


@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%dT%H:%M:%SZ",
        "%Y-%m-%dT%H:%M:%S+00:00",
        "%Y-%m-%d %H:%M:%SZ",
        "%Y-%m-%dT%H:%M:%S.%fZ",
        "%Y-%m-%dT%H:%M:%S-03:00",
    ],
)
def test_a_column_of_one_spelling_is_stored_as_its_values_one_by_one(
    database: Database, file: Path, form: str
) -> None:
    moments = [datetime(2024, 5, 1, 10, minute, tzinfo=UTC) for minute in range(5)]
    texts = [moment.strftime(form) for moment in moments]
    together: list[Record] = [{"at": text} for text in texts]
    alone: list[list[Record]] = [[{"at": text}, {"at": None}] for text in texts]
    land(database, Entity("things", [Field("at", Scalar.DATETIME)]), together, *alone)
    found = [at for (at,) in ask(file, "SELECT at FROM things WHERE at IS NOT NULL")]
    assert found[:5] == found[5:]
    assert [datetime.fromisoformat(at) for at in found[:5]] == [
        datetime.fromisoformat(text) for text in texts
    ]


def test_decimals_compare_as_numbers_and_keep_their_digits(database: Database, file: Path) -> None:
    fine = Decimal("0.1234567890123456789")
    prices = [Decimal(9), Decimal(10), Decimal("100.50"), fine, 2**64 + 1]
    land(database, Entity("things", [Field("v", Scalar.DECIMAL)]), [{"v": price} for price in prices])
    assert ask(file, "SELECT v FROM things WHERE v > 50 ORDER BY v") == [(100.5,), (float(2**64),)]
    assert ask(file, "SELECT _digits_v FROM things WHERE _digits_v <> ''") == [
        (str(fine),),
        (str(2**64 + 1),),
    ]


def test_text_of_announced_decimals_is_a_number(database: Database, file: Path) -> None:
    land(
        database, Entity("things", [Field("v", Scalar.DECIMAL)]), [{"v": "12.50"}, {"v": 9}], [{"v": "100.1"}]
    )
    assert ask(file, "SELECT v FROM things ORDER BY v") == [(9.0,), (12.5,), (100.1,)]


# -- keys --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Decimal(1), Decimal("1.0"), True),
        (1, 1.0, True),
        ("2024-01-01T10:00:00+05:00", "2024-01-01T05:00:00Z", True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        (2**64 + 1, str(2**64 + 1), True),
        (2**64 + 1, 2**64 + 3, False),
        (1, "1", False),
        ("01", "1", False),
    ],
)
@pytest.mark.parametrize("mode", ["upsert", "replace"])
def test_two_keys_are_one_where_they_are_stored_alike(
    database: Database, file: Path, mode: Mode, one: Any, other: Any, *, same: bool
) -> None:
    land(database, KEYED, [{"id": one, "v": "first"}], [{"id": other, "v": "last"}], mode=mode)
    assert ask(file, "SELECT v FROM things") == ([("last",)] if same else [("first",), ("last",)])


@pytest.mark.parametrize("mode", ["upsert", "replace"])
def test_nan_is_no_key(database: Database, mode: Mode) -> None:
    database.start(KEYED, mode, resume=True)
    with pytest.raises(BadRecordError, match="NaN") as caught:
        database.write("things", [{"id": 1}, {"id": math.nan}, {"id": Decimal("nan")}], reached(1, mode))
    assert set(caught.value.bad) == {1, 2}


def test_of_one_key_twice_in_a_replace_the_last_one_wins(database: Database, file: Path) -> None:
    pages: list[list[Record]] = [
        [{"id": 1, "v": "a"}, {"id": 2, "v": "b"}, {"id": 1, "v": "c"}],
        [{"id": 2, "w": 5}],
    ]
    land(database, KEYED, *pages, mode="replace")
    assert ask(file, "SELECT id, v, w FROM things") == [(1, "c", None), (2, None, 5)]
    assert database.count("things") == 2
    land(database, KEYED, [{"id": 2, "v": "d"}], mode="upsert")
    assert database.count("things") == 2


def test_a_row_that_a_killed_page_wrote_over_is_not_lost(database: Database, file: Path) -> None:
    """The row of the page before keeps its number, so that what is dropped is dropped by number alone."""
    database.start(KEYED, "replace", resume=True)
    database.write("things", [{"id": 1, "v": "a"}], reached(1, "replace"))
    database.write("things", [{"id": 1, "v": "b"}, {"id": 2}], None)
    database.start(KEYED, "replace", resume=True)
    database.finish("things", reached(2, "replace", complete=True))
    assert [row[0] for row in ask(file, "SELECT id FROM things")] == [1]


def test_a_key_in_a_nested_record_has_a_column_of_its_own(database: Database, file: Path) -> None:
    entity = Entity("things", primary_key="sys.id")
    pages = [[{"sys": {"id": "a"}, "v": 1}, {"sys": {"id": "b"}, "v": 2}], [{"sys": {"id": "a"}, "v": 3}]]
    land(database, entity, *pages, mode="upsert")
    assert ask(file, 'SELECT "sys.id", v FROM things') == [("a", 3), ("b", 2)]
    assert keys(file) == ["sys.id"]
    with pytest.raises(BadRecordError, match=r"sys\.id"):
        land(database, entity, [{"sys": {}}], mode="upsert")


def test_a_key_goes_and_comes_with_the_mode(database: Database, file: Path) -> None:
    land(database, KEYED, [{"id": 1, "v": "a"}], mode="replace")
    land(database, KEYED, [{"id": 1, "v": "b"}], mode="append")
    assert (keys(file), len(ask(file, "SELECT * FROM things"))) == ([], 2)
    with pytest.raises(DestinationError, match="several rows"):
        database.start(KEYED, "upsert", resume=True)
    ask(file, "DELETE FROM things WHERE v = 'a'")
    land(database, KEYED, [{"id": 1, "v": "c"}], mode="upsert")
    assert (keys(file), ask(file, "SELECT * FROM things")) == (["id"], [(1, "c")])


# -- bad records -------------------------------------------------------------------------------------------------------


def test_all_bad_records_of_a_call_are_told_at_once(database: Database, file: Path) -> None:
    database.start(KEYED, "upsert", resume=True)
    records: list[Record] = [
        {"id": 1, "v": 1},
        {"v": 2},
        {"id": 3, "v": "\ud83d"},
        {"id": 4, "v": object()},
        {"id": 5, "V": 1},
        {"id": 6},
    ]
    with pytest.raises(BadRecordError) as caught:
        database.write("things", records, reached(1, "upsert"))
    bad = caught.value.bad
    assert set(bad) == {1, 2, 3, 4}
    assert "'id'" in bad[1]
    assert "id=3" in bad[2]
    assert "'v'" in bad[2]
    assert "rename" in bad[4]
    assert ask(file, "SELECT * FROM things") == []
    database.write("things", [records[0], records[5]], reached(1, "upsert"))
    assert ask(file, "SELECT * FROM things") == [(1, 1), (6, None)]


def test_more_columns_than_sqlite_has_are_refused_in_words(database: Database) -> None:
    entity = Entity("things", [Field(f"c{number}") for number in range(2_001)])
    with pytest.raises(SchemaMismatchError, match="at most 2,000"):
        database.start(entity, "append", resume=True)
    database.start(PLAIN, "append", resume=True)
    wide = {f"c{number}": number for number in range(2_500)}
    with pytest.raises(BadRecordError, match="at most 2,000") as caught:
        database.write("things", [{"c1": 1}, wide], reached(1))
    assert set(caught.value.bad) == {1}


def test_records_with_few_of_many_fields(database: Database, file: Path) -> None:
    """They are stored a record at a time, with the columns alone that each has; what they do to rows is the same."""
    fields = [f"c{number}" for number in range(300)]
    records = [{"id": n, **{fields[(n * 7 + k * 31) % 300]: n for k in range(4)}} for n in range(40)]
    land(database, KEYED, records, mode="upsert")
    again = [{"id": n, fields[n]: "new"} for n in range(40)] + [{"id": 3, "c7": "last"}]
    land(database, KEYED, again, mode="upsert")
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute("SELECT * FROM things ORDER BY id")]
    found = {row.pop("id"): {name: value for name, value in row.items() if value is not None} for row in rows}
    assert found == {n: ({"c7": "last"} if n == 3 else {fields[n]: "new"}) for n in range(40)}


# -- what people add ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["upsert", "replace"])
def test_a_column_that_somebody_added_keeps_its_values(database: Database, file: Path, mode: Mode) -> None:
    land(database, KEYED, [{"id": 1, "v": 1}, {"id": 2, "v": 2}], mode="replace")
    ask(file, "ALTER TABLE things ADD COLUMN note text DEFAULT 'none'")
    ask(file, "ALTER TABLE things ADD COLUMN twice AS (v * 2)")
    ask(file, "UPDATE things SET note = 'mine' WHERE id = 2")
    land(database, KEYED, [{"id": 2, "v": 5}, {"id": 3, "v": 6, "w": 7}], mode=mode)
    rows = ask(file, "SELECT id, v, note, twice, w FROM things WHERE id > 1")
    assert rows == [(2, 5, "mine", 10, None), (3, 6, "none", 12, 7)]
    land(database, KEYED, [{"id": 2, "v": "text"}], mode="upsert")  # and a type may change beside it
    assert ask(file, "SELECT v, note FROM things WHERE id = 2") == [("text", "mine")]


def test_a_column_that_could_not_be_kept_refuses_a_replace_before_it_begins(
    database: Database, file: Path
) -> None:
    land(database, PLAIN, [{"v": 1}], mode="replace")
    ask(file, "ALTER TABLE things ADD COLUMN note")
    with pytest.raises(DestinationError, match=r"columns that somebody added \(note\)"):
        database.start(PLAIN, "replace", resume=True)
    land(database, PLAIN, [{"v": 2}], mode="append")


def test_a_field_cannot_take_the_name_of_a_column_that_somebody_added(database: Database, file: Path) -> None:
    land(database, KEYED, [{"id": 1}], mode="upsert")
    ask(file, "ALTER TABLE things ADD COLUMN note")
    database.start(KEYED, "upsert", resume=True)
    with pytest.raises(BadRecordError, match="rename"):
        database.write("things", [{"id": 1, "note": "theirs"}], reached(1, "upsert"))


NAMES = st.sampled_from(
    ["a", "b c", 'q"uote', "it's", "a,b", "(x", "y)", "--c", "/*d", "[e", "`f", "new\nline"]
)


@given(names=st.lists(NAMES, min_size=1, max_size=6, unique=True))
def test_a_definition_is_put_together_as_it_was(names: list[str]) -> None:
    quoted = [name.replace('"', '""') for name in names]
    parts = [f"\"{name}\" TEXT DEFAULT '),(' CHECK (\"{name}\" <> '--')" for name in quoted]
    made = Definition.of(f'CREATE TABLE t ({",".join(parts)}, PRIMARY KEY ("{quoted[0]}"))')
    assert len(made.parts) == len(names) + 1
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(made.sql("t"))
        found = connection.execute("PRAGMA table_info(t)").fetchall()
        assert [row[1] for row in found] == names
        connection.execute(Definition.of(made.sql("t")).sql("u"))
        assert connection.execute("PRAGMA table_info(u)").fetchall() == found


class Defensive(sqlite3.Connection):
    """Refuses what a SQLite that is told to be defensive refuses, as the one of macOS."""

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql.startswith("UPDATE sqlite_master"):
            raise sqlite3.OperationalError("table sqlite_master may not be modified")
        return super().execute(sql, *parameters)


def test_where_definitions_cannot_be_edited_the_rows_are_copied(file: Path) -> None:
    database = Database(open_database(file, 0.0, Defensive))
    land(database, KEYED, [{"id": 1, "v": 7}], [{"id": 2, "v": "007", "w": 1}], mode="upsert")
    database.close()
    assert ask(file, "SELECT * FROM things") == [(1, 7, None), (2, "007", 1)]
    assert types(file) == {"id": "BIGINT", "v": "", "w": "BIGINT"}


# -- the log of fingerprints -------------------------------------------------------------------------------------------


def test_the_log_is_stored_with_its_checkpoint_in_each_generation(database: Database) -> None:
    def log() -> bytes:
        found = database.start(PLAIN, "append", resume=True)
        assert found is not None
        assert found.log.keep == 0
        return found.log.added

    database.start(PLAIN, "append", resume=True)
    database.write("things", [{"v": 1}], reached(1, log=FingerprintLog(0, b"abcd")))
    database.write("things", [{"v": 2}], reached(2, log=FingerprintLog(4, b"ef")))
    database.write("things", [{"v": 3}], None)
    assert log() == b"abcdef"
    database.write("things", [{"v": 3}], reached(3, log=FingerprintLog(5, b"xyz")))
    assert log() == b"abcdexyz"
    database.write("things", [{"v": 4}], reached(4, log=FingerprintLog(3)))
    assert log() == b"abc"
    with pytest.raises(DestinationError, match="log"):
        database.write("things", [{"v": 5}], reached(5, log=FingerprintLog(9, b"x")))
    database.start(PLAIN, "replace", resume=True)
    database.write("things", [{"v": 6}], reached(1, "replace", log=FingerprintLog(0, b"new")))
    assert log() == b"abc"  # the shown generation still has its own
    database.start(PLAIN, "replace", resume=True)
    database.write("things", [{"v": 6}], reached(1, "replace", log=FingerprintLog(0, b"new")))
    database.finish("things", reached(2, "replace", complete=True, log=FingerprintLog(3, b"er")))
    assert log() == b"newer"
    database.reset("things")
    assert database.start(PLAIN, "append", resume=True) is None


# -- the file ----------------------------------------------------------------------------------------------------------


def test_a_closed_file_is_read_from_a_folder_in_which_nothing_can_be_written(file: Path) -> None:
    database = Database(open_database(file, 0.0, sqlite3.Connection))
    land(database, KEYED, [{"id": 1}])
    database.close()
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    assert file.read_bytes()[18:20] == b"\1\1"
    file.chmod(0o444)
    file.parent.chmod(0o555)
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            assert connection.execute("SELECT id FROM things").fetchall() == [(1,)]
    finally:
        file.parent.chmod(0o755)


def test_a_file_that_somebody_reads_is_closed_all_the_same(file: Path) -> None:
    database = Database(open_database(file, 0.0, sqlite3.Connection))
    land(database, KEYED, [{"id": 1}])
    with closing(sqlite3.connect(file)) as other:
        rows = other.execute("SELECT id FROM things")
        database.close()
        assert rows.fetchall() == [(1,)]


def test_one_damaged_checkpoint_hides_no_other(database: Database, file: Path) -> None:
    land(database, KEYED, [{"id": 1}])
    database.start(Entity("others"), "append", resume=True)
    database.write("others", [{"v": 1}], Checkpoint("shop", "others", "append", cursor=1))
    ask(file, "UPDATE _connector_kit_state SET checkpoint = 'damaged' WHERE entity = 'things'")
    states = database.states()
    assert "cannot be read" in states["things"].problem
    assert states["others"].checkpoint is not None
    database.reset("things")
    assert "things" not in database.states()
    assert database.count("things") == 1
