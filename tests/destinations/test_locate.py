"""From `sqlite:FILE` to a destination, and what is said to whoever mistypes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector_kit.destinations.jsonl import JsonlDestination
from connector_kit.destinations.locate import open_destination
from connector_kit.destinations.sqlite import SQLiteDestination
from connector_kit.errors import ConfigError


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
        ("out.sqlite", r"did you mean 'sqlite:out\.sqlite'"),
        ("mysql://host/db", "choose one of them"),
        (
            "duckdb:x.duckdb",
            "duckdb: is not available in this version; expected sqlite:FILE or jsonl:FOLDER",
        ),
        ("parquet:out", "not available"),
        ("postgresql://host/db", "not available"),
        ("sqlite:", "names no place"),
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
