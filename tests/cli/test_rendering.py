"""What is shown of events, of a run's progress and of its report: pure functions of values."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import get_args

import attrs
import pytest
from rich.console import Console
from rich.text import Text

from connector_kit.cli.display import drawn
from connector_kit.cli.events import brief, counted, detailed, json_object, length
from connector_kit.cli.failures import told
from connector_kit.cli.journal import TextJournal
from connector_kit.cli.progress import Progress
from connector_kit.cli.reports import fault_lines, next_step, rejection_lines, report_table, summary
from connector_kit.cli.tables import Table, plain
from connector_kit.errors import (
    CircuitOpenError,
    ConfigError,
    Problem,
    RateLimitError,
    ServiceUnavailableError,
)
from connector_kit.events import (
    AnswerReused,
    BreakerMoved,
    CallFinished,
    EntityFinished,
    EntityStarted,
    Event,
    HedgeStarted,
    LimiterDegraded,
    LimiterRestored,
    PageDelivered,
    PagesWritten,
    PermitGranted,
    QuotaHeard,
    RecordsRejected,
    RetryScheduled,
    SlotGranted,
    StreamFinished,
    TimeLimitPassed,
)
from connector_kit.records.page import Quota
from connector_kit.runtime.report import EntityReport, Report

NOW = datetime(2024, 5, 1, tzinfo=UTC)
BUSY = ServiceUnavailableError("GET /orders was answered\n with 503; try later")

EVENTS: list[tuple[Event, str | None, str]] = [
    (CallFinished("connect", None, 0.25), None, "connect ended after 0.25s"),
    (CallFinished("get_sample_data", "orders", 2.0, KeyError("secret")), None, "orders: get_sample_data failed (KeyError) after 2s"),
    (PageDelivered("orders", 1000, 0.5), None, "orders: a page of 1,000 records after 0.50s"),
    (StreamFinished("orders", 0.5), None, "orders: the read ended"),
    (StreamFinished("orders", 0.5, BUSY), None, "orders: the read failed (GET /orders was answered with 503; try later)"),
    (PagesWritten("orders", 1, 10, 1010, 0.1), None, "orders: 1,010 rows written, the last page in 0.10s"),
    (PagesWritten("orders", 2, 10, 1010, 0.1), None, "orders: 1,010 rows written, the last 2 pages in 0.10s"),
    (PermitGranted("fetch_data", "orders", 0.5), None, "orders: waited 0.50s for the rate limit"),
    (PermitGranted("connect", None, 12.0), "connect: waited 12s for the rate limit", "connect: waited 12s for the rate limit"),
    (QuotaHeard("orders", Quota(100, 0, 1.5)), None, "orders: quota limit 100, remaining 0, reset_after 1.5"),
    (QuotaHeard(None, Quota()), None, "all: quota unknown"),
    (EntityStarted("orders", "upsert", resumed=False), "orders: started, mode upsert", "orders: started, mode upsert"),
    (
        EntityStarted("orders", "upsert", resumed=True),
        "orders: going on where the last run stopped, mode upsert",
        "orders: going on where the last run stopped, mode upsert",
    ),
    (EntityFinished("orders", "complete", 1234), "orders: complete, 1,234 rows", "orders: complete, 1,234 rows"),
    (
        RetryScheduled("fetch_data", "orders", 2, 3.0, BUSY),
        "orders: attempt 2 failed, retrying in 3s: GET /orders was answered with 503; try later",
        "orders: attempt 2 failed, retrying in 3s: GET /orders was answered with 503; try later",
    ),
    (
        RetryScheduled("connect", None, 1, 12.0, RateLimitError("too many", 12.0)),
        "connect: attempt 1 failed, held back by the rate limit, going on in 12s: too many",
        "connect: attempt 1 failed, held back by the rate limit, going on in 12s: too many",
    ),
    (
        RetryScheduled("fetch_data", "orders", 0, 30.0, CircuitOpenError("the circuit is open", 30.0)),
        "orders: circuit open, going on in 30s",
        "orders: circuit open, going on in 30s",
    ),
    (
        BreakerMoved("closed", "open", "5 of 8 calls failed"),
        "circuit breaker: from closed to open: 5 of 8 calls failed",
        "circuit breaker: from closed to open: 5 of 8 calls failed",
    ),
    (SlotGranted("fetch_data", "orders", 0.5), None, "orders: waited 0.50s for a free slot"),
    (SlotGranted("connect", None, 2.0), "connect: waited 2s for a free slot", "connect: waited 2s for a free slot"),
    (AnswerReused("discover_schema", None, 5.0), None, "discover_schema answered from memory, 5s old"),
    (AnswerReused("get_sample_data", "orders", 5.0), None, "orders: get_sample_data answered from memory, 5s old"),
    (
        RecordsRejected("orders", 1, "fail", ("record 0: price: is missing",)),
        "orders: 1 record does not fit, the read fails: record 0: price: is missing",
        "orders: 1 record does not fit, the read fails: record 0: price: is missing",
    ),
    (RecordsRejected("orders", 1200, "drop", ()), "orders: 1,200 records do not fit, left out", "orders: 1,200 records do not fit, left out"),
    (
        RecordsRejected("orders", 2, "quarantine", ("record 0: a", "record 7: b")),
        "orders: 2 records do not fit, put aside: record 0: a",
        "orders: 2 records do not fit, put aside: record 0: a",
    ),
    (HedgeStarted("discover_schema", None, 1, 0.5), None, "discover_schema asked once more, no answer after 0.50s"),
    (
        LimiterDegraded("connection refused"),
        "the shared limiter is out of reach, this process keeps to a share of the limit: connection refused",
        "the shared limiter is out of reach, this process keeps to a share of the limit: connection refused",
    ),
    (LimiterRestored(65.0), "the shared limiter is back after 1m5s", "the shared limiter is back after 1m5s"),
    (TimeLimitPassed("fetch_data", "orders", 60.0), "orders: no answer within 1m", "orders: no answer within 1m"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "short", "long"), EVENTS)
def test_an_event_as_a_line(event: Event, short: str | None, long: str) -> None:
    assert brief(event) == short
    assert detailed(event) == long


def test_every_event_there_is_has_a_line() -> None:
    assert {type(event) for event, _, long in EVENTS if long} == set(get_args(Event))


@pytest.mark.parametrize("event", [event for event, _, _ in EVENTS])
def test_an_event_as_json_has_its_attributes_and_no_secret(event: Event) -> None:
    value = json.loads(json.dumps(json_object(event, NOW)))
    assert value["time"] == "2024-05-01T00:00:00.000+00:00"
    assert set(value) == {"time", "event", *attrs.asdict(event, recurse=False)}
    assert value["event"].replace("_", "") == type(event).__name__.lower()
    assert "secret" not in str(value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.00s"), (0.994, "0.99s"), (1, "1s"), (3.44, "3.4s"), (9.96, "10s"), (59.7, "1m"), (72.4, "1m12s"), (7200, "2h")],
)  # fmt: skip
def test_a_length_of_time_has_about_two_digits(seconds: float, text: str) -> None:
    assert length(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 entities"), (1, "1 entity"), (2, "2 entities"), (1234, "1,234 entities")]
)
def test_one_is_counted_as_one(number: int, text: str) -> None:
    assert counted(number, "entity", "entities") == text
    assert counted(number, "row") == text.replace("entity", "row").replace("entities", "rows")


@attrs.define
class ManualClock:
    """A clock that stands still until it is moved."""

    seconds: float = 0.0

    def monotonic_ns(self) -> int:
        return round(self.seconds * 1e9)

    def now(self) -> datetime:
        return NOW

    async def sleep(self, seconds: float, /) -> None:
        self.seconds += seconds


def test_a_journal_counts_rows_every_ten_seconds_and_not_with_every_page() -> None:
    lines: list[str] = []
    clock = ManualClock()
    journal = TextJournal(write=lines.append, clock=clock)
    for second in range(1, 26):
        clock.seconds = second
        journal.observe(PagesWritten("orders", 1, 10, 10 * second, 0.1))
    assert lines == ["orders: 110 rows", "orders: 210 rows"]


def test_progress_tells_what_each_entity_is_doing() -> None:
    clock = ManualClock()
    progress = Progress(clock)

    def after(event: Event, seconds: float = 0.0) -> str:
        progress.observe(event)
        clock.seconds += seconds
        return progress.entities["orders"].state(clock.monotonic_ns())

    assert after(EntityStarted("orders", "upsert", resumed=True)) == "going on"
    assert after(PageDelivered("orders", 10, 0.1)) == "reading"
    assert after(RetryScheduled("fetch_data", "orders", 1, 5.0, BUSY), 2.0) == "retrying in 3s"
    assert after(PageDelivered("orders", 10, 0.1)) == "reading"
    assert (
        after(RetryScheduled("fetch_data", "orders", 1, 12.0, RateLimitError("x")))
        == "waiting for the rate limit 12s"
    )
    assert after(PagesWritten("orders", 1, 10, 20, 0.1), 12.0) == "reading"
    opened = RetryScheduled("fetch_data", "orders", 0, 8.0, CircuitOpenError("x", 8.0))
    assert after(opened) == "circuit open, going on in 8s"
    assert (
        after(QuotaHeard("orders", Quota(remaining=0, reset_after=30.0)), 1.0)
        == "waiting for the rate limit 29s"
    )
    assert (
        after(QuotaHeard("orders", Quota(remaining=5, reset_after=90.0)), 1.0)
        == "waiting for the rate limit 28s"
    )
    assert after(RetryScheduled("connect", None, 1, 12.0, BUSY)) == "waiting for the rate limit 28s"
    assert after(EntityFinished("orders", "complete", 20), 5.0) == "complete"
    assert progress.entities["orders"].rate(clock.monotonic_ns()) == pytest.approx(20 / 16)
    progress.observe(EntityFinished("events", "stopped", 0))
    assert progress.entities["events"].rate(clock.monotonic_ns()) == 0.0


def test_progress_is_drawn_as_a_line_for_each_entity() -> None:
    clock = ManualClock()
    progress = Progress(clock)
    progress.observe(EntityStarted("orders", "upsert", resumed=False))
    progress.observe(EntityStarted("[bold]events", "append", resumed=False))
    clock.seconds = 2.0
    progress.observe(PagesWritten("orders", 3, 3000, 3000, 0.1))
    progress.observe(EntityFinished("[bold]events", "failed", 0))
    console = Console(file=io.StringIO(), width=100)
    with console.capture() as captured:
        console.print(drawn(progress, clock, Text("*")))
    lines = [line.split() for line in captured.get().splitlines()]
    assert lines == [
        ["*", "orders", "3,000", "rows", "1,500/s", "reading"],
        ["·", "[bold]events", "0", "rows", "0/s", "failed"],
    ]


def test_a_table_is_aligned_and_every_cell_is_one_printable_line() -> None:
    table = Table(("name", "rows"), [("a", "1,000"), ("b\x1b[2J\nc", 5)], frozenset({"rows"}))
    assert plain(table).splitlines() == ["name      rows", "a        1,000", "b [2J c      5"]
    assert plain(Table(("a", "b"), [])) == "a  b"


def report(**changes: object) -> Report:
    entity = EntityReport(
        "orders",
        "upsert",
        "complete",
        rows=1234,
        pages=13,
        retries=3,
        faults={"TimedOutError": 2, "ServiceUnavailableError": 1},
        fetching=1.23,
        limited=12,
        writing=0.006,
    )
    other = EntityReport("events", "append", "stopped", resumed=True)
    return attrs.evolve(Report("shop", NOW, 3.4, (entity, other)), **changes)  # type: ignore[arg-type]  # names of its fields


def test_a_report_is_a_line_for_each_entity() -> None:
    orders, events = report_table(report()).rows
    assert orders == (
        "orders",
        "upsert",
        "complete",
        "1,234",
        "13",
        "3",
        "fetching 1.2s, held back 12s, writing 0.01s",
    )
    assert events == ("events", "append", "stopped, resumed", "0", "0", "0", "less than 0.01s")


def test_faults_are_told_by_kind_for_each_entity_that_met_any() -> None:
    assert fault_lines(report()) == ["faults met by orders: ServiceUnavailableError 1, TimedOutError 2"]


def test_records_that_did_not_fit_are_a_column_and_a_few_lines() -> None:
    """In a run in which there were any: most look at no record."""
    orders, events = report().entities
    reasons = ("record 1 (id=2): price: 'free' does not fit; expected number", "record 2: id: is missing")
    picky = report(entities=(attrs.evolve(orders, rejected=1005, rejections=reasons), events))
    table = report_table(picky)
    assert (table.columns[-2], *(row[-2] for row in table.rows)) == ("rejected", "1,005", "0")
    assert rejection_lines(picky) == [
        "does not fit orders: record 1 (id=2): price: 'free' does not fit; expected number",
        "does not fit orders: record 2: id: is missing",
        "does not fit orders: 1,003 more",
    ]
    assert "rejected" not in report_table(report()).columns
    assert rejection_lines(report()) == []


def test_the_summary_says_whether_to_run_it_again() -> None:
    assert summary(report()) == "1 of 2 entities complete, 1,234 rows in 3.4s"
    assert summary(report(stopped=True)).endswith("; stopped before its end: run it again to go on")
    few = attrs.evolve(report().entities[1], rows=1, status="complete")
    assert summary(report(entities=(few,))) == "1 of 1 entity complete, 1 row in 3.4s"
    assert "run it again" not in summary(report(stopped=True, entities=report().entities[:1]))


@pytest.mark.parametrize(
    ("destination", "hint"),
    [
        ("sqlite:my data.sqlite", "look at the rows: sqlite3 'my data.sqlite' .tables"),
        ("jsonl:out", "look at the rows: head -n 3 out/*.jsonl"),
        ("postgresql://me:secret@host/db", None),
    ],
)
def test_the_hint_is_a_command_that_can_be_typed(destination: str, hint: str | None) -> None:
    assert next_step(destination) == hint


def test_an_error_is_told_with_all_its_problems_and_no_traceback() -> None:
    error = ConfigError("x.toml has a problem:", [Problem("size", "true", "an integer")])
    assert told(error) == "error: x.toml has a problem:\n  size: true; expected an integer"
    assert told(error, with_traceback=True).endswith(told(error).removeprefix("error: "))


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert told(ValueError("secret")).startswith(
        "error: unexpected ValueError; expected a connector that raises"
    )
