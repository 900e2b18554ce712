"""From `SCHEME:REST` to a destination: ours, anybody's, and what is said to whoever mistypes it or ships a broken one."""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from commands import in_a_process

from connector_kit.destinations.jsonl import JsonlDestination
from connector_kit.destinations.sqlite import SQLiteDestination
from connector_kit.errors import ConfigError
from connector_kit.registry.destinations import open_destination


def test_a_destination_is_named_by_kind_and_place() -> None:
    database = open_destination("sqlite:some dir/a:b.sqlite")
    assert isinstance(database, SQLiteDestination)
    assert database.path == Path("some dir/a:b.sqlite")
    lines = open_destination("jsonl:out")
    assert isinstance(lines, JsonlDestination)
    assert lines.folder == Path("out")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("sqlit:x", "did you mean sqlite:"),
        ("JSONL:x", "did you mean jsonl:"),
        ("out.sqlite", r"did you mean .*'sqlite:out\.sqlite'"),
        ("mysql://host/db", "choose one of them, or install the package that has it"),
        ("oracle:x", r"no kind of destination 'oracle'; expected jsonl:\.\.\. or sqlite:\.\.\."),
        ("sqlite:", "sqlite: names no place; expected sqlite:FILE"),
        ("jsonl:", "jsonl: names no place; expected jsonl:FOLDER"),
        ("sqlite:///x.sqlite", "written as a URL"),
    ],
)
def test_a_wrong_destination_says_what_was_meant(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_destination(spec)


@pytest.mark.parametrize("scheme", ["postgresql", "mysql", "sqlite"])
def test_no_password_of_a_url_is_shown(scheme: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_destination(f"{scheme}://user:s3cr3t@host/db")
    assert "s3cr3t" not in str(caught.value)


# -- a package of somebody else's -----------------------------------------------------------------------------------

SHELF = """
from connector_kit.destinations import SQLiteDestination


def shelf(text):
    return SQLiteDestination(text.removeprefix("//") + ".shelf")


async def late(text):
    return SQLiteDestination(text)


def wants_two(text, other):
    return SQLiteDestination(text)


class Half:
    def __init__(self, text):
        pass

    async def open(self):
        pass


not_callable = 3
"""


def install(folder: Path, **points: str) -> None:
    """Install a package into a folder, as pip leaves it, with these destinations."""
    (folder / "big_shelves.py").write_text(SHELF)
    (folder / "broken_shelves.py").write_text("raise RuntimeError('half installed')\n")
    (folder / "needy_shelves.py").write_text("import shelf_driver\n")
    info = folder / "big_shelves-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: big-shelves\nVersion: 1.0\nProvides-Extra: driver\n"
        "Requires-Dist: shelf-driver; extra == 'driver'\n"
    )
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[connector_kit.destinations]\n{lines}")


def test_anybodys_destination_works_on_the_command_line(tmp_path: Path) -> None:
    installed, work = tmp_path / "installed", tmp_path / "work"
    installed.mkdir()
    work.mkdir()
    install(installed, shelf="big_shelves:shelf")
    path = os.pathsep.join([str(installed), *filter(None, sys.path)])
    ran = in_a_process(work)(
        "sync", "mock", "--set", "size=20", "--entity", "orders", "--to", "shelf:books",
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert ran.code == 0, ran.err
    with closing(sqlite3.connect(work / "books.shelf")) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchall() == [(20,)]


@pytest.mark.parametrize(
    ("point", "message"),
    [
        (
            "broken_shelves:shelf",
            r"shelf of package big-shelves cannot be used: .*RuntimeError: half installed",
        ),
        (
            "needy_shelves:shelf",
            r"of package big-shelves .*'shelf_driver'.*pip install 'big-shelves\[driver\]'",
        ),
        ("no_shelves:shelf", r"of package big-shelves cannot be used: no module 'no_shelves'"),
        ("big_shelves:shelfs", r"of package big-shelves cannot be used: .*did you mean 'shelf'"),
        ("big_shelves:not_callable", r"of package big-shelves is 3; expected a class or a function"),
        ("big_shelves:wants_two", r"expected a class or a function that takes the text behind shelf:"),
        ("big_shelves:late", r"returns 'coroutine', which is no destination"),
        ("big_shelves:Half", r"returns 'Half', which is no destination.*lacks: modes, close, start, write"),
    ],
)
def test_a_broken_destination_says_whose_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, message: str
) -> None:
    install(tmp_path, shelf=point)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=message):
        open_destination("shelf:books")


def test_an_address_may_be_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, shelf="big_shelves:shelf")
    monkeypatch.syspath_prepend(tmp_path)
    made = open_destination("shelf://host")
    assert isinstance(made, SQLiteDestination)
    assert made.path == Path("host.shelf")


def test_it_is_found_where_it_was_too() -> None:
    from connector_kit import destinations  # noqa: PLC0415 - the door, which this test is about
    from connector_kit.destinations import locate  # noqa: PLC0415 - the same

    assert locate.open_destination is destinations.open_destination is open_destination
