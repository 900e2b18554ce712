"""The table of a run: for each benchmark its median, its spread, and how it compares with the first of its group."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyperf

__all__ = ["Row", "as_markdown", "as_text", "rows"]

TIMES = "Imports and records are elapsed time; the others, where nothing waits, processor time."
HEAD = ("measured", "median", "spread", "against the first")


@attrs.frozen
class Row:
    """One line, as text. `spread` is the median absolute deviation."""

    what: str
    median: str
    spread: str
    compared: str


@attrs.frozen
class Shown:
    """How a group's values, in seconds per unit, are shown."""

    figure: Callable[[float], str]
    compare: Callable[[float, float], str]


def micro(seconds: float) -> str:
    return f"{seconds * 1e6:.2f} µs"


def added(seconds: float, first: float) -> str:
    return f"{(seconds - first) * 1e6:+.2f} µs"


def milli(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


def per_second(seconds: float) -> str:
    return f"{1 / seconds:,.0f}/s"


def share(seconds: float, first: float) -> str:
    return f"{first / seconds:.0%}"


def times(seconds: float, first: float) -> str:
    return f"{seconds / first:.1f}x"


GROUPS = {
    "page": Shown(micro, added),
    "acquire": Shown(micro, added),
    "config": Shown(per_second, share),
    "import": Shown(milli, times),
    "records": Shown(per_second, share),
}
"""By the word before the colon of a benchmark's name."""


def rows(benchmarks: Sequence[pyperf.Benchmark]) -> list[Row]:
    """Make the lines of the table."""
    firsts: dict[str, float] = {}
    made = []
    for benchmark in benchmarks:
        group = benchmark.get_name().partition(":")[0]
        shown, median = GROUPS[group], benchmark.median()
        compared = shown.compare(median, firsts[group]) if group in firsts else ""
        firsts.setdefault(group, median)
        spread = f"±{benchmark.median_abs_dev() / median:.0%}"
        made.append(Row(benchmark.get_name(), shown.figure(median), spread, compared))
    return made


def as_markdown(lines: Sequence[Row], where: str) -> str:
    """Give the table as Markdown, what it was measured on below it."""
    cells = [HEAD, ("---", "---:", "---:", "---:"), *(attrs.astuple(line) for line in lines)]
    return "\n".join(
        [*(f"| {' | '.join(line)} |" for line in cells), "", f"{TIMES} Measured by `make bench` on {where}."]
    )


def as_text(lines: Sequence[Row], where: str) -> str:
    """Give the table for a terminal, what it was measured on above it."""
    cells = [HEAD, *(attrs.astuple(line) for line in lines)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    return "\n".join(
        [
            where,
            TIMES,
            "",
            *(
                f"{line[0]:<{widths[0]}}  "
                + "  ".join(f"{cell:>{width}}" for cell, width in zip(line[1:], widths[1:], strict=True))
                for line in cells
            ),
        ]
    )
