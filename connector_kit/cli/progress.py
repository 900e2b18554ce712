"""How far each entity of a run is and what it is doing: folded from events, and drawn on a terminal while it lasts."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from connector_kit.clock import AnyioClock, Clock
from connector_kit.durations import rounded_duration
from connector_kit.events import (
    EntityFinished,
    EntityStarted,
    Event,
    PageDelivered,
    PagesWritten,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from rich.console import RenderableType

__all__ = ["EntityProgress", "Progress", "displayed", "drawn"]


@attrs.frozen
class EntityProgress:
    """One entity at one moment. Times are nanoseconds of the clock; `until_ns` is when what it waits for is due."""

    entity: str
    mode: str
    started_ns: int
    rows: int = 0
    doing: str = "reading"
    until_ns: int | None = None
    ended_ns: int | None = None

    def rate(self, now_ns: int) -> float:
        """Return the rows a second since it was started, until now or its end."""
        seconds = ((self.ended_ns or now_ns) - self.started_ns) / 1e9
        return self.rows / seconds if seconds > 0 else 0.0

    def state(self, now_ns: int) -> str:
        """Return what it does: `reading`, `retrying in 3s`, `complete`."""
        left = 0.0 if self.until_ns is None else (self.until_ns - now_ns) / 1e9
        return (
            f"{self.doing} {rounded_duration(left)}"
            if left > 0
            else self.doing
            if self.until_ns is None
            else "reading"
        )


class Progress:
    """An observer that keeps the progress of every entity of a run, in the order in which they were started."""

    def __init__(self, clock: Clock = AnyioClock()) -> None:
        self._clock = clock
        self._entities: dict[str, EntityProgress] = {}

    @property
    def entities(self) -> Mapping[str, EntityProgress]:
        """The entities by name, as they are now."""
        return dict(self._entities)

    def observe(self, event: Event) -> None:
        """Take note of one event."""
        now_ns = self._clock.monotonic_ns()
        match event:
            case EntityStarted(entity=entity, mode=mode, resumed=resumed):
                doing = "going on" if resumed else "reading"
                self._entities[entity] = EntityProgress(entity, mode, now_ns, doing=doing)
            case PagesWritten(entity=entity, rows=rows):
                self._change(entity, rows=rows)
            case PageDelivered(entity=entity):
                self._change(entity, doing="reading", until_ns=None)
            case EntityFinished(entity=entity, status=status, rows=rows):
                # One that was stopped before it began has not been started.
                self._entities.setdefault(entity, EntityProgress(entity, "", now_ns))
                self._change(entity, doing=status, until_ns=None, rows=rows, ended_ns=now_ns)
            case _ if event.pending is not None:
                doing, seconds = event.pending
                self._change(
                    getattr(event, "entity", None), doing=doing, until_ns=now_ns + round(seconds * 1e9)
                )
            case _:
                pass

    def _change(self, entity: str | None, **changes: Any) -> None:
        if entity in self._entities:
            self._entities[entity] = attrs.evolve(self._entities[entity], **changes)


_STYLES = {"complete": "green", "stopped": "yellow", "failed": "red"}


@contextmanager
def displayed(progress: Progress) -> Generator[None]:
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
    """Return the drawing of this moment: a line for each entity."""
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
