"""Runs a command line and turns whatever happens into a message and an exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .codes import Code, code_of
from .diagnostics import Diagnostics
from .failures import told, usage
from .output import ReaderGoneError, abandon, note
from .program import program

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["run"]


def run(arguments: Sequence[str] | None) -> int:
    """Run the command with these arguments, those of the process for None, and give its exit code."""
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
