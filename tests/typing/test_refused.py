"""mypy refuses the signatures that authors get wrong, and says what is expected."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

START = """
from collections.abc import AsyncIterator
from datetime import datetime

from connector_kit import Catalog, Connector, Cursor, Page, Retry, Retrying, TimeLimited, Timeouts, connected, protect


class Base:
    async def connect(self) -> None: ...
    async def disconnect(self) -> None: ...
    async def discover_schema(self) -> Catalog:
        return Catalog()

"""

CASES = {
    "a_list_instead_of_a_stream": """
class Mine(Base):
    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> list[Page]:
        return []


found: Connector = Mine()  # error: assignment
""",
    "a_coroutine_instead_of_a_generator": """
class Mine(Base):
    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        return self.pages(entity)

    async def pages(self, entity: str) -> AsyncIterator[Page]:
        yield Page([])


protect(Mine())  # error: arg-type
""",
    "a_missing_keyword": """
class Mine(Base):
    async def fetch_data(self, entity: str, /, *, since: datetime | None = None) -> AsyncIterator[Page]:
        yield Page([])


retrying = Retrying(Mine(), Retry())  # error: type-var
""",
    "a_missing_method": """
connected(Base())  # error: type-var
""",
    "records_instead_of_pages": """
class Mine(Base):
    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[dict[str, object]]:
        yield {"id": 1}


found: Connector = Mine()  # error: assignment
""",
    "a_wrapper_around_nothing": """
timed = TimeLimited("https://example.org", Timeouts())  # error: type-var
""",
}  # fmt: skip


def expected(text: str) -> Iterator[tuple[int, str]]:
    """Give the line and the code of every error that a file announces."""
    for number, line in enumerate(text.splitlines(), start=1):
        if announced := re.search(r"# error: ([\w-]+)$", line):
            yield number, announced[1]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Run mypy once over all cases, strictly, and give what it says."""
    folder = tmp_path_factory.mktemp("refused")
    for name, text in CASES.items():
        (folder / f"{name}.py").write_text(START + text, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--no-error-summary",
        f"--cache-dir={folder / 'cache'}",
    ]
    files = [str(folder / f"{name}.py") for name in CASES]
    done = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.stdout


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_connector_is_refused(report: str, name: str) -> None:
    """With exactly the announced error, at its line."""
    found = re.findall(rf"{name}\.py:(\d+): error: .*\[([\w-]+)\]$", report, re.MULTILINE)
    assert [(int(line), code) for line, code in found] == list(expected(START + CASES[name]))


@pytest.mark.parametrize("name", ["a_list_instead_of_a_stream", "a_coroutine_instead_of_a_generator"])
def test_what_is_expected_is_shown(report: str, name: str) -> None:
    """mypy's notes set the two signatures against each other."""
    notes = "\n".join(line for line in report.splitlines() if name in line)
    assert "def fetch_data(self, str, /, *, since: datetime | None = ..., cursor: " in notes
    assert "-> Coroutine[" in notes
    assert "-> AsyncIterator[Page]" in notes
