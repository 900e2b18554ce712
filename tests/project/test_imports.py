"""What `import connector_kit` brings with it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

EXTRAS = {"click", "httpcore2", "httpx2", "hypothesis", "opentelemetry", "redis", "rich", "structlog", "trio"}
MODULES = "import json, sys; {}; print(json.dumps(sorted(sys.modules)))"
EVERY_NAME = "import connector_kit; [getattr(connector_kit, name) for name in connector_kit.__all__]"


def modules_after(statement: str) -> set[str]:
    """Give what a fresh interpreter has imported after this statement."""
    command = [sys.executable, "-c", MODULES.format(statement)]
    return set(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


@pytest.mark.parametrize("statement", ["import connector_kit", EVERY_NAME])
def test_no_extra_is_imported_by_the_core(statement: str) -> None:
    assert modules_after(statement) & EXTRAS == set()


@pytest.mark.parametrize("package", ["connector_kit", "connector_kit.testing"])
def test_the_package_itself_imports_nothing_heavy(package: str) -> None:
    """Names are looked up when they are used: a command that needs few of them starts at once."""
    heavy = {"anyio", "asyncio", "attr", "cattrs", "backoff", "msgspec", "sqlite3", *EXTRAS}
    assert modules_after(f"import {package}") & heavy == set()


def test_the_laws_are_there_without_hypothesis() -> None:
    """Plans of faults are drawn late, and who has not got it hears what to install."""
    names = "check_connector", "check_wrapper", "check_destination", "connector_laws", "VirtualClock"
    assert (
        modules_after(f"from connector_kit.testing import {', '.join(names)}") & {"hypothesis", "trio"}
        == set()
    )
