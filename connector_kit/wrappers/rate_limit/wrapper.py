"""`RateLimited`: a permit before every call and before every page."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import attrs

from connector_kit.errors import ConfigError, RateLimitError
from connector_kit.events import PermitGranted, QuotaHeard, emit
from connector_kit.protocols import (
    Connector,
    HearsAnswers,
    HearsQuota,
    Limiter,
    LimitsKeys,
)
from connector_kit.records.page import Page, Quota
from connector_kit.wrappers.wrapper import WrappedPages, Wrapper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable


__all__ = ["RateLimited"]

C = TypeVar("C", bound=Connector)
T = TypeVar("T")

Costs: TypeAlias = Mapping[str, int] | Callable[[str, str | None], int]
Key: TypeAlias = Callable[[str, str | None], Hashable]

_OPERATIONS = ("connect", "discover_schema", "fetch_data", "get_sample_data", "partition_data")


def _check_costs(_: object, __: object, costs: Costs) -> None:
    if callable(costs):
        return
    for operation, cost in costs.items():
        if operation not in _OPERATIONS or cost < 0:
            raise ConfigError(
                f"the cost {cost} for {operation!r} means nothing; give zero or more for one of {', '.join(_OPERATIONS)}"
            )


@attrs.frozen(repr=False)
class RateLimited(Wrapper[C]):
    """Takes a permit from `limiter` before each call and each page; one that makes no request costs one too.

    `costs` gives the permits of an operation where it is not 1 (`{"discover_schema": 5, "connect": 0}`), or is a
    function of operation and entity that gives them for each. `key`, a function of the same two, says whose permits
    they are: `limiter` then is one that has a limiter for each key. Both are asked once for a call or a stream. What
    the other side tells of its quota, with a page or with a refusal, is passed on to a limiter that hears of it.

    Outside a Retrying it would not limit the retries, which is refused unless `allow_outside_retry` is set.
    """

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
        super().__attrs_post_init__()

    def _stream(self, pages: AsyncIterator[Page], entity: str) -> AsyncIterator[Page]:
        return _LimitedPages(pages, self._permits_of("fetch_data", entity))

    async def _call(self, operation: str, entity: str | None, call: Callable[[], Awaitable[T]]) -> T:
        permits = self._permits_of(operation, entity)
        await permits.take()
        try:
            return await call()
        except RateLimitError as refusal:
            permits.report_refusal(refusal)
            raise

    def _permits_of(self, operation: str, entity: str | None) -> _Permits:
        """Return the permits of an operation."""
        costs = self.costs
        cost = costs(operation, entity) if callable(costs) else costs.get(operation, 1)
        limiter = self.limiter
        if isinstance(limiter, LimitsKeys) and self.key is not None:
            limiter = limiter.for_key(self.key(operation, entity))
        # the other case is refused at construction
        assert not isinstance(limiter, LimitsKeys)
        return _Permits(operation, entity, limiter, cost)


class _Permits:
    """Takes the permits of one operation, or of each page of a stream; reports quotas and refusals to the limiter."""

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

    def report_quota(self, quota: Quota) -> None:
        """Pass on what an answer says of the quota."""
        emit(QuotaHeard(self._entity, quota))
        if self._learner is not None:
            self._learner.answered(quota, self._grant)
        elif isinstance(self._limiter, HearsQuota):
            self._limiter.hear(quota)

    def report_refusal(self, refusal: RateLimitError) -> None:
        """Pass on that nothing is left."""
        quota = Quota(remaining=0, reset_after=refusal.retry_after)
        if self._learner is None:
            self.report_quota(quota)
        else:
            emit(QuotaHeard(self._entity, quota))
            self._learner.refused(refusal.retry_after, self._grant)


class _LimitedPages(WrappedPages):
    """The inner stream, with a permit before each page."""

    __slots__ = ("_permits",)

    def __init__(self, pages: AsyncIterator[Page], permits: _Permits) -> None:
        super().__init__(pages)
        self._permits = permits

    async def __anext__(self) -> Page:
        await self._permits.take()
        try:
            page = await self._inner.__anext__()
        except RateLimitError as refusal:
            self._permits.report_refusal(refusal)
            raise
        if page.quota is not None:
            self._permits.report_quota(page.quota)
        return page
