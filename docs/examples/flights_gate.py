"""How the flights API misbehaves: what becomes of each request. No HTTP in here."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from email.utils import formatdate
from random import Random
from typing import Literal, TypeAlias

import attrs

Fate: TypeAlias = Literal["served", "rate_limited", "unavailable", "cut"]


@attrs.define
class Gate:
    """Decides what becomes of a request, and counts it.

    At most `rate` in every second come in. Of these, a `share` goes wrong: drawn from the seed, the request, and how
    often that was asked before, but never the third time.
    """

    rate: int
    seed: int
    share: float
    counts: Counter[str] = attrs.field(
        factory=lambda: Counter(requests=0, rate_limited=0, unavailable=0, cut=0)
    )
    asked: Counter[str] = attrs.field(factory=Counter[str])
    times: deque[float] = attrs.field(factory=deque[float])
    lock: threading.Lock = attrs.field(factory=threading.Lock)

    def decide(self, target: str) -> tuple[Fate, float]:
        """Give the fate of a request and, where it comes too early, the seconds to wait."""
        with self.lock:
            fate, wait = self._fate(target)
            self.counts.update(["requests", *([] if fate == "served" else [fate])])
            return fate, wait

    def _fate(self, target: str) -> tuple[Fate, float]:
        now = time.monotonic()
        while self.times and self.times[0] <= now - 1:
            self.times.popleft()
        if len(self.times) >= self.rate:
            return "rate_limited", self.times[0] + 1 - now
        self.times.append(now)
        before, self.asked[target] = self.asked[target], self.asked[target] + 1
        random = Random(f"{self.seed} {target} {before}")
        if before % 3 == 2 or random.random() >= self.share:
            return "served", 0
        return random.choice(("unavailable", "cut")), 0

    @property
    def quota(self) -> dict[str, str]:
        """What the headers of an answer say of it."""
        remaining = self.rate - len(self.times)
        return {
            "RateLimit-Limit": str(self.rate),
            "RateLimit-Remaining": str(remaining),
            "RateLimit-Reset": "1",
        }

    def retry_after(self, wait: float) -> str:
        """Say when to come back: in turn as seconds and as a date, for clients must understand both."""
        as_date = self.counts["rate_limited"] % 2 == 0
        return formatdate(time.time() + wait + 1, usegmt=True) if as_date else str(math.ceil(wait))
