"""Draws the plots of docs/explanation/performance.md from peer_results.json; runs in the environment `plots`.

python benchmarks/peers/plots.py RESULTS FOLDER
"""

# pyright: reportMissingModuleSource=false
# What it needs is in an environment of its own; what is used of it is declared in typings/.

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

OURS, PEER, FLOOR = "#1f6feb", "#d29922", "#8b949e"
PEERS = ("singer-sdk", "airbyte-cdk", "dlt")
MIB = 1024 * 1024
TITLES = {"jsonl": "HTTP to JSONL", "sqlite": "HTTP to SQLite", "memory": "memory to JSONL"}


def colour(name: str) -> str:
    """Give ours, the peers and the floors a colour each."""
    return OURS if name.startswith("connector_kit") else PEER if name.startswith(PEERS) else FLOOR


def bars(axes: Any, found: list[dict[str, Any]], label: str, figures: list[float], form: str) -> None:
    """Draw a bar for each contestant, its figure beside it."""
    names = [each["name"] for each in found]
    drawn = axes.barh(names, figures, color=[colour(name) for name in names])
    axes.bar_label(drawn, [form.format(figure) for figure in figures], padding=3, fontsize=8)
    axes.set_xlabel(label)
    axes.set_xlim(0, max(figures) * 1.25)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.locator_params(axis="x", nbins=4)
    axes.spines[["top", "right"]].set_visible(False)


def throughput(run: dict[str, Any], path: Path) -> None:
    """Records a second and peak memory of each contestant, group by group."""
    groups = [group for group in TITLES if any(each["group"] == group for each in run["measured"])]
    heights = [sum(each["group"] == group for each in run["measured"]) + 1.5 for group in groups]
    figure, grid = plt.subplots(
        len(groups),
        2,
        figsize=(11, 0.34 * sum(heights)),
        height_ratios=heights,
        width_ratios=[3, 2],
        sharey="row",
        squeeze=False,
    )
    for group, (left, right) in zip(groups, grid, strict=True):
        found = [each for each in run["measured"] if each["group"] == group]
        found.sort(key=lambda each: each["records"] / median(each["seconds"]))
        rates = [each["records"] / median(each["seconds"]) for each in found]
        bars(left, found, "records/s", rates, "{:,.0f}")
        bars(right, found, "peak memory, MiB", [max(each["memory"]) / MIB for each in found], "{:.0f}")
        left.set_title(TITLES[group], loc="left", fontweight="bold")
    save(figure, path)


def scaling(run: dict[str, Any], path: Path) -> None:
    """Processor time and peak memory along each curve."""
    curves = run["curves"]
    figure, grid = plt.subplots(2, len(curves), figsize=(3.2 * len(curves), 5.2), squeeze=False)
    for column, curve in enumerate(curves):
        points = curve["points"]
        at = [each["at"] for each in points]
        costs = [each["processor"] / each["records"] * 1e6 for each in points]
        memory = [each["memory"] / MIB for each in points]
        for axes, values in zip(grid[:, column], (costs, memory), strict=True):
            axes.plot(at, values, marker="o", color=OURS)
            axes.set_ylim(0, max(values) * 1.2)
            if curve["along"] not in ("wrappers", "entities at once", "MiB read ahead"):
                axes.set_xscale("log")
            axes.spines[["top", "right"]].set_visible(False)
        if max(costs) > 20 * min(costs):
            grid[0, column].set_yscale("log")
            grid[0, column].set_ylim(min(costs) / 2, max(costs) * 2)
        for axes in grid[:, column]:
            axes.minorticks_off()
        grid[1, column].set_xlabel(curve["along"])
    grid[0, 0].set_ylabel("processor time a record, µs")
    grid[1, 0].set_ylabel("peak memory, MiB")
    save(figure, path)


def save(figure: Any, path: Path) -> None:
    """Write a plot, the same bytes for the same figures."""
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    # matplotlib ends lines with spaces
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")


def main(results: str, folder: str) -> None:
    """Draw all."""
    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "connector_kit", "svg.fonttype": "none", "font.size": 9}
    run = json.loads(Path(results).read_text())
    throughput(run, Path(folder, "performance-throughput.svg"))
    if run["curves"]:
        scaling(run, Path(folder, "performance-scaling.svg"))


if __name__ == "__main__":
    main(*sys.argv[1:])
