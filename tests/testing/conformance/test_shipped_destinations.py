"""Every destination that is shipped keeps the laws of destinations. A new one joins by its fixture in destination_fixtures.py."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest
from destination_fixtures import JsonlFixture, MemoryFixture, SQLiteFixture

from connector_kit.testing.conformance.bounds import Bounds
from connector_kit.testing.conformance.checks import check_destination
from connector_kit.testing.conformance.destination.subject import DESTINATION_LAWS

if TYPE_CHECKING:
    from connector_kit.testing.conformance.destination.fixture import DestinationFixture, FixtureFactory

BOUNDS = Bounds(seconds=300, call_seconds=60, plans=3)
"""A busy machine is no fault of theirs; long random sequences are for tests/destinations/test_contract.py."""

Make: TypeAlias = Callable[[Path], "DestinationFixture"]

# What a destination cannot be examined for, and no more: a seam that is lost, or a mode, would show here.
MAY_BE_UNCHECKED: dict[Make, set[str]] = {
    MemoryFixture.inside: {
        "no crashing(point)",
        "no occupy(entity)",
        "a value that cannot be stored: it is taken",
    },
    SQLiteFixture: {"cannot be told apart"},
    JsonlFixture: {"no mode upsert"},
}


def fixtures(make: Make, folder: Path) -> FixtureFactory:
    return lambda: make(Path(tempfile.mkdtemp(dir=folder)))


@pytest.mark.unmeasured
@pytest.mark.anyio
@pytest.mark.parametrize("law", DESTINATION_LAWS.names)
@pytest.mark.parametrize("make", MAY_BE_UNCHECKED, ids=["memory", "sqlite", "jsonl"])
async def test_it_keeps_the_law(make: Make, law: str, anyio_backend: str, tmp_path: Path) -> None:
    report = await check_destination(
        fixtures(make, tmp_path), laws=[law], backend=anyio_backend, bounds=BOUNDS
    )
    report.require()
    surprising = [
        what for what in report.unchecked if not any(known in what for known in MAY_BE_UNCHECKED[make])
    ]
    assert surprising == []


@pytest.mark.unmeasured
@pytest.mark.anyio
async def test_a_whole_examination_says_what_it_looked_at(tmp_path: Path) -> None:
    told: list[str] = []
    report = await check_destination(
        partial(MemoryFixture.inside, tmp_path), progress=lambda verdict: told.append(verdict.law.name)
    )
    assert told == DESTINATION_LAWS.names
    assert report.subject == "MemoryDestination"
    assert {verdict.outcome for verdict in report.verdicts} == {"held"}
    assert report.requests > 1_000
