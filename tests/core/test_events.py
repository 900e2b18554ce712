"""Events say what happened, once for all who show it; they reach those who observe the call they happen in, and nobody else."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import attrs
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from connector_kit import events
from connector_kit.cli.event_log import TextLog, json_object
from connector_kit.cli.progress import Progress
from connector_kit.errors import (
    CircuitOpenError,
    ConnectionFailedError,
    RateLimitError,
    ServiceUnavailableError,
)
from connector_kit.events import (
    MAX_TEXT,
    AnswerReused,
    BadRecordsFound,
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
    Warned,
    emit,
    observing,
)
from connector_kit.observers.logging import LoggingObserver
from connector_kit.observers.opentelemetry import OpenTelemetryObserver
from connector_kit.observers.structlog import StructlogObserver
from connector_kit.records.page import Quota
from connector_kit.testing.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from connector_kit.events import Observer

pytestmark = pytest.mark.anyio


@attrs.define
class Ear:
    """Keeps what it hears, under its name, in a list that several may share."""

    name: str = "ear"
    heard: list[tuple[str, Event]] = attrs.field(factory=list)

    def observe(self, event: Event, /) -> None:
        self.heard.append((self.name, event))


def waited(seconds: float) -> Event:
    return PermitGranted("fetch_data", "orders", seconds)


def test_without_an_observer_nothing_happens() -> None:
    emit(waited(1.0))


def test_inner_observers_hear_first_and_outer_ones_too() -> None:
    heard: list[tuple[str, Event]] = []
    outer, inner = Ear("outer", heard), Ear("inner", heard)
    with observing(outer):
        with observing(inner):
            emit(waited(1.0))
        emit(waited(2.0))
    emit(waited(3.0))
    assert heard == [("inner", waited(1.0)), ("outer", waited(1.0)), ("outer", waited(2.0))]


def test_an_error_ends_the_observing() -> None:
    ear = Ear()
    with pytest.raises(ZeroDivisionError), observing(ear):
        raise ZeroDivisionError
    emit(waited(1.0))
    assert ear.heard == []


async def test_tasks_hear_what_was_observed_where_they_were_started() -> None:
    """A task that is started in the block belongs to it; one that runs beside it does not."""
    inside, beside = Ear(), Ear()

    async def work(seconds: float) -> None:
        await anyio.lowlevel.checkpoint()
        emit(waited(seconds))

    async def observe_itself() -> None:
        with observing(beside):
            await work(3.0)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work, 1.0)
        tasks.start_soon(observe_itself)
        with observing(inside):
            tasks.start_soon(work, 2.0)
            await anyio.lowlevel.checkpoint()
        emit(waited(4.0))
    assert [event for _, event in inside.heard] == [waited(2.0)]
    assert [event for _, event in beside.heard] == [waited(3.0)]


def test_events_are_frozen_values() -> None:
    event = CallFinished("connect", None, 0.5)
    assert event == CallFinished("connect", None, 0.5, error=None)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.seconds = 1.0  # type: ignore[misc]  # this is what is tried


def test_an_object_with_the_one_method_is_an_observer() -> None:
    observer: Observer = Ear()
    observer.observe(waited(0.1))


BUSY = ServiceUnavailableError("GET /orders was answered\n with 503; try later")
SENTENCES: list[tuple[Event, str]] = [
    (CallFinished("connect", None, 0.25), "connect ended after 0.25s"),
    (CallFinished("get_sample_data", "orders", 2.0, KeyError("secret")), "orders: get_sample_data failed (KeyError) after 2s"),
    (PageDelivered("orders", 1000, 0.5), "orders: a page of 1,000 records after 0.50s"),
    (StreamFinished("orders", 0.5), "orders: the read ended"),
    (StreamFinished("orders", 0.5, BUSY), "orders: the read failed (GET /orders was answered with 503; try later)"),
    (PagesWritten("orders", 1, 10, 1010, 0.1), "orders: 1,010 rows written, the last page in 0.10s"),
    (PagesWritten("orders", 2, 10, 1010, 0.1), "orders: 1,010 rows written, the last 2 pages in 0.10s"),
    (PermitGranted("fetch_data", "orders", 0.5), "orders: waited 0.50s for the rate limit"),
    (PermitGranted("connect", None, 12.0), "connect: waited 12s for the rate limit"),
    (QuotaHeard("orders", Quota(100, 0, 1.5)), "orders: quota limit 100, remaining 0, reset_after 1.5"),
    (QuotaHeard(None, Quota()), "all: quota unknown"),
    (EntityStarted("orders", "upsert", resumed=False), "orders: started, mode upsert"),
    (EntityStarted("orders", "upsert", resumed=True), "orders: going on where the last run stopped, mode upsert"),
    (EntityFinished("orders", "complete", 1234), "orders: complete, 1,234 rows"),
    (EntityFinished("orders", "failed", 1, BUSY), "orders: failed, 1 row: GET /orders was answered with 503; try later"),
    (RetryScheduled("fetch_data", "orders", 2, 3.0, BUSY), "orders: attempt 2 failed, retrying in 3s: GET /orders was answered with 503; try later"),
    (RetryScheduled("connect", None, 1, 12.0, RateLimitError("too many", 12.0)), "connect: attempt 1 failed, held back by the rate limit, going on in 12s: too many"),
    (RetryScheduled("fetch_data", "orders", 0, 30.0, CircuitOpenError("the circuit is open", 30.0)), "orders: circuit open, going on in 30s"),
    (BreakerMoved("closed", "open", "5 of 8 calls failed"), "circuit breaker: from closed to open: 5 of 8 calls failed"),
    (SlotGranted("fetch_data", "orders", 0.5), "orders: waited 0.50s for a free slot"),
    (SlotGranted("connect", None, 2.0), "connect: waited 2s for a free slot"),
    (AnswerReused("discover_schema", None, 5.0), "discover_schema answered from memory, 5s old"),
    (AnswerReused("get_sample_data", "orders", 5.0), "orders: get_sample_data answered from memory, 5s old"),
    (RecordsRejected("orders", 1, "fail", ("record 0: price: is missing",)), "orders: 1 record does not fit, the read fails: record 0: price: is missing"),
    (RecordsRejected("orders", 1200, "drop", ()), "orders: 1,200 records do not fit, left out"),
    (RecordsRejected("orders", 2, "quarantine", ("record 0: a", "record 7: b")), "orders: 2 records do not fit, put aside: record 0: a"),
    (HedgeStarted("discover_schema", None, 1, 0.5), "discover_schema asked once more, no answer after 0.50s"),
    (LimiterDegraded("connection refused"), "the shared limiter is out of reach, this process keeps to a share of the limit: connection refused"),
    (LimiterRestored(65.0), "the shared limiter is back after 1m5s"),
    (BadRecordsFound("orders", 1, "skip", ("record 3 of a page: it is null",)), "orders: 1 bad record, left out: record 3 of a page: it is null"),
    (BadRecordsFound("orders", 1200, "quarantine", ()), "orders: 1,200 bad records, put aside"),
    (BadRecordsFound("orders", 2, "fail", ("a", "b")), "orders: 2 bad records, the read fails: a"),
    (Warned("orders", "pages overlap"), "orders: warning: pages overlap"),
    (TimeLimitPassed("fetch_data", "orders", 60.0), "orders: no answer within 1m"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "sentence"), SENTENCES)
def test_an_event_says_what_happened(event: Event, sentence: str) -> None:
    assert event.message == sentence


def test_every_event_has_its_sentence() -> None:
    classes = [getattr(events, name) for name in events.__all__]
    kinds = {each for each in classes if isinstance(each, type) and issubclass(each, Event)} - {Event}
    assert {type(event) for event, _ in SENTENCES} == kinds
    assert all("_sentence" in vars(kind) for kind in kinds)


@pytest.mark.parametrize("event", [event for event, _ in SENTENCES])
def test_the_fields_of_an_event_are_plain_values_without_a_secret(event: Event) -> None:
    fields = json.loads(json.dumps(event.fields()))
    assert set(fields) - {"detail", "limit", "remaining", "reset_after"} == set(attrs.asdict(event)) - {
        "quota"
    } - ({"limit"} if isinstance(event, TimeLimitPassed) else set())
    assert "secret" not in f"{event.message} {fields}"


@given(st.text(), st.text())
def test_what_an_event_says_is_one_printable_line(entity: str, message: str) -> None:
    """Whatever a server has put into a name or a message."""
    event = EntityFinished(entity * 50, "failed", 0, ConnectionFailedError(message * 100))
    assert event.message.isprintable()
    assert event.fields()["detail"].isprintable()
    assert max(len(event.message), len(event.fields()["detail"])) <= MAX_TEXT


@attrs.frozen
class WaitStarted(Event):
    """An event of somebody's own: a wait begins."""

    LEVEL = logging.WARNING

    operation: str
    entity: str
    seconds: float

    @property
    def pending(self) -> tuple[str, float]:
        return "waiting for the tide", self.seconds

    def _sentence(self) -> str:
        return f"{self.entity}: the tide is out\x1b[2J"


class TestAnEventOfOnesOwn:
    """Nobody who shows events knows it; its class says all they need."""

    event = WaitStarted("fetch_data", "orders", 90.0)

    def test_is_a_line_on_the_terminal(self) -> None:
        lines: list[str] = []
        TextLog(write=lines.append).observe(self.event)
        assert lines == ["orders: the tide is out [2J"]

    def test_is_shown_while_a_run_lasts(self) -> None:
        clock = VirtualClock()
        progress = Progress(clock)
        progress.observe(EntityStarted("orders", "upsert", resumed=False))
        progress.observe(self.event)
        assert progress.entities["orders"].state(clock.monotonic_ns()) == "waiting for the tide 1m30s"

    def test_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        LoggingObserver().observe(self.event)
        (record,) = caplog.records
        assert (record.levelno, record.getMessage()) == (logging.WARNING, "orders: the tide is out [2J")
        assert (vars(record)["event"], vars(record)["seconds"]) == ("wait_started", 90.0)

    def test_is_an_entry_of_structlog(self) -> None:
        with structlog.testing.capture_logs() as entries:
            StructlogObserver().observe(self.event)
        assert entries == [
            {
                "event": "wait_started",
                "log_level": "warning",
                "operation": "fetch_data",
                "entity": "orders",
                "seconds": 90.0,
            }
        ]

    def test_is_json(self) -> None:
        assert json_object(self.event, datetime(2024, 5, 1, tzinfo=UTC)) == {
            "time": "2024-05-01T00:00:00.000+00:00",
            "event": "wait_started",
            "level": "warning",
            "message": "orders: the tide is out [2J",
            "operation": "fetch_data",
            "entity": "orders",
            "seconds": 90.0,
        }

    def test_is_an_event_of_its_calls_span(self) -> None:
        exporter, tracers = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(exporter))
        observer = OpenTelemetryObserver(tracer=tracers.get_tracer("test"), clock=VirtualClock())
        observer.observe(self.event)
        observer.observe(PageDelivered("orders", 10, 100.0))
        (span,) = exporter.get_finished_spans()
        (happened,) = span.events
        assert happened.name == "wait_started"
        assert (happened.attributes or {})["connector_kit.seconds"] == 90.0

    def test_has_words_where_it_gives_none(self) -> None:
        @attrs.frozen
        class TideTurned(Event): ...

        assert (TideTurned().message, TideTurned().level) == ("tide turned", logging.DEBUG)
