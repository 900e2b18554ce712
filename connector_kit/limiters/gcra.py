"""How many permits are free when they are spread evenly, and from when. Pure: time is an argument, in integer nanoseconds.

The generic cell rate algorithm (ITU-T I.371) in its virtual scheduling form: one number, the theoretical arrival time,
instead of a log. In floats its bound does not hold: they lose nanoseconds, and permits come early.
"""

from __future__ import annotations

__all__ = ["Gcra"]


class Gcra:
    """At most `burst` + floor(w / `interval_ns`) permits in every closed interval of length w. A `Book` (see `books`).

    A permit comes back every `interval_ns`, up to `burst` of them. Within the bound none is held back.
    """

    __slots__ = ("_due", "_unspent_ns", "cost_limit", "interval_ns")

    def __init__(self, burst: int, interval_ns: int) -> None:
        self.cost_limit = burst
        self.interval_ns = interval_ns
        self._unspent_ns = burst * interval_ns
        self._due: int | None = None  # when all permits will be back; None: they always were

    def ready_at(self, now: int, cost: int) -> int:
        """Give the earliest moment, `now` or later, at which `cost` permits are free if nobody else takes any."""
        if self._due is None:
            return now
        return max(now, self._due - self._unspent_ns + cost * self.interval_ns)

    def earliest(self, now: int, permits: int, not_before: int) -> int:
        """Give a moment before which the last of `permits` permits, taken in turn from `not_before` on, cannot be had.

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
