"""What is wrong from outside: one clear message and its exit code, no traceback, and what is stored stays intact."""

from __future__ import annotations

import json
import os
import resource
import socket
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from commands import in_a_process
from rest_server import Said, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from commands import Ended, Run

    Content = dict[str, bytes]

API = """
connector = "rest"

[settings]
base_url = "{url}"

[settings.resources.things]
path = "/things"
primary_key = ["id"]
fields = {{ id = "integer" }}

[auth]
type = "bearer"
token = {{ env = "THINGS_TOKEN" }}

[resilience.retry]
attempts = 2
first_wait = "1ms"
"""
TOKEN = "t0p-s3cret"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return partial(in_a_process(tmp_path), env=os.environ | {"THINGS_TOKEN": TOKEN})


@pytest.fixture
def stored(tmp_path: Path, run: Run) -> Callable[[], dict[str, list[Any]]]:
    """Fill a destination; give what looks at all of its rows."""
    assert run("sync", "mock", "--set", "size=20", "--name", "api", "--to", "sqlite:out.sqlite").code == 0

    def rows() -> dict[str, list[Any]]:
        with closing(sqlite3.connect(tmp_path / "out.sqlite")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            return {
                name: connection.execute(f'SELECT * FROM "{name}"').fetchall()
                for (name,) in names
                if name in {"customers", "orders", "events", "countries"}
            }

    return rows


def assert_one_message(ended: Ended, code: int, *parts: str) -> None:
    """One error in three parts, its exit code, and nothing that nobody should see."""
    assert ended.code == code, ended.err
    errors = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, ended.err
    message = ended.err[ended.err.index("error: ") :]
    assert all(part in message for part in parts), message
    assert message.count(";") >= 1
    assert "Traceback" not in ended.out + ended.err
    assert TOKEN not in ended.out + ended.err


@pytest.mark.parametrize(
    "words",
    [
        ("sample", "mock", "ordres"),
        ("read", "mock", "ordres"),
        ("sync", "mock", "--name", "api", "--to", "sqlite:out.sqlite", "--entity", "ordres"),
    ],
)
def test_an_unknown_entity(run: Run, stored: Callable[[], object], words: tuple[str, ...]) -> None:
    before = stored()
    assert_one_message(run(*words), 7, "no entity 'ordres'", "did you mean 'orders'?")
    assert stored() == before


def test_wrong_toml(run: Run, tmp_path: Path) -> None:
    (tmp_path / "api.toml").write_text('connector = "mock"\n[settings\nsize = 5\n')
    assert_one_message(run("check", "api.toml"), 9, "api.toml is no valid TOML", "line 2")


def test_a_file_with_several_mistakes_is_told_all_of_them_at_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "api.toml").write_text(
        'connector = "mock"\nnmae = "x"\n[settings]\nsize = "many"\n[resilience]\nrate = "fast"\n[entities.orders]\nmode = "add"\n'
    )
    ended = run("sync", "api.toml", "--to", "sqlite:new.sqlite")
    assert_one_message(
        ended, 9, "4 problems", "nmae", '"name"', "settings.size", "resilience.rate", "entities.orders.mode"
    )
    assert not (tmp_path / "new.sqlite").exists()


def test_a_file_that_is_not_there(run: Run, tmp_path: Path) -> None:
    (tmp_path / "flights.toml").write_text('connector = "mock"')
    assert_one_message(
        run("check", "flihgts.toml"), 9, "no file 'flihgts.toml'", "did you mean 'flights.toml'?"
    )


def test_a_missing_environment_variable(run: Run, tmp_path: Path) -> None:
    (tmp_path / "api.toml").write_text(API.format(url="http://127.0.0.1:9"))
    bare = {name: value for name, value in os.environ.items() if name != "THINGS_TOKEN"}
    assert_one_message(
        run("check", "api.toml", env=bare), 9, "auth.token", "THINGS_TOKEN is not set", "export THINGS_TOKEN"
    )


def test_an_unreachable_host(run: Run, tmp_path: Path, stored: Callable[[], object]) -> None:
    before = stored()
    with socket.socket() as closed:  # bound and not listening: whoever connects is refused
        closed.bind(("127.0.0.1", 0))
        (tmp_path / "api.toml").write_text(API.format(url=f"http://127.0.0.1:{closed.getsockname()[1]}"))
        ended = run("sync", "api.toml", "--to", "sqlite:out.sqlite")
    assert_one_message(ended, 5, "gave up after 2 attempts", "operation fetch_data, entity things")
    assert stored() == before


def test_a_wrong_token(run: Run, tmp_path: Path, stored: Callable[[], object]) -> None:
    before = stored()
    with serving(lambda asked: Said(f"bad token {asked.headers['authorization']}", status=401)) as server:
        (tmp_path / "api.toml").write_text(API.format(url=server.url))
        ended = run("sync", "api.toml", "--to", "sqlite:out.sqlite", "--log", "json")
        assert server.asked[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert_one_message(ended, 8, "401 Unauthorized", "entity things")
    assert len(server.asked) == 1
    assert stored() == before


def test_a_page_that_is_not_json(run: Run, tmp_path: Path, stored: Callable[[], object]) -> None:
    before = stored()
    with serving(lambda _: Said("<html>Welcome to the Wi-Fi of this hotel</html>")) as server:
        (tmp_path / "api.toml").write_text(API.format(url=server.url))
        ended = run("sync", "api.toml", "--to", "sqlite:out.sqlite")
    assert_one_message(ended, 6, "GET /things", "JSON")
    assert stored() == before


def somebodys_text(path: Path) -> None:
    path.write_text("dear diary")


def somebodys_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE orders (id)")


def somebodys_folder(path: Path) -> None:
    path.mkdir()
    (path / "orders.jsonl").write_text('{"mine": true}\n')


def content(path: Path) -> Content:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {file.name: file.read_bytes() for file in files if file.is_file() and file.stat().st_size}


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("sqlite", somebodys_text),
        ("sqlite", somebodys_database),
        ("sqlite", somebodys_folder),
        ("jsonl", somebodys_text),
        ("jsonl", somebodys_folder),
    ],
)
def test_a_destination_that_is_not_ours(
    run: Run, tmp_path: Path, kind: str, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "theirs")
    before = content(tmp_path / "theirs")
    ended = run("sync", "mock", "--set", "size=10", "--to", f"{kind}:theirs", "--entity", "orders")
    assert_one_message(ended, 10, "theirs")
    after = content(tmp_path / "theirs")
    assert {name: after.get(name) for name in before} == before


@pytest.mark.parametrize(
    ("destination", "said"),
    [
        ("oracle:x", "no kind of destination 'oracle'"),
        ("out.sqlite", "did you mean"),
        ("sqlite:", "names no place"),
    ],
)
def test_a_destination_that_nobody_knows(run: Run, destination: str, said: str) -> None:
    assert_one_message(run("sync", "mock", "--to", destination), 9, said)


def limit_files() -> None:
    """Let no file of this process grow beyond 200 KB: its writes then fail, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


@pytest.mark.parametrize(
    ("destination", "options"), [("sqlite:full", []), ("jsonl:full", ["--mode", "replace"])]
)
def test_a_disk_that_is_full(run: Run, tmp_path: Path, destination: str, options: list[str]) -> None:
    """What was stored before stays, and where there is room again, the next run goes on to an exact end."""
    words = ("sync", "mock", "--set", "page_size=200", "--entity", "events", "--to", destination, *options)
    # unmeasured: what coverage writes at the end would be too large, too
    full = run(*words, "--set", "size=4000", preexec_fn=limit_files, env=os.environ)
    assert_one_message(full, 10, "full")
    part = json.loads(run("state", "show", destination, "--json").out)["events"]
    assert not part["checkpoint"]["complete"]
    assert 0 < part["checkpoint"]["rows"] < 4000
    assert run(*words, "--set", "size=4000").code == 0
    done = json.loads(run("state", "show", destination, "--json").out)["events"]
    assert (done["checkpoint"]["complete"], done["rows"]) == (True, 4000)
    place = tmp_path / "full"
    if destination.startswith("sqlite"):
        with closing(sqlite3.connect(place)) as connection:
            ids = [number for (number,) in connection.execute("SELECT id FROM events")]
    else:
        ids = [json.loads(line)["id"] for line in (place / "events.jsonl").read_text().splitlines()]
    assert sorted(ids) == list(range(1, 4001))


def test_standard_output_on_a_full_disk(run: Run) -> None:
    with Path("/dev/full").open("w") as full:
        ended = run("read", "mock", "countries", stdout=full)
    assert_one_message(ended, 10, "standard output takes no more: No space left on device")
