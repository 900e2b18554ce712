"""requirements.txt answers what pyproject.toml asks for, and says nothing of where it was made."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LINES = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
LOCKED = dict(line.partition(";")[0].split("==") for line in LINES)
ASKED = {
    str(asked): asked
    for text in [
        *PROJECT["build-system"]["requires"],
        *PROJECT["project"]["dependencies"],
        *(line for lines in PROJECT["project"]["optional-dependencies"].values() for line in lines),
        *(line for lines in PROJECT["dependency-groups"].values() for line in lines),
    ]
    if (asked := Requirement(text)).name != PROJECT["project"]["name"]
}


@pytest.mark.parametrize("asked", ASKED)
def test_what_is_asked_for_is_locked(asked: str) -> None:
    requirement = ASKED[asked]
    version = LOCKED[canonicalize_name(requirement.name)]
    assert version in requirement.specifier


def test_the_lock_has_names_and_versions_only() -> None:
    pinned = r"[a-z0-9-]+==[\w.+!]+(; python_version < \"[\d.]+\")?"
    assert [line for line in LINES if not re.fullmatch(pinned, line)] == []


def test_the_lock_leaves_out_what_only_the_demos_data_package_asks_for() -> None:
    assert {"pandas", "numpy"}.isdisjoint(LOCKED)
