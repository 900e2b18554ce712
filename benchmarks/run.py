"""Runs all benchmarks and prints one table; every figure in it is from this one run.

    python benchmarks/run.py               the table, and results.json beside this file
    python benchmarks/run.py --stored      measure nothing: the table of results.json
    python benchmarks/run.py --markdown    the table as Markdown
    python benchmarks/run.py --readme      and put it into the README, between its markers
    python benchmarks/run.py --quick       one round, nothing stored: does it still run?

`results.json` is in pyperf's form: `python -m pyperf compare_to old.json benchmarks/results.json` compares two runs.
"""

from __future__ import annotations

import argparse
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from os import cpu_count, getloadavg
from pathlib import Path
from typing import TYPE_CHECKING

import imports
import pages
import permits
import pyperf
import structuring
import throughput
from rounds import measure
from table import as_markdown, as_text, rows

if TYPE_CHECKING:
    from collections.abc import Mapping

RESULTS = Path(__file__).with_name("results.json")
README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
LIBRARIES = ("connector-kit", "anyio", "attrs", "msgspec")


def processor() -> str:
    """Give the processor's name, where the system tells it."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def surroundings() -> dict[str, str | int | float]:
    """Say what was measured where and when, under pyperf's names where it has one."""
    libraries = ", ".join(f"{library} {version(library)}" for library in LIBRARIES)
    return {
        "cpu_model_name": processor(),
        "cpu_count": cpu_count() or 1,
        "load_avg_1min": getloadavg()[0],
        "python_version": f"{platform.python_version()}",
        "platform": f"{platform.system()} {platform.machine()}",
        "libraries": libraries,
        "date": datetime.now(UTC).isoformat(" ", "seconds").removesuffix("+00:00"),
    }


def described(metadata: Mapping[str, str | int | float]) -> str:
    """Give the surroundings in one line."""
    return (
        f"{metadata['cpu_model_name']}, {metadata['cpu_count']} cores, {metadata['platform']}, "
        f"Python {metadata['python_version']}, {metadata['libraries']}; {str(metadata['date'])[:10]}"
    )


def measured(*, quick: bool) -> pyperf.BenchmarkSuite:
    """Run everything, group by group; the rounds are more where they are short."""
    groups = [
        (pages.contestants(), 15),
        (permits.contestants(), 15),
        (structuring.contestants(), 15),
        (imports.contestants(), 15),
        (throughput.contestants(), 7),
    ]
    metadata = surroundings()
    if getloadavg()[0] > 0.5:
        print("the machine is busy with something else: these figures are not for keeping", file=sys.stderr)
    benchmarks: list[pyperf.Benchmark] = []
    for number, (contestants, rounds) in enumerate(groups, 1):
        print(f"group {number} of {len(groups)}: {len(contestants)} contestants", file=sys.stderr)
        benchmarks += measure(contestants, 1 if quick else rounds, metadata)
    return pyperf.BenchmarkSuite(benchmarks)


def put_into_readme(table: str) -> None:
    """Replace what stands between the markers."""
    before, _, rest = README.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}")


def main() -> None:
    """Measure, store, print."""
    arguments = argparse.ArgumentParser(description="The benchmarks of connector_kit.")
    arguments.add_argument("--stored", action="store_true", help="measure nothing; show results.json")
    arguments.add_argument("--quick", action="store_true", help="one round, nothing stored")
    arguments.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    arguments.add_argument("--readme", action="store_true", help="put the table into the README")
    options = arguments.parse_args()

    suite = pyperf.BenchmarkSuite.load(str(RESULTS)) if options.stored else measured(quick=options.quick)
    if not (options.quick or options.stored):
        suite.dump(str(RESULTS), compact=False, replace=True)
    lines, where = rows(suite.get_benchmarks()), described(suite.get_metadata())
    print(as_markdown(lines, where) if options.markdown else as_text(lines, where))
    if options.readme:
        put_into_readme(as_markdown(lines, where))


if __name__ == "__main__":
    main()
