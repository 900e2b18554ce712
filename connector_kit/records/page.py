"""What a read delivers: pages of records, the cursor of what follows, and what a page tells of the quota."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import attrs

__all__ = ["Cursor", "JsonValue", "Page", "Quota", "Record"]

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"

Cursor: TypeAlias = JsonValue
"""From where a fetch goes on: any JSON value. It means something to its connector alone; `None` is no cursor."""

Record: TypeAlias = Mapping[str, Any]
"""One record: field name to value."""


@attrs.frozen
class Quota:
    """What the other side says of the calls it still allows.

    `limit` in all, `remaining` of them, new ones in `reset_after` seconds. Each is None where it was not said.
    """

    limit: int | None = None
    remaining: int | None = None
    reset_after: float | None = None


@attrs.frozen
class Page:
    """A batch of records delivered together.

    `records` is any sequence of mappings and may be lazy. `cursor` is where a fetch goes on after this page; `None`
    means that it cannot go on from here. `quota` is passed on where the client hears of one.
    """

    records: Sequence[Record]
    cursor: Cursor = None
    quota: Quota | None = None
