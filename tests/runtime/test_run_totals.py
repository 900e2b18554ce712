"""What a run adds up of the events it hears: per entity, and passed on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs
import pytest

from connector_kit.destinations.memory import MemoryDestination
from connector_kit.errors import CircuitOpenError, ServiceUnavailableError, TimedOutError
from connector_kit.events import (
    AnswerReused,
    BadRecordsFound,
    Event,
    PageDelivered,
    PagesWritten,
    PermitGranted,
    RecordsRejected,
    RetryScheduled,
    SlotGranted,
    StreamFinished,
    Warned,
)
from connector_kit.observers.memory import MemoryObserver
from connector_kit.records.catalog import Catalog, Entity, Field, Scalar
from connector_kit.records.page import Cursor, Page
from connector_kit.runtime.report import EntityTotals, RunTotals
from connector_kit.runtime.sync import sync
from connector_kit.wrappers.fault_injection.wrapper import Cut, Faulty
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.validation.policy import Validation
from connector_kit.wrappers.validation.wrapper import Validating

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

HEARD: list[Event] = [
    PageDelivered("orders", 100, 2.0),
    PermitGranted("fetch_data", "orders", 0.25),
    SlotGranted("fetch_data", "orders", 0.5),
    RetryScheduled("fetch_data", "orders", 1, 0.125, TimedOutError("late")),
    RetryScheduled("fetch_data", "orders", 2, 0.25, ServiceUnavailableError("busy")),
    PagesWritten("orders", 2, 90, 90, 0.5),
    PagesWritten("orders", 1, 10, 100, 0.25),
    StreamFinished("orders", 1.0),
]


def test_sums_are_kept_for_each_entity() -> None:
    """A wait for a slot is as little the other side's as one for a permit."""
    tally = RunTotals()
    for event in HEARD:
        tally.observe(event)
    orders = tally.of("orders")
    assert orders == EntityTotals(
        rows=100,
        pages=3,
        retries=2,
        faults=Counter({"TimedOutError": 1, "ServiceUnavailableError": 1}),
        asking=3.0,
        limited=0.75,
        backing_off=0.375,
        writing=0.75,
    )
    assert orders.fetching == pytest.approx(3.0 - 0.75 - 0.375)
    assert tally.of("customers") == EntityTotals()


def test_a_refusal_by_an_open_circuit_is_a_wait_and_no_retry() -> None:
    tally = RunTotals()
    tally.observe(RetryScheduled("fetch_data", "orders", 0, 2.0, CircuitOpenError("open", 2.0)))
    assert tally.of("orders") == EntityTotals(backing_off=2.0)


def test_records_that_do_not_fit_are_counted_and_the_first_three_told_of() -> None:
    tally = RunTotals()
    tally.observe(RecordsRejected("orders", 2, "drop", ("record 0: a", "record 4: b")))
    tally.observe(RecordsRejected("orders", 40, "drop", ("record 1: c", "record 2: d", "record 3: e")))
    tally.observe(RecordsRejected("events", 1, "drop", ()))
    assert tally.of("orders").rejected == 42
    assert tally.of("orders").rejections == ("record 0: a", "record 4: b", "record 1: c")
    assert (tally.of("events").rejected, tally.of("events").rejections) == (1, ())


def test_bad_records_are_counted_and_the_first_three_told_of() -> None:
    tally = RunTotals()
    tally.observe(BadRecordsFound("orders", 40, "skip", ("a", "b")))
    tally.observe(BadRecordsFound("orders", 2, "skip", ("c", "d")))
    assert (tally.of("orders").bad_records, tally.of("orders").bad_record_reasons) == (42, ("a", "b", "c"))


def test_a_warning_is_noted_once_with_its_entity() -> None:
    tally = RunTotals()
    for warning in ("pages overlap", "pages overlap", "a time has no zone"):
        tally.observe(Warned("orders", warning))
    assert tally.of("orders").notes == ("pages overlap", "a time has no zone")
    assert tally.of("events").notes == ()


def test_everything_is_passed_on() -> None:
    memory = MemoryObserver()
    tally = RunTotals(memory)
    events = [*HEARD, AnswerReused("discover_schema", None, 5.0)]
    for event in events:
        tally.observe(event)
    assert list(memory.events) == events


@attrs.frozen
class Mixed:
    """Notes, of which every second one does not fit."""

    async def connect(self) -> None: ...

    async def disconnect(self) -> None: ...

    async def discover_schema(self) -> Catalog:
        return Catalog([Entity("notes", [Field("id", Scalar.INTEGER)], primary_key="id")])

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        for number in range(cursor if isinstance(cursor, int) else 0, 4):
            yield Page([{"id": number}, {"id": f"no. {number}"}], cursor=number + 1)


@pytest.mark.anyio
async def test_a_run_reports_the_records_that_did_not_fit() -> None:
    """Once each, though a page was lost on the way and read again."""
    flaky = Faulty(Mixed(), [None, None, None, Cut(), None])
    stack = Retrying(Validating(flaky, Validation("drop")), Retry(first_wait="1ms"))
    report = await sync(stack, MemoryDestination())
    (notes,) = report.entities
    assert (notes.status, notes.rows, notes.retries) == ("complete", 4, 1)
    assert (report.rejected, notes.rejected) == (4, 4)
    assert [line.partition(":")[0] for line in notes.rejections] == [
        f"record 1 (id='no. {number}')" for number in range(3)
    ]
