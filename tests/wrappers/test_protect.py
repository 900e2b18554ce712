"""protect: one order of layers, whatever is left out, and refusals where it could not work."""

from __future__ import annotations

from random import Random

import pytest
import sources
from doubles import Ear, Turnstile
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.errors import ConfigError, RetriesExhaustedError, ServiceUnavailableError
from connector_kit.limiters.adaptive_limiter import AdaptiveLimiter
from connector_kit.limiters.rate_limiter import RateLimiter
from connector_kit.limiters.rates import Rates
from connector_kit.protocols import Connector, FullConnector
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.bulkhead.policy import Bulkhead, Slots
from connector_kit.wrappers.bulkhead.wrapper import Bulkheaded
from connector_kit.wrappers.cache.wrapper import Cached
from connector_kit.wrappers.circuit_breaker.policy import Breaker, Circuit
from connector_kit.wrappers.circuit_breaker.wrapper import CircuitBreaking
from connector_kit.wrappers.fault_injection.wrapper import Fail, Faulty, Stall
from connector_kit.wrappers.hedge.wrapper import Hedge, Hedged
from connector_kit.wrappers.observation.wrapper import Observed
from connector_kit.wrappers.rate_limit.wrapper import RateLimited
from connector_kit.wrappers.retry.policy import BudgetLedger, Retry, RetryBudget
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.stack.layers import layers, unwrap
from connector_kit.wrappers.stack.protect import protect
from connector_kit.wrappers.stack.resilience import Resilience
from connector_kit.wrappers.timeout.wrapper import TimeLimited, Timeouts
from connector_kit.wrappers.translation.wrapper import Rule, Translating
from connector_kit.wrappers.validation.policy import Validation
from connector_kit.wrappers.validation.wrapper import Validating

NONE = Resilience(retry=None, rate=None, attempt=None, deadline=None)
LIMITS = Timeouts(call=5, page=5)


def kinds(connector: Connector) -> list[type[Connector]]:
    """Give the classes of all layers, outermost first."""
    return [type(layer) for layer in layers(connector)]


LAYERS: dict[str, tuple[object, type[Connector]]] = {
    "cache": ("1h", Cached),
    "deadline": (LIMITS, TimeLimited),
    "retry": (Retry(), Retrying),
    "hedge": (Hedge(), Hedged),
    "breaker": (Breaker(), CircuitBreaking),
    "bulkhead": (Bulkhead(4), Bulkheaded),
    "rate": ("10/s", RateLimited),
    "attempt": (LIMITS, TimeLimited),
    "validation": (Validation(), Validating),
}
"""What in a Resilience asks for which layer, from the outside inwards."""


@given(st.sets(st.sampled_from(sorted(LAYERS))), st.sampled_from([None, Ear()]))
def test_the_order_is_the_same_whatever_is_left_out(asked: set[str], observer: Ear | None) -> None:
    shop = sources.Shop()
    parts = {name: value if name in asked else None for name, (value, _) in LAYERS.items()}
    stack = protect(shop, Resilience(**parts), observer=observer)  # type: ignore[arg-type]  # each is of its field's type
    expected = [kind for name, (_, kind) in LAYERS.items() if name in asked]
    outermost = [] if observer is None else [Observed]
    assert kinds(stack) == [*outermost, *expected, Translating, sources.Shop]
    assert isinstance(stack, FullConnector)


def test_what_has_state_may_be_shared() -> None:
    """It is used instead of what would be made for this connector alone, also where the policy has none."""
    circuit, slots, budget = Circuit(), Slots(Bulkhead(2)), BudgetLedger(RetryBudget())
    for resilience in (None, Resilience(breaker=Breaker(), bulkhead=Bulkhead(9), budget=RetryBudget())):
        stack = protect(sources.Shop(), resilience, circuit=circuit, slots=slots, budget=budget)
        assert unwrap(stack, CircuitBreaking).circuit is circuit
        assert unwrap(stack, Bulkheaded).slots is slots
        assert unwrap(stack, Retrying).budget is budget


def test_by_default_it_retries_and_limits_times_but_no_rate() -> None:
    assert kinds(protect(sources.Shop())) == [TimeLimited, Retrying, TimeLimited, Translating, sources.Shop]


def test_limits_that_limit_nothing_are_no_layer() -> None:
    resilience = Resilience(retry=None, attempt=Timeouts(), deadline=Timeouts())
    assert kinds(protect(sources.Shop(), resilience)) == [Translating, sources.Shop]


def test_every_part_gets_what_it_is_given() -> None:
    clock, random, ear, rules = VirtualClock(), Random(1), Ear(), [Rule(KeyError, ServiceUnavailableError)]
    resilience = Resilience(
        retry=Retry(attempts=3),
        budget=RetryBudget(floor=1),
        rate="10/s",
        attempt=LIMITS,
        deadline=Timeouts(page=9),
    )
    stack = protect(sources.Shop(), resilience, rules=rules, observer=ear, clock=clock, random=random)
    outer, inner = (layer for layer in layers(stack) if isinstance(layer, TimeLimited))
    retrying, limited = unwrap(stack, Retrying), unwrap(stack, RateLimited)
    assert (outer.timeouts, inner.timeouts) == (Timeouts(page=9), LIMITS)
    assert (retrying.retry, retrying.random) == (Retry(attempts=3), random)
    assert retrying.budget is not None
    assert retrying.budget.budget == RetryBudget(floor=1)
    assert unwrap(stack, Translating).rules == tuple(rules)
    assert unwrap(stack, Observed).observer is ear
    assert isinstance(limited.limiter, RateLimiter)
    assert all(layer.clock is clock for layer in (outer, inner, retrying, unwrap(stack, Observed)))


def test_the_limiter_adapts_where_asked_to() -> None:
    """Only then does it go below the configured rate."""
    for adaptive, kind in ((False, RateLimiter), (True, AdaptiveLimiter)):
        stack = protect(sources.Shop(), Resilience(rate="10/s", adaptive=adaptive))
        assert type(unwrap(stack, RateLimited).limiter) is kind


def test_a_limiter_may_be_shared() -> None:
    """It is used instead of one made from the rate."""
    gate = Turnstile()
    one = protect(sources.Shop(), Resilience(rate="10/s"), limiter=gate)
    other = protect(sources.Shop(), limiter=gate)
    assert unwrap(one, RateLimited).limiter is gate is unwrap(other, RateLimited).limiter


def test_each_stack_has_its_own_limiter_and_budget_otherwise() -> None:
    resilience = Resilience(rate="10/s", budget=RetryBudget())
    one, other = protect(sources.Shop(), resilience), protect(sources.Shop(), resilience)
    assert unwrap(one, RateLimited).limiter is not unwrap(other, RateLimited).limiter
    assert unwrap(one, Retrying).budget is not unwrap(other, Retrying).budget


@pytest.mark.parametrize("resilience", [None, NONE])
def test_a_connector_with_a_retry_around_it_is_refused(resilience: Resilience | None) -> None:
    """It has its own words for who protects twice, as with a factory for the command line."""
    with pytest.raises(ConfigError, match="a Retrying around this connector already, as protect puts one"):
        protect(TimeLimited(Retrying(sources.Shop()), LIMITS), resilience)
    with pytest.raises(ConfigError, match="the command line protects what it is given"):
        protect(protect(sources.Shop()), resilience)


def test_a_second_rate_limit_is_refused() -> None:
    """Every page would take two permits; where no other limit comes around it, one that is there may stay."""
    limited = RateLimited(sources.Shop(), Turnstile())
    for resilience, limiter in ((Resilience(rate="1/s"), None), (None, Turnstile())):
        with pytest.raises(ConfigError, match="would take two permits; protect the connector without it"):
            protect(limited, resilience, limiter=limiter)
    assert kinds(protect(limited, NONE)) == [Translating, RateLimited, sources.Shop]


def test_the_whole_stack_reads_as_the_bare_connector_does(anyio_backend: str) -> None:
    """Through faults that the policy can bear, at the rate that is allowed."""
    clock, ear, gate = VirtualClock(), Ear(), Turnstile()
    shop = sources.Shop()
    source = Faulty(
        shop, [None, Fail(ConnectionResetError), Fail(TimeoutError), None, Fail(KeyError)], clock=clock
    )
    rules = [Rule(KeyError, ServiceUnavailableError)]

    async def test() -> None:
        gate.clock = clock
        stack = protect(source, rules=rules, limiter=gate, observer=ear, clock=clock, random=Random(1))
        pages = [page async for page in stack.fetch_data("orders")]
        assert pages == [page async for page in sources.Shop().fetch_data("orders")]

    clock.run(test, backend=anyio_backend)
    assert len(gate.granted) == 8 == source.requests
    assert shop.opened == shop.closed


def test_the_retries_deadline_counts_from_the_first_failure(anyio_backend: str) -> None:
    """Also where the clock says 0 then."""
    clock = VirtualClock()
    retry = Retry(attempts=100, backoff="constant", first_wait=10, jitter="none", deadline=25)

    async def test() -> None:
        source = Faulty(sources.Shop(), [Fail()] * 100, clock=clock)
        with pytest.raises(RetriesExhaustedError, match="gave up after 3 attempts"):
            await protect(source, Resilience(retry=retry), clock=clock).connect()

    clock.run(test, backend=anyio_backend)
    assert clock.monotonic_ns() == 20_000_000_000


def test_by_default_a_page_waits_for_its_permit_as_long_as_the_rate_says(anyio_backend: str) -> None:
    """Be it a day. What may fail by then, an attempt and what is tried again, has limits of its own."""
    clock, shop = VirtualClock(), sources.Shop()

    async def test() -> None:
        stack = protect(shop, Resilience(rate="2/day"), clock=clock)
        assert len([page async for page in stack.fetch_data("orders")]) == 4

    clock.run(test, backend=anyio_backend)
    assert clock.monotonic_ns() == 2 * 86_400 * 1_000_000_000


def test_by_default_a_stall_is_tried_again_and_then_told(anyio_backend: str) -> None:
    clock = VirtualClock()

    async def test() -> None:
        stack = protect(Faulty(sources.Shop(), [Stall("10h")] * 9, clock=clock), clock=clock)
        with pytest.raises(RetriesExhaustedError, match="a page took longer than 1m"):
            await anext(stack.fetch_data("orders"))

    clock.run(test, backend=anyio_backend)
    assert clock.monotonic_ns() < 12 * 60 * 1_000_000_000


class TestResilience:
    def test_retries_and_time_limits_are_on_by_default(self) -> None:
        """A stall is an error unless somebody says otherwise; a rate is not for us to guess."""
        resilience = Resilience()
        assert resilience.retry == Retry()
        assert (resilience.budget, resilience.rate) == (None, None)
        assert resilience.attempt == Timeouts(call=60, page=60)
        assert resilience.deadline == Timeouts(call=900)

    def test_an_attempt_has_less_time_than_all_of_them(self) -> None:
        attempt, deadline = Resilience().attempt, Resilience().deadline
        assert attempt is not None
        assert attempt.call is not None
        assert deadline is not None
        assert deadline.call is not None
        assert deadline.call >= attempt.call + Retry().deadline

    def test_a_rate_may_be_text(self) -> None:
        rates = Rates.parse("10/s, 1000/day")
        assert Resilience(rate="10/s, 1000/day").rate == rates == Resilience(rate=rates).rate
        with pytest.raises(ValueError, match="rate"):
            Resilience(rate="often")

    def test_is_a_value_that_can_be_compared_and_hashed(self) -> None:
        assert len({Resilience(), Resilience(), Resilience(retry=None)}) == 2
