"""The laws catch what breaks them: each wrong connector by its law, and none of the right ones by any."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest

from connector_kit.testing.conformance.checks import check_connector
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS

from .source import TOKEN, Source
from .specimen import PATIENT
from .specimens import SPECIMENS
from .tame import TAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_kit.testing.conformance.bounds import Bounds
    from connector_kit.testing.conformance.law import LawReport

    from .ledger import Ledger
    from .specimen import Specimen

TWINS = {(each.right, each.source) for each in SPECIMENS}


def examine(
    connector: type[Ledger],
    source: Callable[[], Source],
    *,
    laws: tuple[str, ...] = (),
    bounds: Bounds = PATIENT,
    backend: str = "asyncio",
) -> LawReport:
    """Look at one connector's laws, at all of them where none is named."""
    with closing(source()) as other_side:
        check = partial(
            check_connector,
            partial(connector, other_side),
            bounds=bounds,
            wire=other_side.wire,
            change=other_side.change,
            secrets=(TOKEN,),
            laws=laws,
            backend=backend,
        )
        return anyio.run(check)


@pytest.mark.unmeasured
@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda each: f"{each.law}: {each.name}")
def test_a_wrong_connector_is_caught_by_the_law_it_breaks(specimen: Specimen) -> None:
    report = examine(specimen.wrong, specimen.source, laws=(specimen.law,), bounds=specimen.bounds)
    (verdict,) = report.verdicts
    assert verdict.outcome == "broken", str(report)
    assert TOKEN not in str(report)
    if specimen.of_entity:
        assert {each.entity for each in verdict.evidence} & {"orders", "stores"}


@pytest.mark.unmeasured
@pytest.mark.parametrize(("right", "source"), sorted(TWINS, key=str), ids=lambda each: each.__name__)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_right_twin_keeps_all_laws(right: type[Ledger], source: Callable[[], Source], backend: str) -> None:
    report = examine(right, source, backend=backend)
    assert not report.failure
    assert {verdict.law.name: verdict.outcome for verdict in report.verdicts} == dict.fromkeys(
        CONNECTOR_LAWS.names, "held"
    ), str(report)


@pytest.mark.unmeasured
@pytest.mark.parametrize(("right", "source"), TAME, ids=lambda each: each.__name__)
def test_a_right_connector_that_looks_odd_breaks_none(
    right: type[Ledger], source: Callable[[], Source]
) -> None:
    report = examine(right, source)
    assert report.ok, str(report)


def test_the_zoo_has_specimens_of_every_law() -> None:
    laws = [each.law for each in SPECIMENS]
    assert len(SPECIMENS) >= 40
    assert {name: laws.count(name) >= 2 for name in CONNECTOR_LAWS.names} == dict.fromkeys(laws, True)
    assert len({each.name for each in SPECIMENS}) == len(SPECIMENS)


@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda each: each.name)
def test_a_wrong_connector_differs_from_its_twin_in_little(specimen: Specimen) -> None:
    """It derives from the twin and has at most three methods of its own; what is wrong is told in a sentence."""
    assert 1 <= len(specimen.differs) <= 3
    assert specimen.story.endswith(".")
