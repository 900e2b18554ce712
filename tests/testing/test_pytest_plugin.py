"""Laws as tests of pytest: their names, what they say where a law is broken or could not be looked at; the fixture."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from connector_kit.connectors.mock import MockConnector
from connector_kit.errors import ConfigError
from connector_kit.testing.law_tests import connector_laws, destination_laws, wrapper_laws
from connector_kit.wrappers.retry.wrapper import Retrying

if TYPE_CHECKING:
    from pathlib import Path

SHOP = '''
from connector_kit import Catalog, Entity, Page
from connector_kit.errors import ConnectionFailedError


class Shop:
    """Has six orders, in three pages."""

    def __init__(self, token="t0p-secret"):
        self.token = token

    async def connect(self): ...

    async def disconnect(self): ...

    async def discover_schema(self):
        return Catalog([Entity("orders", primary_key="id", incremental="cursor")])

    async def fetch_data(self, entity, /, *, since=None, cursor=None):
        (await self.discover_schema())[entity]
        for start in range(cursor if isinstance(cursor, int) else 0, 6, 2):
            yield Page([{"id": start + 1}, {"id": start + 2}], cursor=self.after(start))

    def after(self, start):
        return start + 2


class OffByOne(Shop):
    """Its cursor points at the last record, not behind it; and it says its token."""

    def after(self, start):
        return start + 1

    async def fetch_data(self, entity, /, *, since=None, cursor=None):
        (await self.discover_schema())[entity]
        for start in range(cursor if isinstance(cursor, int) else 0, 6, 2):
            yield Page([{"id": i, "by": self.token} for i in (start + 1, start + 2)], cursor=self.after(start))


class Down(Shop):
    async def connect(self):
        raise ConnectionFailedError("nobody there")
'''

LAWS = """
import pytest
from shop import Down, OffByOne, Shop

from connector_kit import Retrying
from connector_kit.testing import MemoryDestination, connector_laws, destination_laws, wrapper_laws

SOME = ["lifecycle", "resume"]


class MemoryFixture:
    def __init__(self):
        self.made = MemoryDestination()

    def destination(self):
        return self.made

    def rows(self, entity):
        return self.made.rows(entity)


@pytest.fixture
def shops():
    return Shop


@pytest.fixture
def places():
    return MemoryFixture


TestShop = connector_laws(Shop)
TestByFixture = connector_laws("shops", laws=SOME, backend="trio")
TestOffByOne = connector_laws(OffByOne, secrets=["t0p-secret"], laws=SOME)
TestDown = connector_laws(Down, laws=SOME)
TestRetrying = wrapper_laws(Retrying, retries=True, laws=["transparent"])
TestMemory = destination_laws("places", laws=["upsert"])


def test_a_day(virtual_clock):
    virtual_clock.run(virtual_clock.sleep, 86_400)
    assert virtual_clock.monotonic_ns() == 86_400 * 10**9
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("author")
    (folder / "shop.py").write_text(SHOP)
    (folder / "test_laws.py").write_text(LAWS)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\npythonpath = .\n")
    return folder


def run_pytest(folder: Path, *options: str) -> str:
    """Run an author's tests in a process of their own and give what pytest prints."""
    command = [sys.executable, "-m", "pytest", "-v", "-ra", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


@pytest.fixture(scope="module")
def shown(folder: Path) -> str:
    return run_pytest(folder)


def outcomes(shown: str, name: str) -> dict[str, str]:
    """Give the outcome of each test whose name begins so."""
    return dict(re.findall(rf"^test_laws\.py::({name}\S*) ([A-Z]+)\b", shown, re.MULTILINE))


def failure(shown: str, name: str) -> str:
    """Give what is said of a test that failed."""
    return re.split(r"^_{3,} |^={3,} ", shown.partition(f"_ {name} _")[2], flags=re.MULTILINE)[0]


def test_each_law_is_a_test_of_its_own_name(shown: str) -> None:
    found = outcomes(shown, "TestShop")
    assert {"TestShop::test_lifecycle", "TestShop::test_resume", "TestShop::test_sample"} <= set(found)
    assert "FAILED" not in found.values(), shown


def test_a_broken_law_shows_its_evidence_and_no_traceback(shown: str) -> None:
    assert outcomes(shown, "TestOffByOne") == {
        "TestOffByOne::test_lifecycle": "PASSED",
        "TestOffByOne::test_resume": "FAILED",
    }
    said = failure(shown, "TestOffByOne.test_resume")
    assert "OffByOne breaks law 4, resume: " in said
    assert "entity orders, page 1: " in said
    assert '{"by":"****","id":2}' in said
    assert "Traceback" not in said
    assert "law_tests.py" not in said


def test_no_secret_is_shown(shown: str) -> None:
    assert "t0p-secret" not in shown


def test_a_law_that_could_not_be_looked_at_is_skipped_with_the_reason(shown: str) -> None:
    assert outcomes(shown, "TestShop")["TestShop::test_since"] == "SKIPPED"
    assert re.search(r"^SKIPPED \[1\] .*no entity says incremental='since'", shown, re.MULTILINE)


def test_what_was_not_looked_at_of_a_law_that_holds_is_said_at_the_end(shown: str) -> None:
    assert outcomes(shown, "TestShop")["TestShop::test_resume"] == "PASSED"
    _, _, told = shown.partition(" not checked by the laws ")
    assert "test_laws.py::TestShop::test_resume: reads under faults on the wire" in told


def test_where_nothing_can_be_looked_at_every_test_says_why(shown: str) -> None:
    assert set(outcomes(shown, "TestDown").values()) == {"FAILED"}
    assert "connect failed: ConnectionFailedError: nobody there" in failure(shown, "TestDown.test_resume")


@pytest.mark.parametrize("name", ["TestByFixture", "TestRetrying", "TestMemory"])
def test_fixtures_wrappers_and_destinations(shown: str, name: str) -> None:
    found = outcomes(shown, name)
    assert found
    assert set(found.values()) == {"PASSED"}


def test_the_clock_runs_on_each_backend(shown: str) -> None:
    assert outcomes(shown, "test_a_day") == {
        "test_a_day[asyncio]": "PASSED",
        "test_a_day[trio]": "PASSED",
    }


def test_only_the_laws_of_the_chosen_tests_are_looked_at(folder: Path) -> None:
    """What another law did not look at is not told, because it was not asked."""
    shown = run_pytest(folder, "-k", "TestShop and lifecycle")
    assert outcomes(shown, "TestShop") == {"TestShop::test_lifecycle": "PASSED"}
    assert "test_resume" not in shown


def test_the_plugin_imports_nothing_heavy() -> None:
    """pytest loads it in every project of whoever has the kit installed."""
    program = "import sys, connector_kit.testing.pytest_plugin; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"hypothesis", "trio", "anyio", "attr", "cattrs", "msgspec", "connector_kit.testing.conformance"}
    assert heavy & set(done.stdout.split()) == set()


def test_a_law_that_there_is_not_is_refused_when_the_test_file_is_read() -> None:
    with pytest.raises(ConfigError, match="'resum'"):
        connector_laws(MockConnector, laws=["resum"])
    with pytest.raises(ConfigError, match="'resum'"):
        wrapper_laws(Retrying, laws=["resum"])
    with pytest.raises(ConfigError, match="'resum'"):
        destination_laws("places", laws=["resum"])
