"""A clock for the kit's own parts in a law: its time passes when somebody sleeps, and nobody waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio.lowlevel

__all__ = ["LeapingClock"]

_START = datetime(2024, 1, 1, tzinfo=UTC)


class LeapingClock:
    """A `Clock` whose `sleep` moves it on at once. The event loop's own time is left as it is."""

    def __init__(self) -> None:
        self._ns = 0

    def monotonic_ns(self) -> int:
        """Nanoseconds slept so far, by all."""
        return self._ns

    def now(self) -> datetime:
        """The time of day that fits."""
        return _START + timedelta(microseconds=self._ns // 1000)

    async def sleep(self, seconds: float, /) -> None:
        """Let `seconds` pass, without waiting; a cancellation point."""
        self._ns += max(0, round(seconds * 1_000_000_000))
        await anyio.lowlevel.checkpoint()
