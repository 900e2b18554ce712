"""A run is exact: whatever fails, stalls or is killed, the destination ends up as after an undisturbed run."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest
import sources
from hypothesis import given, settings
from hypothesis import strategies as st

from connector_kit.destinations.memory import MemoryDestination
from connector_kit.errors import CursorExpiredError
from connector_kit.limiters.rates import Rates
from connector_kit.registry.destinations import open_destination
from connector_kit.runtime.sync import BUFFER_BYTES, sync
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.fault_injection.wrapper import Cut, Fail, Fault, Faulty, Refuse, Schedule, Stall
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.stack.protect import protect
from connector_kit.wrappers.stack.resilience import Resilience
from connector_kit.wrappers.timeout.wrapper import Timeouts

if TYPE_CHECKING:
    from connector_kit.protocols import Connector, Destination
    from connector_kit.records.checkpoint import Mode
    from connector_kit.records.page import Cursor, Page, Record
    from connector_kit.runtime.report import Report

MAX_IN_A_ROW = 3
PATIENT = Resilience(
    retry=Retry(attempts=4 * MAX_IN_A_ROW, first_wait=0.1, max_wait=2, deadline=100_000),
    rate=Rates.parse("1/s"),  # a page a second, so that cuts at whole seconds hit every place of a run
    attempt=Timeouts(call=30, page=30),
    deadline=Timeouts(call=100_000, page=100_000),
)
backends = st.sampled_from(["asyncio", "trio"])

# A stall of more than 30 s passes the limit of an attempt and is cancelled in the middle of the request.
faults: st.SearchStrategy[Fault | None] = st.one_of(
    st.sampled_from([Fail(), Cut(), Stall(20.0), Stall(500.0)]),
    st.builds(Refuse, st.none() | st.floats(0, 60)),
)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Draw faults of which never more than MAX_IN_A_ROW follow each other."""
    schedule: list[Fault | None] = []
    for _ in range(draw(st.integers(0, 8))):
        schedule += [None] * draw(st.integers(0, 3))
        schedule += draw(st.lists(faults, min_size=1, max_size=MAX_IN_A_ROW))
        schedule.append(None)
    return tuple(schedule)


@st.composite
def tables(draw: st.DrawFn, *, may_break: bool = True) -> sources.Table:
    """Draw tables of every sort; with `may_break` false, only such as can be resumed at every page."""
    size = draw(st.integers(0, 15))
    times = draw(st.lists(st.integers(0, 6), min_size=size, max_size=size))
    ordered = draw(st.booleans())
    return sources.Table(
        size=size,
        page_size=draw(st.integers(1, 6)),
        times=tuple(sorted(times) if ordered else times),
        ordered=ordered,
        incremental=draw(st.sampled_from(["since", "cursor", None])),
        primary_key=draw(st.sampled_from(["id", None])),
        cursors=tuple(draw(st.lists(st.booleans(), min_size=1, max_size=3))) if may_break else (True,),
        lazy=tuple(draw(st.lists(st.booleans(), min_size=1, max_size=2))),
    )


shops = st.dictionaries(
    st.sampled_from(["orders", "customers", "events"]), tables(may_break=False), min_size=1
)


buffers = st.sampled_from([0, 3_000, BUFFER_BYTES])
"""A page a step, a few of them, and as many as there are."""


def modes_of(table: sources.Table) -> st.SearchStrategy[Mode]:
    """Draw a mode that can work."""
    modes: list[Mode] = ["replace"]
    if table.primary_key:
        modes.append("upsert")
    if table.incremental:
        modes.append("append")
    return st.sampled_from(modes)


def expected(table: sources.Table) -> list[Record]:
    """What an undisturbed first run leaves of a table."""
    return [table.record(index) for index in range(table.size)]


def by_id(records: list[Record]) -> list[Record]:
    """Sort: where rows stand in a destination is not promised."""
    return sorted(records, key=lambda record: int(record["id"]))


@given(shops, schedules(), backends, st.integers(1, 3), buffers)
def test_equals_a_run_without_faults(
    tables: dict[str, sources.Table], schedule: Schedule, backend: str, concurrency: int, buffer: int
) -> None:
    """Errors before, between and inside pages, cuts, refusals and stalls: nothing lost, nothing twice."""
    destination = MemoryDestination()
    shop = sources.Shop(tables)
    clock = VirtualClock()

    async def run() -> Report:
        stack = protect(Faulty(shop, schedule, clock=clock), PATIENT, clock=clock, random=Random(1))
        return await sync(stack, destination, clock=clock, concurrency=concurrency, buffer=buffer)

    report = clock.run(run, backend=backend)
    assert report.complete, report
    for name, table in tables.items():
        assert by_id(destination.rows(name)) == expected(table)
    assert report.rows == sum(table.size for table in tables.values())
    assert shop.opened == shop.closed


@pytest.mark.unmeasured
@settings(max_examples=500)  # of every sort of table, some must be cut off at each sort of page
@given(tables(), schedules(), st.lists(st.integers(0, 12), max_size=6), backends, buffers, st.data())
def test_equals_an_undisturbed_run_however_often_it_is_cut_off(
    table: sources.Table, schedule: Schedule, kills: list[int], backend: str, buffer: int, data: st.DataObject
) -> None:
    """Runs are cancelled at random moments, with faults that end reads for good; the last one is left alone.

    Also for sources of which some or all pages carry no cursor.
    """
    mode = data.draw(modes_of(table))
    if table.incremental == "cursor":
        table = attrs.evolve(table, cursors=(True,))
    destination = MemoryDestination()
    clock = VirtualClock()

    async def cut_off(after: int) -> None:
        stack = protect(Faulty(sources.Shop({"orders": table}), schedule, clock=clock), PATIENT, clock=clock)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, stack)
            await clock.sleep(after)
            tasks.cancel_scope.cancel()

    async def run(stack: Connector) -> None:
        await sync(stack, destination, mode=mode, name="shop", clock=clock, buffer=buffer)

    async def whole() -> Report:
        return await sync(sources.Shop({"orders": table}), destination, mode=mode, name="shop", clock=clock)

    for after in kills:
        clock.run(cut_off, after, backend=backend)
    assert clock.run(whole, backend=backend).complete
    assert by_id(destination.rows("orders")) == expected(table)


@given(tables(), st.lists(st.tuples(st.integers(0, 10), st.integers(0, 2)), max_size=4), backends, st.data())
def test_the_next_runs_add_exactly_what_is_new(
    table: sources.Table, growth: list[tuple[int, int]], backend: str, data: st.DataObject
) -> None:
    """Records that came since, later than the watermark or at it, land once; those that were there stay.

    In mode append, too, though `since` is inclusive.
    """
    if table.incremental == "cursor":
        table = attrs.evolve(table, cursors=(True,))
    mode = data.draw(modes_of(table))
    clock = VirtualClock()
    destination = MemoryDestination()

    async def run(served: sources.Table) -> Report:
        return await sync(sources.Shop({"orders": served}), destination, mode=mode, clock=clock)

    assert clock.run(run, table, backend=backend).complete
    for more, minutes in growth:
        latest = max(table.times, default=0) + minutes
        table = attrs.evolve(table, size=table.size + more, times=(*table.times, *[latest] * more))
        report = clock.run(run, table, backend=backend)
        assert report.complete, report
        assert by_id(destination.rows("orders")) == expected(table)
        if mode == "append":
            assert report.rows == more


@given(tables(may_break=False), backends, st.sampled_from(["append", "upsert", "replace"]))
def test_an_expired_cursor_begins_again_where_that_is_exact(
    table: sources.Table, backend: str, mode: Mode
) -> None:
    """Upsert and replace read again from since; append would repeat rows and fails with what to do."""
    table = attrs.evolve(
        table, primary_key="id", size=10, times=tuple(range(10)), page_size=2, incremental="since"
    )

    class Forgetful(sources.Shop):
        def start_at(self, cursor: Cursor) -> int:
            if cursor is not None:
                raise CursorExpiredError("that cursor is too old")
            return 0

    clock = VirtualClock()
    destination = MemoryDestination()

    async def run(shop: Connector) -> Report:
        return await sync(shop, destination, mode=mode, name="shop", clock=clock)

    broken = Faulty(sources.Shop({"orders": table}), (None, None, None, None, Fail()))
    assert not clock.run(run, broken, backend=backend).complete
    report = clock.run(run, Forgetful({"orders": table}), backend=backend)
    if mode == "append":
        assert isinstance(report.entities[0].error, CursorExpiredError)
        assert "that cursor is too old; in mode 'append'" in str(report.entities[0].error)
        assert "`connector-kit state reset DESTINATION orders`" in str(report.entities[0].error)
        assert by_id(destination.rows("orders")) == expected(table)[:4]
    else:
        assert report.complete
        assert [note.partition(":")[0] for note in report.entities[0].notes] == ["begun anew"]
        assert by_id(destination.rows("orders")) == expected(table)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("mode", ["upsert", "replace"])
def test_a_cursor_that_expires_in_the_middle_of_a_read_is_left_to_the_next_run(
    backend: str, mode: Mode
) -> None:
    """Pages of before are still to be written then: begun again at once, they would be stored twice."""
    table = sources.Table(page_size=2)

    class Forgetful(sources.Shop):
        def change(self, entity: str, page: Page, number: int) -> Page:
            if number and self.asked[-1][1] is not None:
                raise CursorExpiredError("that cursor is too old")
            return page

    clock, destination = VirtualClock(), MemoryDestination()

    async def run(shop: Connector) -> Report:
        return await sync(shop, destination, mode=mode, name="shop", clock=clock)

    broken = Faulty(sources.Shop({"orders": table}), (None, None, None, None, Fail()))
    assert not clock.run(run, broken, backend=backend).complete
    report = clock.run(run, Forgetful({"orders": table}), backend=backend)
    assert isinstance(report.entities[0].error, CursorExpiredError)
    assert clock.run(run, sources.Shop({"orders": table}), backend=backend).complete
    assert by_id(destination.rows("orders")) == expected(table)


def rows_of(folder: Path, scheme: str) -> list[Record]:
    """Read what landed in a file. SQLite has times in a form of its own."""
    if scheme == "sqlite":
        with closing(sqlite3.connect(folder / "out.sqlite")) as database:
            return [
                {"id": number, "updated_at": datetime.fromisoformat(time).isoformat(), "title": title}
                for number, time, title in database.execute("SELECT id, updated_at, title FROM orders")
            ]
    return [json.loads(line) for line in (folder / "out" / "orders.jsonl").read_text().splitlines()]


@settings(max_examples=30)
@given(tables(), schedules(), st.lists(st.integers(0, 12), max_size=6), backends, buffers, st.data())
@pytest.mark.parametrize("scheme", ["sqlite", "jsonl"])
def test_files_end_up_as_after_an_undisturbed_run(
    scheme: str,
    table: sources.Table,
    schedule: Schedule,
    kills: list[int],
    backend: str,
    buffer: int,
    data: st.DataObject,
) -> None:
    """The same with real files, opened anew by each run: with faults, and cut off at random moments."""
    if table.incremental == "cursor":
        table = attrs.evolve(table, cursors=(True,))
    mode = data.draw(modes_of(table).filter(lambda mode: mode != "upsert" or scheme == "sqlite"))
    clock = VirtualClock()

    with TemporaryDirectory() as temporary:
        folder = Path(temporary)

        def destination() -> Destination:
            return open_destination(
                f"sqlite:{folder}/out.sqlite" if scheme == "sqlite" else f"jsonl:{folder}/out"
            )

        async def run() -> None:
            shop = sources.Shop({"orders": table})
            stack = protect(Faulty(shop, schedule, clock=clock), PATIENT, clock=clock, random=Random(1))
            await sync(stack, destination(), mode=mode, name="shop", clock=clock, buffer=buffer)

        async def cut_off(after: int) -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run)
                await clock.sleep(after)
                tasks.cancel_scope.cancel()

        async def whole() -> Report:
            shop = sources.Shop({"orders": table})
            return await sync(shop, destination(), mode=mode, name="shop", clock=clock)

        for after in kills:
            clock.run(cut_off, after, backend=backend)
        assert clock.run(whole, backend=backend).complete
        assert by_id(rows_of(folder, scheme)) == expected(table)
