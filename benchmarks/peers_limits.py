"""Limiters and retries side by side with those of other libraries, in one run; prints tables and the targets.

    make bench-limits                             what `python benchmarks/peers_limits.py` prints, in .venv-peers
    python benchmarks/peers_limits.py --quick     one round, no accuracy: does it still run?

Every figure of a table is from the same rounds, in which all take turns: their ratios say more than the figures do.
"""

from __future__ import annotations

import argparse
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median
from typing import TYPE_CHECKING

import attrs
import pages
import peers_accuracy
import peers_calls
import peers_limiters
from rounds import measure
from run import processor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rounds import Measure

PEERS = ("aiolimiter", "pyrate-limiter", "limits", "throttled-py", "backoff", "tenacity", "stamina")
OWN = ("anyio", "attrs", "msgspec")
ROUNDS = 31


@attrs.frozen
class Target:
    """Something that is to be at most so much. `found` and `most` have the same unit."""

    what: str
    found: float
    most: float
    unit: str = ""

    def __str__(self) -> str:
        verdict = "met" if self.found <= self.most else "missed"
        return f"| {self.what} | {self.found:.2f}{self.unit} | {self.most:.2f}{self.unit} | {verdict} |"


def medians(contestants: Mapping[str, Measure], rounds: int) -> dict[str, float]:
    """Give the median seconds of each, measured in turns."""
    return {
        benchmark.get_name(): median(benchmark.get_values()) for benchmark in measure(contestants, rounds, {})
    }


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Print a table as Markdown; the first column is words, the others figures."""
    print(f"\n| {' | '.join(head)} |\n| --- |{' ---: |' * (len(head) - 1)}")
    for line in lines:
        print(f"| {' | '.join(line)} |")


def micro(seconds: float) -> str:
    return f"{seconds * 1e6:.2f} µs"


def compared(what: str, found: Mapping[str, float], ours: str) -> None:
    """Print the medians, each with its ratio to ours."""
    table(
        (what, "median", "times ours"),
        [(name, micro(seconds), f"{seconds / found[ours]:.2f}") for name, seconds in found.items()],
    )


def acquires(rounds: int) -> list[Target]:
    """Measure an acquire without a wait."""
    ours = peers_limiters.OURS
    found = medians(peers_limiters.contestants(), rounds)
    compared("acquire, a permit at once", found, ours)
    return [
        Target(
            f"acquire, in times of {name}'s", found[ours] / seconds, 2.0 if name == "aiolimiter" else 1 / 3
        )
        for name, seconds in found.items()
        if name != ours
    ]


def accuracies() -> list[Target]:
    """Measure what every limiter makes of its rate."""
    found = peers_accuracy.accuracies()
    table(
        ("saturated", "worst window / N", "total / N", "fairness"),
        [
            (name, f"{each.worst:.3f}", f"{each.total:.3f}", f"{each.fairness:.2f}")
            for name, each in found.items()
        ],
    )
    ours = found[peers_limiters.OURS]
    return [
        Target("worst window / N", ours.worst, 1.0),
        Target("1 - total / N", 1 - ours.total, 0.03),
    ]


def calls(rounds: int) -> list[Target]:
    """Measure a call that needs no retry."""
    found = medians(peers_calls.contestants(), rounds)
    compared("call that succeeds at once", found, peers_calls.OURS)
    return [
        Target(f"call, in times of {name}", found[peers_calls.OURS] / seconds, 0.1)
        for name, seconds in found.items()
        if name.startswith(("tenacity", "stamina"))
    ]


def page_costs(rounds: int) -> list[Target]:
    """Measure a page through each wrapper and through what `protect` builds."""
    found = medians(pages.contestants(), rounds)
    bare = found[pages.BARE]
    table(
        ("page", "median", "added"),
        [(name, micro(seconds), micro(seconds - bare)) for name, seconds in found.items()],
    )
    dearest = max(found[name] - bare for name in pages.idle())
    return [
        Target("page: the dearest wrapper with nothing to do, added", dearest * 1e6, 1.0, " µs"),
        Target(pages.FULL, found[pages.FULL] * 1e6, 10.0, " µs"),
        Target(pages.FULL_TIMED, found[pages.FULL_TIMED] * 1e6, 30.0, " µs"),
    ]


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description="Limiters, retries and pages, beside other libraries.")
    arguments.add_argument("--quick", action="store_true", help="one round, no accuracy")
    quick = arguments.parse_args().quick
    rounds = 1 if quick else ROUNDS
    print(f"{processor()}, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}, {rounds} rounds")
    print(", ".join(f"{name} {version(name)}" for name in (*OWN, *PEERS)))
    targets = [
        *acquires(rounds),
        *calls(rounds),
        *page_costs(rounds // 2 + 1),
        *([] if quick else accuracies()),
    ]
    table(("target", "found", "at most", ""), ())
    print("\n".join(str(target) for target in targets))


if __name__ == "__main__":
    main()
