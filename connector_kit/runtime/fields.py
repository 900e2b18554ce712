"""What becomes of fields that are not in the catalog: they are kept, dropped, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from connector_kit.errors import SchemaMismatchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.catalog import Entity
    from connector_kit.records.page import Record

__all__ = ["fit_fields"]


def fit_fields(
    entity: Entity, records: Sequence[Record], policy: Literal["evolve", "freeze", "discard"]
) -> Sequence[Record]:
    """Give the records with the fields the policy lets through.

    "evolve" keeps all and does not look; "discard" drops fields that the catalog does not have; "freeze" raises
    `SchemaMismatchError` for one. An entity of which no fields are known lets everything through.
    """
    if policy == "evolve" or not entity.fields:
        return records
    known = {field.name for field in entity.fields}
    if policy == "discard":
        return [
            record if known.issuperset(record) else {name: record[name] for name in record if name in known}
            for record in records
        ]
    for record in records:
        if not known.issuperset(record):
            new = ", ".join(sorted(set(record) - known))
            raise SchemaMismatchError(
                f"entity {entity.name!r} has a new field: {new}; its fields are frozen, so add it to the catalog or set "
                'new_fields to "evolve" or "discard"'
            )
    return records
