"""How many permits are free in hard windows, and from when. Pure: time is an argument, in integer nanoseconds.

A sliding log keeps to "at most N in every window" and holds no permit back. A token bucket of N does not: full at first
and refilled meanwhile, it lets nearly 2 N through in one window.
"""

from __future__ import annotations

from collections import deque

__all__ = ["SlidingLog"]


class SlidingLog:
    """At most `limit` permits in every half-open window [t, t + `window_ns`), and none held back within that.

    A `Book` (see `books`). It keeps one entry for each grant whose window is not over, with the cost in it: at most
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
        """Give the earliest moment, `now` or later, at which `cost` permits are free if nobody else takes any."""
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
        """Give a moment before which the last of `permits` permits, taken in turn from `not_before` on, cannot be had.

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
        """Give how many permits still count, and forget the others."""
        entries = self._entries
        while entries and entries[0][0] <= now:
            self._used -= entries.popleft()[1]
        self._fresh_until = entries[0][0] if entries else now + self.window_ns
        return self._used
