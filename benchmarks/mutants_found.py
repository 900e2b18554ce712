"""What a run of the mutants found, as values: counts, shares, and the mutants that nobody noticed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["Left", "Module", "Run", "by_package", "interval", "share"]

NORMAL_95 = 1.96
"""How many standard deviations to either side hold 95 % of a normal distribution."""


@attrs.frozen
class Left:
    """A mutant that no test noticed: the function it is in, its line as it was and as it became."""

    function: str
    was: str
    became: str


@attrs.frozen
class Module:
    """One module: how many mutants it has, how many of them were tried, and what became of those.

    `stopped` are the ones under which the tests took far longer than without (see `timeout_multiplier`); they count as
    killed.
    """

    name: str
    mutants: int
    tried: int
    killed: int
    stopped: int
    left: tuple[Left, ...]

    @property
    def package(self) -> str:
        """The package it is in, without `connector_kit.`."""
        return self.name.partition(".")[0]


@attrs.frozen
class Run:
    """All modules, and how they were looked at. `each` is how many mutants of a module were drawn, None for all.

    `blind` has the share of each package as it was when the sample was drawn: before anybody wrote tests for it.
    """

    date: str
    commit: str
    tool: str
    python: str
    each: int | None
    seed: int
    modules: tuple[Module, ...]
    blind: dict[str, float]

    def packages(self) -> dict[str, list[Module]]:
        """Give the modules by package."""
        return by_package(self.modules)


def by_package(modules: Sequence[Module]) -> dict[str, list[Module]]:
    """Give the modules by package, and all of them as "all"."""
    found: dict[str, list[Module]] = {}
    for module in modules:
        found.setdefault(module.package, []).append(module)
    return {**found, "all": list(modules)}


def share(modules: Sequence[Module], same: Collection[Left] = ()) -> float:
    """Give the share of killed mutants: of each module as drawn, weighted by how many mutants the module has.

    Mutants in `same` make no difference and are left out.
    """
    weighted = sum(
        module.mutants
        * (module.killed + module.stopped)
        / (module.tried - sum(left in same for left in module.left))
        for module in modules
    )
    return weighted / sum(module.mutants for module in modules)


def interval(found: float, modules: Sequence[Module]) -> tuple[float, float]:
    """Give the 95 % interval of a share (Wilson's), for as many draws as were made; the share itself where all were.

    That the draws are spread over the modules, and from a finite number, makes it narrower in truth.
    """
    tried = sum(module.tried for module in modules)
    if tried == sum(module.mutants for module in modules):
        return found, found
    spread = NORMAL_95**2 / tried
    middle = (found + spread / 2) / (1 + spread)
    half = math.sqrt(spread * (found * (1 - found) + spread / 4)) / (1 + spread)
    return middle - half, middle + half
