"""How far each entity of a run is and what it is doing, folded from events. The drawing is somebody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.clock import AnyioClock, Clock
from connector_kit.errors import CircuitOpenError, RateLimitError
from connector_kit.events import (
    EntityFinished,
    EntityStarted,
    Event,
    PageDelivered,
    PagesWritten,
    QuotaHeard,
    RetryScheduled,
)

from .events import length

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EntityProgress", "Progress"]


@attrs.frozen
class EntityProgress:
    """One entity at one moment. Times are nanoseconds of the clock; `until_ns` is when what it waits for is due."""

    entity: str
    mode: str
    started_ns: int
    rows: int = 0
    doing: str = "reading"
    until_ns: int | None = None
    ended_ns: int | None = None

    def rate(self, now_ns: int) -> float:
        """Give the rows a second since it was started, until now or its end."""
        seconds = ((self.ended_ns or now_ns) - self.started_ns) / 1e9
        return self.rows / seconds if seconds > 0 else 0.0

    def state(self, now_ns: int) -> str:
        """Say what it does: `reading`, `retrying in 3s`, `complete`."""
        left = 0.0 if self.until_ns is None else (self.until_ns - now_ns) / 1e9
        return (
            f"{self.doing} {length(left)}" if left > 0 else self.doing if self.until_ns is None else "reading"
        )


class Progress:
    """An observer that keeps the progress of every entity of a run, in the order in which they were started."""

    def __init__(self, clock: Clock = AnyioClock()) -> None:
        self._clock = clock
        self._entities: dict[str, EntityProgress] = {}

    @property
    def entities(self) -> Mapping[str, EntityProgress]:
        """The entities by name, as they are now."""
        return dict(self._entities)

    def observe(self, event: Event) -> None:
        """Take note of one event."""
        now_ns = self._clock.monotonic_ns()
        match event:
            case EntityStarted(entity=entity, mode=mode, resumed=resumed):
                doing = "going on" if resumed else "reading"
                self._entities[entity] = EntityProgress(entity, mode, now_ns, doing=doing)
            case PagesWritten(entity=entity, rows=rows):
                self._change(entity, rows=rows)
            case PageDelivered(entity=entity):
                self._change(entity, doing="reading", until_ns=None)
            case RetryScheduled(entity=entity, wait=wait, error=error):
                self._wait(entity, _waiting_for(error), wait, now_ns)
            case QuotaHeard(entity=entity, quota=quota) if quota.remaining == 0 and quota.reset_after:
                self._wait(entity, "waiting for the rate limit", quota.reset_after, now_ns)
            case EntityFinished(entity=entity, status=status, rows=rows):
                # One that was stopped before it began has not been started.
                self._entities.setdefault(entity, EntityProgress(entity, "", now_ns))
                self._change(entity, doing=status, until_ns=None, rows=rows, ended_ns=now_ns)
            case _:
                pass

    def _wait(self, entity: str | None, doing: str, seconds: float, now_ns: int) -> None:
        self._change(entity, doing=doing, until_ns=now_ns + round(seconds * 1e9))

    def _change(self, entity: str | None, **changes: Any) -> None:
        if entity in self._entities:
            self._entities[entity] = attrs.evolve(self._entities[entity], **changes)


def _waiting_for(error: Exception) -> str:
    match error:
        case RateLimitError():
            return "waiting for the rate limit"
        case CircuitOpenError():
            return "circuit open, going on in"
        case _:
            return "retrying in"
