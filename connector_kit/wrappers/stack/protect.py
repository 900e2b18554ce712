"""`protect`: the whole stack around a connector, in the one order that works, from one value."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from connector_kit.clock import AnyioClock, Clock
from connector_kit.errors import ConfigError
from connector_kit.limiters.adaptive_limiter import AdaptiveLimiter
from connector_kit.limiters.rate_limiter import RateLimiter
from connector_kit.structure.explain import require
from connector_kit.wrappers.bulkhead.slots import Slots
from connector_kit.wrappers.bulkhead.wrapper import Bulkheaded
from connector_kit.wrappers.cache.wrapper import Cached
from connector_kit.wrappers.circuit_breaker.policy import Circuit
from connector_kit.wrappers.circuit_breaker.wrapper import CircuitBreaking
from connector_kit.wrappers.hedge.wrapper import Hedged
from connector_kit.wrappers.observation.wrapper import Observed
from connector_kit.wrappers.rate_limit.wrapper import RateLimited
from connector_kit.wrappers.retry.budget import BudgetLedger
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.timeout.wrapper import TimeLimited
from connector_kit.wrappers.translation.wrapper import Rule, Translating
from connector_kit.wrappers.validation.wrapper import Validating

from .layers import layers
from .resilience import Resilience

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.events import Observer
    from connector_kit.protocols import Connector, FullConnector, Limiter

__all__ = ["protect"]


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
    clock = clock or AnyioClock()
    if limiter is None and resilience.rate is not None:
        kind = AdaptiveLimiter if resilience.adaptive else RateLimiter
        limiter = kind(resilience.rate, clock=clock)
    if slots is None and resilience.bulkhead is not None:
        slots = Slots(resilience.bulkhead, clock=clock)
    if circuit is None and resilience.breaker is not None:
        circuit = Circuit(resilience.breaker)
    if budget is None and resilience.budget is not None:
        budget = BudgetLedger(resilience.budget)
    _refuse_second_retry(connector)
    one_try = _one_try(Translating(connector, rules), resilience, limiter, slots, circuit, clock)
    stack = _all_tries(one_try, resilience, budget, clock, random or Random())  # noqa: S311 - spreads waits
    return stack if observer is None else Observed(stack, observer, clock=clock)


def _one_try(
    stack: FullConnector,
    resilience: Resilience,
    limiter: Limiter | None,
    slots: Slots | None,
    circuit: Circuit | None,
    clock: Clock,
) -> FullConnector:
    """Put around a connector what every attempt goes through."""
    if resilience.validation is not None:
        stack = Validating(stack, resilience.validation)
    if resilience.attempt is not None and not resilience.attempt.unlimited:
        stack = TimeLimited(stack, resilience.attempt, clock=clock)
    if limiter is not None:
        _refuse_second_limit(stack)
        stack = RateLimited(stack, limiter)
    if slots is not None:
        stack = Bulkheaded(stack, slots)
    return stack if circuit is None else CircuitBreaking(stack, circuit, clock=clock)


def _all_tries(
    stack: FullConnector, resilience: Resilience, budget: BudgetLedger | None, clock: Clock, random: Random
) -> FullConnector:
    """Put around it what makes attempts, and what bounds or spares them."""
    if resilience.hedge is not None:
        stack = Hedged(stack, resilience.hedge, clock=clock)
    if resilience.retry is not None:
        stack = Retrying(stack, resilience.retry, budget=budget, clock=clock, random=random)
    if resilience.deadline is not None and not resilience.deadline.unlimited:
        stack = TimeLimited(stack, resilience.deadline, clock=clock)
    return Cached(stack, resilience.cache, clock=clock) if resilience.cache else stack


def _refuse_second_retry(connector: Connector) -> None:
    if any(isinstance(layer, Retrying) for layer in layers(connector)):
        raise ConfigError(
            "there is a Retrying around this connector already, as protect puts one; give protect the connector without its "
            "stack (the command line protects what it is given, as the file's [resilience] says)"
        )


def _refuse_second_limit(connector: Connector) -> None:
    if any(isinstance(layer, RateLimited) for layer in layers(connector)):
        raise ConfigError(
            "there is a RateLimited around this connector already, so that every page would take two permits; "
            "protect the connector without it, and give its limiter as limiter="
        )
