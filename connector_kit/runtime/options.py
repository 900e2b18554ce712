"""How an operator has one entity read and stored."""

from __future__ import annotations

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
    """

    mode: Mode | None = None
    new_fields: Literal["evolve", "freeze", "discard"] = "evolve"
    lookback: Duration = attrs.field(default=Duration(0))
    start: datetime | None = None
