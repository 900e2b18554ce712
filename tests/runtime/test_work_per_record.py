"""What a record costs on the fast path, in calls of Python functions: none. A count is the same on any machine.

The body of a page is split, goes through the full stack and is written with its checkpoint; or it is printed.
"""

from __future__ import annotations

import gc
import sys
import threading
from typing import TYPE_CHECKING

import anyio
import attrs
import msgspec
import pytest

from connector_kit.limiters.rates import Rates
from connector_kit.records.catalog import Catalog, Entity, Field, Incremental, Scalar
from connector_kit.records.json_body import split_json
from connector_kit.records.json_lines import json_lines, wrapped_lines
from connector_kit.records.page import Cursor, Page
from connector_kit.registry.destinations import open_destination
from connector_kit.runtime.sync import sync
from connector_kit.wrappers.bulkhead.policy import Bulkhead
from connector_kit.wrappers.stack.protect import protect
from connector_kit.wrappers.stack.resilience import Resilience
from connector_kit.wrappers.validation.policy import Validation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from datetime import datetime
    from pathlib import Path
    from types import FrameType

    from connector_kit.records.checkpoint import Mode
    from connector_kit.records.page import Record

PAGES = 20
FULL = Resilience(
    rate=Rates.parse("1000000/s"), bulkhead=Bulkhead(limit=4), cache="1h", validation=Validation()
)


def body_of(page: int, size: int) -> bytes:
    records = [
        {
            "id": page * size + number,
            "at": f"2024-05-01T00:{page:02}:00.{number:06}Z",
            "name": "a name",
            "tags": ["a", {"b": 1.5}],
        }
        for number in range(size)
    ]
    return msgspec.json.encode({"took": 3, "data": {"items": records}, "next": page + 1})


@attrs.frozen
class Received:
    """Gives bodies as a client would have received them; records come in the order of `at`."""

    size: int
    incremental: Incremental = "since"

    async def connect(self) -> None:
        pass

    async def disconnect(self) -> None:
        pass

    async def discover_schema(self) -> Catalog:
        fields = [Field("id", Scalar.INTEGER), Field("at", Scalar.STRING), Field("name", Scalar.STRING)]
        ordered = self.incremental == "since"
        return Catalog([Entity("items", fields, "id", "at", ordered=ordered, incremental=self.incremental)])

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        for page in range(PAGES):
            records, rest = split_json(body_of(page, self.size), "data.items", ("next",))
            assert isinstance(rest, dict)
            yield Page(records, rest["next"])


class Calls:
    """Counts the calls of Python functions, in all threads, but for those of this file."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        if event == "call" and frame.f_code.co_filename != __file__:
            self.count += 1


def calls(work: Callable[[], None]) -> int:
    counting = Calls()
    gc.disable()  # what others have asked it to call is no work of ours
    threading.setprofile(counting)
    sys.setprofile(counting)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        gc.enable()
    return counting.count


def per_record(work: Callable[[int], None]) -> float:
    """Give how many calls each further record of a page takes."""
    small, large = 100, 1_100
    work(small)  # what is made once is made
    return (calls(lambda: work(large)) - calls(lambda: work(small))) / (PAGES * (large - small))


@pytest.mark.parametrize(
    ("place", "mode", "incremental"),
    [
        ("jsonl", "replace", "since"),
        ("jsonl", "append", "since"),
        ("jsonl", "append", "cursor"),
        ("sqlite", "upsert", "since"),
        ("sqlite", "replace", None),
    ],
)
def test_no_function_is_called_for_a_record_that_is_synced(
    tmp_path: Path, place: str, mode: Mode, incremental: Incremental
) -> None:
    """With all layers of `protect`, each page with its checkpoint."""
    runs = iter(range(10))

    def work(size: int) -> None:
        destination = open_destination(f"{place}:{tmp_path / f'{size}-{next(runs)}'}")
        report = anyio.run(lambda: sync(protect(Received(size, incremental), FULL), destination, mode=mode))
        assert report.complete
        assert report.rows == PAGES * size

    assert per_record(work) < 0.01  # a thread that is waited for a little longer takes a few calls, too


@pytest.mark.parametrize("wrapped", [False, True])
def test_no_function_is_called_for_a_record_that_is_printed(*, wrapped: bool) -> None:
    """Beside the one that says what is around it."""

    def around(record: object) -> object:
        return {"entity": "items", "record": record}

    def lines(records: Sequence[Record]) -> int:
        given = wrapped_lines("items", records, around) if wrapped else json_lines("items", records)
        return sum(line.count(b"\n") for line in given)

    def work(size: int) -> None:
        for page in range(PAGES):
            records, _ = split_json(body_of(page, size), "data.items", ("next",))
            assert lines(records) == size

    assert per_record(work) < 0.01
