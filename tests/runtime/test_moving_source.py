"""A source that changes while it is read: once it rests, one more run brings all of it, and the run after that finds nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import anyio
import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector_kit.destinations.memory import MemoryDestination
from connector_kit.durations import Duration
from connector_kit.protocols import Destination
from connector_kit.records.catalog import Catalog, Entity
from connector_kit.records.page import Page, Record
from connector_kit.runtime.options import EntityOptions
from connector_kit.runtime.sync import sync
from connector_kit.testing.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connector_kit.records.checkpoint import Mode
    from connector_kit.records.page import Cursor
    from connector_kit.runtime.report import Report

FAR = datetime(2099, 1, 1, tzinfo=UTC)
LOOKBACK = Duration.parse("10m")
Kind = Literal["insert", "update", "late", "no key", "future"]


@attrs.frozen
class Change:
    """Something that happens at the source: to the row of that number, as far as there is one."""

    kind: Kind
    row: int = 0


@attrs.define(eq=False)
class Moving:
    """Rows that change between pages, by a clock that is `skew` ahead of the reader's. `v` is another one in each version."""

    clock: VirtualClock
    ordered: bool
    skew: timedelta
    to_come: list[list[Change]]
    pause: float
    page_size: int = 2
    revision: str = ""
    rows: dict[int, Record] = attrs.field(factory=dict[int, Record])
    served: set[int] = attrs.field(factory=set[int])
    """The versions that were ever delivered."""
    versions: int = 0

    async def connect(self) -> None: ...

    async def disconnect(self) -> None: ...

    async def discover_schema(self) -> Catalog:
        ordered, revision = self.ordered, self.revision
        return Catalog([Entity("t", (), "id", "at", ordered=ordered, incremental="since", revision=revision)])

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read by time and number where the entity is ordered, else by number; each page is what is there then."""
        at: Any = cursor
        while True:
            found = sorted(self._place(row) for row in self.rows.values() if self._asked(row, since))
            page = [place for place in found if at is None or place > at][: self.page_size]
            if not page:
                return
            at = page[-1]
            records = [dict(self.rows[place[-1]]) for place in page]
            self.served.update(record["v"] for record in records)
            yield Page(records, at)
            await self.clock.sleep(self.pause)
            self.change()

    def change(self) -> None:
        """Let the next changes happen."""
        for change in self.to_come.pop(0) if self.to_come else []:
            self.make(change)

    def make(self, change: Change) -> None:
        now = self.clock.now() + self.skew
        self.versions += 1
        row = change.row % len(self.rows) if change.kind == "update" and self.rows else len(self.rows)
        at: Any = now
        if change.kind == "late":
            at = now - LOOKBACK.timedelta
        elif change.kind == "no key" and not self.ordered:
            at = None
        elif change.kind == "future":
            at = FAR
        self.rows[row] = {"id": row, "at": at and at.isoformat(), "v": self.versions}

    def _asked(self, row: Record, since: datetime | None) -> bool:
        return since is None or row["at"] is None or datetime.fromisoformat(row["at"]) >= since

    def _place(self, row: Record) -> list[Any]:
        return [row["at"], row["id"]] if self.ordered else [row["id"]]


changes = st.builds(
    Change, st.sampled_from(["insert", "update", "update", "late", "no key", "future"]), st.integers(0, 9)
)


@st.composite
def sources(draw: st.DrawFn, kinds: set[Kind]) -> Moving:
    """Draw a source with some rows of before, and what becomes of it."""
    made = changes.filter(lambda change: change.kind in kinds)
    source = Moving(
        VirtualClock(datetime(2024, 6, 1, tzinfo=UTC)),
        ordered=draw(st.booleans()),
        skew=timedelta(minutes=draw(st.integers(-5, 5))),
        to_come=draw(st.lists(st.lists(made, max_size=3), max_size=12)),
        pause=draw(st.sampled_from([0, 30, 200, 900])),
        page_size=draw(st.integers(1, 3)),
    )
    for change in draw(st.lists(made, max_size=6)):
        source.make(change)
    return source


@attrs.frozen
class Runs:
    """Runs of a source into one destination, some of them cut off."""

    source: Moving
    destination: Destination
    options: EntityOptions = attrs.field(factory=EntityOptions)

    def whole(self, mode: Mode) -> Report:
        async def run() -> Report:
            options, clock = {"t": self.options}, self.source.clock
            return await sync(
                self.source, self.destination, mode=mode, options=options, name="m", clock=clock, buffer=0
            )

        return self.source.clock.run(run)

    def cut_off(self, mode: Mode, after: float) -> None:
        async def cut() -> None:
            options, clock = {"t": self.options}, self.source.clock
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._run, mode, options)
                await clock.sleep(after)
                tasks.cancel_scope.cancel()

        self.source.clock.run(cut)

    async def _run(self, mode: Mode, options: dict[str, EntityOptions]) -> None:
        clock = self.source.clock
        await sync(self.source, self.destination, mode=mode, options=options, name="m", clock=clock, buffer=0)

    def rest(self, between: float) -> None:
        """Let all that is to come happen, and time pass."""
        while self.source.to_come:
            self.source.change()
        self.source.clock.run(self.source.clock.sleep, between)


def complete(report: Report) -> bool:
    if report.entities[0].error is not None:
        raise report.entities[0].error
    return report.complete


cuts = st.lists(st.one_of(st.none(), st.integers(0, 2_000)), max_size=4)
"""Runs before the source rests: whole ones, or cut off after so many seconds."""
pauses = st.sampled_from([0, 60, 100_000])


@settings(max_examples=200)
@given(sources({"insert", "update", "late", "no key", "future"}), cuts, pauses)
def test_upsert_equals_the_source(source: Moving, runs: list[int | None], between: float) -> None:
    """Late commits are found by the lookback."""
    destination = MemoryDestination()
    runner = Runs(source, destination, EntityOptions(lookback=LOOKBACK))
    for cut in runs:
        if cut is None:
            assert complete(runner.whole("upsert"))
        else:
            runner.cut_off("upsert", cut)
    runner.rest(between)
    assert complete(runner.whole("upsert"))
    stored = sorted(destination.rows("t"), key=lambda row: int(row["id"]))
    assert stored == [source.rows[number] for number in sorted(source.rows)]


@settings(max_examples=200)
@given(sources({"insert", "update", "no key", "future"}), cuts, pauses)
def test_append_has_each_version_that_was_stored_once(
    source: Moving, runs: list[int | None], between: float
) -> None:
    """All that are there at the end, and of those before some that were served; a further run finds none."""
    destination = MemoryDestination()
    runner = Runs(source, destination)
    for cut in runs:
        if cut is None:
            assert complete(runner.whole("append"))
        else:
            runner.cut_off("append", cut)
    runner.rest(between)
    assert complete(runner.whole("append"))
    stored = [row["v"] for row in destination.rows("t")]
    assert len(stored) == len(set(stored))
    assert {row["v"] for row in source.rows.values()} <= set(stored) <= source.served
    again = runner.whole("append")
    assert complete(again)
    assert again.rows == 0


@given(sources({"insert", "update", "no key", "future"}), cuts)
def test_append_goes_on_behind_a_full_refresh(source: Moving, runs: list[int | None]) -> None:
    destination = MemoryDestination()
    runner = Runs(source, destination)
    for cut in [None, *runs]:
        runner.cut_off("append", cut or 10_000)
    runner.rest(60)
    assert complete(runner.whole("replace"))
    assert sorted(row["v"] for row in destination.rows("t")) == sorted(
        row["v"] for row in source.rows.values()
    )
    assert complete(again := runner.whole("append"))
    assert again.rows == 0


@given(sources({"insert", "update"}), cuts, st.sampled_from(["upsert", "replace"]))
def test_another_revision_is_read_anew(source: Moving, runs: list[int | None], mode: Mode) -> None:
    """However far the one before had come."""
    destination = MemoryDestination()
    runner = Runs(source, destination, EntityOptions(min_share=0))
    for number, cut in enumerate([None, *runs]):
        source.revision = str(number % 2)
        runner.cut_off(mode, cut or 10_000)
    runner.rest(60)
    source.revision = "another"
    source.rows = {number: {**row, "v": -number} for number, row in source.rows.items()}
    assert complete(runner.whole(mode))
    assert {row["v"] for row in source.rows.values()} <= {row["v"] for row in destination.rows("t")}


@pytest.mark.parametrize("mode", ["upsert", "append", "replace"])
def test_what_changed_behind_the_reader_comes_with_the_next_run(mode: Mode) -> None:
    """The first record changes when it has been read, and later keys follow."""
    clock = VirtualClock(datetime(2024, 6, 1, tzinfo=UTC))
    source = Moving(
        clock, ordered=False, skew=timedelta(), pause=1, to_come=[[Change("update", 0), Change("update", 5)]]
    )
    for _ in range(6):
        source.make(Change("insert"))
    runner = Runs(source, MemoryDestination())
    first = runner.whole(mode).entities[0]
    assert first.held_back == datetime.fromisoformat(source.rows[5]["at"])
    assert "some may have changed behind the reader" in " ".join(first.notes)
    second = runner.whole(mode).entities[0]
    assert second.rows == {"upsert": 6, "append": 1, "replace": 6}[mode]
