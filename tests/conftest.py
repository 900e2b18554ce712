"""Fixtures that all tests share."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings

if TYPE_CHECKING:
    from collections.abc import Generator

# A program that was started in the background of a script ignores SIGINT, and so does all that it starts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The machine is shared: how long an example takes says nothing. Every other health check stays on.
# CI draws the same examples each time, so that a red run is about the change; new ones are looked for elsewhere.
settings.register_profile(
    "kit",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
# `make quick` is for while one works: `make test` draws five times as many.
settings.register_profile("quick", settings.get_profile("kit"), max_examples=20)
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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure what a test runs in this process, unless it is marked `unmeasured`; what it starts, only where it asks.

    Coverage makes a process take about twice its time. A test that goes over the same lines very often, or that starts
    a type checker or reads millions of records in another process, finds no line that the tests of the parts have not.
    """
    for name in [name for name in os.environ if name.startswith("COVERAGE_PROCESS_")]:
        del os.environ[name]  # workers of pytest-xdist have been started before; `commands.measured` has it
    here, in_threads = sys.gettrace(), threading.gettrace()
    if here is None or item.get_closest_marker("unmeasured") is None:
        return (yield)
    # Not Coverage.stop() and start(), which forgets what it has measured so far.
    sys.settrace(None)
    threading.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(here)
        threading.settrace(in_threads)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run every test marked `anyio` on both event loops."""
    return str(request.param)
