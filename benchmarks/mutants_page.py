"""The tables of a run of the mutants, as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mutants_found import Left, Module, Run, interval, share

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["as_markdown"]


def percent(part: float) -> str:
    return f"{part:.1%}".replace("%", " %")


def counts(modules: Sequence[Module]) -> str:
    survived = sum(len(module.left) for module in modules)
    figures = [
        sum(module.mutants for module in modules),
        sum(module.tried for module in modules),
        sum(module.killed for module in modules),
        sum(module.stopped for module in modules),
        survived,
    ]
    return " | ".join(map(str, figures))


def by_package(run: Run) -> list[str]:
    lines = [
        "| package | mutants | tried | killed | stopped | survived | share | 95 % interval |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for package, modules in [*run.packages().items(), ("all three", run.modules)]:
        low, high = interval(modules)
        lines.append(
            f"| {package} | {counts(modules)} | {percent(share(modules))} | {percent(low)} to {percent(high)} |"
        )
    return lines


def by_module(run: Run) -> list[str]:
    lines = [
        "| module | mutants | tried | killed | stopped | survived | share |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [f"| {each.name} | {counts([each])} | {percent(share([each]))} |" for each in run.modules]
    return lines


def survivors(run: Run, reasons: Mapping[Left, str]) -> list[str]:
    lines = ["| where | was | became | why it is left |", "| --- | --- | --- | --- |"]
    for module in run.modules:
        for left in module.left:
            why = reasons.get(left, "not looked at")
            lines.append(
                f"| {module.name}, {left.function} | {code(left.was)} | {code(left.became)} | {why} |"
            )
    return lines


def code(line: str) -> str:
    """Give a line of Python in a cell of a table, where a bar would end the cell."""
    return f"`{line}`".replace("|", "\\|") if line else "nothing"


def described(run: Run) -> str:
    """Say what was run, on one line."""
    drawn = (
        "all mutants"
        if run.each is None
        else f"{run.each} mutants of each module (or all), drawn with seed {run.seed}"
    )
    return f"{run.date}, commit {run.commit}, {run.tool}, Python {run.python}; {drawn}."


def as_markdown(run: Run, reasons: Mapping[Left, str]) -> str:
    """Give the section of the page."""
    sections = [
        [described(run)],
        by_package(run),
        ["### Each module"],
        by_module(run),
        ["### What survived"],
        survivors(run, reasons),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections)
