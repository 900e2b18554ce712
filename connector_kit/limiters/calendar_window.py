"""How many permits are free in this hour, day or month of the calendar, and from when.

The one book that needs the time of day: a window of the calendar is not a length of time, and clocks are set. It reads
the time of day where it is asked what is free and translates the answer to the monotonic clock of its caller.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .calendar_rate import CalendarRate

__all__ = ["CalendarWindow"]

_KEPT = 3
_MICROSECOND = timedelta(microseconds=1)
_NEVER = datetime.min.replace(tzinfo=UTC)


class CalendarWindow:
    """At most `rate.limit` permits in every window of the calendar, as `wall` tells the time. A `Book` (see `books`).

    `counts` has the permits taken, by the start of the window. `save` stores them wherever they are to survive; it is
    called before the permits count as granted, and where it raises, they are not. The counts of the last three windows
    are kept, so that a clock put back across midnight goes on with the count of the day before.
    """

    __slots__ = ("_counts", "_end", "_rate", "_save", "_start", "_wall", "cost_limit")

    def __init__(
        self,
        rate: CalendarRate,
        wall: Callable[[], datetime],
        counts: dict[datetime, int] | None = None,
        save: Callable[[], None] = lambda: None,
    ) -> None:
        self.cost_limit = rate.limit
        self._rate = rate
        self._wall = wall
        self._counts = {} if counts is None else counts
        self._save = save
        self._start = self._end = _NEVER

    def ready_at(self, now: int, cost: int) -> int:
        """Give the earliest moment, `now` or later, at which `cost` permits are free if nobody else takes any."""
        wall = self._look()
        if self._counts.get(self._start, 0) + cost <= self._rate.limit:
            return now
        return now + _nanoseconds(self._end - wall)

    def earliest(self, now: int, permits: int, not_before: int) -> int:
        """Give a moment before which the last of `permits` permits, taken in turn from `not_before` on, cannot be had."""
        wall = self._look()
        beyond = permits + self._counts.get(self._start, 0) - self._rate.limit
        if beyond <= 0:
            return max(now, not_before)
        further = (beyond - 1) // self._rate.limit  # whole windows after the next one
        end = now + _nanoseconds(self._end - wall)
        return max(not_before, end + further * self._rate.shortest_ns)

    def take(self, now: int, cost: int) -> bool:
        """Take `cost` permits if they are free."""
        if self.ready_at(now, cost) > now:
            return False
        self.commit(now, cost)
        return True

    def in_use(self, now: int) -> bool:
        """Whether anything taken still counts."""
        del now
        self._look()
        return self._counts.get(self._start, 0) > 0

    def commit(self, now: int, cost: int) -> None:
        """Take `cost` permits, which must be free: `ready_at(now, cost) == now`. They count where that looked."""
        del now
        before = dict(self._counts)
        self._counts[self._start] = self._counts.get(self._start, 0) + cost
        while len(self._counts) > _KEPT:
            del self._counts[min(start for start in self._counts if start != self._start)]
        try:
            self._save()
        except BaseException:
            self._counts.clear()
            self._counts.update(before)
            raise

    def _look(self) -> datetime:
        """Find the window of the time of day."""
        wall = self._wall()
        if not self._start <= wall < self._end:
            self._start, self._end = self._rate.window(wall)
        return wall


def _nanoseconds(length: timedelta) -> int:
    return length // _MICROSECOND * 1000
