"""What is shown of events, of a run's progress and of its report: pure functions of values."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import attrs
import click
import pytest
from rich.console import Console
from rich.text import Text

from connector_kit.cli.event_log import TextLog, json_object
from connector_kit.cli.exit_codes import error_text, usage_text
from connector_kit.cli.progress import Progress, drawn
from connector_kit.cli.sync_report import fault_lines, next_step, rejection_lines, report_table, summary
from connector_kit.cli.tables import Table, plain
from connector_kit.errors import (
    CircuitOpenError,
    ConfigError,
    Problem,
    RateLimitError,
    ServiceUnavailableError,
)
from connector_kit.events import (
    CallFinished,
    EntityFinished,
    EntityStarted,
    Event,
    PageDelivered,
    PagesWritten,
    PermitGranted,
    QuotaHeard,
    RetryScheduled,
    StreamFinished,
)
from connector_kit.records.page import Quota
from connector_kit.runtime.report import EntityReport, Report

NOW = datetime(2024, 5, 1, tzinfo=UTC)
BUSY = ServiceUnavailableError("GET /orders was answered\n with 503; try later")


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (CallFinished("connect", None, 0.5, BUSY), False),
        (StreamFinished("orders", 0.5, BUSY), False),
        (PageDelivered("orders", 10, 0.5), False),
        (QuotaHeard("orders", Quota(remaining=5)), False),
        (PermitGranted("connect", None, 0.5), False),
        (PermitGranted("connect", None, 12.0), True),
        (EntityStarted("orders", "upsert", resumed=True), True),
        (RetryScheduled("fetch_data", "orders", 2, 3.0, BUSY), True),
        (EntityFinished("orders", "complete", 1234), True),
    ],
)
def test_a_line_is_written_of_what_a_person_should_hear_of(event: Event, *, shown: bool) -> None:
    """With `-v`, of everything; the same words."""
    brief: list[str] = []
    verbose: list[str] = []
    TextLog(write=brief.append).observe(event)
    TextLog(verbose=True, write=verbose.append).observe(event)
    assert (brief, verbose) == ([event.message] if shown else [], [event.message])


def test_an_event_as_json_has_its_level_its_words_and_its_fields() -> None:
    event = RetryScheduled("fetch_data", "orders", 2, 3.0, BUSY)
    assert json.loads(json.dumps(json_object(event, NOW))) == {
        "time": "2024-05-01T00:00:00.000+00:00",
        "event": "retry_scheduled",
        "level": "warning",
        "message": event.message,
        "operation": "fetch_data",
        "entity": "orders",
        "attempt": 2,
        "wait": 3.0,
        "error": "ServiceUnavailableError",
        "detail": "GET /orders was answered with 503; try later",
    }


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


def test_a_log_counts_rows_every_ten_seconds_and_not_with_every_page() -> None:
    lines: list[str] = []
    clock = ManualClock()
    log = TextLog(write=lines.append, clock=clock)
    for second in range(1, 26):
        clock.seconds = second
        log.observe(PagesWritten("orders", 1, 10, 10 * second, 0.1))
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
        == "held back by the rate limit, going on in 12s"
    )
    assert after(PagesWritten("orders", 1, 10, 20, 0.1), 12.0) == "reading"
    opened = RetryScheduled("fetch_data", "orders", 0, 8.0, CircuitOpenError("x", 8.0))
    assert after(opened) == "circuit open, going on in 8s"
    assert (
        after(QuotaHeard("orders", Quota(remaining=0, reset_after=30.0)), 1.0)
        == "held back by the rate limit, going on in 29s"
    )
    assert (
        after(QuotaHeard("orders", Quota(remaining=5, reset_after=90.0)), 1.0)
        == "held back by the rate limit, going on in 28s"
    )
    assert (
        after(RetryScheduled("connect", None, 1, 12.0, BUSY))
        == "held back by the rate limit, going on in 28s"
    )
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
    assert error_text(error) == "error: x.toml has a problem:\n  size: true; expected an integer"
    assert error_text(error, with_traceback=True).endswith(error_text(error).removeprefix("error: "))


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert error_text(ValueError("secret")).startswith(
        "error: unexpected ValueError; expected a connector that raises"
    )


def test_a_command_line_that_no_verb_has_seen_is_told_without_its_usage() -> None:
    assert usage_text(click.ClickException("no such thing; expected another")) == (
        "error: no such thing; expected another"
    )
