"""How an error is told: the message alone, or with the traceback for whoever asks for it."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from connector_kit.errors import ConnectorError

if TYPE_CHECKING:
    from types import TracebackType

    import click

__all__ = ["told", "usage"]


def told(error: BaseException, *, with_traceback: bool = False) -> str:
    """Give what to print about an error, without the last line end.

    A `ConnectorError` says by itself what to do. The message of any other is not shown, for nobody has seen to it that
    no secret is in it: its class and its place are.
    """
    if with_traceback:
        return "".join(traceback.format_exception(error)).rstrip("\n")
    if isinstance(error, ConnectorError):
        return f"error: {error}"
    return (
        f"error: unexpected {type(error).__name__}{_place(error.__traceback__)}; expected a connector that raises errors of "
        "connector_kit.errors; this is a bug there or here: run again with --traceback to see it"
    )


def usage(error: click.ClickException) -> str:
    """Give what to print about a command line that cannot be understood: what is wrong, and how it is written."""
    context = getattr(error, "ctx", None)
    lines = [f"error: {error.format_message()}"]
    if context is not None:
        lines.append(f"{context.get_usage()}\ntry: {context.command_path} --help")
    return "\n".join(lines)


def _place(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace)
    return f" in {frames[-1].filename}, line {frames[-1].lineno}" if frames else ""
