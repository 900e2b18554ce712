"""How the kit's cost grows: with records, page size, entities, wrappers, size of a record; and how long it takes to start."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import attrs
from peer_results import Curve, Point, Start
from process_run import JOBS, timed

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["curves", "starts"]

SCRIPT = Path(sys.executable).with_name("connector-kit")
TIMES = 11
IMPORT = "from time import perf_counter as now; start = now(); {}; print(now() - start)"
EVERY_NAME = "import connector_kit; [getattr(connector_kit, name) for name in connector_kit.__all__]"


@attrs.frozen
class Shape:
    """What is read; the defaults are those of the benchmark of the peers."""

    records: int = 1_000_000
    page_size: int = 1_000
    size: int = 365
    entities: int = 1
    wrappers: int = 10
    ahead: int = 4
    """MiB that may be read ahead of what is written."""


VARIED: dict[str, dict[int, Shape]] = {
    "records": {count: Shape(count, size=100) for count in (10**4, 10**5, 10**6, 10**7)},
    "records a page": {
        size: Shape(min(1_000_000, size * 10_000), size) for size in (1, 10, 100, 1_000, 10_000)
    },
    "entities at once": {count: Shape(entities=count) for count in (1, 2, 4, 8, 16)},
    "wrappers": {count: Shape(wrappers=count) for count in range(11)},
    "bytes a record": {
        size: Shape(min(1_000_000, 300_000_000 // size), max(1, min(1_000, 1_000_000 // size)), size)
        for size in (100, 1_000, 10_000, 100_000)
    },
    "MiB read ahead": {mib: Shape(ahead=mib) for mib in (0, 1, 4, 16, 64)},
}
"""What each curve runs. A page of large records holds fewer of them, as an API would send."""


def point(at: int, shape: Shape) -> Point:
    """Run one shape."""
    with TemporaryDirectory(prefix="bench-scaling-") as name:
        job = [sys.executable, str(JOBS / "kit_scaling.py"), str(shape.records), name]
        settings = (shape.page_size, shape.size, shape.entities, shape.wrappers, shape.ahead)
        command = [*job, *map(str, settings)]
        outcome = timed(command, Path(name), None)
        if outcome.code != 0:
            raise RuntimeError((Path(name) / "stderr.txt").read_text())
        return Point(at, shape.records, outcome.seconds, outcome.processor, outcome.memory)


def curves() -> list[Curve]:
    """Run all shapes of all curves, each once but for the shortest."""
    found = []
    for along, shapes in VARIED.items():
        print(f"scaling: {along}", file=sys.stderr)
        found.append(Curve(along, tuple(point(at, shape) for at, shape in shapes.items())))
    return found


def until_output(command: list[str]) -> float:
    """Give the seconds from the start of a command to its first byte of output."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # asked for above
        os.read(process.stdout.fileno(), 1)
        seconds = time.perf_counter() - began
        process.kill()
    return seconds


def until_end(command: list[str]) -> float:
    """Give the seconds that a command takes."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def importing(statement: str) -> float:
    """Give the seconds that a statement takes in a fresh interpreter, whose own start is not counted."""
    command = [sys.executable, "-c", IMPORT.format(statement)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def starts() -> list[Start]:
    """Measure each start in turns."""
    kit = [sys.executable, str(SCRIPT)]
    measures: dict[str, Callable[[], float]] = {
        "connector-kit --help": lambda: until_end([*kit, "--help"]),
        "first record of connector-kit read": lambda: until_output([*kit, "read", "mock", "orders"]),
        "import connector_kit": lambda: importing("import connector_kit"),
        "import of every public name": lambda: importing(EVERY_NAME),
    }
    found: dict[str, list[float]] = {what: [] for what in measures}
    for _ in range(TIMES):
        for what, measure in measures.items():
            found[what].append(measure())
    return [Start(what, median(seconds)) for what, seconds in found.items()]
