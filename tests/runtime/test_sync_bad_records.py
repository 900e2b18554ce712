"""One bad record of an entity is an error, left out, or put aside; what becomes of the others, and what is said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from connector_kit.destinations.jsonl import JsonlDestination
from connector_kit.destinations.memory import MemoryDestination
from connector_kit.errors import BadRecordError, SchemaMismatchError
from connector_kit.events import BadRecordsFound
from connector_kit.records.bad_records import unencodable
from connector_kit.records.catalog import Catalog, Entity, Field, Scalar
from connector_kit.records.json_records import JsonRecords
from connector_kit.records.page import Page
from connector_kit.runtime.options import EntityOptions
from connector_kit.runtime.session import stream
from connector_kit.runtime.sync import sync
from connector_kit.wrappers.validation.policy import Validation
from connector_kit.wrappers.validation.wrapper import Validating

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from connector_kit.records.checkpoint import Checkpoint
    from connector_kit.records.page import Cursor, Record
    from connector_kit.runtime.report import EntityReport

pytestmark = pytest.mark.anyio

BY_CURSOR = Entity("rows", primary_key="id", incremental="cursor")
TORN = "\ud83d"


@attrs.define(eq=False)
class Source:
    """Serves the pages it was given, each with a cursor."""

    pages: Sequence[Sequence[Any]]
    entity: Entity = BY_CURSOR

    async def connect(self) -> None: ...

    async def disconnect(self) -> None: ...

    async def discover_schema(self) -> Catalog:
        return Catalog([self.entity])

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        for number in range(cursor if isinstance(cursor, int) else 0, len(self.pages)):
            yield Page(self.pages[number], number + 1)


@attrs.define(eq=False)
class Picky(MemoryDestination):
    """Refuses records that have no JSON form, as a destination of bytes does; nothing of their call is changed."""

    calls: list[int] = attrs.field(factory=list)

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        self.calls.append(len(records))
        if bad := unencodable(records):
            raise BadRecordError(f"{len(bad)} of {len(records)} records cannot be stored", bad)
        await MemoryDestination.write(self, entity, records, checkpoint)


def rows(*ids: int, torn: int | None = None) -> list[Any]:
    return [{"id": each, "v": TORN if each == torn else "x"} for each in ids]


def skipping(**more: Any) -> dict[str, EntityOptions]:
    return {"rows": EntityOptions(on_bad_record="skip", **more)}


async def brought(source: Any, into: MemoryDestination | JsonlDestination, **more: Any) -> EntityReport:
    return (await sync(source, into, name="shop", **more)).entities[0]


def ids(destination: MemoryDestination) -> list[Any]:
    return sorted(row["id"] for row in destination.rows("rows"))


@pytest.mark.parametrize("row", [(1, "a"), [1, "a"], "text"])
@pytest.mark.parametrize("action", ["fail", "skip"])
async def test_rows_that_are_no_mappings_are_an_error_whatever_the_option(row: Any, action: Any) -> None:
    """A connector that gives tuples has no bad record: it gives none at all."""
    destination = MemoryDestination()
    report = await brought(
        Source([[row]]), destination, options={"rows": EntityOptions(on_bad_record=action)}
    )
    assert report.status == "failed"
    assert "expected a mapping of field name to value; write dict(" in str(report.error)
    assert destination.rows("rows") == []


async def test_a_stream_refuses_them_with_the_same_words() -> None:
    async with stream(Source([[(1, "a")]]), "rows") as pages:
        with pytest.raises(SchemaMismatchError, match=r"write dict\(zip\(names, row\)\) in the connector"):
            await pages.__anext__()


async def test_the_pages_before_a_bad_record_are_stored_where_it_would_have_shared_their_step() -> None:
    destination = Picky()
    pages = [rows(1, 2), rows(3, 4), rows(5, 6, torn=6), rows(7)]
    report = await brought(Source(pages), destination)
    assert (report.status, ids(destination)) == ("failed", [1, 2, 3, 4])
    told = str(report.error)
    assert "'rows'" in told
    assert "the record with id=6: field 'v' has half of a surrogate pair" in told
    assert 'on_bad_record = "skip" or "quarantine"' in told
    assert (report.bad_records, len(report.bad_record_reasons)) == (1, 1)


async def test_a_run_after_it_goes_on_at_the_page_of_the_bad_record() -> None:
    destination = Picky()
    await brought(Source([rows(1, 2), rows(3, 4, torn=3)]), destination)
    report = await brought(Source([[], rows(3, 4)]), destination)
    assert (report.status, report.resumed, ids(destination)) == ("complete", True, [1, 2, 3, 4])


async def test_skipped_where_the_destination_refuses_it_all_others_are_stored() -> None:
    destination = Picky()
    heard = Heard()
    pages = [rows(1, 2, torn=1), rows(3, 4), rows(5, 6, torn=6)]
    report = await brought(Source(pages), destination, options=skipping(), observer=heard)
    assert (report.status, ids(destination), report.rows) == ("complete", [2, 3, 4, 5], 4)
    assert report.bad_records == 2
    assert [reason[:25] for reason in report.bad_record_reasons] == [
        "the record with id=1: fie",
        "the record with id=6: fie",
    ]
    assert sum(event.count for event in heard.found) == 2
    checkpoint = (await opened(destination)).checkpoint
    assert checkpoint is not None
    assert checkpoint.rows == 4


async def test_a_page_of_bad_records_alone_still_moves_the_read_on() -> None:
    destination = Picky()
    await brought(Source([rows(1, torn=1), rows(2)]), destination, options=skipping())
    checkpoint = (await opened(destination)).checkpoint
    assert checkpoint is not None
    assert (checkpoint.cursor, checkpoint.rows, ids(destination)) == (2, 1, [2])


async def test_null_among_records_is_skipped_before_anybody_looks_at_its_fields() -> None:
    timed = Entity("rows", primary_key="id", replication_key="at", incremental="since")
    at = datetime(2024, 1, 1, tzinfo=UTC)
    destination = MemoryDestination()
    report = await brought(
        Source([[{"id": 1, "at": at}, None, {"id": 2, "at": at}]], timed), destination, options=skipping()
    )
    assert (report.status, ids(destination), report.bad_records) == ("complete", [1, 2], 1)
    assert report.bad_record_reasons == ("record 1 of a page: it is null",)


async def test_append_skips_what_it_could_not_compare_with_what_is_stored() -> None:
    timed = Entity("rows", primary_key="id", replication_key="at", incremental="since")
    at = datetime(2024, 1, 1, tzinfo=UTC)
    page = [{"id": 1, "at": at}, {"id": 2, "at": at, "v": TORN}]
    destination = MemoryDestination()
    for _ in range(2):
        report = await brought(Source([page], timed), destination, options=skipping(mode="append"))
        assert (report.status, report.bad_records) == ("complete", 1)
    assert ids(destination) == [1]


@pytest.mark.parametrize("document", [rb'{"id": 2, "v": "cut \ud83d"}', b"null"])
async def test_json_that_cannot_be_decoded_is_put_aside_as_it_came(document: bytes, tmp_path: Path) -> None:
    page = JsonRecords.of_array(b'[{"id": 1},' + document + b',{"id": 3}]')
    destination, file = MemoryDestination(), tmp_path / "aside.jsonl"
    options = {"rows": EntityOptions(on_bad_record="quarantine")}
    for _ in range(2):
        report = await brought(Source([page]), destination, options=options, quarantine=file, mode="replace")
        assert (report.status, ids(destination), report.bad_records) == ("complete", [1, 3], 1)
    (line,) = file.read_text().splitlines()
    assert json.loads(line)["record"] == document.decode()


async def test_records_are_put_aside_beside_the_program_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report = await brought(
        Source([rows(1, 2, torn=2)]), Picky(), options={"rows": EntityOptions(on_bad_record="quarantine")}
    )
    assert report.status == "complete"
    (line,) = (tmp_path / "shop.quarantine.jsonl").read_text().splitlines()
    kept = json.loads(line)
    assert kept["entity"] == "rows"
    assert "half of a surrogate pair" in kept["reasons"][0]
    assert "'id': 2" in kept["record"]


async def test_no_file_is_made_where_nothing_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = {"rows": EntityOptions(on_bad_record="quarantine")}
    await brought(Source([rows(1)]), MemoryDestination(), options=options)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("action", ["fail", "skip"])
async def test_what_does_not_fit_the_catalog_is_a_bad_record_too(action: Any) -> None:
    """`Validating` hands it to the run, which knows what the entity's options say."""
    entity = attrs.evolve(BY_CURSOR, fields=[Field("id", Scalar.INTEGER)])
    source = Validating(Source([[{"id": 1}], [{"id": "two"}, {"id": 3}]], entity), Validation())
    destination = MemoryDestination()
    report = await brought(source, destination, options={"rows": EntityOptions(on_bad_record=action)})
    if action == "fail":
        assert (report.status, ids(destination), report.rejected) == ("failed", [1], 1)
    else:
        assert (report.status, ids(destination)) == ("complete", [1, 3])
        assert (report.rejected, report.bad_records) == (0, 1)
        assert report.bad_record_reasons[0].startswith("the record with id='two': id: ")


async def test_of_a_name_that_comes_twice_every_destination_has_the_last_value(tmp_path: Path) -> None:
    pages = [JsonRecords.of_array(b'[{"id": 1, "v": "first", "v": "last"}, {"id": 2, "v": "x"}]')]
    memory, folder = MemoryDestination(), tmp_path / "rows"
    reports = [
        await brought(Source(pages), memory),
        await brought(Source([page[:] for page in pages]), JsonlDestination(folder)),
    ]
    assert "first" not in (folder / "rows.jsonl").read_text()
    assert [row["v"] for row in memory.rows("rows")] == ["last", "x"]
    for report in reports:
        assert report.notes == ("its JSON has names twice in one object: the last value counts",)


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@attrs.define(eq=False)
class Heard:
    """Keeps what is told of bad records."""

    found: list[BadRecordsFound] = attrs.field(factory=list)

    def observe(self, event: object, /) -> None:
        if isinstance(event, BadRecordsFound):
            self.found.append(event)


async def opened(destination: MemoryDestination) -> Any:
    await destination.open()
    try:
        return (await destination.states())["rows"]
    finally:
        await destination.close()
