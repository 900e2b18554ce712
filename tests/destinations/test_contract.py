"""What every destination promises, checked on all three with a plain model, on both event loops."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import STORES, JsonlStore, MemoryStore, SQLiteFileStore, Store

from connector_kit.errors import ConfigError, DataError, DestinationError, SchemaMismatchError
from connector_kit.records.catalog import Entity, Field, Scalar
from connector_kit.records.checkpoint import Checkpoint, EntityState, FingerprintLog, Mode

if TYPE_CHECKING:
    from connector_kit.protocols import Destination
    from connector_kit.records.page import Record

ENTITY = Entity("orders", (Field("id", Scalar.INTEGER),), primary_key="id")
Row = dict[str, Any]


def reached(mode: Mode, number: int, *, entity: str = "orders", complete: bool = False) -> Checkpoint:
    return Checkpoint("shop", entity, mode, cursor={"page": number}, rows=number, complete=complete)


@pytest.fixture(params=STORES, ids=lambda kind: kind.__name__)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    made: Store = request.param(tmp_path)
    return made


# -- the law: for any sequence of calls and crashes, rows and checkpoints are what a plain model says ---------------


@attrs.define
class Rows:
    """One generation: its rows, and how they were when the last checkpoint covered them."""

    now: list[Row] = attrs.field(factory=list)
    covered: list[Row] = attrs.field(factory=list)
    checkpoint: Checkpoint | None = None

    def cover(self, checkpoint: Checkpoint) -> None:
        self.covered = list(self.now)
        self.checkpoint = checkpoint


@attrs.define
class Model:
    """A destination for one entity, without any cleverness."""

    keeps_upserted: bool
    current: Rows = attrs.field(factory=Rows)
    following: Rows | None = None
    mode: Mode | None = None
    repeated: bool = False

    def has_repeated_keys(self) -> bool:
        ids = [row["id"] for row in self.current.covered]
        return len(ids) != len(set(ids))

    def start(self, mode: Mode, *, resume: bool) -> Checkpoint | None:
        self.current.now = list(self.current.covered)
        self.mode = mode
        if mode != "replace":
            self.following = None
            return self.current.checkpoint
        if self.following is None or self.following.checkpoint is None or not resume:
            self.following = Rows()
        self.following.now = list(self.following.covered)
        return self.following.checkpoint

    def write(self, records: list[Row], checkpoint: Checkpoint | None) -> None:
        rows = self.following if self.mode == "replace" else self.current
        assert rows is not None
        for record in records:
            indexes = [i for i, row in enumerate(rows.now) if row["id"] == record["id"]]
            if indexes and self.mode != "append":
                rows.now[indexes[0]] = record
                self.repeated = self.repeated or self.mode == "replace"
                if self.keeps_upserted and indexes[0] < len(rows.covered):
                    rows.covered[indexes[0]] = record
            else:
                rows.now.append(record)
        if self.mode == "upsert" and self.keeps_upserted:
            rows.covered = list(rows.now)
        if checkpoint is not None:
            rows.cover(checkpoint)

    def finish(self, checkpoint: Checkpoint) -> None:
        if self.mode == "replace":
            assert self.following is not None
            self.current = self.following
        self.following = None
        self.current.cover(checkpoint)
        self.mode = None

    def reset(self) -> None:
        self.current = Rows(list(self.current.covered), self.current.covered)
        self.following = self.mode = None

    @property
    def last(self) -> Checkpoint | None:
        return (self.following and self.following.checkpoint) or self.current.checkpoint


@attrs.frozen
class Start:
    mode: Mode
    resume: bool


@attrs.frozen
class Write:
    records: list[Row]
    covered: bool


@attrs.frozen
class Plain:
    """A step without choices: finish, reset, reopen, crash."""

    name: str


Step = Start | Write | Plain

RECORDS = st.lists(
    st.fixed_dictionaries(
        {"id": st.integers(1, 6)}, optional={"name": st.text("ab", max_size=2), "size": st.integers(0, 9)}
    ),
    max_size=5,
)


def steps(modes: list[Mode]) -> st.SearchStrategy[list[Step]]:
    start = st.builds(Start, st.sampled_from(modes), st.booleans())
    write = st.builds(Write, RECORDS, st.booleans())
    plain = st.builds(Plain, st.sampled_from(["finish", "finish", "crash", "crash", "reopen", "reset"]))
    return st.lists(st.one_of(start, write, write, plain), min_size=1, max_size=14)


def logged(checkpoint: Checkpoint, log: FingerprintLog) -> Checkpoint:
    return attrs.evolve(checkpoint, log=log)


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["append", "replace"])
async def test_the_log_comes_back_whole_and_belongs_to_its_generation(store: Store, mode: Mode) -> None:
    destination = store.destination()
    await destination.open()
    await destination.start(ENTITY, mode)
    for number, log in enumerate(
        [FingerprintLog(0, b"abc"), FingerprintLog(3, b"de"), FingerprintLog(1, b"xyz")], 1
    ):
        await destination.write("orders", [{"id": number}], logged(reached(mode, number), log))
        await destination.write("orders", [{"id": -number}], None)
    store.crash(destination)
    destination = store.destination()
    await destination.open()
    given = await destination.start(ENTITY, mode)
    assert given is not None
    assert given.log == FingerprintLog(0, b"axyz")
    state = (await destination.states())["orders"].checkpoint
    assert state is not None
    assert state.log.size == 4
    await destination.finish("orders", logged(reached(mode, 9, complete=True), FingerprintLog(2, b"!")))
    await destination.start(ENTITY, "replace", resume=False)
    await destination.write("orders", [{"id": 1}], logged(reached("replace", 1), FingerprintLog(0, b"other")))
    given = await destination.start(ENTITY, "append")
    assert given is not None
    assert given.log == FingerprintLog(0, b"ax!")
    await destination.reset("orders")
    assert await destination.start(ENTITY, "append") is None
    await destination.write("orders", [{"id": 1}], logged(reached("append", 1), FingerprintLog(0, b"new")))
    given = await destination.start(ENTITY, "append")
    assert given is not None
    assert given.log == FingerprintLog(0, b"new")
    with pytest.raises(DestinationError, match="4 bytes, and 3 are stored"):
        await destination.write("orders", [{"id": 1}], logged(reached("append", 1), FingerprintLog(4, b"!")))
    await destination.close()


def content_of(row: Row) -> list[str]:
    return sorted(map(repr, row.items()))


async def check(store: Store, script: list[Step]) -> None:
    """Play the script on the destination and on the model, and compare after every step."""
    model = Model(store.keeps_upserted)
    destination = store.destination()
    await destination.open()
    for number, step in enumerate(script):
        destination = await _play(step, number, store, destination, model)
        found, expected = store.rows("orders"), model.current.now
        if model.repeated:  # where the row of a key stands that came twice is the destination's
            assert sorted(found, key=content_of) == sorted(expected, key=content_of)
        else:
            assert found == expected
        shown = {} if model.last is None else {"orders": EntityState("orders", model.last)}
        assert dict(await destination.states()) == shown
        assert await destination.count("orders") == len(store.rows("orders"))
    await destination.close()


async def _play(step: Step, number: int, store: Store, destination: Destination, model: Model) -> Destination:
    match step:
        case Start(mode, resume):
            if mode == "upsert" and model.has_repeated_keys():
                return destination  # refused; has a test of its own
            found = await destination.start(ENTITY, mode, resume=resume)
            assert found == model.start(mode, resume=resume)
        case Write(records, covered) if model.mode:
            checkpoint = reached(model.mode, number) if covered else None
            await destination.write("orders", records, checkpoint)
            model.write(records, checkpoint)
        case Plain("finish") if model.mode:
            checkpoint = reached(model.mode, number, complete=True)
            await destination.finish("orders", checkpoint)
            model.finish(checkpoint)
        case Plain("reset"):
            await destination.reset("orders")
            model.reset()
        case Plain("crash" | "reopen" as how):
            if how == "crash":
                store.crash(destination)
            else:
                await destination.close()
            destination = store.destination()
            await destination.open()
            model.mode = None
        case _:
            pass  # a write or finish without a start; has a test of its own
    return destination


ALL: list[Mode] = ["append", "upsert", "replace"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("kind", STORES, ids=lambda kind: kind.__name__)
def test_rows_and_checkpoints_are_what_the_model_says(
    kind: type[MemoryStore | SQLiteFileStore | JsonlStore], backend: str
) -> None:
    modes: list[Mode] = ["append", "replace"] if kind is JsonlStore else ALL

    @settings(deadline=None, max_examples=80)
    @given(script=steps(modes))
    def law(script: list[Step]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            anyio.run(check, kind(Path(folder)), script, backend=backend)

    law()


# -- named cases ----------------------------------------------------------------------------------------------------


def test_the_modes_are_those_it_takes(store: Store) -> None:
    taken = [mode for mode in ALL if mode != "upsert" or not isinstance(store, JsonlStore)]
    assert sorted(store.destination().modes) == sorted(taken)


@pytest.mark.anyio
async def test_a_replace_that_is_resumed_goes_on_with_its_generation(store: Store) -> None:
    """A full table is never replaced by the tail of a read."""
    destination = store.destination()
    await destination.open()
    await destination.start(ENTITY, "replace")
    await destination.write("orders", [{"id": 1}, {"id": 2}], reached("replace", 1))
    store.crash(destination)
    destination = store.destination()
    await destination.open()
    assert await destination.start(ENTITY, "replace") == reached("replace", 1)
    assert store.rows("orders") == []
    await destination.write("orders", [{"id": 3}], reached("replace", 2))
    await destination.finish("orders", reached("replace", 2, complete=True))
    assert store.rows("orders") == [{"id": 1}, {"id": 2}, {"id": 3}]
    await destination.close()


@pytest.mark.anyio
async def test_a_replace_of_nothing_leaves_nothing(store: Store) -> None:
    destination = store.destination()
    await destination.open()
    for records in ([{"id": 1}], []):
        assert await destination.start(ENTITY, "replace") is None
        await destination.write("orders", records, reached("replace", 1))
        await destination.finish("orders", reached("replace", 1, complete=True))
        assert store.rows("orders") == records
    await destination.close()


@pytest.mark.anyio
async def test_entities_may_be_interleaved(store: Store) -> None:
    destination = store.destination()
    await destination.open()
    names = ("orders", "customers")
    for name in names:
        await destination.start(Entity(name), "append")
    for number in (1, 2):
        for name in names:
            await destination.write(
                name, [{"id": number, "of": name}], reached("append", number, entity=name)
            )
    for name in names:
        await destination.finish(name, reached("append", 3, entity=name, complete=True))
        assert store.rows(name) == [{"id": 1, "of": name}, {"id": 2, "of": name}]
    assert set(await destination.states()) == set(names)
    await destination.close()


@pytest.mark.anyio
async def test_writing_without_a_start_is_refused(store: Store) -> None:
    destination = store.destination()
    await destination.open()
    with pytest.raises(DestinationError, match=r"start\(\)"):
        await destination.write("orders", [{"id": 1}], None)
    with pytest.raises(DestinationError, match=r"start\(\)"):
        await destination.finish("orders", reached("append", 1))
    await destination.close()


@pytest.mark.anyio
async def test_a_closed_destination_says_so(store: Store) -> None:
    destination = store.destination()
    await destination.close()
    await destination.open()
    await destination.close()
    await destination.close()
    with pytest.raises(DestinationError, match="not open"):
        await destination.start(ENTITY, "append")
    with pytest.raises(DestinationError, match="not open"):
        await destination.write("orders", [], None)
    with pytest.raises(DestinationError, match="not open"):
        await destination.states()
    with pytest.raises(DestinationError, match="not open"):
        await destination.count("orders")
    with pytest.raises(DestinationError, match="not open"):
        await destination.reset("orders")


@pytest.mark.anyio
async def test_resetting_an_unknown_entity_does_nothing(store: Store) -> None:
    destination = store.destination()
    await destination.open()
    await destination.open()
    await destination.reset("orders")
    assert not await destination.states()
    await destination.close()


@pytest.mark.anyio
async def test_upsert_needs_a_primary_key_or_another_mode(store: Store) -> None:
    destination = store.destination()
    await destination.open()
    with pytest.raises(ConfigError, match=r"upsert.*append"):
        await destination.start(Entity("orders"), "upsert")
    with pytest.raises(ConfigError, match="overwrite"):
        await destination.start(ENTITY, "overwrite")  # type: ignore[arg-type]  # what a careless caller hands over
    await destination.close()


@pytest.mark.anyio
async def test_a_cursor_that_is_no_json_stores_nothing(store: Store) -> None:
    destination = store.destination()
    await destination.open()
    await destination.start(ENTITY, "append")
    with pytest.raises(DataError, match="JSON"):
        await destination.write("orders", [{"id": 1}], attrs.evolve(reached("append", 1), cursor=object()))  # type: ignore[arg-type]  # what a careless connector yields
    assert store.rows("orders") == []
    assert not await destination.states()
    await destination.close()


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [MemoryStore, SQLiteFileStore])
async def test_upsert_refuses_rows_it_cannot_tell_apart(
    kind: type[MemoryStore | SQLiteFileStore], tmp_path: Path
) -> None:
    """A key that is there twice, from appending, and a record that has none."""
    store = kind(tmp_path)
    destination = store.destination()
    await destination.open()
    await destination.start(ENTITY, "append")
    await destination.write("orders", [{"id": 1}, {"id": 1}], reached("append", 1))
    with pytest.raises(DestinationError, match=r"several rows.*id"):
        await destination.start(ENTITY, "upsert")
    await destination.start(ENTITY, "replace")
    await destination.write("orders", [{"id": 1}], None)
    await destination.finish("orders", reached("replace", 1, complete=True))
    await destination.start(ENTITY, "upsert")
    bad: list[list[Record]] = [[{"name": "x"}], [{"id": 2}, {"id": None}], [{"id": 2}, {"name": "x"}]]
    for records in bad:
        with pytest.raises(SchemaMismatchError, match="'id' of its primary key"):
            await destination.write("orders", records, reached("upsert", 2))
    assert store.rows("orders") == [{"id": 1}]
    await destination.close()


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [MemoryStore, SQLiteFileStore])
async def test_upsert_replaces_the_whole_row_by_a_key_of_two_fields(
    kind: type[MemoryStore | SQLiteFileStore], tmp_path: Path
) -> None:
    store = kind(tmp_path)
    entity = Entity("lines", primary_key=("order", "line"))
    destination = store.destination()
    await destination.open()
    await destination.start(entity, "upsert")
    await destination.write("lines", [{"order": 1, "line": 1, "note": "old"}, {"order": 1, "line": 2}], None)
    await destination.write("lines", [{"order": 1, "line": 1}], None)
    await destination.write("lines", [{"order": 1, "line": 2, "note": "new"}], None)
    await destination.finish("lines", reached("upsert", 1, entity="lines", complete=True))
    assert store.rows("lines") == [{"order": 1, "line": 1}, {"order": 1, "line": 2, "note": "new"}]
    await destination.close()
