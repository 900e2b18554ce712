"""What a run found, as Markdown: the sections of docs/explanation/performance.md and of the README, by name."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from peer_results import MIB, OURS, WORDS, Faulted, Measured, Run, targets

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["RATIOS_SECTION", "TARGETS_SECTION", "described", "sections"]

TARGETS_SECTION = "targets"
RATIOS_SECTION = "ratios"
IN_README = (
    "bare httpx2 + orjson",
    "raw bytes, httpx2",
    "airbyte-cdk, Python",
    "singer-sdk",
    "dlt",
)
KINDS = {"429": "429", "503": "503", "cut": "body cut", "reset": "reset", "stall": "stall"}
KILLED = -9


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Give a table; the first column is words, the others figures."""
    rule = f"| --- |{' ---: |' * (len(head) - 1)}"
    return "\n".join([f"| {' | '.join(head)} |", rule, *(f"| {' | '.join(line)} |" for line in lines)])


def described(run: Run) -> str:
    """Say what was run where and when."""
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    return (
        f"{run.date}: {run.machine}, Python {run.python}; load {run.load:.1f} when it began; {run.rounds} rounds; "
        f"{run.records:,} records over HTTP, {run.page_size:,} a page; {run.memory_records:,} in memory.\n{versions}."
    )


def _targets(run: Run) -> str:
    lines = [
        (
            each.what,
            f"{each.found:.2f}{each.unit}",
            "" if each.by_processor is None else f"{each.by_processor:.2f}",
            f"{each.bound} {each.wanted:g}{each.unit}",
            "met" if each.met else "missed",
        )
        for each in targets(run)
    ]
    return _table(("target", "found", "by processor time", "wanted", ""), lines)


def _figures(each: Measured, ours: Measured | None) -> tuple[str, ...]:
    return (
        each.name,
        f"{each.per_second:,.0f}",
        f"±{each.spread:.0%}".replace("%", " %"),
        "" if ours is None else f"{ours.per_second / each.per_second:.2f}",
        f"{median(each.processor) / each.records * 1e6:.2f} µs",
        f"{each.peak:.0f} MiB",
        f"{median(each.startup):.2f} s",
        str(each.lost),
        str(each.repeated),
    )


def _group(run: Run, group: str) -> str:
    head = (
        WORDS[group],
        "records/s",
        "spread",
        "ours is times this",
        "processor time a record",
        "peak memory",
        "start-up, taken off",
        "lost",
        "repeated",
    )
    found = sorted(run.of(group), key=lambda each: -each.per_second)
    return _table(head, [_figures(each, run.one(group, OURS)) for each in found])


def _outcome(each: Faulted) -> str:
    """Say what became of a read: whole, or what is missing and how it ended."""
    troubles = [
        *([f"{each.lost:,} lost"] if each.lost else []),
        *([f"{each.repeated:,} repeated"] if each.repeated else []),
    ]
    if each.code == KILLED:
        return ", ".join([*troubles, f"no end within {each.seconds:.0f} s"])
    if each.code != 0:
        return ", ".join([*troubles, "failed"])
    return ", ".join([*(troubles or ["whole"]), f"{each.seconds:.1f} s"])


def _faults(run: Run) -> str:
    names = dict.fromkeys((each.name, each.group) for each in run.faulted)
    by_place = {(each.name, each.group, each.fault): each for each in run.faulted}
    lines = [
        (
            name if group == "jsonl" else f"{name} (SQLite)",
            *(_outcome(by_place[name, group, kind]) for kind in KINDS if (name, group, kind) in by_place),
        )
        for name, group in names
    ]
    return _table(("", *KINDS.values()), lines)


def _curves(run: Run) -> str:
    return "\n\n".join(
        _table(
            (curve.along, "records/s", "processor time a record", "peak memory"),
            [
                (
                    f"{each.at:,}",
                    f"{each.records / each.seconds:,.0f}",
                    f"{each.processor / each.records * 1e6:.2f} µs",
                    f"{each.memory / MIB:.0f} MiB",
                )
                for each in curve.points
            ],
        )
        for curve in run.curves
    )


def _starts(run: Run) -> str:
    return _table(("", "median"), [(each.what, f"{each.seconds:.3f} s") for each in run.starts])


def _ratios(run: Run) -> str:
    """Give what the README quotes."""
    ours = run.one("jsonl", OURS)
    if ours is None:
        return ""
    others = [each for name in IN_README if (each := run.one("jsonl", name))]
    lines = [
        (
            each.name,
            f"{each.per_second:,.0f}",
            "" if each is ours else f"{ours.per_second / each.per_second:.2f}",
        )
        for each in (ours, *others)
    ]
    table = _table(("HTTP to JSONL", "records/s", "ours is times this"), lines)
    return f"{table}\n\nMeasured by `make bench-peers` on {run.machine}, Python {run.python}; {run.date}."


def sections(run: Run) -> dict[str, str]:
    """Give the Markdown of each section by its name in the markers."""
    made = {"run": described(run), TARGETS_SECTION: _targets(run)}
    made |= {group: _group(run, group) for group in WORDS if run.of(group)}
    if run.faulted:
        made["faults"] = _faults(run)
    if run.curves:
        made["scaling"] = _curves(run)
    if run.starts:
        made["starts"] = _starts(run)
    return made | {RATIOS_SECTION: _ratios(run)}
