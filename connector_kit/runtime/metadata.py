"""Which run wrote a row, and when: two fields more in every record, on its way to any destination."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from connector_kit.clock import Clock
from connector_kit.errors import ConfigError, SchemaMismatchError
from connector_kit.protocols import Destination
from connector_kit.records.added import with_fields
from connector_kit.records.batches import column
from connector_kit.records.catalog import Field, Scalar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector_kit.records.catalog import Entity
    from connector_kit.records.checkpoint import Checkpoint, EntityState, Mode
    from connector_kit.records.page import Record

__all__ = ["RUN_ID", "SYNCED_AT", "WithMetadata"]

SYNCED_AT = "_synced_at"
"""When a row was written, in UTC."""

RUN_ID = "_run_id"
"""The run that wrote it: `Report.run_id`."""

_FIELDS = (Field(SYNCED_AT, Scalar.DATETIME, nullable=False), Field(RUN_ID, Scalar.STRING, nullable=False))


@attrs.frozen(eq=False)
class WithMetadata:
    """A destination whose rows say when they were written, and by which run.

    It stands behind everything that looks at records: fingerprints and validation are those of the source's own fields.
    """

    destination: Destination
    run_id: str
    clock: Clock

    @property
    def modes(self) -> frozenset[Mode]:
        """The destination's."""
        return self.destination.modes

    async def open(self) -> None:
        """Open the destination."""
        await self.destination.open()

    async def close(self) -> None:
        """Close it."""
        await self.destination.close()

    async def start(self, entity: Entity, mode: Mode, /, *, resume: bool = True) -> Checkpoint | None:
        """Start a read of the entity with both fields. Raise `ConfigError` where it has one of that name already."""
        for field in entity.fields:
            if field.name in {SYNCED_AT, RUN_ID}:
                raise ConfigError(_refusal(entity.name, field.name))
        if entity.fields:
            entity = attrs.evolve(entity, fields=(*entity.fields, *_FIELDS))
        return await self.destination.start(entity, mode, resume=resume)

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        """Write the records with both fields. Raise `SchemaMismatchError` where one has such a field already."""
        for name in (SYNCED_AT, RUN_ID):
            if any(value is not None for value in column(records, name)):
                raise SchemaMismatchError(_refusal(entity, name))
        fields = {SYNCED_AT: self.clock.now(), RUN_ID: self.run_id}
        await self.destination.write(entity, with_fields(records, fields), checkpoint)

    async def finish(self, entity: str, checkpoint: Checkpoint, /) -> None:
        """Finish the read."""
        await self.destination.finish(entity, checkpoint)

    async def states(self) -> Mapping[str, EntityState]:
        """Return the destination's states."""
        return await self.destination.states()

    async def count(self, entity: str, /) -> int | None:
        """Return its number of rows."""
        return await self.destination.count(entity)

    async def reset(self, entity: str, /) -> None:
        """Forget the entity's checkpoint."""
        await self.destination.reset(entity)


def _refusal(entity: str, name: str) -> str:
    return (
        f"entity {entity!r} has a field {name!r} of its own; expected none of that name where metadata are asked for; give it "
        "another name with the entity's option `rename`, or run without `metadata`"
    )
