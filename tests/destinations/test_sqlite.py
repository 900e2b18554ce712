"""The SQLite file: which places are refused, what a failure at any statement leaves, and what people may do beside."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector_kit.destinations.sqlite import SQLiteDestination
from connector_kit.destinations.sqlite.database import Database
from connector_kit.destinations.sqlite.file import APPLICATION_ID, FORMAT_VERSION, open_database
from connector_kit.errors import DestinationError, SchemaMismatchError
from connector_kit.records.batches import joined
from connector_kit.records.catalog import Entity
from connector_kit.records.checkpoint import Checkpoint, EntityState, Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connector_kit.records.page import Record

ENTITY = Entity("orders", primary_key="id")


def reached(page: int, mode: Mode = "append", *, complete: bool = False) -> Checkpoint:
    return Checkpoint("shop", "orders", mode, cursor=page, complete=complete)


def ask(file: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as connection, connection:
        return connection.execute(sql).fetchall()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data.sqlite"


@pytest.fixture
def database(file: Path) -> Iterator[Database]:
    opened = Database(open_database(file, 0.0, sqlite3.Connection))
    yield opened
    opened.close()


# -- places ---------------------------------------------------------------------------------------------------------


def _text(file: Path) -> None:
    file.write_text("id,name\n1,x\n")


def _foreign(file: Path) -> None:
    ask(file, "CREATE TABLE theirs (a)")


def _foreign_in_its_log(file: Path) -> None:
    """A database whose only table is still in its write-ahead log, as a killed process leaves it."""
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE theirs (a)")
    connection.commit()
    parts = {name: Path(f"{file}{name}").read_bytes() for name in ("", "-wal")}
    connection.close()
    for name, content in parts.items():
        Path(f"{file}{name}").write_bytes(content)


def _newer(file: Path) -> None:
    open_database(file, 0.0, sqlite3.Connection).close()
    ask(file, f"PRAGMA user_version = {FORMAT_VERSION + 1}")


def _newer_in_its_log(file: Path) -> None:
    connection = open_database(file, 0.0, sqlite3.Connection)
    connection.execute(f"PRAGMA user_version = {FORMAT_VERSION + 1}")
    parts = {name: Path(f"{file}{name}").read_bytes() for name in ("", "-wal")}
    connection.close()
    for name, content in parts.items():
        Path(f"{file}{name}").write_bytes(content)


def _damaged(file: Path) -> None:
    _foreign(file)
    file.write_bytes(file.read_bytes()[:100])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_text, "no SQLite database"),
        (_foreign, "of something else"),
        (_foreign_in_its_log, "of something else"),
        (_newer, "newer connector_kit"),
        (_newer_in_its_log, "newer connector_kit"),
        (_damaged, "of something else"),
        (Path.mkdir, "is a folder"),
    ],
)
def test_what_is_not_ours_is_refused_and_left_alone(
    file: Path, make: Callable[[Path], None], message: str
) -> None:
    make(file)
    before = file.read_bytes() if file.is_file() else None
    with pytest.raises(DestinationError, match=message) as caught:
        open_database(file, 0.0, sqlite3.Connection)
    assert str(file) in str(caught.value)
    assert "; expected " in str(caught.value)
    if make not in {
        _foreign_in_its_log,
        _newer_in_its_log,
    }:  # SQLite puts a log in its place when it is opened
        assert (file.read_bytes() if file.is_file() else None) == before
        assert list(file.parent.iterdir()) == [file]
    if make in {_foreign, _foreign_in_its_log}:
        assert ask(file, "SELECT name FROM sqlite_master") == [("theirs",)]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/dev/null", "is a device"),
        ("/proc/there_is_no_such_file", "cannot be opened or created"),
        ("/proc/self/mem", "cannot be read"),
        ("/nowhere/to/be/found", "is no folder"),
    ],
)
async def test_places_that_cannot_be_files_are_refused(path: str, message: str) -> None:
    with pytest.raises(DestinationError, match=message):
        await SQLiteDestination(path).open()


def test_an_empty_file_and_an_empty_database_are_taken(file: Path) -> None:
    file.touch()
    for _ in range(2):
        Database(open_database(file, 0.0, sqlite3.Connection)).close()
        assert ask(file, "PRAGMA application_id") == [(APPLICATION_ID,)]
        assert ask(file, "PRAGMA journal_mode") == [("delete",)]
        file.unlink()
        ask(file, "PRAGMA application_id = 0")
        ask(file, "VACUUM")


@pytest.mark.anyio
async def test_two_destinations_make_a_file_at_the_same_time(file: Path) -> None:
    """Both see it empty; the second one finds it made once it has the lock."""

    class Slow(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            if sql == "BEGIN IMMEDIATE":
                open_database(file, 0.0, sqlite3.Connection).close()
            return super().execute(sql, *parameters)

    destination = SQLiteDestination(file, connection=Slow)
    await destination.open()
    assert not await destination.states()
    await destination.close()


@pytest.mark.anyio
async def test_a_locked_file_is_an_error_that_says_so(file: Path) -> None:
    destination = SQLiteDestination(file, busy_timeout=0.01)
    await destination.open()
    await destination.start(ENTITY, "append")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DestinationError, match=r"locked by another process.*; expected"):
            await destination.write("orders", [{"id": 1}], reached(1))
        other.execute("ROLLBACK")
    await destination.write("orders", [{"id": 1}], reached(1))
    await destination.close()
    assert ask(file, "SELECT id FROM orders") == [(1,)]


@pytest.mark.anyio
async def test_a_full_disk_keeps_what_is_stored(file: Path) -> None:
    class Small(sqlite3.Connection):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.execute("PRAGMA max_page_count = 30")

    destination = SQLiteDestination(file, connection=Small)
    await destination.open()
    await destination.start(ENTITY, "append")
    await destination.write("orders", [{"id": 1}], reached(1))
    with pytest.raises(DestinationError, match="disk is full"):
        await destination.write("orders", [{"id": n, "text": "x" * 1000} for n in range(2, 500)], reached(2))
    assert await destination.states() == {"orders": EntityState("orders", reached(1))}
    await destination.write("orders", [{"id": 2}], reached(2))
    await destination.close()
    assert ask(file, "SELECT id FROM orders") == [(1,), (2,)]


# -- a failure or a kill at any statement ---------------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone; nothing of ours runs after it."""


def failing(at: int, error: BaseException, *, after: bool) -> type[sqlite3.Connection]:
    """Give connections whose statement number `at` fails, before or after it has been carried out.

    Killed, no further statement is carried out, not even a rollback.
    """
    numbers = count()

    class Failing(sqlite3.Connection):
        def _fails(self) -> bool:
            number = next(numbers)
            if isinstance(error, Killed) and number > at:
                raise error
            return number == at

        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            if not self._fails():
                return super().execute(sql, *parameters)
            if after and sql != "COMMIT":  # a commit that has happened does not fail
                super().execute(sql, *parameters)
            raise error

        def executemany(self, sql: str, rows: Any) -> sqlite3.Cursor:
            if not self._fails():
                return super().executemany(sql, rows)
            super().executemany(sql, list(rows)[: len(rows) // (1 if after else 2)])
            raise error

    return Failing


PAGES: list[list[Record]] = [
    [{"id": 1}, {"id": 2}],
    [{"id": 3, "new": 1}],
    [{"id": 4}, {"id": 1}],
    [{"id": 5, "more": "x"}],
]


def sync(database: Database, mode: Mode) -> None:
    """Read PAGES into the database, going on where its checkpoint says; the second page is provisional."""
    checkpoint = database.start(ENTITY, mode, resume=True)
    if checkpoint is not None and checkpoint.complete:
        return
    first = checkpoint.cursor if checkpoint is not None else 0
    assert isinstance(first, int)
    for page in range(first + 1, len(PAGES) + 1):
        database.write("orders", PAGES[page - 1], None if page == 2 else reached(page, mode))
    database.finish("orders", reached(len(PAGES), mode, complete=True))


def content(file: Path) -> list[tuple[Any, ...]]:
    return ask(file, "SELECT id, new, more FROM orders ORDER BY _rowid_")


MODES: list[Mode] = ["append", "upsert", "replace"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "error", [sqlite3.OperationalError("disk I/O error"), Killed()], ids=["fails", "killed"]
)
def test_a_failure_at_any_statement_loses_and_repeats_nothing(
    tmp_path: Path,
    mode: Mode,
    error: BaseException,
    after: bool,  # noqa: FBT001 - a parameter of a test
) -> None:
    whole = tmp_path / "undisturbed"
    undisturbed = Database(open_database(whole, 0.0, sqlite3.Connection))
    sync(undisturbed, mode)
    undisturbed.close()
    for at in count():
        file = tmp_path / f"{at}"
        survived = _interrupted(file, mode, failing(at, error, after=after))
        again = Database(open_database(file, 0.0, sqlite3.Connection))
        sync(again, mode)
        assert not again._connection.in_transaction
        again.close()
        assert content(file) == content(whole)
        if survived:
            assert at > 30
            return


def _interrupted(file: Path, mode: Mode, kind: type[sqlite3.Connection]) -> bool:
    """Run until the failure; say whether there was none."""
    connection: sqlite3.Connection | None = None
    try:
        connection = open_database(file, 0.0, kind)
        sync(Database(connection), mode)
    except (sqlite3.Error, Killed):
        return False
    else:
        return True
    finally:
        if connection is not None:
            connection.close()


@settings(deadline=None, max_examples=30)
@given(kills=st.lists(st.integers(0, 40), max_size=6), mode=st.sampled_from(MODES))
def test_any_number_of_kills_in_one_read(
    tmp_path_factory: pytest.TempPathFactory, kills: list[int], mode: Mode
) -> None:
    file = tmp_path_factory.mktemp("kills") / "data.sqlite"
    for at in kills:
        _interrupted(file, mode, failing(at, Killed(), after=False))
    database = Database(open_database(file, 0.0, sqlite3.Connection))
    sync(database, mode)
    database.close()
    ids = [row[0] for row in content(file)]
    assert ids == ([1, 2, 3, 4, 1, 5] if mode == "append" else [1, 2, 3, 4, 5])


@pytest.mark.anyio
async def test_a_failure_is_an_error_of_the_destination(file: Path) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    with pytest.raises(DestinationError, match="disk I/O error") as caught:
        await SQLiteDestination(file, connection=failing(1, error, after=False)).open()
    assert caught.value.__cause__ is error


@attrs.define
class Gate:
    """Connections whose next commit waits in its thread, from when it says so until it is let go."""

    reached: Event = attrs.field(factory=Event)
    opened: Event = attrs.field(factory=Event)

    def connection(self) -> type[sqlite3.Connection]:
        gate = self

        class Gated(sqlite3.Connection):
            def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
                if sql == "COMMIT" and not gate.opened.is_set():
                    gate.reached.set()
                    gate.opened.wait()
                return super().execute(sql, *parameters)

        return Gated


async def started(file: Path, gate: Gate) -> SQLiteDestination:
    """Give a destination whose next commit is gated."""
    gate.opened.set()
    destination = SQLiteDestination(file, connection=gate.connection())
    await destination.open()
    await destination.start(ENTITY, "append")
    gate.opened.clear()
    return destination


@pytest.mark.anyio
async def test_a_write_that_is_cancelled_before_it_begins_stores_nothing(file: Path) -> None:
    gate = Gate()
    destination = await started(file, gate)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await destination.write("orders", [{"id": 1}], reached(1))
    assert not gate.reached.is_set()
    assert not await destination.states()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await destination.close()
    assert ask(file, "SELECT * FROM orders") == []


@pytest.mark.anyio
async def test_a_write_that_is_cancelled_while_it_works_is_carried_out(file: Path) -> None:
    gate = Gate()
    destination = await started(file, gate)
    async with anyio.create_task_group() as group:
        group.start_soon(destination.write, "orders", [{"id": 1}], reached(1))
        await anyio.to_thread.run_sync(gate.reached.wait)
        group.cancel_scope.cancel()
        gate.opened.set()
    assert await destination.states() == {"orders": EntityState("orders", reached(1))}
    assert ask(file, "SELECT id FROM orders") == [(1,)]
    await destination.write("orders", [{"id": 2}], reached(2))
    await destination.close()


def test_a_write_of_a_killed_task_ends_before_the_next_call_begins(file: Path) -> None:
    """Asyncio's own cancellation does not wait for the thread; the connection is still used by one at a time."""

    async def main() -> None:
        gate = Gate()
        destination = await started(file, gate)
        task = asyncio.create_task(destination.write("orders", [{"id": 1}], reached(1)))
        await anyio.to_thread.run_sync(gate.reached.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        asyncio.get_running_loop().call_soon(gate.opened.set)
        await destination.write("orders", [{"id": 2}], reached(2))
        await destination.close()

    asyncio.run(main())
    assert ask(file, "SELECT id FROM orders") == [(1,), (2,)]


# -- others beside us -----------------------------------------------------------------------------------------------


def test_an_earlier_run_cannot_write_into_a_later_one(database: Database, file: Path) -> None:
    """Two schedulers start the same read; the first one stops instead of writing every row twice."""
    database.start(ENTITY, "append", resume=True)
    other = Database(open_database(file, 0.0, sqlite3.Connection))
    other.start(ENTITY, "append", resume=True)
    with pytest.raises(DestinationError, match="another run"):
        database.write("orders", [{"id": 1}], reached(1))
    other.write("orders", [{"id": 1}], reached(1))
    with pytest.raises(DestinationError, match="another run"):
        database.finish("orders", reached(1, complete=True))
    database.reset("orders")
    with pytest.raises(DestinationError, match="another run"):
        other.write("orders", [{"id": 2}], reached(2))
    other.close()
    assert ask(file, "SELECT id FROM orders") == [(1,)]


def test_rows_added_by_hand_after_a_complete_run_stay(database: Database, file: Path) -> None:
    database.start(ENTITY, "append", resume=True)
    database.write("orders", [{"id": 1}], None)
    database.finish("orders", reached(1, complete=True))
    ask(file, "INSERT INTO orders VALUES (100)")
    database.start(ENTITY, "append", resume=True)
    database.write("orders", [{"id": 2}], None)
    database.start(ENTITY, "append", resume=True)
    assert ask(file, "SELECT id FROM orders") == [(1,), (100,)]


def test_a_table_that_somebody_else_made_is_refused(database: Database, file: Path) -> None:
    ask(file, "CREATE TABLE Orders (theirs)")
    for mode in MODES:
        with pytest.raises(DestinationError, match="not made by this destination"):
            database.start(ENTITY, mode, resume=True)
    assert ask(file, "SELECT name FROM sqlite_master WHERE name = 'Orders'") == [("Orders",)]


@pytest.mark.parametrize("mode", MODES)
def test_a_table_that_is_gone_is_read_anew(database: Database, file: Path, mode: Mode) -> None:
    """Whoever drops a table wants no row of it; its state says nothing any more, of nobody."""
    sync(database, mode)
    ask(file, "DROP TABLE orders")
    assert not database.states()
    assert database.count("orders") == 0
    sync(database, mode)
    assert len(content(file)) == (6 if mode == "append" else 5)


def test_views_indexes_and_triggers_outlive_a_replace(database: Database, file: Path) -> None:
    sync(database, "upsert")
    ask(file, "CREATE VIEW large AS SELECT id, more FROM orders WHERE id > 3")
    ask(file, "CREATE INDEX by_more ON orders (more)")
    ask(file, "CREATE TABLE log (id)")
    ask(file, "CREATE TRIGGER noted AFTER INSERT ON orders BEGIN INSERT INTO log VALUES (new.id); END")
    database.start(Entity("orders"), "replace", resume=True)
    database.write("orders", [{"id": 1}, {"id": 7}, {"id": 7}], None)
    database.finish("orders", reached(1, "replace", complete=True))
    assert ask(file, "SELECT id FROM large") == [(7,), (7,)]
    names = {name for (name,) in ask(file, "SELECT name FROM sqlite_master WHERE tbl_name = 'orders'")}
    assert names == {"orders", "by_more", "noted"}
    assert ask(file, "SELECT * FROM log") == []


def test_the_unique_index_is_there_for_upsert_alone(database: Database, file: Path) -> None:
    sync(database, "upsert")
    database.start(attrs.evolve(ENTITY, primary_key=("id", "new")), "upsert", resume=True)
    database.write("orders", [{"id": 1, "new": 5}, {"id": 1, "new": 5, "more": "y"}], None)
    database.start(ENTITY, "append", resume=True)
    database.write("orders", [{"id": 1, "new": 5}], None)
    assert content(file)[-2:] == [(1, 5, "y"), (1, 5, None)]


def test_new_fields_add_columns_and_a_failed_page_adds_none(database: Database, file: Path) -> None:
    database.start(ENTITY, "append", resume=True)
    database.write("orders", [{"id": 1}], None)
    with pytest.raises(SchemaMismatchError):
        database.write("orders", [{"id": 2, "new": object()}], None)
    with pytest.raises(SchemaMismatchError):
        database.write("orders", [{"id": 2, "new": "\ud800"}], None)
    assert ask(file, "SELECT * FROM orders") == [(1,)]
    database.write("orders", [{"new": 1, "id": 2}, {"more": "x", "id": 3}], reached(1))
    assert content(file) == [(1, None, None), (2, 1, None), (3, None, "x")]


def test_pages_in_a_row_may_each_bring_new_fields(database: Database, file: Path) -> None:
    database.start(ENTITY, "append", resume=True)
    database.write("orders", joined([[{"id": 1}], [{"id": 2, "a": 1}], [{"id": 3, "b": 1}]]), reached(3))
    database.write("orders", joined([[{"id": 4, "a": 2}], [{"id": 5, "b": 2}]]), reached(5))
    rows = [(1, None, None), (2, 1, None), (3, None, 1), (4, 2, None), (5, None, 2)]
    assert ask(file, "SELECT id, a, b FROM orders") == rows


def test_a_large_integer_in_one_of_several_pages_takes_back_nothing_of_the_others(
    database: Database, file: Path
) -> None:
    """That page alone is begun anew in the slower way; every row is there once."""
    database.start(ENTITY, "append", resume=True)
    database.write("orders", joined([[{"id": 1}], [{"id": 2}, {"id": 2**70}], [{"id": 3}]]), reached(3))
    assert ask(file, "SELECT id FROM orders") == [(1,), (2,), (str(2**70),), (3,)]


def test_pages_without_records_before_there_is_a_table(database: Database, file: Path) -> None:
    entity = Entity("orders")
    database.start(entity, "append", resume=True)
    database.write("orders", [], None)
    database.write("orders", [{"id": 1}], None)
    assert database.start(entity, "append", resume=True) is None
    assert ask(file, "SELECT * FROM orders") == []


def test_generated_columns_are_left_alone(database: Database, file: Path) -> None:
    sync(database, "upsert")
    ask(file, "ALTER TABLE orders ADD COLUMN twice AS (id * 2)")
    database.start(ENTITY, "upsert", resume=True)
    database.write("orders", [{"id": 8}], None)
    assert ask(file, "SELECT id, twice FROM orders WHERE id = 8") == [(8, 16)]


@pytest.mark.anyio
async def test_a_constraint_that_somebody_added_is_named(file: Path) -> None:
    destination = SQLiteDestination(file)
    await destination.open()
    await destination.start(ENTITY, "append")
    await destination.write("orders", [{"id": 1}], reached(1))
    ask(file, "CREATE UNIQUE INDEX theirs ON orders (id)")
    with pytest.raises(DestinationError, match=r"UNIQUE constraint failed.*drop the index"):
        await destination.write("orders", [{"id": 1}], reached(2))
    await destination.close()
