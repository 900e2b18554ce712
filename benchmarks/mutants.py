"""Changes wrappers and limiters in small ways, one at a time, and counts the changes that the tests notice.

The packages are `blocking`, `cassettes`, `limiters` and `wrappers`.

    make mutants                                  a sample: what `python benchmarks/mutants.py` does, in .venv-mutants
    python benchmarks/mutants.py --each 40        of each module 40 mutants
    python benchmarks/mutants.py --seed 7         another sample
    python benchmarks/mutants.py --all            every mutant: hours
    python benchmarks/mutants.py --again          the survivors of the last run, after tests were added
    python benchmarks/mutants.py --stored         run nothing: the tables of mutants.json; with --page, put into the page

mutmut does the work, in the folder `mutants`: the source itself is never changed. What came of it is `mutants.json`
beside this file, and the tables of docs/explanation/mutation-testing.md; why survivors are left is in
`mutants_left.toml`.
"""

# pyright: reportMissingModuleSource=false
# mutmut is in .venv-mutants alone; what is used of it is declared in typings/.

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import attrs
import cattrs
from mutants_found import Left, Module, Run, by_package, share
from mutants_page import Reason, as_markdown

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parent.parent
PACKAGES = ("blocking", "cassettes", "limiters", "wrappers")
RESULTS = Path(__file__).with_name("mutants.json")
REASONS = Path(__file__).with_name("mutants_left.toml")
PAGE = ROOT / "docs" / "explanation" / "mutation-testing.md"
BEGIN, END = "<!-- mutants: begin -->", "<!-- mutants: end -->"
KILLED = (1, 3)
STOPPED = (-24, 24, 36, 152, 255)
"""The exit codes that mutmut stores for a test that failed, and for tests that did not end in time."""
SEPARATOR = "ǁ"
"""Stands around the class in mutmut's name of a method."""


def mutants_of(path: Path) -> list[str]:
    """Give the names of all mutants of a module."""
    # mutmut is in .venv-mutants alone, and --stored works without it
    from mutmut.mutation.file_mutation import mutate_file_contents  # noqa: PLC0415 - it is in .venv-mutants alone
    from mutmut.utils.format_utils import get_mutant_name  # noqa: PLC0415 - it is in .venv-mutants alone

    names = mutate_file_contents(str(path), path.read_text()).mutant_names
    return sorted(get_mutant_name(path, name) for name in names)


def drawn(names: Sequence[str], path: Path, each: int | None, seed: int) -> list[str]:
    """Give those to try: all, or so many of them, the same ones for the same seed and source."""
    if each is None or len(names) <= each:
        return list(names)
    return sorted(Random(f"{seed} {path}").sample(names, each))


def try_out(names: Sequence[str]) -> None:
    """Run the tests of each mutant: one at a time, the same examples each time."""
    command = [
        sys.executable,
        "-c",
        "from mutmut.__main__ import cli; cli()",
        "run",
        "--max-children",
        "1",
        *names,
    ]
    subprocess.run(command, check=True, env={**os.environ, "CI": "1"})


def outcomes(path: Path) -> dict[str, int]:
    """Give the exit codes of the tests of a module's mutants, as far as they were run."""
    stored = json.loads(Path("mutants", f"{path}.meta").read_text())
    return {name: code for name, code in stored["exit_code_by_key"].items() if code is not None}


def survivor(name: str, path: Path) -> Left:
    """Say what one mutant changed."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant  # noqa: PLC0415 - as above

    lines = get_diff_for_mutant(name, path=path).splitlines()[2:]
    was, became = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    mangled = name.rpartition(".")[2].partition("__mutmut_")[0]
    function = ".".join(mangled.split(SEPARATOR)[1:]) or mangled.removeprefix("x_")
    return Left(function, was, became)


def judged(path: Path, names: Sequence[str], tried: Sequence[str]) -> Module:
    """Count what came of a module's mutants."""
    codes = outcomes(path)
    return Module(
        name=".".join(path.with_suffix("").parts[1:]),
        mutants=len(names),
        tried=len(tried),
        killed=sum(codes[name] in KILLED for name in tried),
        stopped=sum(codes[name] in STOPPED for name in tried),
        left=tuple(survivor(name, path) for name in tried if codes[name] not in KILLED + STOPPED),
    )


def measured(each: int | None, seed: int, *, again: bool) -> Run:
    """Draw mutants, try them, and count; `again`, only those that survived the last time."""
    paths = [path for package in PACKAGES for path in sorted(Path("connector_kit", package).rglob("*.py"))]
    names = {path: mutants_of(path) for path in paths}
    chosen = {path: drawn(names[path], path, each, seed) for path in paths if names[path]}
    wanted = [name for path, tried in chosen.items() for name in tried]
    if again:
        before = {name: code for path in chosen for name, code in outcomes(path).items()}
        wanted = [name for name in wanted if before.get(name) not in KILLED + STOPPED]
    try_out(wanted)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], check=True, stdout=subprocess.PIPE, text=True
    )
    modules = tuple(judged(path, names[path], tried) for path, tried in chosen.items())
    return Run(
        date=datetime.now(UTC).date().isoformat(),
        commit=commit.stdout.strip(),
        tool=f"mutmut {version('mutmut')}",
        python=platform.python_version(),
        each=each,
        seed=seed,
        modules=modules,
        blind=stored().blind
        if again
        else {name: share(several) for name, several in by_package(modules).items()},
    )


def stored() -> Run:
    """Give the run that is kept."""
    return cattrs.structure(json.loads(RESULTS.read_text()), Run)


def reasons() -> dict[Left, Reason]:
    """Give why mutants are left, as somebody wrote it down."""
    written = tomllib.loads(REASONS.read_text())["left"]
    return {
        Left(entry["function"], entry["was"], entry["became"]): Reason(entry["why"], entry["same"])
        for entry in written
    }


def put_into_page(section: str) -> None:
    """Replace what stands between the markers."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{section}\n\n{END}{after}")


def main() -> None:
    """Run, store, put into the page, print."""
    arguments = argparse.ArgumentParser(description="Mutation testing of connector_kit.")
    arguments.add_argument("--each", type=int, default=15, help="how many mutants of each module")
    arguments.add_argument("--all", action="store_true", help="all of them")
    arguments.add_argument("--seed", type=int, default=1, help="which sample")
    arguments.add_argument("--again", action="store_true", help="only the survivors of the last run")
    arguments.add_argument("--stored", action="store_true", help="run nothing; show mutants.json")
    arguments.add_argument("--page", action="store_true", help="put what is shown into the page")
    options = arguments.parse_args()

    os.chdir(ROOT)
    if options.stored:
        run = stored()
    else:
        each, seed = None if options.all else options.each, options.seed
        if options.again:
            each, seed = stored().each, stored().seed
        run = measured(each, seed, again=options.again)
        RESULTS.write_text(json.dumps(attrs.asdict(run), indent=1, ensure_ascii=False) + "\n")
    section = as_markdown(run, reasons())
    print(section)
    if options.page or not options.stored:
        put_into_page(section)


if __name__ == "__main__":
    main()
