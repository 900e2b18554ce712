"""Data is brought to the disk beside the writing; that it failed is told by the next call, and nothing is harmed."""

from __future__ import annotations

import errno
import os
import resource
import select
import signal
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING

import attrs
import pytest

from connector_kit.destinations.jsonl.files import Flushing, LocalFiles
from connector_kit.destinations.jsonl.folder import Folder, FolderLock
from connector_kit.records.catalog import Entity
from connector_kit.records.checkpoint import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 30
FLUSHED_AT = 20
RECORD = {"id": 1}
LINE = b'{"id":1}\n'


@attrs.frozen
class Slow(LocalFiles):
    """Takes as long with a data file as it is told to; `synced` notes who waited for the disk, and how much there was."""

    may_end: threading.Event = attrs.field(factory=threading.Event)
    synced: list[tuple[str, int]] = attrs.field(factory=list)
    on_disk: list[str] = attrs.field(factory=list)
    broken: set[Path] = attrs.field(factory=set)

    def sync(self, path: Path, /) -> None:
        if path.suffix != ".jsonl":
            return
        size = path.stat().st_size
        assert self.may_end.wait(PATIENCE)
        self.synced.append((threading.current_thread().name, size))
        if path in self.broken:
            raise OSError(errno.EIO, "the disk is broken")
        self.on_disk.append(path.stem)


def checkpoint(cursor: int) -> Checkpoint:
    return Checkpoint("shop", "orders", "append", cursor=cursor, rows=cursor)


@pytest.fixture
def files() -> Slow:
    return Slow()


@pytest.fixture
def folder(tmp_path: Path, files: Slow) -> Iterator[Folder]:
    """Give a folder whose data is to be brought to the disk every 20 bytes, with a read under way."""
    (tmp_path / ".connector_kit").mkdir()
    folder = Folder(tmp_path, files, FolderLock(tmp_path / ".connector_kit" / "lock"), FLUSHED_AT)
    folder.start(Entity("orders"), "append", resume=True)
    yield folder
    files.may_end.set()
    files.broken.clear()
    folder.release()


def write(folder: Folder, pages: int) -> None:
    for number in range(pages):
        folder.write("orders", [RECORD], checkpoint(number))


def test_writing_goes_on_meanwhile(folder: Folder, files: Slow, tmp_path: Path) -> None:
    """After three lines the disk is asked; those that follow are written before it has answered, however many."""
    write(folder, 20)
    assert (tmp_path / "orders.jsonl").read_bytes() == LINE * 20
    assert files.synced == []
    files.may_end.set()
    folder.finish("orders", checkpoint(5))
    [(beside, some), (here, all_of_it)] = files.synced
    assert beside.startswith("connector_kit flushing")
    assert here == threading.current_thread().name
    assert some >= 3 * len(LINE)
    assert all_of_it == 20 * len(LINE)


def test_the_disk_is_asked_for_more_once_it_has_answered(files: Slow, tmp_path: Path) -> None:
    flushing, file = Flushing(files), tmp_path / "a.jsonl"
    file.write_bytes(LINE)
    assert flushing.begin(file)
    file.write_bytes(LINE * 2)
    assert not flushing.begin(file)
    files.may_end.set()
    flushing.wait(file)
    assert flushing.begin(file)
    flushing.close()
    assert [size for _, size in files.synced][1:] == [2 * len(LINE)]


def test_the_disk_is_asked_every_so_many_bytes(folder: Folder, files: Slow, tmp_path: Path) -> None:
    files.may_end.set()
    for number in range(9):
        folder.write("orders", [RECORD], checkpoint(number))
        folder._flushing.wait(tmp_path / "orders.jsonl")
    assert [size for _, size in files.synced] == [3 * len(LINE), 6 * len(LINE), 9 * len(LINE)]


def test_what_was_not_begun_is_due_at_once(folder: Folder, files: Slow, tmp_path: Path) -> None:
    """Though less than 20 bytes have come since the disk has answered."""
    write(folder, 6)
    files.may_end.set()
    folder._flushing.wait(tmp_path / "orders.jsonl")
    write(folder, 1)
    folder._flushing.wait(tmp_path / "orders.jsonl")
    assert [size for _, size in files.synced][1:] == [7 * len(LINE)]


@pytest.mark.parametrize("at_the_end", [False, True])
def test_a_disk_that_fails_is_told_by_the_next_call(
    folder: Folder, files: Slow, tmp_path: Path, *, at_the_end: bool
) -> None:
    files.broken.add(tmp_path / "orders.jsonl")
    files.may_end.set()
    write(folder, 3)
    next_call = (
        partial(folder.finish, "orders", checkpoint(3)) if at_the_end else partial(write, folder, 100_000)
    )  # one of them
    with pytest.raises(OSError, match="the disk is broken"):
        next_call()
    files.broken.clear()
    assert folder.start(Entity("orders"), "append", resume=True) is not None


def test_a_disk_that_fails_is_told_of_the_file_it_failed_for(files: Slow, tmp_path: Path) -> None:
    """Another entity's read goes on; this one's would otherwise end as if all of it were there."""
    flushing, failing, sound = Flushing(files), tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    failing.touch()
    sound.touch()
    files.may_end.set()
    files.broken.add(failing)
    flushing.begin(failing)
    flushing.begin(sound)
    flushing.wait(sound)
    with pytest.raises(OSError, match="the disk is broken"):
        flushing.wait(failing)
    flushing.wait(failing)
    flushing.begin(failing)
    with pytest.raises(OSError, match="the disk is broken"):
        flushing.close()


def test_letting_go_ends_the_thread(files: Slow, tmp_path: Path) -> None:
    flushing = Flushing(files)
    (tmp_path / "a.jsonl").touch()
    files.may_end.set()
    flushing.begin(tmp_path / "a.jsonl")
    flushing.close()
    flushing.close()
    assert not [each for each in threading.enumerate() if each.name.startswith("connector_kit flushing")]
    assert len(files.synced) == 1


def test_letting_go_of_the_folder_waits_for_the_disk_and_ends_the_thread(folder: Folder, files: Slow) -> None:
    files.may_end.set()
    write(folder, 3)
    folder.release()
    assert not [each for each in threading.enumerate() if each.name.startswith("connector_kit flushing")]
    assert {name.startswith("connector_kit flushing") for name, _ in files.synced} == {True, False}


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 5, 9, 25])
def test_where_the_system_takes_only_some_of_several_pieces_the_rest_is_not_forgotten(
    tmp_path: Path, room: int
) -> None:
    """The system takes what there is room for and gives no error yet; that comes with the rest."""
    file = tmp_path / "a"
    with no_file_larger_than(room), pytest.raises(OSError, match="too large") as caught:
        LocalFiles().append(file, [LINE] * 3)
    assert caught.value.errno == errno.EFBIG
    assert file.read_bytes() == (LINE * 3)[:room]


@pytest.fixture
def interrupted() -> Iterator[threading.Event]:
    """Let a signal end what the system does for the main thread; set once it has."""
    came = threading.Event()
    before = signal.signal(signal.SIGUSR1, lambda *_: came.set())
    yield came
    signal.signal(signal.SIGUSR1, before)


def test_a_write_that_the_system_ends_early_goes_on_where_it_ended(
    tmp_path: Path, interrupted: threading.Event
) -> None:
    """A full pipe holds it up, and a signal ends it there, twice; a file behind a network may do the same."""
    pipe, content, writer = tmp_path / "pipe", b"".join(b"%d\n" % n for n in range(50_000)), get_ident()
    os.mkfifo(pipe)
    read: list[bytes] = []

    def end_early_and_read() -> None:
        with pipe.open("rb", buffering=0) as file:
            with Path(f"/proc/self/fd/{file.fileno()}").open("ab", buffering=0) as room:
                poll = select.poll()
                poll.register(room, select.POLLOUT)
                for _ in range(2):
                    while poll.poll(0):
                        pass  # until the pipe is full
                    signal.pthread_kill(writer, signal.SIGUSR1)
                    assert interrupted.wait(PATIENCE)
                    interrupted.clear()
                    read.append(file.read(30_000))
            read.append(file.readall())

    thread = threading.Thread(target=end_early_and_read, daemon=True)
    thread.start()
    assert LocalFiles().append(pipe, [content[:9], content[9:]]) == len(content)
    thread.join(PATIENCE)
    same = b"".join(read) == content  # pytest would take minutes to say where they differ
    assert same


def test_more_pieces_than_the_system_takes_at_once_are_written_in_order(tmp_path: Path) -> None:
    pieces = [f"{number}\n".encode() for number in range(2_500)] + [b"x" * 600_000, b"", b"y\n"] * 2
    assert LocalFiles().append(tmp_path / "a", iter(pieces)) == sum(map(len, pieces))
    assert (tmp_path / "a").read_bytes() == b"".join(pieces)
    assert LocalFiles().append(tmp_path / "a", ()) == 0


def test_a_read_that_is_begun_anew_hears_nothing_of_the_one_that_was_given_up(
    folder: Folder, files: Slow, tmp_path: Path
) -> None:
    """Its generation is gone before the disk has answered."""
    folder.start(Entity("orders"), "replace", resume=False)
    files.broken.add(tmp_path / ".connector_kit" / "orders.jsonl")
    files.may_end.set()
    write(folder, 3)
    folder.start(Entity("orders"), "replace", resume=False)
    files.broken.clear()
    write(folder, 3)
    folder.finish("orders", checkpoint(3))
    assert (tmp_path / "orders.jsonl").read_bytes() == LINE * 3


def test_letting_go_brings_the_other_files_to_the_disk_where_one_fails(
    folder: Folder, files: Slow, tmp_path: Path
) -> None:
    folder.start(Entity("customers"), "append", resume=True)
    folder.write("customers", [RECORD], checkpoint(1))
    files.broken.add(tmp_path / "orders.jsonl")
    files.may_end.set()
    write(folder, 3)
    folder.start(Entity("parts"), "append", resume=True)
    folder.write("parts", [RECORD], checkpoint(1))
    with pytest.raises(OSError, match="the disk is broken"):
        folder.release()
    assert {"customers", "parts"} <= set(files.on_disk)
