"""What happens inside a stack of wrappers and a run, as frozen values, and how it reaches whoever observes.

A wrapper calls `emit`; the event goes to the observers of every `observing` block the call runs in. Who observes is
therefore decided outside (by the `Observed` wrapper or a run), per call, and no wrapper carries an observer around.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol, TypeAlias

import attrs

from .records.page import Quota

__all__ = [
    "AnswerReused",
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
    "emit",
    "observing",
]


@attrs.frozen
class CallFinished:
    """A call that is no stream has ended, after `seconds`; `error` says how, where it failed."""

    operation: str
    entity: str | None
    seconds: float
    error: Exception | None = None


@attrs.frozen
class PageDelivered:
    """A stream has delivered a page of `records` records, `seconds` after it was asked for."""

    entity: str
    records: int
    seconds: float


@attrs.frozen
class StreamFinished:
    """A stream has ended, `seconds` after it was last asked; `error` says how, where it failed."""

    entity: str
    seconds: float
    error: Exception | None = None


@attrs.frozen
class RetryScheduled:
    """Attempt number `attempt` (1 is the first) failed with `error`; the next one comes after `wait` seconds.

    With a `CircuitOpenError` nothing was tried: `attempt` is the number of the last one before, 0 where there was none.
    """

    operation: str
    entity: str | None
    attempt: int
    wait: float
    error: Exception


@attrs.frozen
class PermitGranted:
    """A limiter has let a call through after `waited` seconds. Only sent where there was a wait."""

    operation: str
    entity: str | None
    waited: float


@attrs.frozen
class QuotaHeard:
    """The other side told of its quota, with a page or with a refusal."""

    entity: str | None
    quota: Quota


@attrs.frozen
class TimeLimitPassed:
    """A call or a wait for a page was given up after `limit` seconds."""

    operation: str
    entity: str | None
    limit: float


@attrs.frozen
class BreakerMoved:
    """A circuit breaker went from one state to another (closed, open, half-open); `reason` says why, in words."""

    before: str
    after: str
    reason: str


@attrs.frozen
class SlotGranted:
    """A bulkhead has let an operation begin after `waited` seconds. Only sent where there was a wait."""

    operation: str
    entity: str | None
    waited: float


@attrs.frozen
class AnswerReused:
    """A call was answered from memory, by what came `age` seconds ago."""

    operation: str
    entity: str | None
    age: float


@attrs.frozen
class HedgeStarted:
    """A call without an answer after `seconds` is made once more; this is extra call number `number`."""

    operation: str
    entity: str | None
    number: int
    seconds: float


@attrs.frozen
class RecordsRejected:
    """Records of a page or a sample do not fit their entity: `count` of them; `reasons` has the first few, a line each.

    `action` says what becomes of them: fail, drop or quarantine. Values in the reasons are shortened.
    """

    entity: str
    count: int
    action: str
    reasons: tuple[str, ...]


@attrs.frozen
class EntityStarted:
    """A run begins to read an entity; `resumed` says that it goes on where an earlier run stopped."""

    entity: str
    mode: str
    resumed: bool


@attrs.frozen
class PagesWritten:
    """A run has written pages and the checkpoint that covers them; `rows` is what it has written of the entity so far."""

    entity: str
    pages: int
    records: int
    rows: int
    seconds: float


@attrs.frozen
class EntityFinished:
    """A run is done with an entity: `complete`, `stopped` or `failed`."""

    entity: str
    status: str
    rows: int
    error: Exception | None = None


@attrs.frozen
class LimiterDegraded:
    """What several processes share a limit through is out of reach: this one keeps to a share of it; `reason` says why."""

    reason: str


@attrs.frozen
class LimiterRestored:
    """What several processes share a limit through is back, after `seconds`."""

    seconds: float


Event: TypeAlias = (
    CallFinished
    | PageDelivered
    | StreamFinished
    | RetryScheduled
    | PermitGranted
    | QuotaHeard
    | TimeLimitPassed
    | BreakerMoved
    | SlotGranted
    | AnswerReused
    | HedgeStarted
    | RecordsRejected
    | EntityStarted
    | PagesWritten
    | EntityFinished
    | LimiterDegraded
    | LimiterRestored
)


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
