"""The way in, which needs nothing but Python: it says what to install where the command line's library is missing."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

__all__ = ["main", "process"]


def process() -> NoReturn:
    """Run the command as a process of its own, which ends with the exit code."""
    code = main()
    # Looking for garbage in all that ends with the process takes Python up to a tenth of a second. Finalizers of what is
    # still there at the end are not called then, which Python does not promise either.
    gc.freeze()
    sys.exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (the process's by default) and give its exit code."""
    try:
        from .run import run  # noqa: PLC0415 - it imports click, an extra: who has not got it gets a line, no traceback
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.stderr.write(
            "error: the command line needs click, which is not installed; pip install 'connector-kit[cli]'\n"
        )
        return 9
    return run(arguments)
