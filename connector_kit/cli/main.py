"""The entry point. It needs nothing but Python, and says what to install where the command line's library is missing."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

__all__ = ["main", "process"]


def process() -> NoReturn:
    """Run the command as a process of its own, which ends with the exit code."""
    code = main()
    # Threads that are to be waited for, and what wants to be called at the exit, then the end, as `multiprocessing` ends its
    # processes. To take apart what is in memory would be left of it: a tenth of a second, where that is much.
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - Python's own end begins with these two, too
    atexit._run_exitfuncs()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - nothing public does the same
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        sys.exit(code)  # Python says what it says where nobody reads
    os._exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (the process's by default) and return its exit code."""
    try:
        from .program import run  # noqa: PLC0415 - it imports click, an extra: who has not got it gets a line, no traceback
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.stderr.write(
            "error: the command line needs click, which is not installed; pip install 'connector-kit[cli]'\n"
        )
        return 9
    return run(arguments)
