"""`Bulkhead`: how many operations may be under way at once and how many may wait. `Slots`: who has one and who is next."""

from __future__ import annotations

from collections import OrderedDict

import anyio
import attrs

from connector_kit.clock import AnyioClock, Clock
from connector_kit.durations import Duration, as_duration
from connector_kit.errors import RateLimitError

__all__ = ["Bulkhead", "Slots"]


@attrs.frozen
class Bulkhead:
    """At most `limit` operations at once; the others wait in the order in which they came.

    `max_queue` (operations) and `max_wait` bound the waiting; None is no bound, and `max_queue=0` lets nobody wait.
    Raises `ValueError` for bounds that make no sense.
    """

    limit: int = attrs.field(validator=attrs.validators.ge(1))
    max_queue: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.ge(0))
    )
    max_wait: Duration | None = attrs.field(default=None, converter=attrs.converters.optional(as_duration))


class Slots:
    """Grants the slots of `bulkhead`: first come, first served, never more than its limit.

    A slot that is given back goes to the first in the queue without becoming free in between, so that nobody
    overtakes. An instance belongs to one event loop at a time, and may be shared by any number of wrappers in it.
    """

    __slots__ = ("_clock", "_queue", "bulkhead", "taken")

    def __init__(self, bulkhead: Bulkhead, *, clock: Clock | None = None) -> None:
        self.bulkhead = bulkhead
        self.taken = 0
        """How many slots are given out."""
        self._clock = clock or AnyioClock()
        self._queue: OrderedDict[anyio.Event, None] = OrderedDict()  # set once its waiter has a slot

    def __repr__(self) -> str:
        return f"Slots({self.bulkhead!r})"

    @property
    def waiting(self) -> int:
        """How many operations stand in the queue."""
        return len(self._queue)

    async def acquire(self) -> float:
        """Wait for a slot, take it, and return the seconds waited (0.0 where one was free).

        Raises `RateLimitError` where `max_queue` or `max_wait` does not allow the wait. Cancelled, it takes nothing.
        """
        if self.taken < self.bulkhead.limit:  # then nobody waits: a released slot goes to the queue first
            self.taken += 1
            return 0.0
        self._refuse_where_the_queue_is_full()
        arrived = self._clock.monotonic_ns()
        await self._stand_in_queue()
        return (self._clock.monotonic_ns() - arrived) / 1e9

    def release(self) -> None:
        """Release a slot: the first in the queue gets it."""
        if self._queue:
            granted, _ = self._queue.popitem(last=False)
            granted.set()
        else:
            self.taken -= 1

    async def _stand_in_queue(self) -> None:
        granted = anyio.Event()
        self._queue[granted] = None
        longest = self.bulkhead.max_wait
        try:
            if longest is None:
                await granted.wait()
            else:
                with anyio.move_on_after(longest):
                    await granted.wait()
        except BaseException:
            if granted.is_set():  # cancelled at the moment at which its turn came
                self.release()
            else:
                del self._queue[granted]
            raise
        if not granted.is_set():
            del self._queue[granted]
            raise self._too_long(longest or 0.0)

    def _refuse_where_the_queue_is_full(self) -> None:
        most = self.bulkhead.max_queue
        if most is not None and len(self._queue) >= most:
            raise RateLimitError(
                f"the bulkhead is full: operations under way {self.taken} (limit {self.bulkhead.limit}), waiting "
                f"{len(self._queue)} (max_queue {most}); try again when some are done, or allow more"
            )

    def _too_long(self, longest: float) -> RateLimitError:
        return RateLimitError(
            f"no slot came free within {Duration(longest)} (max_wait): operations under way {self.taken} (limit "
            f"{self.bulkhead.limit}), still waiting {len(self._queue)}; try again later, or allow more operations or a "
            "longer wait"
        )
