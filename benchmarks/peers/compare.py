"""Runs the same job by connector_kit, by other libraries and by hand, in turns, and prints what each made of it.

    make bench-peers                                      all of it: what `python benchmarks/peers/compare.py` does
    python benchmarks/peers/compare.py --quick            the kit and the floors of its own environment, few records;
                                                          nothing is kept
    python benchmarks/peers/compare.py --only jsonl       one group; nothing is kept
    python benchmarks/peers/compare.py --stored           run nothing: the tables of peer_results.json, and put them
                                                          into the pages

A full run writes peer_results.json beside this file, the tables and plots of docs/explanation/performance.md, and the
ratios that the README quotes. How it is measured stands on that page.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from os import cpu_count, getloadavg
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import cattrs
import environments
import scaling
from contestants import CONTESTANTS, FAULTED, Contestant
from faults import KINDS
from marked_page import put
from peer_results import OURS, Faulted, Measured, Run, targets
from peer_tables import RATIOS_SECTION, sections
from process_run import Api, Outcome, run_job, serving

if TYPE_CHECKING:
    from collections.abc import Sequence

    from written_rows import Rows

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULTS = HERE / "peer_results.json"
PAGE = ROOT / "docs" / "explanation" / "performance.md"
README = ROOT / "README.md"
PLOTS = "plots"
SHOWN = {
    environments.KIT: ("connector-kit", "anyio", "httpx2", "msgspec"),
    "floors": ("aiohttp", "orjson"),
    "airbyte-cdk": ("airbyte-cdk",),
    "singer-sdk": ("singer-sdk",),
    "dlt": ("dlt",),
}
"""The versions that are told of, by environment."""
FAULTED_AT_ONCE = 6
"""Reads under faults wait most of the time, and their time is not compared."""
FAULT_LIMIT = 3
"""Seconds that a request may take under faults, for whoever has a setting for it."""
FAULT_GIVEN_UP = 60.0


@attrs.frozen
class Sizes:
    """How much is run."""

    rounds: int = 9
    records: int = 200_000
    page_size: int = 1_000
    memory_records: int = 1_000_000
    faulted_records: int = 20_000


QUICK = Sizes(rounds=1, records=20_000, memory_records=20_000)


def machine() -> str:
    """Say what this runs on."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    name = next(names, platform.machine())
    return f"{name}, {cpu_count()} cores, {platform.system()} {platform.machine()}"


def versions(used: Sequence[str]) -> dict[str, str]:
    """Ask each environment for the versions of what it is there for."""
    found: dict[str, str] = {}
    for environment in used:
        asked = SHOWN[environment]
        code = f"from importlib.metadata import version; print(*map(version, {asked!r}))"
        command = [environments.python_of(environment), "-c", code]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        found |= dict(zip(asked, printed.split(), strict=True))
    return found


def size_of(contestant: Contestant, sizes: Sizes) -> int:
    """Give how many records a contestant reads."""
    if contestant.group == "memory":
        return min(contestant.records or sizes.memory_records, sizes.memory_records)
    return sizes.records


def in_turns(takers: Sequence[Contestant], sizes: Sizes, api: Api) -> list[Measured]:
    """Run every contestant in each of its rounds; each round begins with another one."""
    found: dict[Contestant, list[tuple[Outcome, Rows]]] = {each: [] for each in takers}
    for number in range(sizes.rounds):
        print(f"round {number + 1} of {sizes.rounds}", file=sys.stderr)
        turn = number % len(takers)
        for contestant in (*takers[turn:], *takers[:turn]):
            if number % contestant.every:
                continue
            source = size_of(contestant, sizes) if contestant.group == "memory" else api
            outcome, rows = run_job(contestant, source)
            if outcome.code != 0:
                raise RuntimeError(f"{contestant.name} ended with {outcome.code} without a fault")
            found[contestant].append((outcome, rows))
    return [
        Measured(
            name=contestant.name,
            group=contestant.group,
            records=size_of(contestant, sizes),
            seconds=tuple(outcome.seconds for outcome, _ in runs),
            processor=tuple(outcome.processor for outcome, _ in runs),
            memory=tuple(outcome.memory for outcome, _ in runs),
            startup=tuple(outcome.startup for outcome, _ in runs),
            lost=max(rows.lost for _, rows in runs),
            repeated=max(rows.repeated for _, rows in runs),
        )
        for contestant, runs in found.items()
    ]


def under_faults(takers: Sequence[Contestant], api: Api) -> list[Faulted]:
    """Run every contestant once under each kind of fault, several at once."""

    def run(asked: tuple[Contestant, str]) -> Faulted:
        contestant, fault = asked
        outcome, rows = run_job(contestant, api, fault, limit=FAULT_LIMIT, give_up=FAULT_GIVEN_UP)
        return Faulted(
            name=contestant.name,
            group=contestant.group,
            fault=fault,
            records=api.records,
            seconds=outcome.seconds,
            code=outcome.code,
            lost=rows.lost,
            repeated=rows.repeated,
        )

    print("under faults", file=sys.stderr)
    with ThreadPoolExecutor(FAULTED_AT_ONCE) as pool:
        return list(pool.map(run, [(contestant, fault) for contestant in takers for fault in KINDS]))


def measured(
    takers: Sequence[Contestant], faulted: Sequence[Contestant], sizes: Sizes, *, with_scaling: bool
) -> Run:
    """Run contestants in turns, and some of them under faults."""
    used = [name for name in SHOWN if any(each.environment == name for each in takers)]
    for name in used:
        environments.made(name)
    load = getloadavg()[0]
    if load > 0.5:
        print("the machine is busy with something else: these figures are not for keeping", file=sys.stderr)
    run = Run(
        date=datetime.now(UTC).date().isoformat(),
        machine=machine(),
        load=load,
        python=platform.python_version(),
        versions=versions(used),
        rounds=sizes.rounds,
        records=sizes.records,
        page_size=sizes.page_size,
        memory_records=sizes.memory_records,
        measured=(),
    )
    with serving(sizes.records, sizes.page_size) as api:
        run = attrs.evolve(run, measured=tuple(in_turns(takers, sizes, api)))
    with serving(sizes.faulted_records, sizes.page_size) as api:
        run = attrs.evolve(run, faulted=tuple(under_faults(faulted, api)))
    if not with_scaling:
        return run
    return attrs.evolve(run, curves=tuple(scaling.curves()), starts=tuple(scaling.starts()))


def keep(run: Run) -> None:
    """Write the figures down."""
    RESULTS.write_text(json.dumps(attrs.asdict(run), indent=1, ensure_ascii=False) + "\n")


def put_into_pages(run: Run) -> None:
    """Write tables and plots."""
    for name, section in sections(run).items():
        put(README if name == RATIOS_SECTION else PAGE, name, section)
    environments.made(PLOTS)
    command = [environments.python_of(PLOTS), str(HERE / "plots.py"), str(RESULTS), str(PAGE.parent)]
    subprocess.run(command, check=True)


def main() -> None:
    """Run, keep, put into the pages, print."""
    arguments = argparse.ArgumentParser(description="connector_kit beside other libraries.")
    arguments.add_argument("--quick", action="store_true", help="few records, no foreign library")
    arguments.add_argument("--only", choices=("jsonl", "sqlite", "memory"), help="one group")
    arguments.add_argument("--rounds", type=int, default=Sizes().rounds)
    arguments.add_argument("--stored", action="store_true", help="run nothing; show peer_results.json")
    arguments.add_argument("--print", action="store_true", help="with --stored: only print")
    options = arguments.parse_args()

    partial = options.quick or options.only is not None
    if options.stored:
        run = cattrs.structure(json.loads(RESULTS.read_text()), Run)
    else:
        takers = [
            each
            for each in CONTESTANTS
            if options.only in (None, each.group)
            and not (options.quick and each.environment != environments.KIT)
        ]
        sizes = QUICK if options.quick else Sizes(rounds=options.rounds)
        faulted = [each for each in takers if each in FAULTED and (each.name == OURS or not options.quick)]
        run = measured(takers, faulted, sizes, with_scaling=not partial)
        if not partial:
            keep(run)
    for section in sections(run).values():
        print(section, end="\n\n")
    if not partial and not options.print:
        put_into_pages(run)
    if not partial and (missed := [each.what for each in targets(run) if not each.met]):
        print(f"missed: {'; '.join(missed)}", file=sys.stderr)


if __name__ == "__main__":
    main()
