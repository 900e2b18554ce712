"""`Bulkheaded`: only so many operations at once, the others in a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from connector_kit.capabilities import (
    close_broken_stream,
    close_stream,
    first_records,
    partitions,
    sample,
    validate,
)
from connector_kit.errors import ConfigError
from connector_kit.events import SlotGranted, emit
from connector_kit.protocols import Connector, SupportsPartitions, SupportsSample
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.stack.layers import asks_for, layers, outline

from .policy import Bulkhead
from .slots import Slots

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Page, Record

__all__ = ["Bulkheaded"]

C = TypeVar("C", bound=Connector)
T = TypeVar("T")


def _slots(given: Slots | Bulkhead) -> Slots:
    return Slots(given) if isinstance(given, Bulkhead) else given


@attrs.frozen
class Bulkheaded(Generic[C]):
    """Holds a slot during each call and while each page is fetched, never while a consumer has the page.

    `slots` is a policy, or the `Slots` that are shared by all who together may not do more. Who may not wait is refused
    with a `RateLimitError`, as by a limiter.

    Outside a Retrying it would hold a slot while a retry is waited for, which is refused unless `allow_outside_retry`
    is set. Slots that are shared with a Bulkheaded inside are always refused: an operation would wait for itself.
    """

    inner: C
    slots: Slots = attrs.field(converter=_slots)
    allow_outside_retry: bool = attrs.field(default=False, kw_only=True, repr=False)

    def __attrs_post_init__(self) -> None:
        inside = layers(self.inner)
        if not self.allow_outside_retry and any(isinstance(layer, Retrying) for layer in inside):
            raise ConfigError(
                "Bulkheaded is outside Retrying, so that slots would be held while retries are waited for; put it "
                "inside: Retrying(Bulkheaded(connector, bulkhead), retry), or say allow_outside_retry=True"
            )
        if any(isinstance(layer, Bulkheaded) and layer.slots is self.slots for layer in inside):
            raise ConfigError(
                "there is a Bulkheaded with the same slots inside this one, so that an operation would wait for the "
                "slot it holds; leave one of them out, or give each its own Bulkhead"
            )

    def __repr__(self) -> str:
        return outline(self)

    async def connect(self) -> None:
        """Connect, in a slot."""
        await self._call("connect", None, self.inner.connect)

    async def disconnect(self) -> None:
        """Disconnect, without a slot: it must not be held up."""
        await self.inner.disconnect()

    async def discover_schema(self) -> Catalog:
        """Give the catalog, in a slot."""
        return await self._call("discover_schema", None, self.inner.discover_schema)

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read page by page, each in a slot."""
        return _QueuedPages(self.slots, self.inner.fetch_data(entity, since=since, cursor=cursor), entity)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Give a sample, in a slot; page by page where it comes from a read."""
        if not asks_for(self.inner, SupportsSample):
            return await first_records(self, entity, limit)
        return await self._call("get_sample_data", entity, lambda: sample(self.inner, entity, limit))

    def validate_config(self) -> None:
        """Let the inner connector look at its configuration."""
        validate(self.inner)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Give the partitions, in a slot where the inner connector has to be asked."""
        if not asks_for(self.inner, SupportsPartitions):
            return await partitions(self.inner, entity, since=since, target=target)
        return await self._call(
            "partition_data", entity, lambda: partitions(self.inner, entity, since=since, target=target)
        )

    async def _call(self, operation: str, entity: str | None, call: Callable[[], Awaitable[T]]) -> T:
        waited = await self.slots.acquire()
        try:
            if waited > 0:
                emit(SlotGranted(operation, entity, waited))
            return await call()
        finally:
            self.slots.release()


class _QueuedPages:
    """The inner stream, each page of which is fetched in a slot."""

    __slots__ = ("_ended", "_entity", "_pages", "_slots")

    def __init__(self, slots: Slots, pages: AsyncIterator[Page], entity: str) -> None:
        self._slots = slots
        self._pages = pages
        self._entity = entity
        self._ended = False

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        if self._ended:
            raise StopAsyncIteration
        slots = self._slots
        try:
            waited = await slots.acquire()
            try:
                if waited > 0:
                    emit(SlotGranted("fetch_data", self._entity, waited))
                return await self._pages.__anext__()
            finally:
                slots.release()
        except BaseException:  # a refusal and a cancellation end the stream as an error of its own does
            self._ended = True
            await close_broken_stream(self._pages)
            raise

    async def aclose(self) -> None:
        self._ended = True
        await close_stream(self._pages)
