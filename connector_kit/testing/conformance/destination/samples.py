"""What the laws write: an entity, pages of it, and the checkpoints that cover them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from connector_kit.records.catalog import Entity, Field, Scalar
from connector_kit.records.checkpoint import Checkpoint, Mode

if TYPE_CHECKING:
    from connector_kit.records.page import Record

__all__ = ["LAST", "ORDERS", "entity_named", "page", "pages", "reached"]

_FIELDS = (
    Field("id", Scalar.INTEGER, nullable=False),
    Field("name", Scalar.STRING),
    Field("at", Scalar.DATETIME),
)
_START = datetime(2013, 1, 1, 5, tzinfo=UTC)


def entity_named(name: str) -> Entity:
    """Give the entity of the samples by another name."""
    return Entity(name, _FIELDS, primary_key="id")


ORDERS = entity_named("orders")

LAST = 9
"""The number of the checkpoint that a finished read ends with."""


def page(number: int, *, of: str = "") -> list[Record]:
    """Give page `number` (the first is 1): two records with keys of their own. `of` tells whose they are."""
    return [_record(2 * number - 1, of), _record(2 * number, of)]


def pages(*numbers: int, of: str = "") -> list[Record]:
    """Give the records of several pages."""
    return [record for number in numbers for record in page(number, of=of)]


def _record(key: int, of: str) -> dict[str, Any]:
    return {"id": key, "name": f"{of} {key}".strip(), "at": _START + timedelta(minutes=key)}


def reached(mode: Mode, number: int, entity: str = "orders", *, complete: bool = False) -> Checkpoint:
    """Give the checkpoint after page `number`."""
    return Checkpoint(
        "conformance",
        entity,
        mode,
        cursor={"page": number},
        watermark=_START + timedelta(minutes=2 * number),
        rows=2 * number,
        pages=number,
        complete=complete,
    )
