"""Fixtures that all tests share."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

# The machine is shared: how long an example takes says nothing. Every other health check stays on.
# CI draws the same examples each time, so that a red run is about the change; new ones are looked for elsewhere.
settings.register_profile(
    "kit",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
# Of a mutant it is only asked whether an example fails, not which is the smallest; and mutmut runs tests more than once
# in one process, with a new test object each time.
settings.register_profile(
    "mutants",
    settings.get_profile("kit"),
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
    phases=[Phase.explicit, Phase.generate],
    report_multiple_bugs=False,
    print_blob=False,
)
settings.load_profile("kit")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run every test marked `anyio` on both event loops."""
    return str(request.param)
