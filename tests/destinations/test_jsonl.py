"""The folder of JSON lines: what a failure or a kill at any operation leaves, and which places are refused."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import count
from threading import get_ident
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector_kit.destinations.jsonl import JsonlDestination
from connector_kit.destinations.jsonl.files import LocalFiles, last_line_end
from connector_kit.destinations.jsonl.folder import Folder, FolderLock, file_name
from connector_kit.destinations.jsonl.state import FORMAT_VERSION, decode_last, encode
from connector_kit.destinations.jsonl.unique import MAX_KEYS, Keys
from connector_kit.destinations.ledger import Entry, Generation, Phase
from connector_kit.errors import BadRecordError, ConfigError, DataError, DestinationError
from connector_kit.records.catalog import Entity, Field, Scalar
from connector_kit.records.checkpoint import Checkpoint, EntityState, FingerprintLog, Mode
from connector_kit.records.json_lines import json_lines
from connector_kit.records.json_records import JsonRecords

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from connector_kit.destinations.jsonl.files import Files
    from connector_kit.records.page import Record

ENTITY = Entity("orders")
UNUSED = Entry("orders", current=Generation(covered=0))
MODES: list[Mode] = ["append", "replace"]


def reached(page: int, mode: Mode = "append", *, complete: bool = False) -> Checkpoint:
    return Checkpoint("shop", "orders", mode, cursor=page, complete=complete)


def folder(path: Path, files: Files | None = None) -> Folder:
    (path / ".connector_kit").mkdir(parents=True, exist_ok=True)
    return Folder(path, files or LocalFiles(), FolderLock(path / ".connector_kit" / "lock"))


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Folder]:
    made = folder(tmp_path)
    yield made
    made.release()


# -- a failure or a kill at any operation ---------------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone; nothing of ours runs after it."""


@attrs.define
class FailingFiles:
    """The real files, of whose operations number `at` fails: not done, half done or done (`part` 0, 1, 2).

    Killed, no further operation is carried out.
    """

    at: int
    error: BaseException
    part: int
    _files: LocalFiles = attrs.field(factory=LocalFiles)
    _numbers: Iterator[int] = attrs.field(factory=count)

    def _passes(self) -> bool:
        number = next(self._numbers)
        if isinstance(self.error, Killed) and number > self.at:
            raise self.error
        return number != self.at

    def append(self, path: Path, pieces: Iterable[bytes], /) -> int:
        content = b"".join(pieces)
        if self._passes():
            return self._files.append(path, [content])
        self._files.append(path, [content[: len(content) * self.part // 2]])
        raise self.error

    def write(self, path: Path, content: bytes, /, *, durable: bool) -> None:
        if self._passes():
            return self._files.write(path, content, durable=durable)
        self._files.write(path, content[: len(content) * self.part // 2], durable=durable)
        raise self.error

    def truncate(self, path: Path, length: int, /) -> None:
        if self._passes() or self._finishes():
            self._files.truncate(path, length)
        self._raise_if_done()

    def replace(self, source: Path, target: Path, /) -> None:
        if self._passes() or self._finishes():
            self._files.replace(source, target)
        self._raise_if_done()

    def remove(self, path: Path, /) -> None:
        if self._passes() or self._finishes():
            self._files.remove(path)
        self._raise_if_done()

    def sync(self, path: Path, /) -> None:
        if self._passes() or self._finishes():
            self._files.sync(path)
        self._raise_if_done()

    _raising: bool = False

    def _finishes(self) -> bool:
        """Killed just after an operation, it is done; one that reports a failure is not."""
        self._raising = True
        return self.part == 2 and isinstance(self.error, Killed)

    def _raise_if_done(self) -> None:
        if self._raising:
            self._raising = False
            raise self.error


END_OF_LOG = b"the end"
PAGES: list[list[Record]] = [
    [{"id": 1}, {"id": 2}],
    [{"id": 3, "new": 1}],
    [{"id": 4}, {"id": 1}],
    [{"id": 5}],
]


def sync(there: Folder, mode: Mode, kind: Entity = ENTITY) -> None:
    """Read PAGES into the folder, going on where its checkpoint says; the second page is provisional.

    The log has the numbers of the pages that are covered, and is written anew at the end.
    """
    checkpoint = there.start(kind, mode, resume=True)
    if checkpoint is not None and checkpoint.complete:
        assert checkpoint.log == FingerprintLog(added=END_OF_LOG)
        return
    first = checkpoint.cursor if checkpoint is not None else 0
    assert isinstance(first, int)
    log = b"" if checkpoint is None else checkpoint.log.added
    assert log == bytes(page for page in range(1, first + 1) if page != 2)
    for page in range(first + 1, len(PAGES) + 1):
        if page == 2:
            there.write("orders", PAGES[page - 1], None)
            continue
        covering = attrs.evolve(reached(page, mode), log=FingerprintLog(len(log), bytes([page])))
        there.write("orders", PAGES[page - 1], covering)
        log += bytes([page])
    last = attrs.evolve(reached(len(PAGES), mode, complete=True), log=FingerprintLog(0, END_OF_LOG))
    there.finish("orders", last)


def interrupted(path: Path, mode: Mode, files: Files, kind: Entity = ENTITY) -> bool:
    """Run until the failure; say whether there was none."""
    there = folder(path, files)
    try:
        sync(there, mode, kind)
    except (OSError, Killed):
        return False
    else:
        return True
    finally:
        there._lock.release()


def complete_content(path: Path) -> bytes:
    return (path / "orders.jsonl").read_bytes()


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("earlier", [None, "append", "replace"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), Killed()], ids=["fails", "killed"])
def test_a_failure_at_any_operation_loses_and_repeats_nothing(
    tmp_path: Path, mode: Mode, error: BaseException, part: int, earlier: Mode | None
) -> None:
    """Also where an earlier, complete read of either mode has left rows (an append has then nothing to do)."""
    sync(folder(tmp_path / "undisturbed"), mode)
    for at in count():
        path = tmp_path / str(at)
        if earlier:
            before = folder(path)
            sync(before, earlier)
            before.release()
        survived = interrupted(path, mode, FailingFiles(at, error, part))
        again = folder(path)
        sync(again, mode)
        last = again.start(ENTITY, "append", resume=True)
        again.release()
        assert last is not None
        assert last.log == FingerprintLog(added=END_OF_LOG)
        assert complete_content(path) == complete_content(tmp_path / "undisturbed")
        [log] = (path / ".connector_kit").glob("orders.*.log")
        assert {file.name for file in (path / ".connector_kit").iterdir()} == {
            "lock",
            "orders.json",
            log.name,
        }
        if survived:
            return


@settings(deadline=None, max_examples=40)
@given(
    kills=st.lists(st.tuples(st.integers(0, 25), st.integers(0, 2)), max_size=6), mode=st.sampled_from(MODES)
)
def test_any_number_of_kills_in_one_read(
    tmp_path_factory: pytest.TempPathFactory, kills: list[tuple[int, int]], mode: Mode
) -> None:
    path = tmp_path_factory.mktemp("kills")
    for at, part in kills:
        interrupted(path, mode, FailingFiles(at, Killed(), part))
    there = folder(path)
    sync(there, mode)
    there.release()
    assert [json.loads(line)["id"] for line in complete_content(path).splitlines()] == [1, 2, 3, 4, 1, 5]


def test_after_a_failed_write_the_lines_are_as_before_and_the_read_must_start_again(tmp_path: Path) -> None:
    files = FailingFiles(10**9, OSError(5, "Input/output error"), 1)
    there = folder(tmp_path, files)
    there.start(ENTITY, "append", resume=True)
    there.write("orders", PAGES[0], reached(1))
    before = complete_content(tmp_path)
    files.at = next(files._numbers) + 1
    with pytest.raises(OSError, match="Input/output"):
        there.write("orders", PAGES[1], reached(2))
    assert complete_content(tmp_path) == before
    with pytest.raises(DestinationError, match=r"start\(\)"):
        there.write("orders", PAGES[1], reached(2))
    assert there.start(ENTITY, "append", resume=True) == reached(1)
    there.release()


@attrs.frozen
class Interrupted(LocalFiles):
    """Ctrl-C comes behind the second page of the data file, as it can where a write runs in the main thread."""

    pages: Iterator[int] = attrs.field(factory=count)

    def append(self, path: Path, pieces: Iterable[bytes], /) -> int:
        size = super().append(path, pieces)
        if path.suffix == ".jsonl" and next(self.pages) == 1:
            raise KeyboardInterrupt
        return size


def test_after_an_interrupted_write_too(tmp_path: Path) -> None:
    """It may have happened, or not: to write the page once more would have it twice, and shift all that follow."""
    there = folder(tmp_path, Interrupted())
    there.start(ENTITY, "append", resume=True)
    there.write("orders", PAGES[0], reached(1))
    before = complete_content(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        there.write("orders", PAGES[1], reached(2))
    assert complete_content(tmp_path) == before
    with pytest.raises(DestinationError, match=r"start\(\)"):
        there.write("orders", PAGES[1], reached(2))
    there.release()


FULL_DISK = """
import resource, sys
import anyio
from connector_kit.destinations.jsonl import JsonlDestination
from connector_kit.errors import DestinationError
from connector_kit.records.catalog import Entity, Field, Scalar
from connector_kit.records.checkpoint import Checkpoint

async def main():
    destination = JsonlDestination(sys.argv[1])
    await destination.open()
    await destination.start(Entity("orders"), "append")
    await destination.write("orders", [{"id": 1}], Checkpoint("shop", "orders", "append", cursor=1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    try:
        await destination.write("orders", [{"id": n} for n in range(5_000)], Checkpoint("shop", "orders", "append"))
    except DestinationError as error:
        print(error)
    await destination.close()

anyio.run(main)
"""


def test_a_full_disk_keeps_what_is_stored(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the system takes part of the page, then no more."""
    assert hasattr(resource, "RLIMIT_FSIZE")
    ran = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "out")], capture_output=True, text=True, check=True
    )
    assert "disk is full" in ran.stdout
    assert complete_content(tmp_path / "out") == b'{"id":1}\n'
    assert folder(tmp_path / "out").states() == {"orders": EntityState("orders", reached(1))}


# -- keys that come twice in a replace ------------------------------------------------------------------------------


KEYED = Entity("orders", (Field("id", Scalar.INTEGER),), primary_key="id")


def ids(path: Path) -> list[Any]:
    return [json.loads(line)["id"] for line in complete_content(path).splitlines()]


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), Killed()], ids=["fails", "killed"])
def test_the_last_line_of_a_key_stays_whatever_operation_fails(
    tmp_path: Path, error: BaseException, part: int
) -> None:
    for at in count():
        path = tmp_path / str(at)
        survived = interrupted(path, "replace", FailingFiles(at, error, part), KEYED)
        again = folder(path)
        sync(again, "replace", KEYED)
        again.release()
        assert ids(path) == [2, 3, 4, 1, 5]
        [log] = (path / ".connector_kit").glob("orders.*.log")
        assert {file.name for file in (path / ".connector_kit").iterdir()} == {
            "lock",
            "orders.json",
            log.name,
        }
        if survived:
            return


def replaced(there: Folder, kind: Entity, *pages: Sequence[Record]) -> None:
    there.start(kind, "replace", resume=False)
    for number, page in enumerate(pages, 1):
        there.write("orders", page, reached(number, "replace"))
    there.finish("orders", reached(len(pages), "replace", complete=True))


@pytest.mark.parametrize(
    ("pages", "sought"),
    [
        ([range(5), range(5, 9)], False),
        ([range(9, 5, -1), range(5)], False),
        ([range(MAX_KEYS + 5), range(MAX_KEYS + 5, MAX_KEYS + 9)], False),
        ([["b", "a"], ["c"]], False),
        ([range(5), range(4, 9)], True),
        ([[1, 1]], True),
        ([[1], ["1"]], True),
        ([[1], [None]], True),
        ([[1, 1.5]], True),
        ([range(MAX_KEYS + 5, 0, -1), [MAX_KEYS + 9]], True),
    ],
)
def test_a_file_is_gone_through_only_where_a_key_may_have_come_twice(
    pages: Sequence[Sequence[Any]], *, sought: bool
) -> None:
    keys = Keys.of(KEYED, complete=True)
    for page in pages:
        keys.add([{"id": key} for key in page])
    assert keys.may_repeat == sought


def test_a_generation_that_is_continued_is_gone_through(opened: Folder, tmp_path: Path) -> None:
    opened.start(KEYED, "replace", resume=True)
    opened.write("orders", [{"id": 1, "v": 1}], reached(1, "replace"))
    opened.start(KEYED, "replace", resume=True)
    opened.write("orders", [{"id": 1, "v": 2}], reached(2, "replace"))
    opened.finish("orders", reached(2, "replace", complete=True))
    assert complete_content(tmp_path) == b'{"id":1,"v":2}\n'
    assert opened.count("orders") == 1


NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "keys", "left"),
    [
        (KEYED, [1, 1.0, "1", None, None], [1.0, "1", None, None]),
        (KEYED, [{"a": 1, "b": 2}, {"b": 2, "a": 1}], [{"b": 2, "a": 1}]),
        (
            Entity("orders", (Field("id", Scalar.DATETIME),), primary_key="id"),
            [NOON, NOON.astimezone(timezone(timedelta(hours=1)))],
            ["2024-01-01T13:00:00+01:00"],
        ),
    ],
    ids=["numbers", "nested", "moments"],
)
def test_keys_are_the_same_where_their_values_are(
    opened: Folder, tmp_path: Path, kind: Entity, keys: list[Any], left: list[Any]
) -> None:
    replaced(opened, kind, [{"id": key} for key in keys])
    assert ids(tmp_path) == left


def test_a_key_of_several_parts_and_one_in_a_nested_record(opened: Folder, tmp_path: Path) -> None:
    rows: list[Record] = [{"sys": {"id": 1}, "at": n % 2, "v": n} for n in range(4)]
    replaced(opened, Entity("orders", primary_key=("sys.id", "at")), rows)
    assert [json.loads(line)["v"] for line in complete_content(tmp_path).splitlines()] == [2, 3]


def test_lazy_records_are_not_made_for_their_keys(opened: Folder, tmp_path: Path) -> None:
    page = JsonRecords.of_lines(b'{"id": 1, "v": 1E2}\n{"id": 1, "v": 2E2}\n')
    replaced(opened, KEYED, page)
    assert complete_content(tmp_path) == b'{"id": 1, "v": 2E2}\n'


# -- the log of fingerprints ------------------------------------------------------------------------------------------


def with_log(page: int, keep: int, added: bytes) -> Checkpoint:
    return attrs.evolve(reached(page), log=FingerprintLog(keep, added))


def test_a_log_that_keeps_a_part_of_itself_is_cut_there(opened: Folder) -> None:
    opened.start(ENTITY, "append", resume=True)
    opened.write("orders", PAGES[0], with_log(1, 0, b"0123456789"))
    opened.write("orders", PAGES[1], with_log(2, 4, b"abc"))
    given = opened.start(ENTITY, "append", resume=True)
    assert given is not None
    assert given.log == FingerprintLog(0, b"0123abc")


def test_a_log_that_keeps_more_than_is_stored_is_refused_and_changes_nothing(opened: Folder) -> None:
    opened.start(ENTITY, "append", resume=True)
    opened.write("orders", PAGES[0], with_log(1, 0, b"0123"))
    with pytest.raises(DestinationError, match="first 5 bytes, and 4 are stored"):
        opened.write("orders", PAGES[1], with_log(2, 5, b"abc"))
    given = opened.start(ENTITY, "append", resume=True)
    assert given == with_log(1, 0, b"0123")


def test_a_log_that_was_lost_in_part_is_refused_with_the_way_out(opened: Folder, tmp_path: Path) -> None:
    opened.start(ENTITY, "append", resume=True)
    opened.write("orders", PAGES[0], with_log(1, 0, b"0123"))
    [log] = (tmp_path / ".connector_kit").glob("*.log")
    LocalFiles().truncate(log, 2)
    with pytest.raises(DataError, match=r"has 2 bytes; expected the 4 .*mode 'replace'"):
        opened.start(ENTITY, "append", resume=True)
    assert opened.start(ENTITY, "replace", resume=True) is None
    opened.reset("orders")
    assert not list((tmp_path / ".connector_kit").glob("*.log"))


# -- what the disk may have lost, and what people may have done -----------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_a_data_file_shorter_than_its_state_is_reported_and_can_be_replaced_after_a_reset(
    tmp_path: Path, mode: Mode
) -> None:
    there = folder(tmp_path)
    there.start(ENTITY, mode, resume=True)
    there.write("orders", PAGES[0], reached(1, mode))
    file = tmp_path / ("orders.jsonl" if mode == "append" else ".connector_kit/orders.jsonl")
    LocalFiles().truncate(file, file.stat().st_size - 3)
    with pytest.raises(DestinationError, match="power failure"):
        there.start(ENTITY, mode, resume=True)
    there.reset("orders")
    assert not there.states()
    if mode == "append":
        with pytest.raises(DestinationError, match="--mode replace"):
            there.start(ENTITY, mode, resume=True)
    replaced(there, ENTITY, [{"id": 7}])
    there.start(ENTITY, "append", resume=True)
    there.write("orders", [{"id": 8}], reached(1))
    assert ids(tmp_path) == [7, 8]
    there.release()


def test_lines_added_after_a_complete_read_stay(opened: Folder, tmp_path: Path) -> None:
    sync(opened, "append")
    with (tmp_path / "orders.jsonl").open("ab") as file:
        file.write(b'{"id":100}\n')
    opened.start(ENTITY, "append", resume=True)
    opened.write("orders", [{"id": 7}], None)
    opened.start(ENTITY, "append", resume=True)
    assert [json.loads(line)["id"] for line in complete_content(tmp_path).splitlines()] == [
        1,
        2,
        3,
        4,
        1,
        5,
        100,
    ]


def test_half_a_line_added_after_a_complete_read_is_refused(opened: Folder, tmp_path: Path) -> None:
    sync(opened, "append")
    with (tmp_path / "orders.jsonl").open("ab") as file:
        file.write(b'{"id":')
    with pytest.raises(DestinationError, match="line feed"):
        opened.start(ENTITY, "append", resume=True)


def test_a_file_of_somebody_else_is_refused_and_left_alone(opened: Folder, tmp_path: Path) -> None:
    (tmp_path / "orders.jsonl").write_bytes(b"theirs\n")
    for mode in MODES:
        with pytest.raises(DestinationError, match="not made by this destination"):
            opened.start(ENTITY, mode, resume=True)
    assert complete_content(tmp_path) == b"theirs\n"
    assert not opened.states()


def test_names_that_a_file_system_takes_for_one_are_refused(opened: Folder, tmp_path: Path) -> None:
    """On a file system that ignores case, the state of `Orders` is found under `orders`."""
    (tmp_path / ".connector_kit" / "orders.json").write_bytes(
        encode(Entry("Orders", current=Generation(covered=0)))
    )
    with pytest.raises(ConfigError, match=r"'orders' and 'Orders'"):
        opened.start(ENTITY, "append", resume=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as the state"),
        (b'{"format": 1}\n', "cannot be read as the state"),
        (encode(UNUSED) + b"\n", "cannot be read as the state"),
        (encode(UNUSED).rstrip(), "cannot be read as the state"),
        (f'{{"format": {FORMAT_VERSION + 1}}}\n'.encode(), "newer connector_kit"),
    ],
)
def test_a_state_file_that_cannot_be_read_is_reported(
    opened: Folder, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / ".connector_kit" / "orders.json").write_bytes(content)
    with pytest.raises(DestinationError, match=message):
        opened.start(ENTITY, "append", resume=True)
    [state] = opened.states().values()
    assert (state.entity, state.checkpoint) == ("orders", None)
    assert message in state.problem


def test_one_process_at_a_time(opened: Folder, tmp_path: Path) -> None:
    opened.start(ENTITY, "append", resume=True)
    other = folder(tmp_path)
    with pytest.raises(DestinationError, match="another process"):
        other.start(ENTITY, "append", resume=True)
    assert not other.states()
    opened.release()
    assert other.start(ENTITY, "append", resume=True) is None
    other.release()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("place", "message"),
    [("/nowhere/to/be/found", "is no folder"), ("/dev/null", "is a file"), ("/proc/new", "cannot be used")],
)
async def test_places_that_cannot_be_folders_are_refused(place: str, message: str) -> None:
    with pytest.raises(DestinationError, match=message):
        await JsonlDestination(place).open()


@attrs.frozen
class Watched(LocalFiles):
    """Notes which thread writes to a data file, and which ones wait for the disk or put a file in another's place."""

    threads: list[int] = attrs.field(factory=list)
    waiting: list[int] = attrs.field(factory=list)

    def append(self, path: Path, pieces: Iterable[bytes], /) -> int:
        if path.suffix == ".jsonl":
            self.threads.append(get_ident())
        return super().append(path, pieces)

    def sync(self, path: Path, /) -> None:
        self.waiting.append(get_ident())
        super().sync(path)

    def replace(self, source: Path, target: Path, /) -> None:
        self.waiting.append(get_ident())
        super().replace(source, target)


MIB = 1024 * 1024
EXACT = {"t": "x" * (MIB - len('{"t":""}'))}
MORE = {"t": EXACT["t"] + "x"}


def as_json(page: list[Record]) -> JsonRecords:
    return JsonRecords.of_lines(b"".join(json_lines("orders", page)))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("records", "on_the_loop"),
    [
        pytest.param([{"id": 1}] * 1000, True, id="many small"),
        pytest.param([EXACT] * 4, True, id="4 MiB"),
        pytest.param([MORE] * 4, False, id="more"),
        pytest.param(as_json([EXACT] * 3), True, id="3 MiB of JSON"),
        pytest.param(as_json([MORE] * 4), False, id="more of JSON"),
    ],
)
async def test_what_takes_some_milliseconds_is_written_on_the_loop_and_more_in_a_thread(
    tmp_path: Path, records: Sequence[Record], *, on_the_loop: bool
) -> None:
    files = Watched()
    destination = JsonlDestination(tmp_path, files=files)
    await destination.open()
    await destination.start(ENTITY, "append")
    await destination.write("orders", records, reached(1))
    await destination.close()
    assert [thread == get_ident() for thread in files.threads] == [on_the_loop]


@pytest.mark.anyio
async def test_nobody_waits_for_the_disk_on_the_loop(tmp_path: Path) -> None:
    files = Watched()
    destination = JsonlDestination(tmp_path, files=files)
    await destination.open()
    await destination.start(ENTITY, "append")
    await destination.write("orders", [{"id": 1}], reached(1))
    await destination.finish("orders", reached(1, complete=True))
    await destination.start(ENTITY, "append")
    await destination.reset("orders")
    await destination.start(ENTITY, "append")
    before = len(files.waiting)
    await destination.close()
    assert len(files.waiting) > before > 0
    assert get_ident() not in files.waiting


@pytest.mark.anyio
async def test_upsert_is_refused_with_what_to_use_instead(tmp_path: Path) -> None:
    destination = JsonlDestination(tmp_path)
    await destination.open()
    with pytest.raises(ConfigError, match=r"JSONL has no mode 'upsert'.*append, replace.*database"):
        await destination.start(Entity("orders", primary_key="id"), "upsert")
    await destination.close()


# -- names and lines ------------------------------------------------------------------------------------------------

NAMES = st.text(min_size=1, max_size=10) | st.sampled_from(
    [".", "..", "a/b", "a\\b", "CON", "nul.x", "con", ".hidden", "a b", "%2E", "LPT1", "Account"]
)


@given(name=NAMES)
def test_file_names_are_safe_and_tell_the_entity(name: str) -> None:
    found = file_name(name)
    assert unquote(found) == name
    assert found.isascii()
    assert not set(found) & set('/\\:*?"<>|\0 ')
    assert not found.startswith(".")
    assert found.partition(".")[0].lower() not in {"con", "prn", "aux", "nul", "lpt1"}


@pytest.mark.parametrize("name", ["", "\ud800", "x" * 201])
def test_names_that_cannot_be_files_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a file"):
        file_name(name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(
    records=st.lists(
        st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON, max_size=3), max_size=4
    )
)
def test_any_json_value_comes_back(records: list[dict[str, Any]]) -> None:
    lines = b"".join(json_lines("orders", records)).splitlines(keepends=True)
    assert [json.loads(line) for line in lines] == records
    assert all(line.endswith(b"\n") for line in lines)


def test_values_that_json_does_not_have() -> None:
    record = {
        "at": datetime(2013, 1, 2, tzinfo=UTC),
        "price": Decimal("1.10"),
        "raw": b"\x00",
        "none": float("nan"),
        "nested": MappingProxyType({"set": {1}, "range": range(2)}),
    }
    [line] = json_lines("orders", [MappingProxyType(record)])
    assert line == (
        b'{"at":"2013-01-02T00:00:00Z","price":"1.10","raw":"AA==","none":null,"nested":{"set":[1],"range":[0,1]}}\n'
    )


@pytest.mark.parametrize("value", [object(), "\ud800", {("a", 1): 2}])
def test_a_value_without_a_json_form_leaves_nothing_of_its_page(
    opened: Folder, tmp_path: Path, value: object
) -> None:
    opened.start(ENTITY, "append", resume=True)
    records = [{"id": n} for n in range(2_000)]
    with pytest.raises(BadRecordError, match="field 'id'") as caught:
        opened.write("orders", [{"id": value}, *records, {"id": value}], reached(1))
    assert list(caught.value.bad) == [0, 2_001]
    assert complete_content(tmp_path) == b""
    opened.write("orders", records, reached(1))
    assert ids(tmp_path) == list(range(2_000))


def test_lazy_records_are_written_as_they_came() -> None:
    """Their JSON is never decoded."""
    lines = b'{"id": 1.10, "id": 2}\n{"id":1e400}\n'
    assert list(json_lines("orders", JsonRecords.of_lines(lines))) == [lines]


@given(lines=st.lists(st.integers(0, 70_000), max_size=3), rest=st.integers(0, 70_000))
def test_the_last_whole_line_is_found(
    tmp_path_factory: pytest.TempPathFactory, lines: list[int], rest: int
) -> None:
    file = tmp_path_factory.getbasetemp() / "lines"
    content = b"".join(b"x" * length + b"\n" for length in lines)
    file.write_bytes(content + b"x" * rest)
    assert last_line_end(file) == len(content)


@pytest.mark.parametrize(
    ("phase", "following"),
    [
        (Phase.IDLE, None),
        (Phase.APPENDING, None),
        (Phase.REPLACING, Generation(reached(2).to_json(), 7)),
        (Phase.REPLACING, Generation(None, 0)),
        (Phase.SWAPPING, None),
    ],
)
def test_the_state_survives_as_json(phase: Phase, following: Generation | None) -> None:
    current = Generation(reached(1).to_json(), 5)
    entry = Entry("orders", owned=True, phase=phase, current=current, following=following)
    assert decode_last(encode(entry), "there") == entry


def test_the_state_is_stored_in_the_form_of_its_version() -> None:
    """Who changes it raises `FORMAT_VERSION`, so that earlier versions leave our folders alone."""
    checkpoint = Checkpoint("shop", "orders", "append", cursor=1).to_json()
    entry = Entry("orders", owned=True, phase=Phase.APPENDING, current=Generation(checkpoint, 5))
    assert encode(entry) == (
        b'{"format":2,"entity":"orders","reading":true,"swapping":false,"current":{"length":5,"checkpoint":'
        + checkpoint
        + b',"log":0},"following":null}\n'
    )
