"""The way in: runs the command line and turns whatever happens into a message and an exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (the process's by default) and give its exit code."""
    try:
        import click  # noqa: PLC0415 - an extra, and the message for who has not got it
    except ModuleNotFoundError:
        sys.stderr.write(
            "error: the command line needs click, which is not installed; pip install 'connector-kit[cli]'\n"
        )
        return 9
    from .codes import Code, code_of  # noqa: PLC0415 - after the check above, as what follows
    from .diagnostics import Diagnostics  # noqa: PLC0415
    from .failures import told, usage  # noqa: PLC0415
    from .output import ReaderGoneError, abandon, note  # noqa: PLC0415
    from .program import program  # noqa: PLC0415

    diagnostics = Diagnostics()
    try:
        code = program.main(arguments, prog_name="connector-kit", standalone_mode=False, obj=diagnostics)
    except click.ClickException as error:
        note(usage(error))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        note("interrupted; what is stored is sound, and the next run goes on from there")
        return Code.INTERRUPTED
    except ReaderGoneError:
        abandon()
        return Code.OK
    except Exception as error:  # noqa: BLE001 - the end of the line: everything becomes a message and a code
        note(told(error, with_traceback=diagnostics.traceback))
        return code_of(error)
    return code or Code.OK
