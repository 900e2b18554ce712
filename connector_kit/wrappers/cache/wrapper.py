"""`Cached`: the catalog and samples are asked for once in a while, however often they are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from connector_kit.capabilities import partitions, sample, validate
from connector_kit.clock import AnyioClock, Clock
from connector_kit.durations import Duration
from connector_kit.errors import ConfigError
from connector_kit.events import AnswerReused, emit
from connector_kit.protocols import Connector
from connector_kit.records.catalog import Catalog
from connector_kit.records.page import Record
from connector_kit.wrappers.stack.layers import outline

from .state import Answers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime, timedelta

    from connector_kit.records.page import Cursor, Page

__all__ = ["Cached"]

C = TypeVar("C", bound=Connector)


def _time_to_live(given: str | float | timedelta) -> Duration:
    try:
        ttl = Duration.of(given)
    except ValueError as error:
        raise ConfigError(
            f"cannot keep answers for ttl={given!r}; expected {error}; give one of these"
        ) from error
    if not ttl:
        raise ConfigError(
            "cannot keep answers for ttl=0s; expected more than nothing; leave Cached out instead"
        )
    return ttl


@attrs.frozen
class Cached(Generic[C]):
    """Keeps what `discover_schema` and `get_sample_data` gave for the time `ttl` after the answer came.

    Callers who ask for the same thing at the same time share one call, and its error where it fails; errors are not
    kept. Where that call is cancelled, another caller makes it anew. Of samples, the `max_samples` that were used last
    are kept, each with its entity and limit. Reads and partitions are never kept. `forget` drops everything; connecting
    anew does not.
    """

    inner: C
    ttl: Duration = attrs.field(converter=_time_to_live)
    clock: Clock = attrs.field(factory=AnyioClock, kw_only=True)
    max_samples: int = attrs.field(default=100, kw_only=True, validator=attrs.validators.ge(1))
    _catalogs: Answers[None, Catalog] = attrs.field(
        default=attrs.Factory(lambda self: Answers(self.ttl, 1, self.clock), takes_self=True),
        init=False,
        repr=False,
        eq=False,
    )
    _samples: Answers[tuple[str, int], Sequence[Record]] = attrs.field(
        default=attrs.Factory(lambda self: Answers(self.ttl, self.max_samples, self.clock), takes_self=True),
        init=False,
        repr=False,
        eq=False,
    )

    def forget(self) -> None:
        """Drop what is kept: the next callers ask the source."""
        self._catalogs.forget()
        self._samples.forget()

    def __repr__(self) -> str:
        return outline(self)

    async def connect(self) -> None:
        """Connect."""
        await self.inner.connect()

    async def disconnect(self) -> None:
        """Disconnect; what is kept stays."""
        await self.inner.disconnect()

    async def discover_schema(self) -> Catalog:
        """Give the catalog, from memory where it is fresh enough."""
        catalog, age = await self._catalogs.get(None, self.inner.discover_schema)
        if age is not None:
            emit(AnswerReused("discover_schema", None, age))
        return catalog

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read from the inner connector."""
        return self.inner.fetch_data(entity, since=since, cursor=cursor)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Give a sample, from memory where it is fresh enough; the list is the caller's own."""
        records, age = await self._samples.get((entity, limit), lambda: sample(self.inner, entity, limit))
        if age is not None:
            emit(AnswerReused("get_sample_data", entity, age))
        return list(records)

    def validate_config(self) -> None:
        """Let the inner connector look at its configuration."""
        validate(self.inner)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Give the partitions."""
        return await partitions(self.inner, entity, since=since, target=target)
