"""How a command ends: its exit code, which docs/reference/exit-codes.md is about, and what is printed of an error. Pure."""

from __future__ import annotations

import traceback
from enum import IntEnum
from typing import TYPE_CHECKING

from connector_kit.errors import (
    AuthenticationError,
    CircuitOpenError,
    ConfigError,
    ConnectorError,
    DataError,
    DestinationError,
    PermissionDeniedError,
    RetriesExhaustedError,
    TransientError,
)

if TYPE_CHECKING:
    from types import TracebackType

    import click

    from connector_kit.runtime.report import Report

__all__ = ["Code", "code_of", "code_of_report", "error_text", "usage_text"]


class Code(IntEnum):
    """How a command ended. `BROKEN`, a law is broken, is for `test` alone.

    From 3 to 11, the higher the code, the less another run alone will help: the highest decides where several apply.
    """

    OK = 0
    USAGE = 2
    STOPPED = 3
    TRANSIENT = 4
    EXHAUSTED = 5
    DATA = 6
    PERMANENT = 7
    AUTHENTICATION = 8
    CONFIG = 9
    DESTINATION = 10
    BROKEN = 11
    BUG = 70
    INTERRUPTED = 130


_CODES: tuple[tuple[type[ConnectorError] | tuple[type[ConnectorError], ...], Code], ...] = (
    (ConfigError, Code.CONFIG),
    (DestinationError, Code.DESTINATION),
    ((AuthenticationError, PermissionDeniedError), Code.AUTHENTICATION),
    (DataError, Code.DATA),
    ((RetriesExhaustedError, CircuitOpenError), Code.EXHAUSTED),
    (TransientError, Code.TRANSIENT),
    (ConnectorError, Code.PERMANENT),
)
"""The first one that applies decides. An error of no group is as good as permanent: nothing says to try again."""


def code_of(error: BaseException) -> Code:
    """Return the exit code for an error; what is no `ConnectorError` is a bug."""
    return next((code for classes, code in _CODES if isinstance(error, classes)), Code.BUG)


def code_of_report(report: Report) -> Code:
    """Return the exit code of a run: of its most severe failure, else whether it was stopped before its end."""
    codes = [code_of(entity.error) for entity in report.failed if entity.error is not None]
    if report.stopped and not (report.entities and report.complete):
        codes.append(Code.STOPPED)
    return max(codes, default=Code.OK)


def error_text(error: BaseException, *, with_traceback: bool = False) -> str:
    """Return what to print of an error, without the last line end.

    A `ConnectorError` says by itself what to do. The message of any other is not shown, for nobody has seen to it that
    no secret is in it: its class and its place are.
    """
    if with_traceback:
        return "".join(traceback.format_exception(error)).rstrip("\n")
    if isinstance(error, ConnectorError):
        return f"error: {error}"
    return (
        f"error: unexpected {type(error).__name__}{_location(error.__traceback__)}; expected a connector that raises errors of "
        "connector_kit.errors; this is a bug there or here: run again with --traceback to see it"
    )


def usage_text(error: click.ClickException) -> str:
    """Return what to print of a command line that cannot be understood: what is wrong, and how it is written."""
    context = getattr(error, "ctx", None)
    lines = [f"error: {error.format_message()}"]
    if context is not None:
        lines.append(f"{context.get_usage()}\ntry: {context.command_path} --help")
    return "\n".join(lines)


def _location(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace)
    return f" in {frames[-1].filename}, line {frames[-1].lineno}" if frames else ""
