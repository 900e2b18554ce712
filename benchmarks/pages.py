"""What a wrapper costs a page when it has nothing to do, and what the stack that `protect` builds costs."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING

import anyio
import attrs

from connector_kit.durations import Duration
from connector_kit.records.catalog import Catalog, Entity
from connector_kit.records.page import Cursor, Page
from connector_kit.wrappers.bulkhead.policy import Bulkhead
from connector_kit.wrappers.bulkhead.wrapper import Bulkheaded
from connector_kit.wrappers.cache.wrapper import Cached
from connector_kit.wrappers.circuit_breaker.policy import Breaker
from connector_kit.wrappers.circuit_breaker.wrapper import CircuitBreaking
from connector_kit.wrappers.observation.wrapper import Observed
from connector_kit.wrappers.rate_limit.wrapper import RateLimited
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.stack.protect import protect
from connector_kit.wrappers.stack.resilience import Resilience
from connector_kit.wrappers.timeout.wrapper import TimeLimited, Timeouts
from connector_kit.wrappers.translation.wrapper import Translating
from connector_kit.wrappers.validation.policy import Validation
from connector_kit.wrappers.validation.wrapper import Validating

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from rounds import Measure

    from connector_kit.events import Event
    from connector_kit.protocols import Connector

__all__ = ["BARE", "FULL", "FULL_TIMED", "Ready", "contestants", "idle"]

BARE = "page: bare connector"
FULL = "page: protect, all eight layers"
FULL_TIMED = "page: protect, all eight, two time limits"
EIGHT = Resilience(
    cache=Duration(60),
    deadline=None,
    breaker=Breaker(),
    bulkhead=Bulkhead(4),
    attempt=None,
    validation=Validation(),
)
"""With a limiter and an observer: Observed, Cached, Retrying, CircuitBreaking, Bulkheaded, RateLimited, Validating, Translating."""
PAGES = tuple(Page(records=(), cursor=number) for number in range(20_000))


@attrs.frozen
class Ready:
    """A connector whose pages are made beforehand: what is measured is what is around it."""

    async def connect(self) -> None:
        """Nothing to do."""

    async def disconnect(self) -> None:
        """Nothing to do."""

    async def discover_schema(self) -> Catalog:
        """Give one entity."""
        return Catalog([Entity("pages")])

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Give all pages."""
        del entity, since, cursor
        for page in PAGES:
            yield page


class Unlimited:
    """A limiter that always has a permit."""

    async def acquire(self, cost: int = 1) -> float:
        del cost
        return 0.0


class Silent:
    """An observer that hears and forgets."""

    def observe(self, event: Event, /) -> None:
        pass


async def read(connector: Connector) -> float:
    """Read all pages and give the seconds of processor time per page: nothing here waits."""
    started = process_time()
    async for _ in connector.fetch_data("pages"):
        pass
    return (process_time() - started) / len(PAGES)


def reading(connector: Connector) -> Measure:
    return lambda: anyio.run(read, connector)


def idle() -> dict[str, Measure]:
    """Each wrapper alone that has nothing to do for a page."""
    bare = Ready()
    return {
        "page: Translating": reading(Translating(bare)),
        "page: TimeLimited, no limit set": reading(TimeLimited(bare, Timeouts())),
        "page: RateLimited, a permit at once": reading(RateLimited(bare, Unlimited())),
        "page: Bulkheaded, a slot at once": reading(Bulkheaded(bare, Bulkhead(4))),
        "page: CircuitBreaking, closed": reading(CircuitBreaking(bare)),
        "page: Validating, nothing announced": reading(Validating(bare)),
        "page: Retrying": reading(Retrying(bare)),
        "page: Cached": reading(Cached(bare, Duration(60))),
    }


def busy() -> dict[str, Measure]:
    """Those that have: an event for each page, a limit to keep; then stacks."""
    bare = Ready()
    minute = Timeouts(page=Duration(60))
    return {
        "page: Observed, a silent observer": reading(Observed(bare, Silent())),
        "page: TimeLimited, one limit set": reading(TimeLimited(bare, minute)),
        "page: protect, no time limits": reading(stack(Resilience(attempt=None, deadline=None))),
        "page: protect, its defaults": reading(stack(Resilience())),
        FULL: reading(stack(EIGHT)),
        FULL_TIMED: reading(stack(attrs.evolve(EIGHT, attempt=minute, deadline=minute))),
    }


def stack(resilience: Resilience) -> Connector:
    """Protect a connector, with a limiter that never waits and somebody who listens."""
    return protect(Ready(), resilience, limiter=Unlimited(), observer=Silent())


def contestants() -> dict[str, Measure]:
    """The bare connector first."""
    return {BARE: reading(Ready()), **idle(), **busy()}
