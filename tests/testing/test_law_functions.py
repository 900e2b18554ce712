"""Each law is a plain function, and all of them are public."""

from __future__ import annotations

import pytest

from connector_kit.connectors.mock import MockConfig, MockConnector
from connector_kit.testing import Bounds, Subject, laws
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS


def make() -> MockConnector:
    return MockConnector(MockConfig(size=20))


def test_every_law_of_the_table_is_a_public_function() -> None:
    assert sorted(laws.__all__) == sorted(CONNECTOR_LAWS.names)
    assert all(getattr(laws, each.law.name) is each for each in CONNECTOR_LAWS)


@pytest.mark.anyio
@pytest.mark.parametrize("name", laws.__all__)
async def test_a_law_takes_a_factory_or_a_subject(name: str) -> None:
    law = getattr(laws, name)
    verdict = await law(make)
    assert (verdict.law.name, verdict.outcome) == (name, "held")
    bounded = await law(Subject(make, bounds=Bounds(requests=1, faults=False)))
    assert bounded.outcome == "unchecked" or bounded.requests <= 1
