"""Everything that `protect` puts around a connector, as one value that can stand in a config file."""

from __future__ import annotations

import attrs

from connector_kit.durations import Duration, as_duration
from connector_kit.limiters.rates import Rates
from connector_kit.wrappers.bulkhead.policy import Bulkhead
from connector_kit.wrappers.circuit_breaker.policy import Breaker
from connector_kit.wrappers.hedge.wrapper import Hedge
from connector_kit.wrappers.retry.policy import Retry, RetryBudget
from connector_kit.wrappers.timeout.wrapper import Timeouts
from connector_kit.wrappers.validation.policy import Validation

__all__ = ["Resilience"]


def _as_rates(rates: Rates | str | None) -> Rates | None:
    return Rates.parse(rates) if isinstance(rates, str) else rates


@attrs.frozen
class Resilience:
    """What `protect` builds, from the outside inwards. None leaves a layer out.

    `cache` is for how long a catalog or a sample may be used again. `deadline` limits a call or a page with all its
    tries and waits; by default only calls, since a page may have to wait for a permit for as long as its rate says, and
    its tries have limits of their own. `retry` says how a failed call is made again, `budget` how many retries all calls together may
    need. `hedge` asks a second time where that is safe and the first answer is slow. `breaker` leaves a source alone
    that keeps failing. `bulkhead` bounds the requests under way at once. `rate` is how many may be made (`"10/s,
    10000/day"`), for all entities together; with `adaptive` there are fewer where the other side says so. `attempt`
    limits one try. `validation` compares records with the catalog.
    """

    cache: Duration | None = attrs.field(default=None, converter=attrs.converters.optional(as_duration))
    deadline: Timeouts | None = attrs.field(default=Timeouts(call=Duration(900)))
    retry: Retry | None = attrs.field(factory=Retry)
    budget: RetryBudget | None = None
    hedge: Hedge | None = None
    breaker: Breaker | None = None
    bulkhead: Bulkhead | None = None
    rate: Rates | None = attrs.field(default=None, converter=_as_rates)
    adaptive: bool = False
    attempt: Timeouts | None = attrs.field(default=Timeouts(call=Duration(60), page=Duration(60)))
    validation: Validation | None = None
