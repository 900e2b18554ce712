"""The limiter that learns from answers: below its rates where the other side allows less, and never above them.

What it has learnt is pure, with time as an argument in nanoseconds: `AdaptiveRate` is one more budget window beside
those of the rates, made of what refusals say (`Throttle`) and of what quotas say (`RemainingQuota`).
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

from connector_kit.clock import AnyioClock, Clock
from connector_kit.durations import Duration
from connector_kit.errors import ConfigError

from .queue import Gate
from .settings import LimiterSettings
from .windows import LocalPermits, SlidingLog, window_of

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path
    from typing import Any

    from connector_kit.records.page import Quota

    from .rates import Rates, RatesLike

__all__ = ["AdaptiveLimiter", "AdaptiveRate", "RemainingQuota", "Throttle"]

_SECOND = 1_000_000_000
_SHORTEST_NS, _LONGEST_NS = _SECOND, 60 * _SECOND
_GRAINS = 50


class AdaptiveLimiter:
    """Grants permits under its rates, and under what it hears of the other side's quota.

    What an answer says is left is spread evenly until the reset. A refusal pauses everybody, for as long as it says (or
    for the shortest window of the rates, at most a minute); those who wait then go on in their order, spread, at
    `decrease` times the rate that was refused, which recovers within `recovery` seconds (or two of those windows, where
    they are longer) and from then on looks for more.

    `max_wait`, `max_queue`, `state` and `clock` are as for a `RateLimiter`, and so is what it raises and warns of.

    >>> AdaptiveLimiter("100/s, 100000/day@UTC")
    AdaptiveLimiter('100/s, 100000/day@UTC')
    """

    __slots__ = ("_adaptive", "_file", "_gate", "_window", "rates")

    def __init__(
        self,
        rates: RatesLike,
        *,
        decrease: float = 0.7,
        recovery: float = 30.0,
        max_wait: float | None = None,
        max_queue: int | None = None,
        state: str | Path | None = None,
        clock: Clock = AnyioClock(),
    ) -> None:
        if not 0 < decrease < 1 or not 0 < recovery < math.inf:
            raise ConfigError(
                f"cannot adapt with decrease={decrease!r} and recovery={recovery!r}; expected a factor between 0 and 1, "
                "and a number of seconds above 0; leave them out for 0.7 and 30"
            )
        settings = LimiterSettings.of(rates, max_wait=max_wait, max_queue=max_queue, state=state)
        self.rates = settings.rates
        self._file = settings.file
        self._adaptive = AdaptiveRate(self.rates, decrease, max(1, Duration(recovery).ns))
        self._window = window_of(self.rates, clock, self._file, extra=(self._adaptive,))
        self._gate = Gate(LocalPermits(self._window), self.rates, settings.bounds, clock)

    def __repr__(self) -> str:
        return f"AdaptiveLimiter({str(self.rates)!r})"

    @property
    def waiting(self) -> int:
        """How many calls stand in the queue."""
        return self._gate.waiting

    @property
    def granted(self) -> int:
        """The permits granted so far. Read right after `acquire`, it tells that grant from others."""
        return self._adaptive.granted

    @property
    def rate(self) -> float:
        """The permits per second to which refusals have lowered it by now; `math.inf` where only the rates hold."""
        return self._adaptive.throttle.rate(self._gate.now())

    def acquire(self, cost: int = 1) -> Coroutine[Any, Any, float]:
        """Wait for `cost` permits, take them, and return the seconds waited: as `RateLimiter.acquire`."""
        return self._gate.acquire(cost)

    def try_acquire(self, cost: int = 1) -> bool:
        """Take `cost` permits if they are free now and nobody waits."""
        return self._gate.try_acquire(cost)

    def hear(self, quota: Quota, /) -> None:
        """Take note of what the other side says of its quota, as of the newest request."""
        self.answered(quota, self.granted)

    def answered(self, quota: Quota, grant: int, /) -> None:
        """Take note of what the answer to the request of `grant` says of the quota.

        Ignored if the answer to a later request was heard before.
        """
        self._adaptive.answered(self._gate.now(), quota, grant)

    def refused(self, retry_after: float | None, grant: int, /) -> None:
        """Take note that the request of `grant` was refused because of a quota, for `retry_after` seconds if it said so."""
        self._gate.pause(self._adaptive.refused(self._gate.now(), retry_after, grant))

    def idle(self) -> bool:
        """Whether a new limiter in place of this one would make no difference: nobody waits and nothing counts."""
        return self._gate.idle() and not self._window.in_use(self._gate.now())

    def close(self) -> None:
        """Let go of the `state` file, so that another limiter may have it. Safe twice; no permit may follow."""
        if self._file is not None:
            self._file.close()


class AdaptiveRate:
    """Spreads permits by what the other side says of its quota and by what it refuses. A `BudgetWindow`.

    Nothing is spread before there is something to go by. A grant is known by the permits granted up to it, `granted`
    right after it was made: whatever comes of a request is told with that number, so that old answers are known as such.
    """

    __slots__ = (
        "_due",
        "_horizon_ns",
        "_owed",
        "_quota",
        "_recent",
        "_settled",
        "_slowest",
        "cost_limit",
        "granted",
        "throttle",
    )

    def __init__(self, rates: Rates, decrease: float, recovery_ns: int) -> None:
        self.cost_limit = rates.cost_limit
        self.granted = 0
        # Over what time "the rate" of a burst is meant: the shortest window, within reason.
        shortest = min(rate.longest_ns for rate in rates)
        self._horizon_ns = min(max(shortest, _SHORTEST_NS), _LONGEST_NS)
        highest = min(rate.most_in(self._horizon_ns) for rate in rates) * _SECOND / self._horizon_ns
        self._slowest = min(rate.limit * _SECOND / rate.longest_ns for rate in rates)
        # News of a refusal is as old as a window: what recovers faster than that swings.
        recovery_ns = max(recovery_ns, 2 * self._horizon_ns)
        self.throttle = Throttle(min(self._slowest, _SECOND / _LONGEST_NS), highest, decrease, recovery_ns)
        self._quota = RemainingQuota()
        self._recent = SlidingLog(sys.maxsize, self._horizon_ns, self._horizon_ns // _GRAINS)
        self._settled = -1  # refusals of grants up to this one have had their effect
        self._due = 0  # when the last grant was due, and how much it took
        self._owed = 0

    def ready_at(self, now: int, cost: int, /) -> int:
        """Return the moment at which the next permits are due, by what is known now."""
        spread = self._quota.ready_at(now, cost, self._due, self._owed)
        return max(now, self._due + self._owed * self._throttled_ns(now), spread)

    def commit(self, now: int, cost: int, /) -> None:
        """Take permits."""
        interval = self._interval_ns(now)
        # Up to one interval that was missed is made up for: event loops are late, and would make every rate too low.
        self._due = max(self._due + self._owed * interval, now - interval)
        self._owed = cost
        self.granted += cost
        self._quota.spend(cost)
        self._recent.commit(now, cost)

    def take(self, now: int, cost: int, /) -> bool:
        """Take permits if they are due."""
        if self.ready_at(now, cost) > now:
            return False
        self.commit(now, cost)
        return True

    def in_use(self, now: int, /) -> bool:
        """Whether anything that was heard still matters."""
        return self._interval_ns(now) > 0

    def earliest(self, now: int, permits: int, not_before: int, /) -> int:
        """Return a moment before which permits cannot be had: the next ones, since the rate of later ones may change."""
        del permits
        return max(not_before, self.ready_at(now, 1))

    def answered(self, now: int, quota: Quota, grant: int) -> None:
        """Take note of what the answer to a request says of the quota."""
        self._quota.hear(now, quota, min(grant, self.granted), self.granted)

    def refused(self, now: int, retry_after: float | None, grant: int) -> float:
        """Take note of a refusal, and return the seconds to pause.

        Requests that were under way when the rate was lowered are refused as well: that is the same news, and lowers
        nothing once more.
        """
        pause = retry_after if retry_after is not None and 0 < retry_after < math.inf else None
        if pause is None:
            pause = self._horizon_ns / _SECOND
        grant = min(grant, self.granted)  # whoever counts from before a restart is told to count from now
        self._quota.supersede(grant)
        if grant > self._settled:
            observed = self._recent.taken(now) * _SECOND / self._horizon_ns
            self.throttle.lower(now, now + math.ceil(pause * _SECOND), max(observed, self._slowest))
            self._settled = self.granted
        return pause

    def _interval_ns(self, now: int) -> int:
        return max(self._throttled_ns(now), self._quota.interval_ns(now))

    def _throttled_ns(self, now: int) -> int:
        return math.ceil(_SECOND / self.throttle.rate(now))


class Throttle:
    """A rate (permits per second) that refusals lower and time raises; endless where nothing holds it down.

    Multiplicative decrease, cubic recovery: the shape of CUBIC (RFC 9438), stretched so that recovery takes the same
    time at every rate. Steep right after the decrease, flat around the rate that was refused, then steeper again to
    find out whether there is more.

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
        """Return the rate at a moment."""
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


class RemainingQuota:
    """The permits left by the newest answer, spread until the reset. Without an answer, or after it, there is no bound."""

    __slots__ = ("_interval_ns", "_left", "_newest", "_reset")

    def __init__(self) -> None:
        self._newest = 0  # the grant of the newest answer
        self._reset: int | None = None
        self._left = 0
        self._interval_ns = 0

    def hear(self, now: int, quota: Quota, grant: int, granted: int) -> None:
        """Take the answer to the request of `grant` (permits granted up to it), while `granted` are by now.

        Answers may come in another order than that of their requests; one to an older request than the newest that was
        heard is ignored. Those granted since count as used.
        """
        if grant < self._newest:
            return
        self._newest = grant
        after = quota.reset_after
        if quota.remaining is None or after is None or not 0 < after < math.inf:
            return
        wait = math.ceil(after * _SECOND)
        self._reset = now + wait
        self._left = max(0, quota.remaining - (granted - grant))
        self._interval_ns = -(-wait // (self._left + 1))  # the last one before the reset, not at it

    def supersede(self, grant: int) -> None:
        """Ignore from now on what answers to requests before `grant` say."""
        self._newest = max(self._newest, grant)

    def holds(self, now: int) -> bool:
        """Whether an answer bounds anything at this moment."""
        return self._reset is not None and now < self._reset

    def ready_at(self, now: int, cost: int, due: int, owed: int) -> int:
        """Return the moment for the next permits, where the last grant was due at `due` and took `owed` permits."""
        if self._reset is None or now >= self._reset:
            return now
        return self._reset if self._left < cost else min(due + owed * self._interval_ns, self._reset)

    def interval_ns(self, now: int) -> int:
        """Return the time from one permit to the next; 0 where there is no bound."""
        return self._interval_ns if self.holds(now) else 0

    def spend(self, cost: int) -> None:
        """Count permits that were granted."""
        self._left = max(0, self._left - cost)
