"""The contracts: what a connector is, what it may do besides, and what limiters and destinations are.

Protocols only. An object satisfies one by having its methods; nothing is inherited or registered. The defaults of the
optional ones are in `connector_kit.capabilities`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Hashable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from .records.catalog import Catalog, Entity
from .records.checkpoint import Checkpoint, EntityState, Mode
from .records.page import Cursor, Page, Quota, Record

__all__ = [
    "Connector",
    "Destination",
    "FullConnector",
    "HearsAnswers",
    "HearsQuota",
    "Limiter",
    "LimitsKeys",
    "SupportsExists",
    "SupportsPartitions",
    "SupportsSample",
    "SupportsValidation",
    "SyncConnector",
]


@runtime_checkable
class Connector(Protocol):
    """A data source. Any object with these four methods is one; the laws it keeps are in docs/reference/laws.md."""

    async def connect(self) -> None:
        """Open what reads need. Raises a `ConnectorError` where that fails."""
        ...

    async def disconnect(self) -> None:
        """Release everything. Safe at any time and twice; `connect` may follow."""
        ...

    async def discover_schema(self) -> Catalog:
        """Say which entities there are and what their records look like."""
        ...

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read an entity page by page: from `since` (inclusive, on the replication key), going on at `cursor`.

        Raises `UnknownEntityError` for a name that is not in the catalog. With `async def` and `yield` this is an
        async generator, which is called without `await`.
        """
        ...


@runtime_checkable
class SupportsSample(Protocol):
    """Has a cheaper way to a few records than the beginning of a full read."""

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Return at most `limit` records, each of which a full read would deliver."""
        ...


@runtime_checkable
class SupportsValidation(Protocol):
    """Can tell that its configuration is wrong without asking anybody."""

    def validate_config(self) -> None:
        """Raise `ConfigError` with every problem there is. No I/O."""
        ...


@runtime_checkable
class SupportsPartitions(Protocol):
    """Can divide a read into parts that are read side by side."""

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Return about `target` starting cursors, each of which knows its own end; together they are one full read."""
        ...


@runtime_checkable
class FullConnector(Connector, SupportsSample, SupportsValidation, SupportsPartitions, Protocol):
    """A connector with every optional capability. All wrappers are."""


@runtime_checkable
class SyncConnector(Protocol):
    """A data source whose client blocks: `Connector` without `async`."""

    def connect(self) -> None:
        """Open what reads need."""
        ...

    def disconnect(self) -> None:
        """Release everything. Safe at any time and twice."""
        ...

    def discover_schema(self) -> Catalog:
        """Say which entities there are and what their records look like."""
        ...

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> Iterator[Page]:
        """Read an entity page by page."""
        ...


class Limiter(Protocol):
    """Grants permits under one or more rates. Shared by those who share a quota."""

    def acquire(self, cost: int = 1) -> Awaitable[float]:
        """Wait for `cost` permits, take them, and return the seconds waited (0.0 where there was no wait).

        Raises `ConfigError` for a cost that could never be granted. Cancelled, it takes nothing.
        """
        ...


@runtime_checkable
class HearsQuota(Protocol):
    """A limiter that takes account of what the other side says of its quota."""

    def hear(self, quota: Quota, /) -> None:
        """Take note: the other side allows no more than this."""
        ...


@runtime_checkable
class HearsAnswers(Protocol):
    """A limiter that learns from what comes of the requests it let through, in whatever order that comes."""

    @property
    def granted(self) -> int:
        """The permits granted so far. Read right after `acquire`, with no await between, it names that grant."""
        ...

    def answered(self, quota: Quota, grant: int, /) -> None:
        """Take note of what the answer to the request of `grant` says of the quota."""
        ...

    def refused(self, retry_after: float | None, grant: int, /) -> None:
        """Take note that the request of `grant` was refused because of a quota, for so many seconds where it said so."""
        ...


@runtime_checkable
class LimitsKeys(Protocol):
    """Has a limiter for each key: an entity, an operation, a tenant."""

    def for_key(self, key: Hashable, /) -> Limiter:
        """Return the limiter of one key."""
        ...


class Destination(Protocol):
    """Where records and their checkpoint land together.

    `start`, then any number of `write`, then `finish`, per entity; entities may be interleaved, calls for one entity
    never overlap. Each call is atomic: a process killed in the middle of one leaves the state before or after it.
    Everything raises `DestinationError` where the destination fails, and what is stored stays as it was. The rules that
    all destinations have in common are `connector_kit.destinations.ledger`.
    """

    @property
    def modes(self) -> frozenset[Mode]:
        """The modes this destination can do."""
        ...

    async def open(self) -> None:
        """Make ready; refuse a place that holds something of somebody else's."""
        ...

    async def close(self) -> None:
        """Release everything. Safe at any time and twice."""
        ...

    async def start(self, entity: Entity, mode: Mode, /, *, resume: bool = True) -> Checkpoint | None:
        """Prepare for a read of `entity` and return the last checkpoint, if there is one.

        Rows that were written after the last checkpoint are dropped first. With mode "replace", rows go to a new
        generation beside the current one; an unfinished generation is continued if its checkpoint says so and
        `resume` is true, else dropped.
        """
        ...

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        """Store records and the checkpoint that covers them, together.

        With `None` the records are provisional: they count once a later `write` or `finish` brings a checkpoint, and
        are dropped by the next `start` otherwise (in mode "upsert" they may stay: writing them again is harmless).
        """
        ...

    async def finish(self, entity: str, checkpoint: Checkpoint, /) -> None:
        """End the read: store its last checkpoint and, with mode "replace", let the new generation take over."""
        ...

    async def states(self) -> Mapping[str, EntityState]:
        """Return the last checkpoint of every entity that has one; of one that cannot be decoded, the problem.

        One that is damaged hides no other. Of a checkpoint's log, the size is enough.
        """
        ...

    async def count(self, entity: str, /) -> int | None:
        """Return how many rows of the entity are shown now, 0 where there are none; None where that cannot be told."""
        ...

    async def reset(self, entity: str, /) -> None:
        """Forget the entity's checkpoint, so that the next run reads from the start. Complete rows stay.

        This works whatever the state is, and is how an entity with a damaged one gets out of it.
        """
        ...


@runtime_checkable
class SupportsExists(Protocol):
    """A destination that can tell whether its place is there, without making it. For looking at it, not for runs."""

    def exists(self) -> bool:
        """Return whether there is something to open. No connection is needed."""
        ...
