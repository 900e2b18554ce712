"""OpenTelemetryObserver: the right figures and spans reach the real SDK, and nothing of it reaches the read."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest
import sources
from doubles import Slow, Turnstile
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracer, StatusCode

from connector_kit.errors import (
    AuthenticationError,
    CircuitOpenError,
    ConfigError,
    ConnectionFailedError,
    RateLimitError,
    RetriesExhaustedError,
)
from connector_kit.events import (
    AnswerReused,
    BreakerMoved,
    CallFinished,
    EntityFinished,
    EntityStarted,
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
from connector_kit.observers.opentelemetry import MAX_SPAN_EVENTS, OpenTelemetryObserver
from connector_kit.records.page import Quota
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.fault_injection.wrapper import Fail, Faulty, Refuse, Schedule
from connector_kit.wrappers.observation.wrapper import Observed
from connector_kit.wrappers.rate_limit.wrapper import RateLimited
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.retry.wrapper import Retrying

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    from connector_kit.events import Event

Key = tuple[tuple[str, object], ...]
PLAIN = Retry(attempts=3, first_wait=1, backoff="constant", jitter="none")
START = 1_704_067_200_000_000_000
"""The virtual clock's first moment: 2024-01-01, in nanoseconds."""


@attrs.define(eq=False)
class Backend:
    """A whole SDK that keeps what it is told."""

    reader: InMemoryMetricReader
    exporter: InMemorySpanExporter
    meters: MeterProvider
    tracers: TracerProvider

    def observer(self, clock: VirtualClock | None = None, **attributes: str) -> OpenTelemetryObserver:
        return OpenTelemetryObserver(
            meter=self.meters.get_meter("test"),
            tracer=self.tracers.get_tracer("test"),
            attributes=attributes,
            clock=clock or VirtualClock(),
        )

    def points(self) -> dict[str, dict[Key, float]]:
        """Give of each instrument its sums by attributes, their names without the kit's prefix."""
        data = self.reader.get_metrics_data()
        found: dict[str, dict[Key, float]] = {}
        for metric in data.resource_metrics[0].scope_metrics[0].metrics if data else ():
            name = metric.name.removeprefix("connector_kit.")
            for point in metric.data.data_points:
                key = tuple(sorted(_short(dict(point.attributes or {})).items()))
                found.setdefault(name, {})[key] = (
                    point.sum if isinstance(point, HistogramDataPoint) else getattr(point, "value", 0)
                )
        return found

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()


def _short(attributes: dict[str, object]) -> dict[str, object]:
    return {name.removeprefix("connector_kit."): value for name, value in attributes.items()}


def about(span: ReadableSpan) -> dict[str, object]:
    """Give a span's attributes without the kit's prefix."""
    return _short(dict(span.attributes or {}))


def events_of(span: ReadableSpan) -> list[tuple[str, float]]:
    """Give a span's events, each with its seconds since the span began."""
    assert span.start_time is not None
    return [(event.name, round((event.timestamp - span.start_time) / 1e9, 5)) for event in span.events]


@pytest.fixture
def backend() -> Iterator[Backend]:
    reader, exporter = InMemoryMetricReader(), InMemorySpanExporter()
    tracers = TracerProvider(shutdown_on_exit=False, span_limits=SpanLimits())
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    meters = MeterProvider([reader], shutdown_on_exit=False)
    yield Backend(reader, exporter, meters, tracers)
    tracers.shutdown()
    meters.shutdown()


ERROR = ConnectionFailedError("broke")
ORDERS = ("entity", "orders")
FETCH = (ORDERS, ("operation", "fetch_data"))


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            PageDelivered("orders", 100, 0.5),
            {"pages": {(ORDERS,): 1}, "records": {(ORDERS,): 100}, "page.duration": {(ORDERS,): 0.5}},
        ),
        (StreamFinished("orders", 0.5), {}),
        (
            StreamFinished("orders", 0.5, ERROR),
            {"page.duration": {(ORDERS, ("error.type", "ConnectionFailedError")): 0.5}},
        ),
        (CallFinished("connect", None, 0.5), {"call.duration": {(("operation", "connect"),): 0.5}}),
        (
            CallFinished("connect", None, 0.5, ERROR),
            {"call.duration": {(("error.type", "ConnectionFailedError"), ("operation", "connect")): 0.5}},
        ),
        (
            RetryScheduled("fetch_data", "orders", 1, 2.0, ERROR),
            {
                "retries": {(ORDERS, ("error.type", "ConnectionFailedError"), FETCH[1]): 1},
                "wait.duration": {
                    (ORDERS, ("error.type", "ConnectionFailedError"), FETCH[1], ("wait.for", "retry")): 2.0
                },
            },
        ),
        (
            PermitGranted("fetch_data", "orders", 0.1),
            {"wait.duration": {(*FETCH, ("wait.for", "permit")): 0.1}},
        ),
        (SlotGranted("fetch_data", "orders", 0.1), {"wait.duration": {(*FETCH, ("wait.for", "slot")): 0.1}}),
        (HedgeStarted("fetch_data", "orders", 1, 0.5), {"hedges": {FETCH: 1}}),
        (TimeLimitPassed("fetch_data", "orders", 60.0), {"time_limits": {FETCH: 1}}),
        (
            BreakerMoved("closed", "open", "5 of 8 calls failed"),
            {"breaker.moves": {(("breaker.after", "open"), ("breaker.before", "closed")): 1}},
        ),
        (RecordsRejected("orders", 3, "drop", ()), {"records.rejected": {(("action", "drop"), ORDERS): 3}}),
        (
            AnswerReused("discover_schema", None, 9.0),
            {"answers.reused": {(("operation", "discover_schema"),): 1}},
        ),
        (
            PagesWritten("orders", 2, 100, 700, 0.2),
            {"rows": {(ORDERS,): 100}, "write.duration": {(ORDERS,): 0.2}},
        ),
        (EntityFinished("orders", "complete", 700), {"entities": {(ORDERS, ("status", "complete")): 1}}),
        (EntityStarted("orders", "upsert", resumed=False), {}),
        (QuotaHeard("orders", Quota(remaining=0)), {}),
        (LimiterDegraded("Connection refused"), {}),
        (LimiterRestored(2.5), {}),
    ],
    ids=lambda value: type(value).__name__ if attrs.has(type(value)) else "",
)
def test_an_event_is_measured(backend: Backend, event: Event, expected: dict[str, dict[Key, float]]) -> None:
    backend.observer().observe(event)
    assert backend.points() == expected


@pytest.mark.parametrize("refusal", [RateLimitError("full", 3.0), CircuitOpenError("open", 3.0)])
def test_every_refused_attempt_is_counted_once(
    backend: Backend, refusal: RateLimitError | CircuitOpenError
) -> None:
    """Those that are followed by another attempt, the last one of a read, and one without a retry around it."""
    observer = backend.observer()
    exhausted = RetriesExhaustedError("gave up", [refusal, refusal])
    exhausted.__cause__ = refusal
    observer.observe(RetryScheduled("fetch_data", "orders", 1, 2.0, refusal))
    observer.observe(StreamFinished("orders", 0.5, exhausted))
    observer.observe(CallFinished("connect", None, 0.5, refusal))
    observer.observe(CallFinished("connect", None, 0.5, ERROR))
    assert sum(backend.points()["refusals"].values()) == 3
    assert {dict(key)["error.type"] for key in backend.points()["refusals"]} == {type(refusal).__name__}


class TestSpans:
    def read(self, backend: Backend, schedule: Schedule, anyio_backend: str, wait: float = 0.0) -> None:
        clock = VirtualClock()
        observer = backend.observer(clock, connector="shop")
        stack = Retrying(
            RateLimited(
                Faulty(Slow((1, 2, 4), clock=clock), schedule, clock=clock), Turnstile(wait, clock=clock)
            ),
            PLAIN,
            clock=clock,
        )

        async def test() -> None:
            async for _ in Observed(stack, observer, clock=clock).fetch_data("orders"):
                await clock.sleep(100)

        clock.run(test, backend=anyio_backend)

    def test_every_page_and_the_end_have_one_with_its_time(
        self, backend: Backend, anyio_backend: str
    ) -> None:
        self.read(backend, (), anyio_backend)
        assert [span.name for span in backend.spans] == ["fetch_data orders"] * 3
        times = [((span.start_time or 0) - START, (span.end_time or 0) - START) for span in backend.spans]
        seconds = [(round(start / 1e9, 5), round(end / 1e9, 5)) for start, end in times]
        assert seconds == [(0, 1), (101, 103), (203, 207)]
        page, _, end = map(about, backend.spans)
        assert page == {"operation": "fetch_data", "entity": "orders", "records": 1, "connector": "shop"}
        assert "records" not in end

    def test_retries_and_waits_are_events_of_their_page(self, backend: Backend, anyio_backend: str) -> None:
        """At the moments when they happened."""
        self.read(backend, (None, Fail(), Refuse(5)), anyio_backend, wait=0.5)
        first, second, third = backend.spans
        assert events_of(first) == [("permit_granted", 0.5)]
        expected = [
            ("permit_granted", 0.5),
            ("retry_scheduled", 0.5),
            ("permit_granted", 2),
            ("retry_scheduled", 2),
            ("permit_granted", 7.5),
        ]
        assert events_of(second) == expected
        assert events_of(third) == [("permit_granted", 0.5)]
        retry = _short(dict(second.events[1].attributes or {}))
        assert {name: retry[name] for name in ("attempt", "wait", "error.type")} == {
            "attempt": 1,
            "wait": 1.0,
            "error.type": "ConnectionFailedError",
        }
        assert str(retry["error.message"]).startswith("request 2 (fetch_data) fails on purpose")

    def test_a_call_that_fails_has_one_with_the_error(self, backend: Backend) -> None:
        observer = backend.observer()
        observer.observe(CallFinished("connect", None, 0.5, AuthenticationError("the token is not accepted")))
        observer.observe(CallFinished("connect", None, 0.5, ValueError("Bearer s3cr3t")))
        own, foreign = backend.spans
        assert (own.status.status_code, own.status.description) == (
            StatusCode.ERROR,
            "the token is not accepted",
        )
        assert about(own)["error.type"] == "AuthenticationError"
        assert about(foreign)["error.type"] == "ValueError"
        assert "s3cr3t" not in foreign.to_json()

    def test_a_foreign_error_that_is_retried_says_no_more_than_its_class(self, backend: Backend) -> None:
        observer = backend.observer()
        observer.observe(RetryScheduled("connect", None, 1, 1.0, ValueError("Bearer s3cr3t")))
        observer.observe(CallFinished("connect", None, 1.0))
        (span,) = backend.spans
        assert "error.message" not in (span.events[0].attributes or {})
        assert "s3cr3t" not in span.to_json()

    def test_slots_hedges_time_limits_and_writes_are_there_too(self, backend: Backend) -> None:
        observer = backend.observer()
        observer.observe(SlotGranted("connect", None, 0.1))
        observer.observe(HedgeStarted("connect", None, 1, 0.5))
        observer.observe(TimeLimitPassed("connect", None, 60.0))
        observer.observe(CallFinished("connect", None, 60.0))
        observer.observe(PagesWritten("orders", 2, 100, 700, 0.2))
        observer.observe(QuotaHeard("orders", Quota(remaining=0)))
        call, write = backend.spans
        assert [event.name for event in call.events] == ["slot_granted", "hedge_started", "time_limit_passed"]
        assert (write.name, about(write)["records"]) == ("write orders", 100)

    def test_calls_at_once_do_not_mix(self, backend: Backend, anyio_backend: str) -> None:
        clock = VirtualClock()
        observer = backend.observer(clock)

        async def call(schedule: Schedule) -> None:
            faulty = Faulty(Slow(call=1, clock=clock), schedule, clock=clock)
            await Observed(Retrying(faulty, PLAIN, clock=clock), observer, clock=clock).connect()

        async def test() -> None:
            async with anyio.create_task_group() as tasks:
                for failures in range(3):
                    tasks.start_soon(partial(call, (Fail(),) * failures))

        clock.run(test, backend=anyio_backend)
        assert [len(span.events) for span in backend.spans] == [0, 1, 2]

    def test_what_happened_in_a_call_that_was_cancelled_is_in_no_other_ones(
        self, backend: Backend, anyio_backend: str
    ) -> None:
        """A cancelled call has no span, as nothing is told of its end."""
        clock = VirtualClock()
        faulty = Faulty(Slow(call=10, clock=clock), [Fail()], clock=clock)

        async def test() -> None:
            observed = Observed(Retrying(faulty, PLAIN, clock=clock), backend.observer(clock), clock=clock)
            with anyio.move_on_after(5):
                await observed.connect()
            await observed.connect()

        clock.run(test, backend=anyio_backend)
        (span,) = backend.spans
        assert span.events == ()

    def test_each_observer_has_its_own_events(self, backend: Backend) -> None:
        """Two of them may listen to one call, one outside of the other."""
        inner, outer = backend.observer(), backend.observer()
        for event in (SlotGranted("connect", None, 0.0), CallFinished("connect", None, 1.0)):
            inner.observe(event)
            outer.observe(event)
        assert [len(span.events) for span in backend.spans] == [1, 1]

    def test_they_are_children_of_the_span_that_is_current(self, backend: Backend) -> None:
        with backend.tracers.get_tracer("job").start_as_current_span("nightly"):
            backend.observer().observe(CallFinished("connect", None, 1.0))
        child, job = backend.spans
        assert child.parent == job.get_span_context()

    def test_what_never_ends_does_not_grow(self, backend: Backend) -> None:
        observer = backend.observer()
        for attempt in range(MAX_SPAN_EVENTS + 50):
            observer.observe(RetryScheduled("connect", None, attempt, 0.0, ERROR))
        observer.observe(CallFinished("connect", None, 1.0))
        (span,) = backend.spans
        assert len(span.events) == MAX_SPAN_EVENTS
        assert (span.events[-1].attributes or {})["connector_kit.attempt"] == MAX_SPAN_EVENTS + 49


class TestNeverRaises:
    def test_where_metrics_fail_there_are_spans_all_the_same(self, backend: Backend) -> None:
        observer = backend.observer()
        observer.observe(PageDelivered("orders", "many", 0.5))  # type: ignore[arg-type]  # what no counter takes
        assert len(backend.spans) == 1

    def test_where_the_tracer_fails(self, backend: Backend) -> None:
        class Broken(NoOpTracer):
            def start_span(self, *_: object, **__: object) -> None:  # type: ignore[override]  # it is broken
                raise RuntimeError("a tracer that fails")

        observer = OpenTelemetryObserver(meter=backend.meters.get_meter("test"), tracer=Broken())
        observer.observe(CallFinished("connect", None, 1.0, ERROR))
        assert list(backend.points()) == ["call.duration"]

    def test_where_nobody_records(self) -> None:
        """Without an SDK the global providers do nothing."""
        observer = OpenTelemetryObserver()
        observer.observe(SlotGranted("connect", None, 0.1))
        observer.observe(CallFinished("connect", None, 1.0, ERROR))


@pytest.mark.parametrize("module", ["opentelemetry.metrics", "opentelemetry.trace"])
def test_without_opentelemetry_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        ConfigError, match=r"OpenTelemetry is not installed.*pip install 'connector-kit\[otel\]'"
    ):
        OpenTelemetryObserver()


def test_a_real_read_gives_the_figures_of_its_pages(backend: Backend, anyio_backend: str) -> None:
    clock = VirtualClock()

    async def test() -> None:
        async for _ in Observed(sources.Shop(), backend.observer(clock), clock=clock).fetch_data("orders"):
            pass

    clock.run(test, backend=anyio_backend)
    assert (backend.points()["pages"], backend.points()["records"]) == ({(ORDERS,): 4}, {(ORDERS,): 10})
