"""What happens inside a stack of wrappers and a run, as frozen values, and how it reaches whoever observes.

Each event class has its level and its sentence here, once; terminal, logging, structlog, JSON and OpenTelemetry render
what `Event` promises, so that a new event class needs no change in any of them.

A wrapper calls `emit`; the event goes to the observers of every `observing` block the call runs in. Who observes is
therefore decided outside (by the `Observed` wrapper or a run), per call, and no wrapper carries an observer around.
"""

from __future__ import annotations

import logging
import re
from contextvars import ContextVar
from typing import Any, ClassVar, Protocol

import attrs

from .durations import rounded_duration
from .errors import CircuitOpenError, ConnectorError, RateLimitError
from .records.page import Quota
from .text import counted, one_line

__all__ = [
    "AnswerReused",
    "BadRecordsFound",
    "BreakerMoved",
    "CallFinished",
    "EntityFinished",
    "EntityStarted",
    "Event",
    "HedgeStarted",
    "LimiterDegraded",
    "LimiterRestored",
    "Observer",
    "PageDelivered",
    "PagesWritten",
    "PermitGranted",
    "QuotaHeard",
    "RecordsRejected",
    "RetryScheduled",
    "SlotGranted",
    "StreamFinished",
    "TimeLimitPassed",
    "Warned",
    "emit",
    "observing",
]

MAX_TEXT = 500
"""How many characters the line of an event has at most, and the message of an error."""

_LONG_WAIT = 1.0
"""From how many seconds on a wait that is over is of interest to a person."""

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
_HELD_BACK = "held back by the rate limit, going on in"


@attrs.frozen
class Event:
    """Something that happened. A subclass has its fields, its `LEVEL` and its `_sentence`; all else follows from these.

    A field is not called like one of the properties here, nor like an attribute of `logging.LogRecord`.
    """

    LEVEL: ClassVar[int] = logging.DEBUG
    """The level of `logging` where nothing failed."""

    name: ClassVar[str] = "event"
    """The class's name as logs have it: `retry_scheduled`."""

    def __init_subclass__(cls) -> None:
        cls.name = _CAPITAL.sub("_", cls.__name__).lower()

    @property
    def level(self) -> int:
        """The level of `logging`: that of the class, and at least a warning where there is an error."""
        failed = getattr(self, "error", None) is not None
        return max(self.LEVEL, logging.WARNING) if failed else self.LEVEL

    @property
    def message(self) -> str:
        """What happened, in one printable line of at most 500 characters."""
        return one_line(self._sentence(), MAX_TEXT)

    def _sentence(self) -> str:
        """Return what happened in words; names and messages from outside stand in it as they are."""
        return self.name.replace("_", " ")

    @property
    def pending(self) -> tuple[str, float] | None:
        """What is waited for from now on, in words that a number of seconds can follow, and the seconds."""
        return None

    def fields(self) -> dict[str, Any]:
        """Return the fields as plain values: a quota by its parts, an error by its class (`error`) and its `detail`.

        `detail` is the error's message in one line; empty for an exception that is no `ConnectorError`, since nobody
        vouches that no secret is in it.
        """
        found: dict[str, Any] = {}
        values: dict[str, Any] = attrs.asdict(self, recurse=False)
        for name, value in values.items():
            if isinstance(value, Exception):
                known = isinstance(value, ConnectorError)
                found |= {
                    name: type(value).__name__,
                    "detail": one_line(str(value), MAX_TEXT) if known else "",
                }
            elif isinstance(value, Quota):
                found |= attrs.asdict(value)
            else:
                found[name] = value
        return found


def _reason(error: Exception) -> str:
    """Return an error's message where it is one of ours, else its class: nobody knows what is in a foreign message."""
    return error.message if isinstance(error, ConnectorError) else type(error).__name__


def _outcome(error: Exception | None) -> str:
    return "ended" if error is None else f"failed ({_reason(error)})"


def _call(operation: str, entity: str | None) -> str:
    return operation if entity is None else f"{entity}: {operation}"


@attrs.frozen
class CallFinished(Event):
    """A call that is no stream has ended, after `seconds`; `error` says how, where it failed."""

    operation: str
    entity: str | None
    seconds: float
    error: Exception | None = None

    def _sentence(self) -> str:
        return f"{_call(self.operation, self.entity)} {_outcome(self.error)} after {rounded_duration(self.seconds)}"


@attrs.frozen
class PageDelivered(Event):
    """A stream has delivered a page of `records` records, `seconds` after it was asked for."""

    entity: str
    records: int
    seconds: float

    def _sentence(self) -> str:
        return f"{self.entity}: a page of {counted(self.records, 'record')} after {rounded_duration(self.seconds)}"


@attrs.frozen
class StreamFinished(Event):
    """A stream has ended, `seconds` after it was last asked; `error` says how, where it failed."""

    entity: str
    seconds: float
    error: Exception | None = None

    def _sentence(self) -> str:
        return f"{self.entity}: the read {_outcome(self.error)}"


@attrs.frozen
class RetryScheduled(Event):
    """Attempt number `attempt` (1 is the first) failed with `error`; the next one comes after `wait` seconds.

    With a `CircuitOpenError` nothing was tried: `attempt` is the number of the last one before, 0 where there was none.
    """

    LEVEL = logging.WARNING

    operation: str
    entity: str | None
    attempt: int
    wait: float
    error: Exception

    def _sentence(self) -> str:
        what, seconds = self.pending
        then = f"{what} {rounded_duration(seconds)}"
        if not isinstance(self.error, CircuitOpenError):
            then = f"attempt {self.attempt} failed, {then}: {_reason(self.error)}"
        return f"{self.entity or self.operation}: {then}"

    @property
    def pending(self) -> tuple[str, float]:
        """The next attempt, and what it waits for."""
        match self.error:
            case CircuitOpenError():
                what = "circuit open, going on in"
            case RateLimitError():
                what = _HELD_BACK
            case _:
                what = "retrying in"
        return what, self.wait


@attrs.frozen
class PermitGranted(Event):
    """A limiter has let a call through after `waited` seconds. Only sent where there was a wait."""

    LEVEL = logging.INFO

    operation: str
    entity: str | None
    waited: float

    @property
    def level(self) -> int:
        """INFO from a wait of a second on."""
        return self.LEVEL if self.waited >= _LONG_WAIT else logging.DEBUG

    def _sentence(self) -> str:
        return f"{self.entity or self.operation}: waited {rounded_duration(self.waited)} for the rate limit"


@attrs.frozen
class QuotaHeard(Event):
    """The other side told of its quota, with a page or with a refusal."""

    entity: str | None
    quota: Quota

    def _sentence(self) -> str:
        known = [f"{name} {value:g}" for name, value in attrs.asdict(self.quota).items() if value is not None]
        return f"{self.entity or 'all'}: quota {', '.join(known) or 'unknown'}"

    @property
    def pending(self) -> tuple[str, float] | None:
        """The quota's reset, where nothing remains of it."""
        quota = self.quota
        return (_HELD_BACK, quota.reset_after) if quota.remaining == 0 and quota.reset_after else None


@attrs.frozen
class TimeLimitPassed(Event):
    """A call or a wait for a page was given up after `limit` seconds."""

    LEVEL = logging.WARNING

    operation: str
    entity: str | None
    limit: float

    def _sentence(self) -> str:
        return f"{self.entity or self.operation}: no answer within {rounded_duration(self.limit)}"


@attrs.frozen
class BreakerMoved(Event):
    """A circuit breaker went from one state to another (closed, open, half-open); `reason` says why, in words."""

    LEVEL = logging.WARNING

    before: str
    after: str
    reason: str

    def _sentence(self) -> str:
        return f"circuit breaker: from {self.before} to {self.after}: {self.reason}"


@attrs.frozen
class SlotGranted(Event):
    """A bulkhead has let an operation begin after `waited` seconds. Only sent where there was a wait."""

    LEVEL = logging.INFO

    operation: str
    entity: str | None
    waited: float

    @property
    def level(self) -> int:
        """INFO from a wait of a second on."""
        return self.LEVEL if self.waited >= _LONG_WAIT else logging.DEBUG

    def _sentence(self) -> str:
        return f"{self.entity or self.operation}: waited {rounded_duration(self.waited)} for a free slot"


@attrs.frozen
class AnswerReused(Event):
    """A call was answered from memory, by what came `age` seconds ago."""

    operation: str
    entity: str | None
    age: float

    def _sentence(self) -> str:
        return f"{_call(self.operation, self.entity)} answered from memory, {rounded_duration(self.age)} old"


@attrs.frozen
class HedgeStarted(Event):
    """A call without an answer after `seconds` is made once more; this is extra call number `number`."""

    operation: str
    entity: str | None
    number: int
    seconds: float

    def _sentence(self) -> str:
        about = _call(self.operation, self.entity)
        return f"{about} asked once more, no answer after {rounded_duration(self.seconds)}"


@attrs.frozen
class RecordsRejected(Event):
    """Records of a page or a sample do not fit their entity: `count` of them; `reasons` has the first few, a line each.

    `action` says what becomes of them: fail, drop or quarantine. Values in the reasons are shortened.
    """

    LEVEL = logging.WARNING

    entity: str
    count: int
    action: str
    reasons: tuple[str, ...]

    def _sentence(self) -> str:
        becomes = {"fail": "the read fails", "drop": "left out", "quarantine": "put aside"}
        which = counted(self.count, "record does", "records do")
        line = f"{self.entity}: {which} not fit, {becomes.get(self.action, self.action)}"
        return ": ".join([line, *self.reasons[:1]])


@attrs.frozen
class BadRecordsFound(Event):
    """Records that came together cannot be stored: `count` of them; `reasons` has the first few, a line each.

    `action` says what becomes of them: fail, skip or quarantine. Values in the reasons are shortened.
    """

    LEVEL = logging.WARNING

    entity: str
    count: int
    action: str
    reasons: tuple[str, ...]

    def _sentence(self) -> str:
        becomes = {"fail": "the read fails", "skip": "left out", "quarantine": "put aside"}
        line = f"{self.entity}: {counted(self.count, 'bad record')}, {becomes.get(self.action, self.action)}"
        return ": ".join([line, *self.reasons[:1]])


@attrs.frozen
class Warned(Event):
    """Nothing failed, but the operator should know `warning` of an entity, a sentence. The report has it as a note."""

    LEVEL = logging.WARNING

    entity: str
    warning: str

    def _sentence(self) -> str:
        return f"{self.entity}: warning: {self.warning}"


@attrs.frozen
class EntityStarted(Event):
    """A run begins to read an entity; `resumed` says that it goes on where an earlier run stopped."""

    LEVEL = logging.INFO

    entity: str
    mode: str
    resumed: bool

    def _sentence(self) -> str:
        begins = "going on where the last run stopped" if self.resumed else "started"
        return f"{self.entity}: {begins}, mode {self.mode}"


@attrs.frozen
class PagesWritten(Event):
    """A run has written pages and the checkpoint that covers them; `rows` is what it has written of the entity so far."""

    entity: str
    pages: int
    records: int
    rows: int
    seconds: float

    def _sentence(self) -> str:
        last = "page" if self.pages == 1 else f"{self.pages:,} pages"
        rows = counted(self.rows, "row")
        return f"{self.entity}: {rows} written, the last {last} in {rounded_duration(self.seconds)}"


@attrs.frozen
class EntityFinished(Event):
    """A run is done with an entity: `complete`, `stopped` or `failed`."""

    LEVEL = logging.INFO

    entity: str
    status: str
    rows: int
    error: Exception | None = None

    @property
    def level(self) -> int:
        """ERROR for an entity that failed."""
        return self.LEVEL if self.error is None else logging.ERROR

    def _sentence(self) -> str:
        reason = [] if self.error is None else [_reason(self.error)]
        return ": ".join([f"{self.entity}: {self.status}, {counted(self.rows, 'row')}", *reason])


@attrs.frozen
class LimiterDegraded(Event):
    """What several processes share a limit through is out of reach: this one keeps to a share of it; `reason` says why."""

    LEVEL = logging.WARNING

    reason: str

    def _sentence(self) -> str:
        return (
            "the shared limiter is out of reach, this process keeps to a share of the limit: " + self.reason
        )


@attrs.frozen
class LimiterRestored(Event):
    """What several processes share a limit through is back, after `seconds`."""

    LEVEL = logging.INFO

    seconds: float

    def _sentence(self) -> str:
        return f"the shared limiter is back after {rounded_duration(self.seconds)}"


class Observer(Protocol):
    """Hears of events. It is called in the middle of things: it must be quick, must not block and must not raise."""

    def observe(self, event: Event, /) -> None:
        """Take note of one event."""
        ...


_observers: ContextVar[tuple[Observer, ...]] = ContextVar("connector_kit.observers", default=())


def emit(event: Event) -> None:
    """Hand an event to the observers of the running call, innermost first."""
    for observer in _observers.get():
        observer.observe(event)


class observing:  # noqa: N801 - used like a function: `with observing(observer): ...`
    """Let `observer` hear what is emitted by calls made in this block, and by tasks started from it."""

    __slots__ = ("_observer", "_token")

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def __enter__(self) -> None:
        self._token = _observers.set((self._observer, *_observers.get()))

    def __exit__(self, *_: object) -> None:
        _observers.reset(self._token)
