"""What a job wrote, counted from its output: how many records are missing, how many are there more than once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs
import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["STDOUT", "Form", "Rows", "written"]

Form: TypeAlias = Literal["lines", "pages", "singer", "airbyte", "dlt", "sqlite"]
"""JSON lines; a body of the API on each line; messages of Singer or Airbyte on stdout; the files of dlt; a database."""
STDOUT = "stdout.jsonl"


class Row(msgspec.Struct):
    """A record, as far as it is looked at."""

    id: int


class Body(msgspec.Struct):
    """A page of the API."""

    data: list[Row]


class SingerMessage(msgspec.Struct):
    """A message of the Singer specification."""

    type: str
    record: Row | None = None


class AirbyteRecord(msgspec.Struct):
    """What an Airbyte message has of a record."""

    data: Row


class AirbyteMessage(msgspec.Struct):
    """A message of the Airbyte protocol."""

    type: str
    record: AirbyteRecord | None = None


@attrs.frozen
class Rows:
    """Rows that are missing, and rows that are there again."""

    lost: int
    repeated: int


def _decoded(path: Path, type_: type[Any]) -> Iterator[Any]:
    """Give each line, as far as it is one: a process that broke off leaves half a line."""
    if not path.exists():
        return
    decoder = msgspec.json.Decoder(type_)
    with path.open("rb") as lines:
        for line in lines:
            try:
                yield decoder.decode(line)
            except msgspec.MsgspecError:
                continue


def _stored(path: Path) -> Iterator[int]:
    if not path.exists():
        return
    with closing(sqlite3.connect(path)) as database:
        try:
            yield from (number for [number] in database.execute("SELECT id FROM records"))
        except sqlite3.OperationalError:  # it broke before there was a table
            return


def _ids(form: Form, folder: Path) -> Iterator[int]:
    match form:
        case "lines":
            yield from (row.id for row in _decoded(folder / "records.jsonl", Row))
        case "pages":
            for body in _decoded(folder / "records.pages", Body):
                yield from (row.id for row in body.data)
        case "singer":
            messages = _decoded(folder / STDOUT, SingerMessage)
            yield from (each.record.id for each in messages if each.record)
        case "airbyte":
            messages = _decoded(folder / STDOUT, AirbyteMessage)
            yield from (each.record.data.id for each in messages if each.record)
        case "dlt":
            for path in sorted((folder / "out" / "served" / "records").glob("*.jsonl")):
                yield from (row.id for row in _decoded(path, Row))
        case "sqlite":
            yield from _stored(folder / "records.sqlite")


def written(form: Form, folder: Path, records: int) -> Rows:
    """Compare what is in a folder with the records 0 to `records` - 1."""
    times = bytearray(records)
    rows = 0
    for number in _ids(form, folder):
        times[number] = 1
        rows += 1
    there = times.count(1)
    return Rows(records - there, rows - there)
