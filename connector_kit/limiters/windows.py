"""How many permits are free, and from when: the pure decision under a rate. Time is an argument, in integer nanoseconds.

A sliding log, because it alone keeps to "at most N in every window" and still uses every permit: a token bucket lets
twice as many through around a border, a bucket small enough not to wastes permits.
"""

from __future__ import annotations

from collections import deque

__all__ = ["SlidingLog"]


class SlidingLog:
    """At most `limit` permits in every half-open window [t, t + `window_ns`), and none held back within that.

    Times given to it never go back. It keeps one entry for each grant whose window is not over, with the cost in it:
    at most `limit` entries of about 100 bytes. That is meant for limits to 10,000; larger ones hold, and cost memory.
    """

    __slots__ = ("_entries", "_used", "limit", "window_ns")

    def __init__(self, limit: int, window_ns: int) -> None:
        self.limit = limit
        self.window_ns = window_ns
        self._entries: deque[tuple[int, int]] = deque()
        self._used = 0

    def __len__(self) -> int:
        return len(self._entries)

    def ready_at(self, now: int, cost: int) -> int:
        """Give the earliest moment, `now` or later, at which `cost` permits are free if nobody else takes any.

        `cost` is from 1 to `limit`.
        """
        entries, over = self._entries, now - self.window_ns
        while entries and entries[0][0] <= over:
            self._used -= entries.popleft()[1]
        missing = self._used + cost - self.limit
        if missing <= 0:
            return now
        moment = now
        for taken_at, permits in entries:
            missing -= permits
            if missing <= 0:
                moment = taken_at + self.window_ns
                break
        return moment

    def earliest(self, now: int, permits: int, not_before: int) -> int:
        """Give a moment before which the last of `permits` permits, taken in turn from `not_before` on, cannot be had.

        `permits` may be above `limit`. It is the very moment where they are taken one by one and under no other rate.
        """
        windows, rest = divmod(permits - 1, self.limit)
        return max(not_before, self.ready_at(now, rest + 1)) + windows * self.window_ns

    def commit(self, now: int, cost: int) -> None:
        """Take `cost` permits, which must be free: `ready_at(now, cost) == now`."""
        entries = self._entries
        if entries and entries[-1][0] == now:
            entries[-1] = (now, entries[-1][1] + cost)
        else:
            entries.append((now, cost))
        self._used += cost
