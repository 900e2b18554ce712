"""The laws catch what breaks them: each wrong destination by its law, and none of the right ones by any."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest

from connector_kit.testing.conformance.bounds import Bounds
from connector_kit.testing.conformance.checks import check_destination
from connector_kit.testing.conformance.destination.subject import DESTINATION_LAWS

from .disk import ShelfFixture
from .specimens import RIGHT, SPECIMENS, Specimen

if TYPE_CHECKING:
    from connector_kit.testing.conformance.law import LawReport

    from .shelf import Shelf

QUICK = Bounds(seconds=1_000, call_seconds=0.5)


FEWER = attrs.evolve(QUICK, plans=3)
"""For right ones, in which no random sequence has anything to find."""


def examine(kind: type[Shelf], *laws: str, backend: str = "asyncio", bounds: Bounds = QUICK) -> LawReport:
    check = partial(check_destination, partial(ShelfFixture, kind), laws=laws, bounds=bounds, backend=backend)
    return anyio.run(check)


@pytest.mark.unmeasured
@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda each: f"{each.law}: {each.name}")
def test_a_wrong_destination_is_caught_by_the_law_it_breaks(specimen: Specimen) -> None:
    (verdict,) = examine(specimen.wrong, specimen.law).verdicts
    assert verdict.outcome == "broken", verdict


@pytest.mark.unmeasured
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("right", RIGHT, ids=lambda each: each.__name__)
def test_a_right_destination_keeps_all_laws(right: type[Shelf], backend: str) -> None:
    report = examine(right, backend=backend, bounds=FEWER)
    report.require()
    assert {verdict.outcome for verdict in report.verdicts} == {"held"}, str(report)


def test_the_zoo_has_specimens_of_every_law() -> None:
    laws = [each.law for each in SPECIMENS]
    assert {name: laws.count(name) >= 2 for name in DESTINATION_LAWS.names} == dict.fromkeys(laws, True)


@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda each: each.name)
def test_a_wrong_destination_differs_from_a_right_one_in_little(specimen: Specimen) -> None:
    """It derives from a right one and changes at most three of its parts; what is wrong is told in a sentence."""
    assert set(specimen.wrong.__bases__) <= set(RIGHT)
    changed = [
        name for name, value in vars(specimen.wrong).items() if inspect.isfunction(value) or name == "modes"
    ]
    assert 1 <= len(changed) <= 3
    assert (inspect.getdoc(specimen.wrong) or "").endswith(".")
