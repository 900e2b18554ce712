"""LoggingObserver: one clear line for every event, at the right level, without a secret, whatever happens."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit import events
from connector_kit.errors import (
    AuthenticationError,
    ConfigError,
    ConnectionFailedError,
    Problem,
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
)
from connector_kit.observers.logging import LoggingObserver
from connector_kit.records.page import Quota

if TYPE_CHECKING:
    from collections.abc import MutableMapping

BROKEN = ConnectionFailedError("the line broke")
BUG = ValueError("Bearer s3cr3t is no token")
EVENTS: list[tuple[Event, int]] = [
    (CallFinished("connect", None, 0.5), logging.DEBUG),
    (CallFinished("connect", None, 0.5, BROKEN), logging.WARNING),
    (PageDelivered("orders", 100, 0.25), logging.DEBUG),
    (StreamFinished("orders", 0.25), logging.DEBUG),
    (StreamFinished("orders", 0.25, BUG), logging.WARNING),
    (RetryScheduled("fetch_data", "orders", 2, 1.5, BROKEN), logging.WARNING),
    (PermitGranted("fetch_data", "orders", 0.99), logging.DEBUG),
    (PermitGranted("fetch_data", "orders", 1.0), logging.INFO),
    (QuotaHeard("orders", Quota(100, 0, 30.0)), logging.DEBUG),
    (TimeLimitPassed("connect", None, 60.0), logging.WARNING),
    (Warned("orders", "pages overlap"), logging.WARNING),
    (BreakerMoved("closed", "open", "5 of 8 calls failed"), logging.WARNING),
    (SlotGranted("connect", None, 0.99), logging.DEBUG),
    (SlotGranted("connect", None, 1.0), logging.INFO),
    (HedgeStarted("discover_schema", None, 1, 0.5), logging.DEBUG),
    (LimiterDegraded("Connection refused"), logging.WARNING),
    (LimiterRestored(2.5), logging.INFO),
    (AnswerReused("discover_schema", None, 60.0), logging.DEBUG),
    (RecordsRejected("orders", 3, "drop", ("id: 'a' is no integer",)), logging.WARNING),
    (BadRecordsFound("orders", 3, "skip", ("id=7: field 'at' is no text",)), logging.WARNING),
    (EntityStarted("orders", "upsert", resumed=False), logging.INFO),
    (PagesWritten("orders", 2, 100, 700, 0.01), logging.DEBUG),
    (EntityFinished("orders", "complete", 700), logging.INFO),
    (EntityFinished("orders", "failed", 70, BROKEN), logging.ERROR),
]


class Shelf(logging.Handler):
    """Keeps records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def shelf_and_logger(level: int = logging.DEBUG) -> tuple[Shelf, logging.Logger]:
    """Make a logger of its own that nobody else hears of."""
    logger = logging.Logger("shop", level)  # noqa: LOG001 - one that no other test shares
    shelf = Shelf()
    logger.addHandler(shelf)
    return shelf, logger


@pytest.mark.parametrize(
    ("event", "level"), EVENTS, ids=[f"{type(event).__name__}-{level}" for event, level in EVENTS]
)
def test_says_what_happened_at_its_level(event: Event, level: int) -> None:
    """With the event's fields beside it: simple values under the fields' own names."""
    shelf, logger = shelf_and_logger()
    LoggingObserver(logger).observe(event)
    (record,) = shelf.records
    assert (record.levelno, record.getMessage()) == (level, event.message)
    given = vars(record)
    assert given["event"] == event.name
    for name, value in attrs.asdict(event, recurse=False).items():
        if name not in {"error", "quota"}:
            assert given[name] == value


def test_every_event_is_looked_at() -> None:
    """None has a field that a log record has already."""
    classes = {getattr(events, name) for name in events.__all__}
    assert {type(event) for event, _ in EVENTS} == {
        each for each in classes if isinstance(each, type) and issubclass(each, Event) and each is not Event
    }


def test_a_quota_and_an_error_are_taken_apart() -> None:
    shelf, logger = shelf_and_logger()
    observer = LoggingObserver(logger)
    observer.observe(QuotaHeard("orders", Quota(100, 7, 30.0)))
    observer.observe(CallFinished("connect", None, 0.5, BROKEN))
    quota, call = map(vars, shelf.records)
    assert (quota["limit"], quota["remaining"], quota["reset_after"]) == (100, 7, 30.0)
    assert (call["error"], call["detail"]) == ("ConnectionFailedError", "the line broke")


@pytest.mark.parametrize("error", [BUG, KeyError("s3cr3t"), ExceptionGroup("s3cr3t", [BUG])])
def test_the_message_of_a_foreign_exception_is_left_out(error: Exception) -> None:
    """Nobody vouches for it. Cursors are not logged either, and no traceback is, which would show causes."""
    wrapped = AuthenticationError("the token is not accepted")
    wrapped.__cause__ = error
    wrapped.locate(entity="orders", cursor="s3cr3t")
    shelf, logger = shelf_and_logger()
    for each in (error, wrapped):
        LoggingObserver(logger).observe(RetryScheduled("fetch_data", "orders", 1, 1.0, each))
    assert len(shelf.records) == 2
    assert all("s3cr3t" not in logging.Formatter().format(record) for record in shelf.records)
    assert all("s3cr3t" not in repr(vars(record)) for record in shelf.records)


@given(st.text(), st.text())
def test_is_always_one_line_of_bounded_length(entity: str, message: str) -> None:
    """Whatever a server has put in a name or a message: no line breaks, no control characters, no format signs."""
    shelf, logger = shelf_and_logger()
    error = ConfigError(message * 100, [Problem("auth", message, "text")])
    LoggingObserver(logger).observe(EntityFinished(entity * 50, "failed", 0, error))
    (record,) = shelf.records
    assert record.getMessage().isprintable()
    assert len(record.getMessage()) <= MAX_TEXT
    assert vars(record)["detail"].isprintable()


def test_what_is_not_wanted_is_not_written() -> None:
    shelf, logger = shelf_and_logger(logging.WARNING)
    for event, _ in EVENTS:
        LoggingObserver(logger).observe(event)
    assert [record.levelno for record in shelf.records] == [
        level for _, level in EVENTS if level >= logging.WARNING
    ]


def test_a_message_that_is_too_long_is_cut() -> None:
    """One that just fits is not."""
    shelf, logger = shelf_and_logger()
    for length in (MAX_TEXT, MAX_TEXT + 1):
        error = ConnectionFailedError("x" * length)
        LoggingObserver(logger).observe(CallFinished("connect", None, 0.5, error))
    whole, cut = (vars(record)["detail"] for record in shelf.records)
    assert (whole, cut) == ("x" * MAX_TEXT, "x" * (MAX_TEXT - 3) + "...")


class Prefixing(logging.LoggerAdapter[logging.Logger]):
    """Changes the line and gives an extra of its own."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return f"[shop] {msg}", {**kwargs, "extra": self.extra}


@pytest.mark.parametrize("adapter", [Prefixing, logging.LoggerAdapter])
def test_an_adapter_adds_its_own_fields(adapter: type[logging.LoggerAdapter[logging.Logger]]) -> None:
    """It would take the place of the event's; both are wanted, of adapters around adapters too."""
    shelf, logger = shelf_and_logger()
    both = logging.LoggerAdapter(adapter(logger, {"connector": "shop"}), {"run": 7})
    LoggingObserver(both).observe(PermitGranted("connect", None, 0.1))
    (record,) = shelf.records
    given = vars(record)
    assert (given["connector"], given["run"], given["waited"]) == ("shop", 7, 0.1)
    assert record.getMessage().startswith("[shop] connect" if adapter is Prefixing else "connect")


def test_an_adapter_without_fields_changes_nothing() -> None:
    shelf, logger = shelf_and_logger()
    LoggingObserver(logging.LoggerAdapter(logger)).observe(PermitGranted("connect", None, 0.1))
    assert vars(shelf.records[0])["waited"] == 0.1


class TestNeverRaises:
    class UnspeakableError(ConnectionFailedError):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    def test_where_an_error_has_no_words(self) -> None:
        shelf, logger = shelf_and_logger()
        LoggingObserver(logger).observe(CallFinished("connect", None, 0.5, self.UnspeakableError("a")))
        assert shelf.records == []

    def test_where_the_logging_is_broken(self) -> None:
        _, logger = shelf_and_logger()

        def refuse(record: logging.LogRecord) -> bool:
            raise RuntimeError("a filter that fails")

        logger.addFilter(refuse)
        LoggingObserver(logger).observe(PermitGranted("connect", None, 0.1))


def test_the_kits_own_logger_is_the_default() -> None:
    shelf, logger = Shelf(), logging.getLogger("connector_kit")
    logger.addHandler(shelf)
    try:
        LoggingObserver().observe(EntityFinished("orders", "failed", 70, BROKEN))
    finally:
        logger.removeHandler(shelf)
    assert [record.name for record in shelf.records] == ["connector_kit"]
