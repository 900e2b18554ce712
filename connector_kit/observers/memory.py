"""`MemoryObserver`: keeps what happens, for tests and for a look at the last of it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeVar

from connector_kit.errors import ConfigError
from connector_kit.events import Event

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MemoryObserver"]

E = TypeVar("E", bound=Event)


class MemoryObserver:
    """Keeps all events in the order in which they came, or the last `limit` of them.

    >>> from connector_kit.events import PageDelivered, StreamFinished
    >>> memory = MemoryObserver(limit=1000)
    >>> memory.observe(PageDelivered("orders", 100, 0.25))
    >>> memory.observe(StreamFinished("orders", 0.1))
    >>> sum(page.records for page in memory.of(PageDelivered))
    100
    """

    __slots__ = ("_events",)

    def __init__(self, *, limit: int | None = None) -> None:
        if limit is not None and limit < 1:
            raise ConfigError(
                f"a memory of {limit} events keeps nothing; give a limit of 1 or more, or None for no limit"
            )
        self._events: deque[Event] = deque(maxlen=limit)

    @property
    def events(self) -> Sequence[Event]:
        """What was heard so far, the oldest first."""
        return tuple(self._events)

    def of(self, kind: type[E]) -> Sequence[E]:
        """Return the events of one class."""
        return tuple(event for event in self._events if isinstance(event, kind))

    def clear(self) -> None:
        """Forget everything."""
        self._events.clear()

    def observe(self, event: Event, /) -> None:
        """Keep one event."""
        self._events.append(event)
