"""How many permits are free, and from when: the pure decision under a rate. Time is an argument, in integer nanoseconds.

A sliding log keeps to "at most N in every window" and holds no permit back. A token bucket of N does not: full at first
and refilled meanwhile, it lets nearly 2 N through in one window.
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
        self._entries: deque[tuple[int, int]] = deque()  # when permits are free again, and how many
        self._used = 0  # the sum of these

    def __len__(self) -> int:
        return len(self._entries)

    def ready_at(self, now: int, cost: int) -> int:
        """Give the earliest moment, `now` or later, at which `cost` permits are free if nobody else takes any.

        `cost` is from 1 to `limit`.
        """
        entries = self._entries
        while entries and entries[0][0] <= now:
            self._used -= entries.popleft()[1]
        missing = self._used + cost - self.limit
        moment = now
        for free_at, permits in entries:
            if missing <= 0:
                break
            moment = free_at
            missing -= permits
        return moment

    def earliest(self, now: int, permits: int, not_before: int) -> int:
        """Give a moment before which the last of `permits` permits, taken in turn from `not_before` on, cannot be had.

        `permits` may be above `limit`. It is the very moment where they are taken one by one and under no other rate.
        """
        windows, rest = divmod(permits - 1, self.limit)
        return max(not_before, self.ready_at(now, rest + 1)) + windows * self.window_ns

    def commit(self, now: int, cost: int) -> None:
        """Take `cost` permits, which must be free: `ready_at(now, cost) == now`."""
        self._entries.append((now + self.window_ns, cost))
        self._used += cost
