"""One of several processes that share a limiter: `python shared_limiter_worker.py KIND PLACE RATES SHARE UNTIL`.

It takes permits one after the other until UNTIL (nanoseconds of the monotonic clock), and writes a line for each: the
moment at which the store granted it (SQLite) or at which it had it (Redis), and whether it came from the store.
"""

from __future__ import annotations

import os
import sys
import threading
import time

import anyio

from connector_kit.clock import AnyioClock
from connector_kit.events import Event, observing
from connector_kit.limiters.redis_limiter import RedisLimiter
from connector_kit.limiters.sqlite_limiter import SQLiteLimiter


class StoreClock:
    """The machine's clock, which notes what it has shown to the store: those calls come from worker threads."""

    def __init__(self) -> None:
        self.shown = 0
        self.now = AnyioClock().now
        self.sleep = AnyioClock().sleep

    def monotonic_ns(self) -> int:
        now = time.monotonic_ns()
        if threading.current_thread() is not threading.main_thread():
            self.shown = now
        return now


class Teller:
    """Writes the name of each event."""

    def observe(self, event: Event, /) -> None:
        tell(type(event).__name__)


def tell(line: object) -> None:
    os.write(1, f"{line}\n".encode())  # at once: the process may be killed at any moment


async def main(kind: str, place: str, rates: str, share: str, until: str) -> None:
    clock = StoreClock()
    limiter = (
        SQLiteLimiter(place, rates, clock=clock)
        if kind == "sqlite"
        else RedisLimiter(place, rates, fallback_share=float(share), probe=0.2)
    )
    with observing(Teller()), anyio.move_on_after((int(until) - time.monotonic_ns()) / 1e9):
        while True:
            await limiter.acquire()
            moment = clock.shown if isinstance(limiter, SQLiteLimiter) else time.monotonic_ns()
            tell(f"{moment} {'here' if isinstance(limiter, RedisLimiter) and limiter.degraded else 'store'}")
    limiter.close()


if __name__ == "__main__":
    _, kind, place, rates, share, until = sys.argv
    anyio.run(main, kind, place, rates, share, until)
