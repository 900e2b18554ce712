"""How an operator has one entity read and stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import attrs

from connector_kit.durations import Duration
from connector_kit.records.checkpoint import Mode

__all__ = ["EntityOptions"]


@attrs.frozen
class EntityOptions:
    """How one entity is read.

    `mode` is how records land (the run's choice where it is left out). `new_fields` is what happens to fields that
    the catalog does not have: added, an error, or left out. `lookback` is read again before the watermark, for sources
    that commit late. `start` is where the first incremental read begins.

    `table` is the entity's name in the destination, `rename` has the names of fields there. `clock_tolerance` is by how much
    the source's clock may differ from this one. `on_bad_record` is what becomes of a record that cannot be stored.
    `volatile` names fields that differ each time a record is read, so that mode "append" compares records without them.
    `generation_max_age` is how long an unfinished replace may be continued. `min_share` guards a replace: one that would leave
    a smaller share of the rows that were there, or none, is refused; 0 allows it.
    """

    mode: Mode | None = None
    new_fields: Literal["evolve", "freeze", "discard"] = "evolve"
    lookback: Duration = attrs.field(default=Duration(0))
    start: datetime | None = None
    table: str | None = None
    rename: Mapping[str, str] = attrs.field(factory=dict[str, str])
    clock_tolerance: Duration = attrs.field(default=Duration.parse("5m"))
    on_bad_record: Literal["fail", "skip", "quarantine"] = "fail"
    volatile: tuple[str, ...] = attrs.field(default=(), converter=tuple[str, ...])
    generation_max_age: Duration = attrs.field(default=Duration.parse("24h"))
    min_share: float = attrs.field(default=0.1, validator=[attrs.validators.ge(0), attrs.validators.le(1)])
