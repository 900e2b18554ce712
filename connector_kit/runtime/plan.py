"""Where a read begins and what a checkpoint says: pure functions of the catalog, the options and the last checkpoint."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import attrs

from connector_kit.errors import ConfigError, DataError
from connector_kit.records.checkpoint import Checkpoint, Mode
from connector_kit.records.page import Cursor

from .boundary import Border
from .watermark import watermark_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from connector_kit.records.catalog import Entity
    from connector_kit.records.page import Page, Record
    from connector_kit.runtime.options import EntityOptions

__all__ = [
    "Position",
    "advance",
    "begin",
    "choose_mode",
    "cover",
    "coverable",
    "default_mode",
    "expired",
    "final",
]


@attrs.frozen
class Position:
    """How far a read has come: what `fetch_data` is called with to go on, and what was seen so far."""

    since: datetime | None = None
    cursor: Cursor = None
    watermark: datetime | None = None
    rows: int = 0
    pages: int = 0
    resumed: bool = False
    border: Border = attrs.field(factory=Border)


def default_mode(entity: Entity, modes: AbstractSet[Mode]) -> Mode:
    """Choose the mode that keeps every row exactly once with the least reading.

    Over the old row where there is a primary key; behind the old rows where the last cursor says what is new;
    otherwise all anew.
    """
    if entity.primary_key and "upsert" in modes:
        return "upsert"
    if entity.incremental == "cursor" and "append" in modes:
        return "append"
    return "replace" if "replace" in modes else "append"


def choose_mode(entity: Entity, wanted: Mode | None, modes: AbstractSet[Mode]) -> Mode:
    """Give the mode to use, or raise `ConfigError` where the wanted one, or any at all, cannot work."""
    chosen = wanted or default_mode(entity, modes)
    if chosen not in modes:
        raise ConfigError(
            f"mode {chosen!r} for entity {entity.name!r}: this destination can do {', '.join(sorted(modes))}; "
            "choose one of these, or another destination"
        )
    if chosen == "upsert" and not entity.primary_key:
        raise ConfigError(
            f"mode 'upsert' for entity {entity.name!r}: it has no primary key to tell its records apart by; use 'append' or "
            "'replace', or let the connector name a primary key"
        )
    if chosen == "append" and entity.incremental is None:
        raise ConfigError(
            f"mode 'append' for entity {entity.name!r}: it is read in full by every run, so that each would store all its rows once "
            "more; use 'replace' or 'upsert', or let the connector say how what is new is read (`incremental`)"
        )
    return chosen


def begin(name: str, entity: Entity, mode: Mode, options: EntityOptions, last: Checkpoint | None) -> Position:
    """Say where a read begins, given the destination's last checkpoint; `name` is the connector's."""
    if options.start is not None and entity.incremental != "since":
        raise ConfigError(
            f"entity {entity.name!r} has a start, but is not read by since; leave `start` out, or declare its replication key"
        )
    if options.lookback and mode == "append":
        raise ConfigError(
            f"entity {entity.name!r} has a lookback, but mode 'append' would store once more what it reads again; use 'upsert', or "
            "leave `lookback` out"
        )
    anew = Position(since=options.start)
    if last is None:
        return anew
    if last.connector != name:
        raise ConfigError(
            f"entity {entity.name!r} in this destination was written by the connector {last.connector!r}, not {name!r}; use another "
            "destination, give this connector that name, or reset the entity's state"
        )
    if not last.complete:
        return _go_on(entity, mode, last)
    if mode == "replace" or entity.incremental is None:
        return anew
    if entity.incremental == "cursor":
        return Position(cursor=last.cursor, watermark=last.watermark)
    since = _since(last.watermark, options)
    if mode == "append":
        _refuse_unknown_border(entity, last)
        return Position(since, watermark=last.watermark, border=Border(seen=last.stored, stored=last.stored))
    return Position(since, watermark=last.watermark)


def _refuse_unknown_border(entity: Entity, last: Checkpoint) -> None:
    if last.watermark is not None and not last.stored:
        raise ConfigError(
            f"entity {entity.name!r} was last written in mode {last.mode!r}, which does not keep what mode 'append' needs to leave out "
            f"records it has stored; go on with {last.mode!r}, or reset the entity's state and remove its rows"
        )


def _since(watermark: datetime | None, options: EntityOptions) -> datetime | None:
    """Give the lower bound of the next read: the lookback before the watermark, but never before the start."""
    if watermark is None:
        return options.start
    try:
        since = watermark - options.lookback.timedelta
    except OverflowError:  # further back than the calendar goes
        return options.start
    return since if options.start is None else max(since, options.start)


def _go_on(entity: Entity, mode: Mode, last: Checkpoint) -> Position:
    if last.mode != mode:
        raise ConfigError(
            f"entity {entity.name!r} has an unfinished read in mode {last.mode!r}, but the mode is {mode!r} now; run once more with "
            f"{last.mode!r} to finish it, or reset the entity's state"
        )
    border = Border(last.seen, last.stored)
    return Position(
        last.since, last.cursor, last.watermark, last.rows, last.pages, resumed=True, border=border
    )


def advance(position: Position, entity: Entity, mode: Mode, page: Page) -> tuple[Position, Sequence[Record]]:
    """Give the position behind a page, and those of its records that are to be written."""
    border, records = position.border, page.records
    bordered = mode == "append" and entity.incremental == "since"
    if bordered:
        border, records = border.leave_out(entity, records, position.since)
    watermark = watermark_of(entity, records, position.watermark)
    if bordered:
        border = border.grown(entity, records, position.watermark, watermark)
    moved = Position(  # written out: `evolve` takes several times as long, for every page
        position.since,
        page.cursor,
        watermark,
        position.rows + len(records),
        position.pages + 1,
        position.resumed,
        border,
    )
    return moved, records


def expired(position: Position, mode: Mode, entity: Entity) -> Position | None:
    """Say where to begin instead when the source no longer accepts the cursor; None where that would repeat rows."""
    if mode == "append":
        return None
    if mode == "replace" or entity.incremental != "since":
        return Position(since=position.since)
    return attrs.evolve(position, cursor=None)


def _checkpoint(name: str, entity: Entity, mode: Mode, position: Position, now: datetime) -> Checkpoint:
    return Checkpoint(
        connector=name,
        entity=entity.name,
        mode=mode,
        since=position.since,
        cursor=position.cursor,
        watermark=position.watermark,
        rows=position.rows,
        pages=position.pages,
        updated=now,
        seen=position.border.seen,
        stored=position.border.stored,
    )


def coverable(entity: Entity, mode: Mode, position: Position) -> bool:
    """Whether a read could go on at `position` exactly.

    Without a cursor, an ordered entity can go on at its watermark where writing a record again is harmless.
    """
    if position.cursor is not None:
        return True
    at_watermark = mode == "upsert" and entity.ordered and entity.incremental == "since"
    return at_watermark and position.watermark is not None


def cover(name: str, entity: Entity, mode: Mode, position: Position, now: datetime) -> Checkpoint | None:
    """Make the checkpoint from which a read goes on at `position`; None where it could not go on exactly."""
    if not coverable(entity, mode, position):
        return None
    if position.cursor is None:
        position = attrs.evolve(position, since=position.watermark)
    return _checkpoint(name, entity, mode, position, now)


def final(name: str, entity: Entity, mode: Mode, position: Position, now: datetime) -> Checkpoint:
    """Make the checkpoint of a read that has ended."""
    if entity.incremental == "cursor" and position.cursor is None and position.pages:
        raise DataError(
            f"entity {entity.name!r} is read by cursor, but its last page carries none, so the next run could not tell what is new; "
            "let the connector give a cursor with every page, or declare another way (`incremental`)"
        )
    position.border.check(entity)
    return attrs.evolve(_checkpoint(name, entity, mode, position, now), complete=True)
