"""Standard output and standard error. Whoever reads the output may leave at any time, and it may be a file on a full disk."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from connector_kit.errors import ConnectorError, DestinationError

from .exit_codes import Code, code_of, error_text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ReaderGoneError",
    "discard_output",
    "print_json",
    "print_line",
    "print_to_stderr",
    "tell_errors",
    "write",
]


class ReaderGoneError(Exception):
    """Nobody reads standard output any more, as after `| head`."""


def write(data: bytes) -> None:
    """Write to standard output, flushed. Raises `ReaderGoneError`, or `DestinationError` where it takes no more."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise ReaderGoneError from None
    except OSError as error:
        raise DestinationError(
            f"standard output takes no more: {error.strerror or error}; expected room for the output; "
            "write it somewhere else"
        ) from error


def print_line(text: str) -> None:
    """Write a text and a line end to standard output."""
    write(f"{text}\n".encode(sys.stdout.encoding or "utf-8", "backslashreplace"))


def print_json(value: Any) -> None:
    """Write a value as indented JSON."""
    print_line(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_to_stderr(text: str) -> None:
    """Write a line to standard error, for a person."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def discard_output() -> None:
    """Let nothing more go to standard output, not even what Python flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def tell_errors(errors: Mapping[str, Exception], *, with_traceback: bool) -> Code:
    """Print the error of each entity, and return the exit code for all of them."""
    for entity, error in errors.items():
        if isinstance(error, ConnectorError):
            error.locate(entity=entity)
        print_to_stderr(error_text(error, with_traceback=with_traceback))
    return max(map(code_of, errors.values()), default=Code.OK)
