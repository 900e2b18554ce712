"""The floors of the design are held: a planted violation of each contract is found."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of pyproject.toml on the package in this folder."""
    return subprocess.run(
        [sys.executable, "-c", LINT], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Give a copy of the package with its contracts."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(
        ROOT / "connector_kit", tmp_path / "connector_kit", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path


def test_the_package_keeps_its_floors(copy: Path) -> None:
    found = lint(copy)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("module", "line", "complaint"),
    [
        (
            "errors.py",
            "import connector_kit.wrappers.retry.policy",
            "connector_kit.errors is not allowed to import",
        ),
        (
            "limiters/__init__.py",
            "import connector_kit.wrappers.stack.layers",
            "connector_kit.limiters is not allowed",
        ),
        (
            "limiters/__init__.py",
            "import connector_kit.capabilities",
            "connector_kit.limiters is not allowed",
        ),
        (
            "wrappers/stack/layers.py",
            "import connector_kit.cassettes",
            "connector_kit.wrappers is not allowed",
        ),
        ("wrappers/stack/layers.py", "import connector_kit.runtime", "connector_kit.wrappers is not allowed"),
        ("runtime/__init__.py", "import connector_kit.registry", "connector_kit.runtime is not allowed"),
        ("runtime/__init__.py", "import connector_kit.destinations", "connector_kit.runtime is not allowed"),
        (
            "destinations/__init__.py",
            "import connector_kit.connectors.mock",
            "connector_kit.destinations is not",
        ),
        (
            "wrappers/stack/layers.py",
            "import connector_kit",
            "connector_kit.wrappers.stack.layers is not allowed",
        ),
        ("wrappers/stack/layers.py", "import httpx2", "connector_kit is not allowed to import httpx2"),
        ("connectors/rest/network.py", "import httpx2", "connector_kit is not allowed to import httpx2"),
        (
            "connectors/rest/responses.py",
            "import httpcore2",
            "connector_kit is not allowed to import httpcore2",
        ),
        ("runtime/__init__.py", "import rich.table", "connector_kit is not allowed to import rich"),
        ("runtime/__init__.py", "import trio", "connector_kit is not allowed to import trio"),
        ("helpers.py", "", "not listed as layers"),
    ],
)
def test_a_violation_is_found(copy: Path, module: str, line: str, complaint: str) -> None:
    path = copy / "connector_kit" / module
    assert path.exists() == bool(line)  # an import is planted in a module that is there
    with path.open("a") as source:
        source.write(f"\n{line}\n")
    found = lint(copy)
    assert found.returncode == 1
    assert complaint in " ".join(found.stdout.split())


def test_the_drawing_of_the_floors_is_what_the_code_says() -> None:
    """`make drawing` makes it anew."""
    drawing = runpy.run_path(str(ROOT / ".ci" / "floors.py"))["drawing"]
    assert drawing() == (ROOT / "docs" / "explanation" / "floors.svg").read_text()
