"""Who is next: one queue, first come, first served. What is free is decided elsewhere (see `books`)."""

from __future__ import annotations

from collections import OrderedDict

import anyio

__all__ = ["Queue", "Turn"]


class Queue:
    """Callers in the order in which they came; one at a time is first. Whoever is cancelled leaves, wherever it stands.

    For everything that grants permits, from memory or from a store that other processes share:

        async with queue.turn(cost):
            ...  # first now: look what is free, sleep, take it; the next one moves up when this block is left

    `empty` is false while anybody stands in the queue, the first one included. An instance belongs to one event loop
    at a time.
    """

    __slots__ = ("_turns", "cost", "empty")

    def __init__(self) -> None:
        self._turns: OrderedDict[Turn, None] = OrderedDict()
        self.cost = 0
        """The sum of the costs of those who stand in the queue."""
        self.empty = True

    def __len__(self) -> int:
        return len(self._turns)

    def turn(self, cost: int) -> Turn:
        """Give the place of a new caller: it is taken when the block is entered, after a wait until it is first."""
        return Turn(self, cost)

    def join(self, turn: Turn) -> bool:
        """Let a caller stand last; tell whether it is first as well."""
        alone = self.empty
        self._turns[turn] = None
        self.cost += turn.cost
        self.empty = False
        return alone

    def leave(self, turn: Turn) -> None:
        """Let a caller go, and the next one move up."""
        del self._turns[turn]
        self.cost -= turn.cost
        self.empty = not self._turns
        if self._turns:
            next(iter(self._turns)).first.set()  # changes nothing for one that was first before


class Turn:
    """One caller's place in a queue, held while the block runs."""

    __slots__ = ("_queue", "cost", "first")

    def __init__(self, queue: Queue, cost: int) -> None:
        self._queue = queue
        self.cost = cost
        self.first = anyio.Event()

    async def __aenter__(self) -> None:
        if self._queue.join(self):
            return
        try:
            await self.first.wait()
        except BaseException:
            self._queue.leave(self)
            raise

    async def __aexit__(self, *_: object) -> None:
        self._queue.leave(self)
