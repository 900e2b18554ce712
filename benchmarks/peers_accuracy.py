"""How well each limiter keeps to its rate when more is asked for than it allows, and how it shares the permits out."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

import attrs
from peers_limiters import LIMITERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from peers_limiters import Acquire

__all__ = ["Accuracy", "accuracies"]

LIMIT = 100
WINDOWS = 5
TASKS = 50
BLUR = 0.001
"""Seconds by which a moment taken by the caller may differ from the moment of the grant: windows are shorter by this."""


@attrs.frozen
class Accuracy:
    """What a limiter of `LIMIT` permits a second granted to `TASKS` tasks that asked for more.

    `worst` is the most granted in any window of a second, over the limit. `total` is how fast it granted
    `LIMIT * WINDOWS` permits after its first one, over the rate. `fairness` is what the task with the fewest of them
    got over what the one with the most got.
    """

    worst: float
    total: float
    fairness: float


def accuracy(grants: Sequence[tuple[float, int]]) -> Accuracy:
    """Judge grants: the moment of each and the number of the task that got it, in order."""
    moments = [moment for moment, _ in grants]
    worst = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= 1 - BLUR:
            first += 1
        worst = max(worst, last - first + 1)
    shares = [0] * TASKS
    for _, task in grants[1:]:
        shares[task] += 1
    return Accuracy(worst / LIMIT, WINDOWS / (moments[-1] - moments[0]), min(shares) / max(shares))


async def saturate(make: Callable[[int], Acquire]) -> Accuracy:
    """Let all tasks take permits as fast as they come; each lets the others run after one, as a request would."""
    acquire = make(LIMIT)
    grants: list[tuple[float, int]] = []

    async def asking(task: int) -> None:
        while len(grants) <= LIMIT * WINDOWS:
            await acquire()
            grants.append((monotonic(), task))
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        for task in range(TASKS):
            tasks.create_task(asking(task))
    return accuracy(grants[: LIMIT * WINDOWS + 1])


def accuracies() -> dict[str, Accuracy]:
    """Saturate each limiter, one after the other; what waits in real time takes its time."""
    return {name: asyncio.run(saturate(make)) for name, make in LIMITERS.items()}
