"""Measuring in rounds: every contestant once per round, so that a slow minute of the machine hits all of them alike."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, TypeAlias

import pyperf

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Measure", "measure"]

Measure: TypeAlias = "Callable[[], float]"
"""Does its work once and gives the seconds it took per unit (page, acquire, record, import)."""


def measure(
    contestants: Mapping[str, Measure], rounds: int, metadata: Mapping[str, str | int | float]
) -> list[pyperf.Benchmark]:
    """Run every contestant in each round and give their values; a first round warms up and is not counted."""
    values: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants.items())
    for number in range(rounds + 1):
        for name, contestant in order:
            gc.collect()
            seconds = contestant()
            if number > 0:
                values[name].append(seconds)
        order.reverse()  # so that nobody always runs right after the same one
    return [
        pyperf.Benchmark(
            [pyperf.Run(found, metadata={"name": name, **metadata}, collect_metadata=False)],
        )
        for name, found in values.items()
    ]
