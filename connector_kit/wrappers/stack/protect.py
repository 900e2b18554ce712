"""`protect`: the whole stack around a connector, in the one order that works, from one value."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from connector_kit.clock import AnyioClock, Clock
from connector_kit.limiters.adaptive_limiter import AdaptiveLimiter
from connector_kit.limiters.rate_limiter import RateLimiter
from connector_kit.protocols import Connector, FullConnector
from connector_kit.structure.explain import require
from connector_kit.wrappers.bulkhead.policy import Slots
from connector_kit.wrappers.bulkhead.wrapper import Bulkheaded
from connector_kit.wrappers.cache.wrapper import Cached
from connector_kit.wrappers.circuit_breaker.policy import Circuit
from connector_kit.wrappers.circuit_breaker.wrapper import CircuitBreaking
from connector_kit.wrappers.hedge.wrapper import Hedged
from connector_kit.wrappers.observation.wrapper import Observed
from connector_kit.wrappers.rate_limit.wrapper import RateLimited
from connector_kit.wrappers.retry.policy import BudgetLedger
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.timeout.wrapper import TimeLimited, Timeouts
from connector_kit.wrappers.translation.wrapper import Rule, Translating
from connector_kit.wrappers.validation.wrapper import Validating

from .layers import layers
from .order import ORDER, LayerPosition, refuse_order
from .resilience import Resilience

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.events import Observer
    from connector_kit.protocols import Limiter

__all__ = ["protect"]

P = TypeVar("P")

Build: TypeAlias = Callable[[Connector], FullConnector]


def protect(  # noqa: PLR0913 - keyword arguments with defaults; each is told of in the docstring
    connector: Connector,
    resilience: Resilience | None = None,
    *,
    rules: Sequence[Rule] = (),
    limiter: Limiter | None = None,
    circuit: Circuit | None = None,
    slots: Slots | None = None,
    budget: BudgetLedger | None = None,
    observer: Observer | None = None,
    clock: Clock | None = None,
    random: Random | None = None,
) -> FullConnector:
    """Build the layers that `resilience` asks for, in the order that works; what is None in it is left out.

    `Observed > Cached > TimeLimited(deadline) > Retrying > Hedged > CircuitBreaking > Bulkheaded > RateLimited >
    TimeLimited(attempt) > Validating > Translating > connector`

    `rules` translate the client's exceptions. `limiter`, `circuit`, `slots` and `budget` are used instead of those that would
    be made for this connector alone: to share a quota, a breaker, a bulkhead or a retry budget with others of the
    same upstream. Raises `ConfigError` for a connector that has a retry around it already, or a rate limit where it
    would get a second one, and for an object that is no connector, with what `explain` says of it.
    """
    require(connector, "protect() was given")
    resilience = resilience or Resilience()
    time = clock or AnyioClock()
    if limiter is None and resilience.rate is not None:
        kind = AdaptiveLimiter if resilience.adaptive else RateLimiter
        limiter = kind(resilience.rate, clock=time)
    if slots is None and resilience.bulkhead is not None:
        slots = Slots(resilience.bulkhead, clock=time)
    if circuit is None and resilience.breaker is not None:
        circuit = Circuit(resilience.breaker)
    if budget is None and resilience.budget is not None:
        budget = BudgetLedger(resilience.budget)
    refuse_order("protect", layers(connector))
    if limiter is not None:
        refuse_order("protect with a rate", layers(connector))
    chance = random or Random()  # noqa: S311 - spreads waits
    builders: dict[LayerPosition, Build | None] = {
        "Observed": _layer(observer, lambda inner, it: Observed(inner, it, clock=time)),
        "Cached": _layer(resilience.cache or None, lambda inner, ttl: Cached(inner, ttl, clock=time)),
        "TimeLimited(deadline)": _time_limits(resilience.deadline, time),
        "Retrying": _layer(
            resilience.retry,
            lambda inner, retry: Retrying(inner, retry, budget=budget, clock=time, random=chance),
        ),
        "Hedged": _layer(resilience.hedge, lambda inner, hedge: Hedged(inner, hedge, clock=time)),
        "CircuitBreaking": _layer(circuit, lambda inner, it: CircuitBreaking(inner, it, clock=time)),
        "Bulkheaded": _layer(slots, Bulkheaded[Connector]),
        "RateLimited": _layer(limiter, RateLimited[Connector]),
        "TimeLimited(attempt)": _time_limits(resilience.attempt, time),
        "Validating": _layer(resilience.validation, Validating[Connector]),
        "Translating": _layer(tuple(rules), Translating[Connector]),
    }
    innermost, *others = [build for position in reversed(ORDER) if (build := builders[position])]
    stack = innermost(connector)
    for build in others:
        stack = build(stack)
    return stack


def _layer(part: P | None, build: Callable[[Connector, P], FullConnector]) -> Build | None:
    """Return what puts a layer with this part around a connector; None where there is no part."""
    return None if part is None else lambda inner: build(inner, part)


def _time_limits(timeouts: Timeouts | None, clock: Clock) -> Build | None:
    limits = None if timeouts is None or timeouts.unlimited else timeouts
    return _layer(limits, lambda inner, it: TimeLimited(inner, it, clock=clock))
