"""Time as an object. Everything in the kit that sleeps or reads a clock does it through a `Clock`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

import anyio
import attrs

__all__ = ["AnyioClock", "Clock"]


class Clock(Protocol):
    """What the kit knows of time."""

    def monotonic_ns(self) -> int:
        """Nanoseconds from an arbitrary start; never goes back."""
        ...

    def now(self) -> datetime:
        """The time of day: an aware datetime in UTC."""
        ...

    async def sleep(self, seconds: float, /) -> None:
        """Let at least `seconds` pass; a cancellation point even for 0."""
        ...


@attrs.frozen
class AnyioClock:
    """The machine's clock; sleeps on whichever event loop runs, asyncio or trio."""

    monotonic_ns = staticmethod(time.monotonic_ns)
    """Nanoseconds of the system's monotonic clock. The very function: limiters read it for every permit."""

    def now(self) -> datetime:
        """The system's time of day, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float, /) -> None:
        """Sleep on the running event loop."""
        await anyio.sleep(seconds)
