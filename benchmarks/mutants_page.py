"""The tables of a run of the mutants, as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from mutants_found import Left, Module, Run, interval, share

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Reason", "as_markdown"]


@attrs.frozen
class Reason:
    """Why a mutant is left; `same` where it does what the original does, so that no test could tell."""

    why: str
    same: bool


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


def packages(run: Run, reasons: Mapping[Left, Reason]) -> list[str]:
    lines = [
        "| package | mutants | tried | killed | stopped | survived | share | without the same | when drawn | 95 % interval |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    same = {left for left, reason in reasons.items() if reason.same}
    for package, modules in run.packages().items():
        blind = run.blind[package]
        low, high = interval(blind, modules)
        shares = [share(modules), share(modules, same), blind]
        lines.append(
            f"| {package} | {counts(modules)} | {' | '.join(map(percent, shares))} | {percent(low)} to {percent(high)} |"
        )
    return lines


def by_module(run: Run) -> list[str]:
    lines = [
        "| module | mutants | tried | killed | stopped | survived | share |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [f"| {each.name} | {counts([each])} | {percent(share([each]))} |" for each in run.modules]
    return lines


def survivors(run: Run, reasons: Mapping[Left, Reason]) -> list[str]:
    lines = ["| where | was | became | why it is left |", "| --- | --- | --- | --- |"]
    for module in run.modules:
        for left in module.left:
            reason = reasons.get(left, Reason("not looked at", same=False))
            why = f"the same: {reason.why}" if reason.same else f"a gap: {reason.why}"
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


def as_markdown(run: Run, reasons: Mapping[Left, Reason]) -> str:
    """Give the section of the page."""
    sections = [
        [described(run)],
        packages(run, reasons),
        ["### Each module"],
        by_module(run),
        ["### What survived"],
        survivors(run, reasons),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections)
