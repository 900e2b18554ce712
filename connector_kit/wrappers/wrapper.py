"""The plumbing that all wrappers of the kit share: the seven methods, and the stream around the inner connector's stream.

Internal. An author's connector or wrapper inherits nothing; see docs/explanation/design.md for why the kit's own do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, Self, TypeAlias, TypeVar

import attrs

from connector_kit.capabilities import (
    close_broken_stream,
    close_stream,
    first_records,
    partitions,
    sample,
    validate,
)
from connector_kit.protocols import Connector, SupportsPartitions, SupportsSample
from connector_kit.records.page import Page
from connector_kit.wrappers.stack.layers import asks_for, layers, outline
from connector_kit.wrappers.stack.order import refuse_order

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Record

__all__ = ["NOT_OPEN", "WrappedPages", "WrappedStream", "Wrapper"]

C = TypeVar("C", bound=Connector)
T = TypeVar("T")


@attrs.frozen(repr=False)
class Wrapper(Generic[C]):
    """A connector around a connector that changes nothing. A subclass overrides `_call`, `_stream`, or a whole method.

    Every call passes `_call`, but for `disconnect`, which must not be held up, and `validate_config`, which does no I/O.
    What the inner connector lacks makes no call: a sample comes from this wrapper's own `fetch_data`, so that it passes
    the wrapper page by page, and there are no partitions. Raises `ConfigError` for an order of wrappers that cannot work.
    """

    inner: C

    def __attrs_post_init__(self) -> None:
        refuse_order(self, layers(self.inner))

    def __repr__(self) -> str:
        return outline(self)

    async def _call(self, operation: str, entity: str | None, call: Callable[[], Awaitable[T]], /) -> T:
        """Call the inner connector by `call` and return what it returns; `entity` is None where none is concerned."""
        del operation, entity
        return await call()

    def _stream(self, pages: AsyncIterator[Page], entity: str, /) -> AsyncIterator[Page]:
        """Return the stream of this wrapper around the inner connector's."""
        del entity
        return pages

    async def connect(self) -> None:
        """Connect the inner connector."""
        await self._call("connect", None, self.inner.connect)

    async def disconnect(self) -> None:
        """Disconnect the inner connector."""
        await self.inner.disconnect()

    async def discover_schema(self) -> Catalog:
        """Return the inner connector's catalog."""
        return await self._call("discover_schema", None, self.inner.discover_schema)

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read from the inner connector."""
        return self._stream(self.inner.fetch_data(entity, since=since, cursor=cursor), entity)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Return a sample of the inner connector's records; the first of a read where it has no samples."""
        if not asks_for(self.inner, SupportsSample):
            return await first_records(self, entity, limit)
        return await self._call("get_sample_data", entity, lambda: sample(self.inner, entity, limit))

    def validate_config(self) -> None:
        """Let the inner connector validate its configuration."""
        validate(self.inner)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Return the inner connector's partitions; `[None]`, the whole, where it has none."""
        if not asks_for(self.inner, SupportsPartitions):
            return await partitions(self.inner, entity, since=since, target=target)
        return await self._call(
            "partition_data", entity, lambda: partitions(self.inner, entity, since=since, target=target)
        )


class WrappedStream(ABC, Generic[T]):
    """A stream of pages from an inner stream of `T`. A subclass has `__anext__`, and calls `_break` where it raises.

    `__anext__` is not here: a hook behind it would cost every page one more call in each layer.
    """

    __slots__ = ("_ended", "_inner")

    def __init__(self, inner: AsyncIterator[T]) -> None:
        self._inner = inner
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    @abstractmethod
    async def __anext__(self) -> Page:
        """Return the next page."""

    async def _break(self) -> None:
        """Close the inner stream after an error or a cancellation. There are no more pages."""
        self._ended = True
        await close_broken_stream(self._inner)

    async def aclose(self) -> None:
        """Close the inner stream. There are no more pages."""
        self._ended = True
        await close_stream(self._inner)


WrappedPages: TypeAlias = WrappedStream[Page]


class _NotOpen:
    """A stream that was not opened: it has nothing to close."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page:
        raise StopAsyncIteration


NOT_OPEN: AsyncIterator[Page] = _NotOpen()
"""Stands for the inner stream of a `WrappedPages` that opens it when a page is asked for."""
