"""The README's connector does what it says against the API that misbehaves."""

from __future__ import annotations

import json
import os
import re
import runpy
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
PLANES_2013 = 3322


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    """Start the flights API with many faults, and give its URL."""
    command = [sys.executable, str(EXAMPLES / "flights_api.py"), "--port", "0", "--faults", "0.3"]
    environment = {**os.environ, "FLIGHTS_TOKEN": "secret"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield str(json.loads(server.stdout.readline())["url"])
        server.stdin.close()


def test_every_plane_lands_once_and_the_second_run_reads_what_is_new(api: str, tmp_path: Path) -> None:
    """With three requests in ten failing."""
    main = runpy.run_path(str(EXAMPLES / "planes.py"))["main"]
    file = str(tmp_path / "planes.sqlite")
    first = anyio.run(main, api, "secret", file)
    assert first.complete, first
    assert first.retries > 5
    with closing(sqlite3.connect(file)) as database:
        rows = database.execute("SELECT count(*), count(DISTINCT id) FROM planes").fetchone()
    assert rows == (PLANES_2013, PLANES_2013)
    assert anyio.run(main, api, "secret", file).rows == 0


def test_the_readme_shows_the_connector_of_the_example() -> None:
    """The class, word for word, in no more than thirty lines of code."""
    readme, example = (ROOT / "README.md").read_text(), (EXAMPLES / "planes.py").read_text()
    found = re.search(r"^class Planes:.*?(?=\n\n\n)", example, re.DOTALL | re.MULTILINE)
    assert found is not None
    assert found[0] in readme
    assert len([line for line in found[0].splitlines() if line.strip()]) <= 30
