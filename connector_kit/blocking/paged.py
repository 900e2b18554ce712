"""`Paged`: a connector that yields single records becomes one that yields pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, runtime_checkable

import attrs

from connector_kit.capabilities import first_records
from connector_kit.errors import ConfigError
from connector_kit.protocols import SupportsPartitions, SupportsSample, SupportsValidation
from connector_kit.records.page import Cursor, Page, Record
from connector_kit.wrappers.stack.layers import outline
from connector_kit.wrappers.wrapper import WrappedStream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog

__all__ = ["Paged", "RecordConnector"]


@runtime_checkable
class RecordConnector(Protocol):
    """A data source that hands its records over one by one: `Connector` with another `fetch_data`."""

    async def connect(self) -> None:
        """Open what reads need. Raises a `ConnectorError` where that fails."""
        ...

    async def disconnect(self) -> None:
        """Release everything. Safe at any time and twice; `connect` may follow."""
        ...

    async def discover_schema(self) -> Catalog:
        """Return which entities there are and what their records look like."""
        ...

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Record]:
        """Read an entity record by record: from `since` (inclusive), going on behind the record that `cursor` tells."""
        ...


R = TypeVar("R", bound=RecordConnector)


def _check_size(_: object, __: object, size: int) -> None:
    if size < 1:
        raise ConfigError(f"pages of {size} records would never end; give a size of 1 or more")


@attrs.frozen
class Paged(Generic[R]):
    """Gathers `size` records to a page; the last one may be shorter.

    `cursor_of` gives from a record the cursor from which the inner connector goes on behind it; it must tell this
    record from every other one, or a resumed read loses or repeats some. Without it no page has a cursor, and a read
    that breaks begins again from the start.

    A page is delivered when it is full. An error before that is raised at once, and the records gathered so far are
    left out: the next try delivers them, in the same page as a read without the error.
    """

    inner: R
    size: int = attrs.field(default=500, validator=_check_size)
    cursor_of: Callable[[Record], Cursor] | None = attrs.field(default=None, kw_only=True)

    def __repr__(self) -> str:
        return outline(self)

    async def connect(self) -> None:
        """Connect the inner connector."""
        await self.inner.connect()

    async def disconnect(self) -> None:
        """Disconnect the inner connector."""
        await self.inner.disconnect()

    async def discover_schema(self) -> Catalog:
        """Return the inner connector's catalog."""
        return await self.inner.discover_schema()

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read page by page."""
        records = self.inner.fetch_data(entity, since=since, cursor=cursor)
        return _GatheredPages(records, self.size, self.cursor_of)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Return a sample of the inner connector's records; no more than `limit` of them are read for it."""
        inner: RecordConnector = self.inner
        if isinstance(inner, SupportsSample):
            return await inner.get_sample_data(entity, limit) if limit > 0 else []
        return await first_records(Paged(inner, max(1, min(limit, self.size))), entity, limit)

    def validate_config(self) -> None:
        """Let the inner connector look at its configuration."""
        inner: RecordConnector = self.inner
        if isinstance(inner, SupportsValidation):
            inner.validate_config()

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Return the inner connector's partitions."""
        inner: RecordConnector = self.inner
        if isinstance(inner, SupportsPartitions):
            return await inner.partition_data(entity, since=since, target=target)
        return [None]


class _GatheredPages(WrappedStream[Record]):
    """The inner stream's records, `size` of them at a time."""

    __slots__ = ("_cursor_of", "_size")

    def __init__(
        self, records: AsyncIterator[Record], size: int, cursor_of: Callable[[Record], Cursor] | None
    ) -> None:
        super().__init__(records)
        self._size = size
        self._cursor_of = cursor_of

    async def __anext__(self) -> Page:
        if self._ended:
            raise StopAsyncIteration
        try:
            gathered = await self._gather()
            if gathered:
                return Page(gathered, self._cursor_of(gathered[-1]) if self._cursor_of else None)
        except BaseException:  # cancelled, too: going on would lose the records gathered so far
            await self._break()
            raise
        raise StopAsyncIteration

    async def _gather(self) -> list[Record]:
        gathered: list[Record] = []
        try:
            while len(gathered) < self._size:
                gathered.append(await self._inner.__anext__())
        except StopAsyncIteration:
            self._ended = True
        return gathered
