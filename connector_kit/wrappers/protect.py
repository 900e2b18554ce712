"""`protect`: the whole stack around a connector, in the one order that works, from one value."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from connector_kit.clock import AnyioClock, Clock
from connector_kit.errors import ConfigError
from connector_kit.limiters.rate_limiter import RateLimiter
from connector_kit.policies.budget import BudgetLedger
from connector_kit.policies.resilience import Resilience

from .layers import layers
from .observed import Observed
from .rate_limited import RateLimited
from .retrying import Retrying
from .time_limited import TimeLimited
from .translating import Rule, Translating

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.events import Observer
    from connector_kit.protocols import Connector, FullConnector, Limiter

__all__ = ["protect"]


def protect(
    connector: Connector,
    resilience: Resilience | None = None,
    *,
    rules: Sequence[Rule] = (),
    limiter: Limiter | None = None,
    observer: Observer | None = None,
    clock: Clock | None = None,
    random: Random | None = None,
) -> FullConnector:
    """Build `Observed(TimeLimited(Retrying(RateLimited(TimeLimited(Translating(connector))))))`.

    What `resilience` sets to None is left out. `rules` translate the client's exceptions. `limiter` is used instead
    of one made from `resilience.rate`, to share a quota between connectors. Raises `ConfigError` for a connector that
    has a retry around it already, or a rate limit where it would get a second one.
    """
    resilience = resilience or Resilience()
    clock = clock or AnyioClock()
    stack: FullConnector = Translating(connector, rules)
    if resilience.attempt is not None and not resilience.attempt.unlimited:
        stack = TimeLimited(stack, resilience.attempt, clock=clock)
    if limiter is None and resilience.rate is not None:
        limiter = RateLimiter(resilience.rate, clock=clock)
    if limiter is not None:
        if any(isinstance(layer, RateLimited) for layer in layers(connector)):
            raise ConfigError(
                "there is a RateLimited around this connector already, so that every page would take two permits; "
                "protect the connector without it, and give its limiter as limiter="
            )
        stack = RateLimited(stack, limiter)
    if resilience.retry is not None:
        ledger = None if resilience.budget is None else BudgetLedger(resilience.budget)
        stack = Retrying(stack, resilience.retry, budget=ledger, clock=clock, random=random or Random())  # noqa: S311 - spreads waits
    if resilience.deadline is not None and not resilience.deadline.unlimited:
        stack = TimeLimited(stack, resilience.deadline, clock=clock)
    if observer is not None:
        stack = Observed(stack, observer, clock=clock)
    return stack
