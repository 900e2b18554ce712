"""How fast to go after a refusal: multiplicative decrease, cubic recovery. Pure: time is an argument, in nanoseconds.

The shape is that of CUBIC (RFC 9438), stretched so that recovery takes the same time at every rate: steep right after
the decrease, flat around the rate that was refused, then steeper again to find out whether there is more.
"""

from __future__ import annotations

import math

__all__ = ["Throttle"]


class Throttle:
    """A rate (permits per second) that refusals lower and time raises; endless where nothing holds it down.

    A refusal multiplies it by `decrease`. After `recovery_ns` it is back at its plateau: the rate that was refused, or
    somewhat less where that one was below the plateau before it, so that others who share the quota find room. It
    never goes below `lowest`, and from `highest` on it holds nothing down.
    """

    __slots__ = ("_low", "_plateau", "_since", "decrease", "highest", "lowest", "recovery_ns")

    def __init__(self, lowest: float, highest: float, decrease: float, recovery_ns: int) -> None:
        self.lowest = lowest
        self.highest = highest
        self.decrease = decrease
        self.recovery_ns = recovery_ns
        self._since: int | None = None  # None: nothing is held down
        self._low = self._plateau = highest

    def rate(self, now: int) -> float:
        """Give the rate at a moment."""
        if self._since is None:
            return math.inf
        recovered = max(0, now - self._since) / self.recovery_ns
        rate = self._plateau + (self._plateau - self._low) * (recovered - 1) ** 3
        if rate >= self.highest:
            self._since = None
            return math.inf
        return rate

    def lower(self, now: int, resume: int, observed: float) -> None:
        """Take note of a refusal: the rate is lower now, and recovers from the moment `resume` on.

        `observed` is the rate that was refused, for where nothing was held down.
        """
        refused = self.rate(now)
        held = self._since is not None
        if not held:
            refused = min(max(observed, self.lowest), self.highest)
        below_the_last = held and refused < self._plateau
        between = (1 + self.decrease) / 2
        self._low = max(self.lowest, refused * self.decrease)
        # Never as low as where it starts: it would stay there.
        self._plateau = max(
            refused * between if below_the_last else refused, self._low * between / self.decrease
        )
        self._since = resume
