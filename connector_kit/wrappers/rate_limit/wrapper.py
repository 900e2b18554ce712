"""`RateLimited`: a permit before every call and before every page."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

import attrs

from connector_kit.capabilities import close_stream, first_records, partitions, sample, validate
from connector_kit.errors import ConfigError, RateLimitError
from connector_kit.events import PermitGranted, QuotaHeard, emit
from connector_kit.protocols import (
    Connector,
    HearsAnswers,
    HearsQuota,
    Limiter,
    LimitsKeys,
    SupportsPartitions,
    SupportsSample,
)
from connector_kit.records.page import Page, Quota
from connector_kit.wrappers.prefetch.wrapper import Prefetching
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.stack.layers import asks_for, layers, outline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Sequence
    from datetime import datetime

    from connector_kit.records.catalog import Catalog
    from connector_kit.records.page import Cursor, Record

__all__ = ["RateLimited"]

C = TypeVar("C", bound=Connector)
T = TypeVar("T")

Costs: TypeAlias = Mapping[str, int] | Callable[[str, str | None], int]
Key: TypeAlias = Callable[[str, str | None], Hashable]

_OPERATIONS = ("connect", "discover_schema", "fetch_data", "get_sample_data", "partition_data")


def _check_costs(_: object, __: object, costs: Costs) -> None:
    for operation, cost in costs.items() if isinstance(costs, Mapping) else ():
        if operation not in _OPERATIONS or cost < 0:
            raise ConfigError(
                f"the cost {cost} for {operation!r} means nothing; give zero or more for one of {', '.join(_OPERATIONS)}"
            )


@attrs.frozen
class RateLimited(Generic[C]):
    """Takes a permit from `limiter` before each call and each page; one that makes no request costs one too.

    `costs` gives the permits of an operation where it is not 1 (`{"discover_schema": 5, "connect": 0}`), or is a
    function of operation and entity that gives them for each. `key`, a function of the same two, says whose permits
    they are: `limiter` then is one that has a limiter for each key. Both are asked once for a call or a stream. What
    the other side tells of its quota, with a page or with a refusal, is passed on to a limiter that hears of it.

    Outside a Retrying it would not limit the retries, which is refused unless `allow_outside_retry` is set.
    """

    inner: C
    limiter: Limiter | LimitsKeys
    costs: Costs = attrs.field(factory=dict[str, int], kw_only=True, validator=_check_costs)
    key: Key | None = attrs.field(default=None, kw_only=True)
    allow_outside_retry: bool = attrs.field(default=False, kw_only=True, repr=False)

    def __attrs_post_init__(self) -> None:
        if (self.key is not None) is not isinstance(self.limiter, LimitsKeys):
            raise ConfigError(
                f"{self.limiter!r} with key={self.key!r} does not say whose permits are taken; expected a key with a "
                "limiter of keys, and none with any other; give RateLimited(connector, KeyedLimiter(rates), "
                "key=lambda operation, entity: entity), or leave key out and give a RateLimiter"
            )
        if not self.allow_outside_retry and any(isinstance(layer, Retrying) for layer in layers(self.inner)):
            raise ConfigError(
                "RateLimited is outside Retrying, so that retries would go past the limit; put it inside: "
                "Retrying(RateLimited(connector, limiter), retry), or say allow_outside_retry=True"
            )
        if any(isinstance(layer, Prefetching) for layer in layers(self.inner)):
            raise ConfigError(
                "there is a Prefetching inside this RateLimited, so that requests would be made ahead of their permits; "
                "put it outside: Prefetching(RateLimited(connector, limiter), tasks)"
            )

    def __repr__(self) -> str:
        return outline(self)

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
        pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
        return _LimitedPages(pages, self._permits_of("fetch_data", entity))

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Give a sample, after a permit; after one for each page where the sample comes from a read."""
        if not asks_for(self.inner, SupportsSample):
            return await first_records(self, entity, limit)
        return await self._call("get_sample_data", entity, lambda: sample(self.inner, entity, limit))

    def validate_config(self) -> None:
        """Let the inner connector look at its configuration."""
        validate(self.inner)

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Give the partitions, after a permit where the inner connector is asked for them."""
        if not asks_for(self.inner, SupportsPartitions):
            return await partitions(self.inner, entity, since=since, target=target)
        return await self._call(
            "partition_data", entity, lambda: partitions(self.inner, entity, since=since, target=target)
        )

    async def _call(self, operation: str, entity: str | None, call: Callable[[], Awaitable[T]]) -> T:
        permits = self._permits_of(operation, entity)
        await permits.take()
        try:
            return await call()
        except RateLimitError as refusal:
            permits.refused(refusal)
            raise

    def _permits_of(self, operation: str, entity: str | None) -> _Permits:
        """Give what an operation has to take, and whom to tell what comes of it."""
        costs = self.costs
        cost = costs.get(operation, 1) if isinstance(costs, Mapping) else costs(operation, entity)
        limiter = self.limiter
        if isinstance(limiter, LimitsKeys) and self.key is not None:
            limiter = limiter.for_key(self.key(operation, entity))
        # the other case is refused at construction
        assert not isinstance(limiter, LimitsKeys)
        return _Permits(operation, entity, limiter, cost)


class _Permits:
    """The permits of one operation, or of each page of a stream, and the ear for what comes of it."""

    __slots__ = ("_cost", "_entity", "_grant", "_learner", "_limiter", "_operation")

    def __init__(self, operation: str, entity: str | None, limiter: Limiter, cost: int) -> None:
        self._operation = operation
        self._entity = entity
        self._limiter = limiter
        self._cost = cost
        self._learner = limiter if isinstance(limiter, HearsAnswers) else None
        self._grant = 0

    async def take(self) -> None:
        """Wait for the permits."""
        waited = await self._limiter.acquire(self._cost) if self._cost else 0.0
        if self._learner is not None:
            self._grant = self._learner.granted  # before anybody else runs, or it would be somebody else's
        if waited > 0:
            emit(PermitGranted(self._operation, self._entity, waited))

    def heard(self, quota: Quota) -> None:
        """Pass on what an answer says of the quota."""
        emit(QuotaHeard(self._entity, quota))
        if self._learner is not None:
            self._learner.answered(quota, self._grant)
        elif isinstance(self._limiter, HearsQuota):
            self._limiter.hear(quota)

    def refused(self, refusal: RateLimitError) -> None:
        """Pass on that nothing is left."""
        quota = Quota(remaining=0, reset_after=refusal.retry_after)
        if self._learner is None:
            self.heard(quota)
        else:
            emit(QuotaHeard(self._entity, quota))
            self._learner.refused(refusal.retry_after, self._grant)


class _LimitedPages:
    """The inner stream, with a permit before each page."""

    __slots__ = ("_pages", "_permits")

    def __init__(self, pages: AsyncIterator[Page], permits: _Permits) -> None:
        self._pages = pages
        self._permits = permits

    def __aiter__(self) -> AsyncIterator[Page]:
        return self

    async def __anext__(self) -> Page:
        await self._permits.take()
        try:
            page = await self._pages.__anext__()
        except RateLimitError as refusal:
            self._permits.refused(refusal)
            raise
        if page.quota is not None:
            self._permits.heard(page.quota)
        return page

    async def aclose(self) -> None:
        await close_stream(self._pages)
