"""The laws catch what breaks them: each wrong wrapper by its law, and none of the right ones by any."""

from __future__ import annotations

import gc

import pytest

from connector_kit.testing.conformance.bounds import Bounds
from connector_kit.testing.conformance.checks import check_wrapper
from connector_kit.testing.conformance.wrapper.subject import WRAPPER_LAWS

from .table import RIGHT, SPECIMENS, Right, Specimen

QUICK = Bounds(call_seconds=2.0)
"""Everything is in memory and in virtual time, and answers at once or never."""


@pytest.mark.unmeasured
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.anyio
@pytest.mark.parametrize("specimen", SPECIMENS, ids=str)
async def test_a_wrong_wrapper_is_caught_by_the_law_it_breaks(specimen: Specimen, anyio_backend: str) -> None:
    right = specimen.right
    try:
        report = await check_wrapper(
            specimen.wrong,
            retries=right.retries,
            rate=right.rate,
            laws=[specimen.law],
            backend=anyio_backend,
            bounds=QUICK,
        )
    finally:
        gc.collect()  # what a wrong wrapper leaves behind complains here, and not in another test
    (verdict,) = report.verdicts
    assert verdict.outcome == "broken", report
    assert specimen.words in str(report)


@pytest.mark.unmeasured
@pytest.mark.anyio
@pytest.mark.parametrize("right", RIGHT, ids=lambda each: each.around.__name__)
async def test_a_right_twin_keeps_all_laws(right: Right, anyio_backend: str) -> None:
    report = await check_wrapper(
        right.around, retries=right.retries, rate=right.rate, backend=anyio_backend, bounds=QUICK
    )
    report.require()


def test_every_law_has_a_wrapper_that_breaks_it() -> None:
    assert {each.law for each in SPECIMENS} == set(WRAPPER_LAWS.names)
