"""The times that an entity's records go by, page by page, and those of them at which a read by `since` may go wrong."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import attrs

from connector_kit.runtime.watermark import instant_of

from .identity import fields_of

if TYPE_CHECKING:
    from connector_kit.records.catalog import Entity
    from connector_kit.testing.conformance.reading import Reading

__all__ = ["Boundary", "boundaries", "instants_of", "middle_of"]


@attrs.frozen
class Boundary:
    """A time that records have, and what it is: the first one, the last one, one on both sides of a page border."""

    at: datetime
    what: str


def instants_of(entity: Entity, reading: Reading) -> list[list[datetime | None]]:
    """Give the replication keys of each page's records, None for a record that has none.

    Raises `SchemaMismatchError` for a key that is no time.
    """
    return [[instant_of(entity, fields_of(record)) for record in page.records] for page in reading.pages]


def boundaries(pages: list[list[datetime | None]]) -> list[Boundary]:
    """Choose from the times of a read, the most telling first; no time twice."""
    keyed = [[instant for instant in page if instant is not None] for page in pages]
    times = sorted({instant for page in keyed for instant in page})
    if not times:
        return []
    chosen = [
        Boundary(one[-1], "a time on both sides of a page border")
        for one, other in pairwise(page for page in keyed if page)
        if one[-1] == other[0]
    ][:1]
    chosen += [
        Boundary(times[len(times) // 2], "the middle one"),
        Boundary(times[-1], "the last one"),
        Boundary(times[0], "the first one"),
    ]
    return list({each.at: each for each in reversed(chosen)}.values())[::-1]


def middle_of(pages: list[list[datetime | None]]) -> datetime | None:
    """Give a time with records before and after it, as far as there is one; None where no record has a time."""
    times = sorted(instant for page in pages for instant in page if instant is not None)
    return times[len(times) // 2] if times else None
