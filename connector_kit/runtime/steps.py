"""Which of the pages that are there a destination stores at once, and where the read is behind them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import attrs

from connector_kit.records.page import Record

from .fields import fit_fields
from .plan import Position, advance, coverable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_kit.records.catalog import Entity
    from connector_kit.records.checkpoint import Mode
    from connector_kit.records.page import Page

__all__ = ["Step", "steps_of"]


@attrs.frozen
class Step:
    """The records of one or more pages, a part each, and the position behind the last of them."""

    parts: Sequence[Sequence[Record]]
    position: Position


def steps_of(
    position: Position,
    entity: Entity,
    mode: Mode,
    new_fields: Literal["evolve", "freeze", "discard"],
    pages: Sequence[Page],
) -> Iterator[Step]:
    """Give the pages behind `position` in one step, or in two: no page shall wait for a checkpoint that could have it.

    The first ends with the last page from which a read could go on. Where a page cannot be written, those before it
    come first; then what is wrong with it is raised.
    """
    parts: list[Sequence[Record]] = []
    fault: Exception | None = None
    covered, at_covered = 0, position
    for page in pages:
        try:
            moved, records = advance(position, entity, mode, page)
            parts.append(fit_fields(entity, records, new_fields))
        except Exception as error:  # noqa: BLE001 - raised below, behind the pages before this one
            fault = error
            break
        position = moved
        if coverable(entity, mode, position):
            covered, at_covered = len(parts), position
    if covered:
        yield Step(parts[:covered], at_covered)
    if covered < len(parts):
        yield Step(parts[covered:], position)
    if fault is not None:
        raise fault
