"""How long `import connector_kit` takes, measured inside a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rounds import Measure

__all__ = ["contestants"]

TIMED = "from time import perf_counter as now; start = now(); {}; print(now() - start)"
EVERY_NAME = "import connector_kit; [getattr(connector_kit, name) for name in connector_kit.__all__]"


def importing(statement: str) -> Measure:
    """Start a Python, run the statement, give the seconds it took; the start of Python itself is not counted."""

    def measured() -> float:
        command = [sys.executable, "-c", TIMED.format(statement)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    return measured


def contestants() -> dict[str, Measure]:
    """The package alone, and with all that its users can name."""
    return {
        "import: connector_kit": importing("import connector_kit"),
        "import: connector_kit, every public name": importing(EVERY_NAME),
    }
