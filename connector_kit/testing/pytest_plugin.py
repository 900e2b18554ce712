"""The pytest plugin: a clock whose time is virtual, and what the laws did not look at, told at the end of a run.

pytest loads it for everybody who has the kit installed, so it imports nothing until it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .virtual_clock import VirtualClock

__all__ = ["UNCHECKED", "pytest_terminal_summary", "virtual_clock"]

UNCHECKED = "not checked by a law"
"""The name under which a test reports what its law did not look at, among pytest's `user_properties`."""


@pytest.fixture
def virtual_clock(anyio_backend_name: str) -> VirtualClock:
    """A clock whose time passes at once, for each backend that the fixture `anyio_backend` names.

    `virtual_clock.run(function)` runs a test's body in an event loop that goes by it.
    """
    from .virtual_clock import VirtualClock  # noqa: PLC0415 - it imports anyio, which few tests need

    return VirtualClock(backend=anyio_backend_name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the laws of `connector_laws` and the like did not look at."""
    told = [
        f"{report.nodeid}: {what}"
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, what in report.user_properties
        if name == UNCHECKED
    ]
    if told:
        terminalreporter.section("not checked by the laws")
        for line in told:
            terminalreporter.line(line)
