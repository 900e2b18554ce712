"""A run's memory does not grow with the number of records."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024  # what the system tells is in KiB

PROGRAM = '''
import json, resource, sys
from pathlib import Path

import anyio

from connector_kit.connectors.mock import MockConfig, MockConnector
from connector_kit.runtime.sync import sync
{destination}

records = int(sys.argv[1])
BUFFER = 512 * 1024  # how full it gets depends on the load of the machine, and a longer run meets more of that


def peak_kib():
    """The largest size this program had. Not getrusage's on Linux: that one begins at the size of who started it."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)


async def main():
    connector = MockConnector(MockConfig(size=records, page_size=1_000))
    report = await sync(connector, destination(sys.argv[2]), entities=["events"], buffer=BUFFER)
    print(json.dumps({{"rows": report.rows, "complete": report.complete, "peak_kib": peak_kib()}}))


anyio.run(main)
'''

DESTINATIONS = {
    "sqlite": "from connector_kit.destinations import SQLiteDestination as destination",
    "jsonl": "from connector_kit.destinations import JsonlDestination as destination",
}


def peak_of_a_run(records: int, destination: str, folder: Path) -> int:
    """Sync so many records in a process of its own and give its peak size in KiB."""
    program = PROGRAM.format(destination=DESTINATIONS[destination])
    done = subprocess.run(
        [sys.executable, "-c", program, str(records), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["complete"]
    assert report["rows"] == records
    return int(report["peak_kib"])


@pytest.mark.slow
@pytest.mark.parametrize("destination", DESTINATIONS)
def test_ten_times_the_records_take_no_more_memory(destination: str, tmp_path: Path) -> None:
    few = peak_of_a_run(100_000, destination, tmp_path / "few")
    many = peak_of_a_run(1_000_000, destination, tmp_path / "many")
    assert many - few <= 10 * MIB  # twelve bytes a record are found
