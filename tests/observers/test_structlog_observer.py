"""StructlogObserver: the fields of every event as keys, at the levels of LoggingObserver, whatever happens."""

from __future__ import annotations

import logging
import sys
from typing import Any

import pytest
import structlog
from structlog.testing import CapturingLogger, LogCapture

from connector_kit.errors import ConfigError, ConnectionFailedError
from connector_kit.events import (
    CallFinished,
    EntityFinished,
    EntityStarted,
    Event,
    PageDelivered,
    PermitGranted,
    QuotaHeard,
    RetryScheduled,
)
from connector_kit.observers.structlog import StructlogObserver
from connector_kit.records.page import Quota

BROKEN = ConnectionFailedError("the line\nbroke")
ENTRIES: list[tuple[Event, dict[str, Any]]] = [
    (
        PageDelivered("orders", 100, 0.25),
        {
            "event": "page_delivered",
            "log_level": "debug",
            "entity": "orders",
            "records": 100,
            "seconds": 0.25,
        },
    ),
    (
        PermitGranted("connect", None, 0.1),
        {"event": "permit_granted", "log_level": "debug", "operation": "connect", "waited": 0.1},
    ),
    (
        EntityStarted("orders", "upsert", resumed=False),
        {
            "event": "entity_started",
            "log_level": "info",
            "entity": "orders",
            "mode": "upsert",
            "resumed": False,
        },
    ),
    (
        RetryScheduled("connect", None, 2, 1.5, BROKEN),
        {
            "event": "retry_scheduled",
            "log_level": "warning",
            "operation": "connect",
            "attempt": 2,
            "wait": 1.5,
            "error": "ConnectionFailedError",
            "detail": "the line broke",
        },
    ),
    (
        EntityFinished("orders", "failed", 70, BROKEN),
        {
            "event": "entity_finished",
            "log_level": "error",
            "entity": "orders",
            "status": "failed",
            "rows": 70,
            "error": "ConnectionFailedError",
            "detail": "the line broke",
        },
    ),
    (
        QuotaHeard(None, Quota(remaining=0)),
        {"event": "quota_heard", "log_level": "debug", "remaining": 0},
    ),
]


def captured() -> tuple[LogCapture, structlog.typing.FilteringBoundLogger]:
    """Make a logger of its own that keeps its entries."""
    capture = LogCapture()
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        CapturingLogger(),
        processors=[capture],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
    )
    return capture, logger


@pytest.mark.parametrize(("event", "entry"), ENTRIES, ids=[type(event).__name__ for event, _ in ENTRIES])
def test_an_event_is_an_entry_with_its_fields(event: Event, entry: dict[str, Any]) -> None:
    """Under its name, without what has no value."""
    capture, logger = captured()
    StructlogObserver(logger).observe(event)
    assert capture.entries == [entry]


def test_what_is_bound_to_the_logger_is_in_every_entry() -> None:
    capture, logger = captured()
    StructlogObserver(logger.bind(connector="shop")).observe(PermitGranted("connect", None, 0.1))
    assert capture.entries[0]["connector"] == "shop"


def test_the_message_of_a_foreign_exception_is_left_out() -> None:
    capture, logger = captured()
    StructlogObserver(logger).observe(CallFinished("connect", None, 0.5, ValueError("Bearer s3cr3t")))
    assert capture.entries[0]["error"] == "ValueError"
    assert "s3cr3t" not in repr(capture.entries)


def test_loggers_of_the_standard_library_are_served_too() -> None:
    logger = structlog.wrap_logger(
        logging.Logger("shop"),  # noqa: LOG001 - one that no other test shares
        processors=[capture := LogCapture()],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    StructlogObserver(logger).observe(PermitGranted("connect", None, 0.1))
    assert capture.entries[0]["event"] == "permit_granted"


def test_processors_that_fail_break_nothing() -> None:
    def refuse(*_: object) -> dict[str, Any]:
        raise RuntimeError("a processor that fails")

    logger = structlog.wrap_logger(CapturingLogger(), processors=[refuse])
    StructlogObserver(logger).observe(PermitGranted("connect", None, 0.1))


def test_the_programs_own_configuration_is_the_default() -> None:
    with structlog.testing.capture_logs() as entries:
        StructlogObserver().observe(PermitGranted("connect", None, 0.1))
    assert [entry["event"] for entry in entries] == ["permit_granted"]


def test_without_structlog_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "structlog", None)
    with pytest.raises(
        ConfigError, match=r"structlog is not installed.*pip install 'connector-kit\[structlog\]'"
    ):
        StructlogObserver()
