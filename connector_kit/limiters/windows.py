"""How many permits are free under a rate, and from when. Time is an argument, in integer nanoseconds.

A budget window decides and keeps count; it never waits. Who gets what is free is the matter of the `queue`.

Hard windows are sliding logs: at most N in every window, and no permit held back. A token bucket of N does not keep to
that: full at first and refilled meanwhile, it lets nearly 2 N through in one window.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import attrs

from connector_kit.durations import whole_ns

from .rates import Rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from connector_kit.clock import Clock

    from .count_file import CountFile
    from .rates import CalendarRate, Rates

__all__ = [
    "BudgetWindow",
    "CalendarWindow",
    "EveryWindow",
    "Gcra",
    "HardWindow",
    "LocalPermits",
    "SlidingLog",
    "window_of",
]

_EXACT = 10_000
_GRAINS = 1_000
_KEPT = 3
_NEVER = datetime.min.replace(tzinfo=UTC)


class BudgetWindow(Protocol):
    """The permits under a rate: which are free, and who has taken how many.

    Moments are integer nanoseconds of a monotonic clock; those given to one window never go back. Nothing here waits:
    `take`, and `ready_at` followed by `commit` with no await between, are one decision.
    """

    @property
    def cost_limit(self) -> int:
        """The most permits that can ever be had at once; no cost above it is asked for."""
        ...

    def ready_at(self, now: int, cost: int, /) -> int:
        """Return the earliest moment, `now` or later, at which `cost` permits are free if nobody else takes any."""
        ...

    def commit(self, now: int, cost: int, /) -> None:
        """Take `cost` permits, which must be free: `ready_at(now, cost) == now`."""
        ...

    def take(self, now: int, cost: int, /) -> bool:
        """Take `cost` permits if they are free."""
        ...

    def in_use(self, now: int, /) -> bool:
        """Whether anything taken still counts, so that an empty window in place of this one would say otherwise."""
        ...

    def earliest(self, now: int, permits: int, not_before: int, /) -> int:
        """Return a moment before which the last of `permits` permits, taken in turn from `not_before` on, cannot be had.

        `permits` may be above `cost_limit`. A bound from below, as sharp as can be had without simulating.
        """
        ...


def window_of(
    rates: Rates, clock: Clock, file: CountFile | None = None, extra: Iterable[BudgetWindow] = ()
) -> BudgetWindow:
    """Return the budget window that keeps to all of `rates`, and to those in `extra`.

    A hard window that another one implies is left out: it would hold nothing up and cost memory. `file` keeps the
    counts of the calendar.
    """
    implied = {id(dead.rate) for dead in rates.dead() if isinstance(dead.because, Rate)}
    by_calendar: dict[str, CalendarRate] = {}
    lengths: list[BudgetWindow] = []
    for rate in rates:
        if isinstance(rate, Rate):
            if id(rate) not in implied:
                lengths.append(_window_of_length(rate))
        elif rate.calendar not in by_calendar or rate.limit < by_calendar[rate.calendar].limit:
            by_calendar[rate.calendar] = rate
    calendars = [_calendar_window(rate, clock, file) for rate in by_calendar.values()]
    # The calendars come first: storing their counts may fail, and then no permit may be taken anywhere.
    every = [*calendars, *lengths, *extra]
    return every[0] if len(every) == 1 else EveryWindow(every)


def _window_of_length(rate: Rate) -> BudgetWindow:
    if rate.burst is not None:
        return Gcra(rate.burst, rate.interval_ns)
    window = HardWindow.of(rate)
    return SlidingLog(window.limit, window.ns, window.grain_ns)


def _calendar_window(rate: CalendarRate, clock: Clock, file: CountFile | None) -> BudgetWindow:
    if file is None:
        return CalendarWindow(rate, clock.now)
    return CalendarWindow(rate, clock.now, file.counts(rate.calendar), file.save)


class EveryWindow:
    """Several windows as one: what all have free, taken from all or none."""

    __slots__ = ("_windows", "cost_limit")

    def __init__(self, windows: Sequence[BudgetWindow]) -> None:
        self._windows = tuple(windows)
        self.cost_limit = min(window.cost_limit for window in windows)

    def ready_at(self, now: int, cost: int, /) -> int:
        """Return the earliest moment at which every window has `cost` permits free."""
        latest = now
        for window in self._windows:
            latest = max(latest, window.ready_at(now, cost))
        return latest

    def commit(self, now: int, cost: int, /) -> None:
        """Take `cost` permits from every window. Only the first may fail to, so that then none has given any."""
        for window in self._windows:
            window.commit(now, cost)

    def take(self, now: int, cost: int, /) -> bool:
        """Take `cost` permits from every window, or none."""
        for window in self._windows:
            if window.ready_at(now, cost) > now:
                return False
        for window in self._windows:
            window.commit(now, cost)
        return True

    def in_use(self, now: int, /) -> bool:
        """Whether anything taken still counts in any window."""
        return any(window.in_use(now) for window in self._windows)

    def earliest(self, now: int, permits: int, not_before: int, /) -> int:
        """Return the latest of the windows' bounds."""
        return max(window.earliest(now, permits, not_before) for window in self._windows)


class LocalPermits:
    """The permits of one budget window, as a gate takes them (see `queue.PermitSource`)."""

    __slots__ = ("_window", "cost_limit", "earliest", "take")

    def __init__(self, window: BudgetWindow) -> None:
        self._window = window
        self.cost_limit = window.cost_limit
        self.take = window.take
        self.earliest = window.earliest

    async def ask(self, now: int, cost: int, /) -> int:
        """Take `cost` permits if they are free and return 0, else the nanoseconds until they are. Never waits."""
        ready = self._window.ready_at(now, cost)
        if ready > now:
            return ready - now
        self._window.commit(now, cost)
        return 0


@attrs.frozen
class HardWindow:
    """At most `limit` permits in every half-open window of `ns` nanoseconds.

    Grants within `grain_ns` of each other share an entry of the log, which bounds it: permits come back late by that
    much, never early.
    """

    limit: int
    ns: int
    grain_ns: int = 0

    @classmethod
    def of(cls, rate: Rate) -> HardWindow:
        """Return the window of a rate.

        Above 10,000 permits, one entry for each would be megabytes: what is granted within a thousandth of the window
        shares one.
        """
        return cls(rate.limit, rate.per.ns, rate.per.ns // _GRAINS if rate.limit > _EXACT else 0)


class SlidingLog:
    """At most `limit` permits in every half-open window [t, t + `window_ns`), and none held back within that.

    A `BudgetWindow`. It keeps one entry for each grant whose window is not over, with the cost in it: at most
    `limit` entries of about 100 bytes. With a `grain_ns` above zero, grants so close together share an entry, which
    holds permits back for at most that long and needs no more than `window_ns / grain_ns + 2` entries.
    """

    __slots__ = (
        "_began",
        "_entries",
        "_fresh_until",
        "_used",
        "cost_limit",
        "grain_ns",
        "limit",
        "window_ns",
    )

    def __init__(self, limit: int, window_ns: int, grain_ns: int = 0) -> None:
        self.limit = self.cost_limit = limit
        self.window_ns = window_ns
        self.grain_ns = grain_ns
        self._entries: deque[tuple[int, int]] = deque()  # when permits are free again, and how many
        self._used = 0  # the sum of these
        self._began = 0  # the first grant of the last entry
        self._fresh_until = 0  # before this moment no entry's permits are free again

    def __len__(self) -> int:
        return len(self._entries)

    def ready_at(self, now: int, cost: int) -> int:
        """Return the earliest moment, `now` or later, at which `cost` permits are free if nobody else takes any."""
        missing = self.taken(now) + cost - self.limit
        if missing <= 0:
            return now
        moment = now
        for free_at, permits in self._entries:
            moment = free_at
            missing -= permits
            if missing <= 0:
                break
        return moment

    def earliest(self, now: int, permits: int, not_before: int) -> int:
        """Return a moment before which the last of `permits` permits, taken in turn from `not_before` on, cannot be had.

        `permits` may be above `limit`. It is the very moment where they are taken one by one and under no other rate.
        """
        windows, rest = divmod(permits - 1, self.limit)
        return max(not_before, self.ready_at(now, rest + 1)) + windows * self.window_ns

    def take(self, now: int, cost: int) -> bool:
        """Take `cost` permits if they are free."""
        # Written out, not as `ready_at` and `commit`: this is most of what a call without a wait costs.
        if now >= self._fresh_until:
            self.taken(now)
        used = self._used + cost
        if used > self.limit:
            return False
        if now - self._began <= self.grain_ns and self._entries:
            self.commit(now, cost)
            return True
        self._used = used
        self._began = now
        self._entries.append((now + self.window_ns, cost))
        return True

    def in_use(self, now: int) -> bool:
        """Whether anything taken still counts."""
        return self.taken(now) > 0

    def commit(self, now: int, cost: int) -> None:
        """Take `cost` permits, which must be free: `ready_at(now, cost) == now`."""
        entries = self._entries
        self._used += cost
        if now - self._began <= self.grain_ns and entries:
            # The whole entry counts from its last grant: permits come back late, never early.
            entries[-1] = (now + self.window_ns, entries[-1][1] + cost)
            return
        self._began = now
        entries.append((now + self.window_ns, cost))

    def taken(self, now: int) -> int:
        """Forget what no longer counts, and return how many permits still do."""
        entries = self._entries
        while entries and entries[0][0] <= now:
            self._used -= entries.popleft()[1]
        self._fresh_until = entries[0][0] if entries else now + self.window_ns
        return self._used


class Gcra:
    """At most `burst` + floor(w / `interval_ns`) permits in every closed interval of length w. A `BudgetWindow`.

    A permit comes back every `interval_ns`, up to `burst` of them. Within the bound none is held back. The generic cell
    rate algorithm (ITU-T I.371) in its virtual scheduling form: one number, the theoretical arrival time, instead of a
    log. In floats its bound does not hold: they lose nanoseconds, and permits come early.
    """

    __slots__ = ("_due", "_unspent_ns", "cost_limit", "interval_ns")

    def __init__(self, burst: int, interval_ns: int) -> None:
        self.cost_limit = burst
        self.interval_ns = interval_ns
        self._unspent_ns = burst * interval_ns
        self._due: int | None = None  # when all permits will be back; None: they always were

    def ready_at(self, now: int, cost: int) -> int:
        """Return the earliest moment, `now` or later, at which `cost` permits are free if nobody else takes any."""
        if self._due is None:
            return now
        return max(now, self._due - self._unspent_ns + cost * self.interval_ns)

    def earliest(self, now: int, permits: int, not_before: int) -> int:
        """Return a moment before which the last of `permits` permits, taken in turn from `not_before` on, cannot be had.

        `permits` may be above `burst`. It is the very moment where they are taken one by one and under no other rate.
        """
        start = max(now, not_before)
        due = start if self._due is None else max(start, self._due)
        return max(start, due - self._unspent_ns + permits * self.interval_ns)

    def take(self, now: int, cost: int) -> bool:
        """Take `cost` permits if they are free."""
        due = now if self._due is None or self._due < now else self._due
        due += cost * self.interval_ns
        if due - now > self._unspent_ns:
            return False
        self._due = due
        return True

    def in_use(self, now: int) -> bool:
        """Whether anything taken still counts."""
        return self._due is not None and self._due > now

    def commit(self, now: int, cost: int) -> None:
        """Take `cost` permits, which must be free: `ready_at(now, cost) == now`."""
        due = now if self._due is None or self._due < now else self._due
        self._due = due + cost * self.interval_ns


class CalendarWindow:
    """At most `rate.limit` permits in every window of the calendar, as `wall` tells the time. A `BudgetWindow`.

    A window of the calendar is no length of time, and clocks are set: this one reads the time of day where it is asked
    what is free, and translates the answer to the monotonic clock of its caller.

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
        """Return the earliest moment, `now` or later, at which `cost` permits are free if nobody else takes any."""
        wall = self._look()
        if self._counts.get(self._start, 0) + cost <= self._rate.limit:
            return now
        return now + whole_ns(self._end - wall)

    def earliest(self, now: int, permits: int, not_before: int) -> int:
        """Return a moment before which the last of `permits` permits, taken in turn from `not_before` on, cannot be had."""
        wall = self._look()
        beyond = permits + self._counts.get(self._start, 0) - self._rate.limit
        if beyond <= 0:
            return max(now, not_before)
        further = (beyond - 1) // self._rate.limit  # whole windows after the next one
        end = now + whole_ns(self._end - wall)
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
