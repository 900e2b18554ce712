"""Standard output and standard error, and tables on them. Whoever reads the output may leave at any time, and it may be a file on a full disk."""

from __future__ import annotations

import json
import os
import sys
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.errors import DestinationError
from connector_kit.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ReaderGoneError",
    "Table",
    "discard_output",
    "plain",
    "print_json",
    "print_line",
    "print_to_stderr",
    "show",
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


def _printable_rows(rows: Sequence[Sequence[object]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(printable(str(cell)) for cell in row) for row in rows)


@attrs.frozen
class Table:
    """Rows under named columns; the columns in `numbers` are aligned to the right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...] = attrs.field(converter=_printable_rows)
    numbers: frozenset[str] = frozenset()


def plain(table: Table) -> str:
    """Return the table as text, columns two spaces apart, without a frame: for files, pipes and tests."""
    lines = [table.columns, *table.rows]
    widths = [max(map(len, column)) for column in zip_longest(*lines, fillvalue="")]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if name in table.numbers else cell.ljust(width)
            for name, cell, width in zip(table.columns, line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def show(table: Table) -> None:
    """Write the table to standard output: drawn to the width of a terminal, or as plain text."""
    print_line(_drawn(table) if sys.stdout.isatty() else plain(table))


def _drawn(table: Table) -> str:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - only where there is a terminal
    from rich.console import Console  # noqa: PLC0415 - the same
    from rich.table import Table as Drawing  # noqa: PLC0415 - the same
    from rich.text import Text  # noqa: PLC0415 - the same

    drawing = Drawing(box=SIMPLE_HEAD, pad_edge=False)
    for name in table.columns:
        number = name in table.numbers
        drawing.add_column(name, justify="right" if number else "left", overflow="fold", no_wrap=number)
    for row in table.rows:
        drawing.add_row(*map(Text, row))
    console = Console()
    with console.capture() as captured:
        console.print(drawing)
    return captured.get().strip("\n")
