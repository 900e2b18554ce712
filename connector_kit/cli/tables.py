"""A table as a value, and as text: aligned columns, drawn by rich on a terminal."""

from __future__ import annotations

import sys
from itertools import zip_longest
from typing import TYPE_CHECKING

import attrs

from connector_kit.text import printable

from .output import print_line

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Table", "plain", "show"]


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
