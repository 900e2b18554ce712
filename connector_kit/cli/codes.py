"""The exit codes, and which one an error or a run ends with. Pure; docs/reference/exit-codes.md is about them."""

from __future__ import annotations

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
    from connector_kit.runtime.report import Report

__all__ = ["Code", "code_of", "code_of_report"]


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
    """Give the exit code for an error; what is no `ConnectorError` is a bug."""
    return next((code for classes, code in _CODES if isinstance(error, classes)), Code.BUG)


def code_of_report(report: Report) -> Code:
    """Give the exit code of a run: of its most severe failure, else whether it was stopped before its end."""
    codes = [code_of(entity.error) for entity in report.failed if entity.error is not None]
    if report.stopped and not (report.entities and report.complete):
        codes.append(Code.STOPPED)
    return max(codes, default=Code.OK)
