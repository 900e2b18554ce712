"""Everything that `protect` puts around a connector, as one value that can stand in a config file."""

from __future__ import annotations

import attrs

from connector_kit.durations import Duration
from connector_kit.limiters.rate import Rates

from .budget import RetryBudget
from .retry import Retry
from .timeouts import Timeouts

__all__ = ["Resilience"]


def _rates(given: Rates | str | None) -> Rates | None:
    return Rates.parse(given) if isinstance(given, str) else given


@attrs.frozen
class Resilience:
    """What `protect` builds. None leaves a layer out.

    `rate` is how many requests may be made (`"10/s, 10000/day"`), for all entities together. `attempt` limits one
    try, `deadline` a call or a page with all its tries and waits.
    """

    retry: Retry | None = attrs.field(factory=Retry)
    budget: RetryBudget | None = None
    rate: Rates | None = attrs.field(default=None, converter=_rates)
    attempt: Timeouts | None = attrs.field(default=Timeouts(call=Duration(60), page=Duration(60)))
    deadline: Timeouts | None = attrs.field(default=Timeouts(call=Duration(900), page=Duration(900)))
