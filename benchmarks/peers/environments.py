"""Each library in an environment of its own, made on the first run from a file that pins all of it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

__all__ = ["KIT", "made", "python_of"]

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements"
ENVIRONMENTS = HERE / ".venvs"
KIT = "kit"
"""The environment that runs this: the one of the kit and its development tools."""


def python_of(environment: str) -> str:
    """Give the interpreter of an environment."""
    return sys.executable if environment == KIT else str(ENVIRONMENTS / environment / "bin" / "python")


def made(environment: str) -> None:
    """Make an environment, unless it is there as its file asks for it."""
    if environment == KIT:
        return
    requirements, folder = REQUIREMENTS / f"{environment}.txt", ENVIRONMENTS / environment
    stamp, asked = folder / "made-from.sha256", hashlib.sha256(requirements.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == asked:
        return
    print(f"making the environment {environment}", file=sys.stderr)
    pip = [python_of(environment), "-m", "pip", "-qq", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    subprocess.run([*pip, "install", "--requirement", str(requirements)], check=True)
    stamp.write_text(asked)
