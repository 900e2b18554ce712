"""Which records at the watermark an appending run has already stored, so that the next one leaves them out.

`since` is inclusive: the next read delivers the records at the watermark again, and perhaps new ones beside them. A
destination that is written over a primary key needs no more; one that only grows has to tell them apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING

import attrs
import msgspec

from connector_kit.errors import ConfigError, DataError
from connector_kit.records.batches import peeked

from .watermark import instants, positions_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Entity
    from connector_kit.records.checkpoint import Checkpoint
    from connector_kit.records.page import Record

__all__ = ["MAX_FINGERPRINTS", "Boundary"]

MAX_FINGERPRINTS = 1000
"""How many different records at one watermark a checkpoint can hold."""

_TOO_MANY = ""
"""Stands in `stored` instead of more fingerprints than that: a boundary in the middle of a read may still shrink."""


@attrs.frozen
class Boundary:
    """Fingerprints of records, and how often each was stored.

    `seen` are those of the run before that this read has yet to deliver again, at `since`; `stored` those at the
    watermark of this one, which the next run will see again.
    """

    seen: Mapping[str, int] = attrs.field(factory=dict[str, int])
    stored: Mapping[str, int] = attrs.field(factory=dict[str, int])

    @classmethod
    def after(cls, entity: Entity, last: Checkpoint) -> Boundary:
        """Return the boundary to begin with after a complete read; raise `ConfigError` where its mode kept none."""
        if last.watermark is not None and not last.stored:
            raise ConfigError(
                f"entity {entity.name!r} was last written in mode {last.mode!r}, which does not keep what mode 'append' needs to leave out "
                f"records it has stored; go on with {last.mode!r}, or reset the entity's state and remove its rows"
            )
        return cls(seen=last.stored, stored=last.stored)

    def leave_out(
        self, entity: Entity, records: Sequence[Record], since: datetime | None
    ) -> tuple[Boundary, Sequence[Record]]:
        """Return the boundary without the records that were delivered again, and the records that are new."""
        if not self.seen:
            return self, records
        seen, known = Counter(self.seen), set[int]()
        for position, instant in enumerate(instants(entity, records)):
            if instant == since and seen[mark := fingerprint(peeked(records, position))] > 0:
                seen[mark] -= 1
                known.add(position)
        if not known:
            return self, records
        new = [record for position, record in enumerate(records) if position not in known]
        return attrs.evolve(self, seen=dict(+seen)), new

    def grown(
        self, entity: Entity, records: Sequence[Record], before: datetime | None, after: datetime | None
    ) -> Boundary:
        """Return the boundary once `records` are stored, which move the watermark from `before` to `after`."""
        if after is None:
            return self
        stored = Counter(self.stored if before == after else {})
        stored.update(
            fingerprint(peeked(records, position)) for position in positions_at(entity, records, after)
        )
        too_many = _TOO_MANY in stored or len(stored) > MAX_FINGERPRINTS
        return attrs.evolve(self, stored={_TOO_MANY: 1} if too_many else dict(stored))

    def check(self, entity: Entity) -> None:
        """Raise `DataError` at the end of a read whose boundary is too large: only now is it certain to be the last."""
        if _TOO_MANY in self.stored:
            raise DataError(
                f"more than {MAX_FINGERPRINTS} records of entity {entity.name!r} share its latest {entity.replication_key!r}, so that a "
                "run in mode 'append' could not tell them from new ones the next time; use 'upsert' or 'replace', or a "
                "replication key with finer times"
            )


def fingerprint(record: Record) -> str:
    """Return 64 bits of a record's content, as hexadecimal digits."""
    encoded = msgspec.json.encode(dict(record), order="deterministic", enc_hook=repr)
    return blake2b(encoded, digest_size=8).hexdigest()
