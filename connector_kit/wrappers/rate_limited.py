"""`RateLimited`: a permit before every call and before every page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from connector_kit.capabilities import close_stream, first_records, partitions, sample, validate
from connector_kit.errors import ConfigError, RateLimitError
from connector_kit.events import PermitGranted, QuotaHeard, emit
from connector_kit.protocols import Connector, HearsQuota, Limiter, SupportsPartitions, SupportsSample
from connector_kit.records.page import Page, Quota

from .layers import layers
from .retrying import Retrying

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Record

__all__ = ["RateLimited"]

C = TypeVar("C", bound=Connector)
T = TypeVar("T")


_OPERATIONS = ("connect", "discover_schema", "fetch_data", "get_sample_data", "partition_data")


def _check_costs(_: object, __: object, costs: Mapping[str, int]) -> None:
    for operation, cost in costs.items():
        if operation not in _OPERATIONS or cost < 0:
            raise ConfigError(
                f"the cost {cost} for {operation!r} means nothing; give zero or more for one of {', '.join(_OPERATIONS)}"
            )


@attrs.frozen
class RateLimited(Generic[C]):
    """Takes a permit from `limiter` before each call and each page; one that makes no request costs one too.

    `costs` gives the permits of an operation where it is not 1 (`{"discover_schema": 5, "connect": 0}`). What the
    other side tells of its quota, with a page or with a refusal, is passed on to a limiter that hears of it.

    Outside a Retrying it would not limit the retries, which is refused unless `allow_outside_retry` is set.
    """

    inner: C
    limiter: Limiter
    costs: Mapping[str, int] = attrs.field(factory=dict, kw_only=True, validator=_check_costs)
    allow_outside_retry: bool = attrs.field(default=False, kw_only=True, repr=False)

    def __attrs_post_init__(self) -> None:
        if not self.allow_outside_retry and any(isinstance(layer, Retrying) for layer in layers(self.inner)):
            raise ConfigError(
                "RateLimited is outside Retrying, so that retries would go past the limit; put it inside: "
                "Retrying(RateLimited(connector, limiter), retry), or say allow_outside_retry=True"
            )

    async def connect(self) -> None:
        """Connect, after a permit."""
        await self._call("connect", None, self.inner.connect)

    async def disconnect(self) -> None:
        """Disconnect, without a permit: it must not be held up."""
        await self.inner.disconnect()

    async def discover_schema(self) -> Catalog:
        """Give the catalog, after a permit."""
        return await self._call("discover_schema", None, self.inner.discover_schema)

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read page by page, each after a permit."""
        return _LimitedPages(self, self.inner.fetch_data(entity, since=since, cursor=cursor), entity)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Give a sample, after a permit; after one for each page where the sample comes from a read."""
        if not self._asks_for(SupportsSample):
            return await first_records(self, entity, limit)
        return await self._call("get_sample_data", entity, lambda: sample(self.inner, entity, limit))

    def validate_config(self) -> None:
        """Let the inner connector look at its configuration."""
        validate(self.inner)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Give the partitions, after a permit where the inner connector is asked for them."""
        if not self._asks_for(SupportsPartitions):
            return await partitions(self.inner, entity, since=since, target=target)
        return await self._call(
            "partition_data", entity, lambda: partitions(self.inner, entity, since=since, target=target)
        )

    def _asks_for(self, capability: type[object]) -> bool:
        """Whether the connector itself has the method: wrappers have them all, and make up for what it lacks."""
        return all(isinstance(layer, capability) for layer in layers(self.inner))

    async def _call(self, operation: str, entity: str | None, call: Callable[[], Awaitable[T]]) -> T:
        await self.permit(operation, entity, self.costs.get(operation, 1))
        try:
            return await call()
        except RateLimitError as refusal:
            self.hear(entity, Quota(remaining=0, reset_after=refusal.retry_after))
            raise

    async def permit(self, operation: str, entity: str | None, cost: int) -> None:
        """Wait for the permits of one operation."""
        if cost:
            waited = await self.limiter.acquire(cost)
            if waited > 0:
                emit(PermitGranted(operation, entity, waited))

    def hear(self, entity: str | None, quota: Quota) -> None:
        """Pass on what the other side says of its quota."""
        emit(QuotaHeard(entity, quota))
        if isinstance(self.limiter, HearsQuota):
            self.limiter.hear(quota)


class _LimitedPages:
    """The inner stream, with a permit before each page."""

    __slots__ = ("_cost", "_entity", "_pages", "_wrapper")

    def __init__(self, wrapper: RateLimited[C], pages: AsyncIterator[Page], entity: str) -> None:
        self._wrapper = wrapper
        self._pages = pages
        self._entity = entity
        self._cost = wrapper.costs.get("fetch_data", 1)

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        await self._wrapper.permit("fetch_data", self._entity, self._cost)
        try:
            page = await self._pages.__anext__()
        except RateLimitError as refusal:
            self._wrapper.hear(self._entity, Quota(remaining=0, reset_after=refusal.retry_after))
            raise
        if page.quota is not None:
            self._wrapper.hear(self._entity, page.quota)
        return page

    async def aclose(self) -> None:
        await close_stream(self._pages)
