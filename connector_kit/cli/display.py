"""Draws a run's progress on a terminal while it lasts, and takes the drawing away at its end."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from connector_kit.clock import AnyioClock, Clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from .progress import Progress

__all__ = ["displayed", "drawn"]

_STYLES = {"complete": "green", "stopped": "yellow", "failed": "red"}


@contextmanager
def displayed(progress: Progress) -> Iterator[None]:
    """Draw on standard error, four times a second, as long as the block lasts."""
    spinner, clock = Spinner("dots"), AnyioClock()
    console = Console(file=sys.stderr)
    with Live(
        get_renderable=lambda: drawn(progress, clock, spinner),
        console=console,
        transient=True,
        redirect_stdout=False,
    ):
        yield


def drawn(progress: Progress, clock: Clock, spinner: RenderableType) -> Table:
    """Give the drawing of this moment: a line for each entity."""
    now_ns = clock.monotonic_ns()
    table = Table.grid(padding=(0, 2))
    for column in ("sign", "entity", "rows", "rate", "state"):
        table.add_column(column, justify="right" if column in {"rows", "rate"} else "left", no_wrap=True)
    for each in progress.entities.values():
        state = each.state(now_ns)
        sign: RenderableType = spinner if each.ended_ns is None else Text("·")
        table.add_row(
            sign,
            Text(each.entity),
            Text(f"{each.rows:,} rows"),
            Text(f"{each.rate(now_ns):,.0f}/s"),
            Text(state, style=_STYLES.get(state, "")),
        )
    return table
