"""`MockConnector`: what a connector looks like. It inherits from nothing; its methods make it one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from attrs.validators import and_, ge, le

from connector_kit.clock import AnyioClock, Clock
from connector_kit.durations import Duration, as_duration
from connector_kit.errors import ConfigError, Problem, RequestRejectedError
from connector_kit.limiters.rates import Rate, Rates
from connector_kit.records.catalog import Catalog
from connector_kit.records.page import Page

from .entities import ENTITIES, first_index_since
from .index_range import IndexRange
from .server import ServedRequests, drawn_faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from connector_kit.records.page import Cursor, Quota, Record

    from .entities import MockEntity

__all__ = ["MAX_SIZE", "MockConfig", "MockConnector"]


MAX_SIZE = 1_000_000_000
"""With more records, the last ones' times would come near the last year that a datetime can hold."""


def _as_rates(given: Rates | str | None) -> Rates | None:
    rates = None if given is None else Rates.of(given)
    for rate in rates or ():
        if not isinstance(rate, Rate) or rate.burst is not None:
            raise ValueError(f'a rate like "50/s", since the mock counts in plain windows, not "{rate}"')
    return rates


@attrs.frozen
class MockConfig:
    """How much data there is, and how it behaves.

    `size` is the number of records of the largest entities (orders, events); there is a customer for every ten. The
    same `seed` gives the same records: more of them with a larger `size`, the same ones with another `page_size`.
    Each request for records takes `latency`. `faults` is the share of them that fails, of one entity's at most
    `max_faults_in_a_row` one after the other. `rate` is what the mock allows (`"50/s"`); it refuses requests beyond.
    """

    seed: int = 0
    size: int = attrs.field(default=1_000, validator=and_(ge(0), le(MAX_SIZE)))
    page_size: int = attrs.field(default=100, validator=ge(1))
    latency: Duration = attrs.field(default=Duration(0), converter=as_duration)
    faults: float = attrs.field(default=0.0, validator=and_(ge(0), le(1)))
    max_faults_in_a_row: int = attrs.field(default=2, validator=ge(0))
    rate: Rates | None = attrs.field(default=None, converter=_as_rates)


_CATALOG = Catalog(each.entity for each in ENTITIES.values())


class MockConnector:
    """Serves made-up customers, their orders and events, and countries, as its `config` says.

    The entities show the ways a source behaves: customers come in the order of updated_at, orders the newest first,
    events are followed by cursor, countries are read in full each time.
    """

    def __init__(
        self,
        config: MockConfig = MockConfig(),
        *,
        clock: Clock = AnyioClock(),
    ) -> None:
        self.config = config
        self._clock = clock
        self._connected = False
        self._faults = {  # one sequence for each entity: it meets the same ones, whatever else is read meanwhile
            name: drawn_faults(source.key(config.seed), config.faults, config.max_faults_in_a_row)
            for name, source in ENTITIES.items()
        }
        self._served = None if config.rate is None else ServedRequests(config.rate)

    def validate_config(self) -> None:
        """Refuse a share of faults that could never occur."""
        if self.config.faults and not self.config.max_faults_in_a_row:
            problem = Problem(
                path="max_faults_in_a_row",
                given=f"0, with faults = {self.config.faults:g}",
                expected="1 or more, for a request to fail at all",
                mend="raise it, or leave both out",
            )
            raise ConfigError("the mock connector cannot do what its configuration says", [problem])

    async def connect(self) -> None:
        """Allow requests. A connector with a client opens it here."""
        self._connected = True

    async def disconnect(self) -> None:
        """Allow no more requests. A connector with a client closes it here, if it is open."""
        self._connected = False

    async def discover_schema(self) -> Catalog:
        """Return the catalog; it is always the same."""
        return _CATALOG

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read an entity page by page. Every page has a cursor; from the last one nothing follows.

        `since` has no effect on events and countries, which have no replication key. Raises `UnknownEntityError`,
        `RequestRejectedError` and `CursorExpiredError` for what was asked, `RateLimitError` beyond the configured
        rate, and the configured share of transient errors.
        """
        source = _source(entity)
        key = source.key(self.config.seed)
        rest = self._index_range(source, since, cursor)
        while rest:
            quota = await self._request(entity)
            divide = rest.last if source.newest_first else rest.first
            indexes, rest = divide(self.config.page_size)
            yield Page([source.build(key, index) for index in indexes], rest.cursor, quota)

    async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
        """Return the first records in a single request, without the rest of their page."""
        source = _source(entity)
        await self._request(entity)
        key = source.key(self.config.seed)
        indexes, _ = self._index_range(source, None, None).first(max(0, limit))
        return [source.build(key, index) for index in indexes]

    async def partition_data(
        self, entity: str, /, *, since: datetime | None = None, target: int
    ) -> Sequence[Cursor]:
        """Divide the indexes into `target` ranges, or fewer where there are fewer records."""
        return [part.cursor for part in self._index_range(_source(entity), since, None).parts(target)]

    def _index_range(self, source: MockEntity, since: datetime | None, cursor: Cursor) -> IndexRange:
        """Return what a read has to deliver."""
        count = source.count(self.config.size)
        index_range = (
            IndexRange(0, count, growing=not source.newest_first)
            if cursor is None
            else IndexRange.at(cursor, count)
        )
        if since is None or source.entity.replication_key is None:
            return index_range
        if since.tzinfo is None:
            raise RequestRejectedError(
                f"since is {since.isoformat()}, without a time zone; expected an aware datetime; "
                "say which zone it is in, as in since.replace(tzinfo=UTC)"
            )
        return index_range.since(first_index_since(since))

    async def _request(self, entity: str) -> Quota | None:
        """Do what every request to a server does: take time, count against the quota, and fail now and then."""
        if not self._connected:
            raise RequestRejectedError(
                "the mock connector is not connected; expected connect() before any request; "
                "read inside `async with connected(connector)`, or call connect() first"
            )
        await self._clock.sleep(self.config.latency)
        quota = self._served.serve(self._clock.monotonic_ns()) if self._served else None
        if (fault := next(self._faults[entity])) is not None:
            raise fault
        return quota


def _source(entity: str) -> MockEntity:
    """Return the entity of that name; the catalog raises the error for one that it does not have."""
    return ENTITIES[_CATALOG[entity].name]
