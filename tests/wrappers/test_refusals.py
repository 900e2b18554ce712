"""What the wrappers say when they refuse, in full: what happened, what was expected, what to do."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from stacks import Records, shop

from connector_kit import KeyedLimiter  # by its door, which its repr names
from connector_kit.blocking.paged import Paged
from connector_kit.blocking.threaded import Threaded
from connector_kit.errors import ConfigError, ConnectorError, RateLimitError
from connector_kit.limiters.rate_limiter import RateLimiter
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.bulkhead.policy import Bulkhead, Slots
from connector_kit.wrappers.bulkhead.wrapper import Bulkheaded
from connector_kit.wrappers.cache.wrapper import Cached
from connector_kit.wrappers.circuit_breaker.wrapper import CircuitBreaking
from connector_kit.wrappers.hedge.wrapper import Hedge, Hedged
from connector_kit.wrappers.prefetch.wrapper import Prefetching
from connector_kit.wrappers.rate_limit.wrapper import RateLimited
from connector_kit.wrappers.retry.wrapper import Retrying
from connector_kit.wrappers.stack.protect import protect
from connector_kit.wrappers.stack.resilience import Resilience
from connector_kit.wrappers.translation.wrapper import Translating
from connector_kit.wrappers.validation.policy import Validation
from connector_kit.wrappers.validation.wrapper import Validating

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskGroup

SLOTS = Slots(Bulkhead(limit=1))
ONE = RateLimiter("1/s")
KEYED = KeyedLimiter("1/s")


def by_entity(_: str, entity: str | None) -> str | None:
    return entity


def fetching(build: Callable[[TaskGroup], object]) -> Callable[[], None]:
    """Give what builds a stack with a Prefetching in it, which wants a task group."""

    async def run() -> None:
        build(anyio.create_task_group())

    return partial(anyio.run, run)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: Bulkheaded(Retrying(shop()), Bulkhead(limit=2)),
            (
                "Bulkheaded is outside Retrying, so that slots would be held while retries are waited for; "
                "put it inside: Retrying(Bulkheaded(connector, bulkhead), retry), or say "
                "allow_outside_retry=True"
            ),
        ),
        (
            lambda: Bulkheaded(Bulkheaded(shop(), SLOTS), SLOTS),
            (
                "there is a Bulkheaded with the same slots inside this one, so that an operation would wait "
                "for the slot it holds; leave one of them out, or give each its own Bulkhead"
            ),
        ),
        (
            lambda: Cached(shop(), 0),
            "cannot keep answers for ttl=0s; expected more than nothing; leave Cached out instead",
        ),
        (
            lambda: Cached(shop(), "soon"),
            (
                'cannot keep answers for ttl=\'soon\'; expected a duration like "30s", "1m30s", "250ms", "2h" '
                'or "1d"; give one of these'
            ),
        ),
        (
            lambda: CircuitBreaking(Retrying(shop())),
            (
                "CircuitBreaking is outside Retrying, so that an open circuit would stop no retry; put it "
                "inside: Retrying(CircuitBreaking(connector, breaker), retry), or say "
                "allow_outside_retry=True"
            ),
        ),
        (
            lambda: Hedged(Retrying(shop()), Hedge()),
            (
                "Hedged is outside Retrying, so that every extra call would have its own retries; put it "
                "inside: Retrying(Hedged(connector, hedge), retry), or say allow_outside_retry=True"
            ),
        ),
        (
            lambda: Paged(Records(shop()), 0),
            "pages of 0 records would never end; give a size of 1 or more",
        ),
        (
            fetching(lambda tasks: Prefetching(Prefetching(shop(), tasks), tasks)),
            (
                "there is a Prefetching inside this Prefetching, which would only copy pages from buffer to "
                "buffer; leave one out and give the other more pages="
            ),
        ),
        (
            lambda: protect(Retrying(shop())),
            (
                "there is a Retrying around this connector already, as protect puts one; give protect the "
                "connector without its stack (the command line protects what it is given, as the file's "
                "[resilience] says)"
            ),
        ),
        (
            lambda: protect(RateLimited(shop(), ONE), Resilience(rate="1/s")),
            (
                "there is a RateLimited around this connector already, so that every page would take two "
                "permits; protect the connector without it, and give its limiter as limiter="
            ),
        ),
        (
            lambda: RateLimited(shop(), ONE, key=by_entity),
            (
                f"RateLimiter('1/s') with key={by_entity!r} does not say whose permits are taken; "
                "expected a key with a limiter of keys, and none with any other; give RateLimited(connector, "
                "KeyedLimiter(rates), key=lambda operation, entity: entity), or leave key out and give a "
                "RateLimiter"
            ),
        ),
        (
            lambda: RateLimited(shop(), KEYED),
            (
                f"{KEYED!r} with key=None does not say whose permits are taken; expected a key with a limiter of "
                "keys, and none with any other; give RateLimited(connector, KeyedLimiter(rates), key=lambda "
                "operation, entity: entity), or leave key out and give a RateLimiter"
            ),
        ),
        (
            lambda: RateLimited(Retrying(shop()), ONE),
            (
                "RateLimited is outside Retrying, so that retries would go past the limit; put it inside: "
                "Retrying(RateLimited(connector, limiter), retry), or say allow_outside_retry=True"
            ),
        ),
        (
            fetching(lambda tasks: RateLimited(Prefetching(shop(), tasks), ONE)),
            (
                "there is a Prefetching inside this RateLimited, so that requests would be made ahead of "
                "their permits; put it outside: Prefetching(RateLimited(connector, limiter), tasks)"
            ),
        ),
        (
            lambda: RateLimited(shop(), ONE, costs={"fetch_data": -1}),
            (
                "the cost -1 for 'fetch_data' means nothing; give zero or more for one of connect, "
                "discover_schema, fetch_data, get_sample_data, partition_data"
            ),
        ),
        (
            lambda: RateLimited(shop(), ONE, costs={"fetch": 1}),
            (
                "the cost 1 for 'fetch' means nothing; give zero or more for one of connect, discover_schema, "
                "fetch_data, get_sample_data, partition_data"
            ),
        ),
        (
            lambda: Retrying(Retrying(shop())),
            (
                "there is a Retrying inside this Retrying, so that attempts would multiply; leave one out, or "
                "say allow_nested=True"
            ),
        ),
        (
            fetching(lambda tasks: Retrying(Prefetching(shop(), tasks))),
            (
                "there is a Prefetching inside this Retrying, so that every fault would throw away what was "
                "fetched ahead; put it outside: Prefetching(Retrying(connector, retry), tasks)"
            ),
        ),
        (
            lambda: Threaded(shop()),  # type: ignore[type-var]  # that is what is refused
            (
                "Shop.connect is async; Threaded is for connectors whose methods are not; leave it out, or "
                "write the method without async"
            ),
        ),
        (
            lambda: Translating(Retrying(shop())),
            (
                "Translating is outside Retrying, which decides by the translated class; put it inside: "
                "Retrying(Translating(connector, rules), retry)"
            ),
        ),
        (
            lambda: Validating(shop(), Validation("drop"), quarantine=print),
            (
                'there is a place for records that do not fit, but the action is "drop"; say '
                'action="quarantine", or leave the place out'
            ),
        ),
        (
            lambda: Validating(shop(), Validation("quarantine")),
            (
                'the action is "quarantine" with no place for the records; give one: a file in the validation '
                "(file=...), or a file or a function to the wrapper (quarantine=...)"
            ),
        ),
        (
            lambda: Validating(shop(), Validation("quarantine", file="a.jsonl"), quarantine=print),
            (
                "the action is \"quarantine\" with the file 'a.jsonl' and another place for the records; give "
                "one: a file in the validation (file=...), or a file or a function to the wrapper "
                "(quarantine=...)"
            ),
        ),
    ],
)
def test_a_stack_that_cannot_work(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        build()
    assert raised.value.message == message


@pytest.mark.parametrize(
    ("bulkhead", "message"),
    [
        (
            Bulkhead(limit=1, max_queue=1),
            (
                "the bulkhead is full: operations under way 1 (limit 1), waiting 1 (max_queue 1); try again when some are "
                "done, or allow more"
            ),
        ),
        (
            Bulkhead(limit=1, max_wait=2),
            (
                "no slot came free within 2s (max_wait): operations under way 1 (limit 1), still waiting 1; try again later, "
                "or allow more operations or a longer wait"
            ),
        ),
    ],
)
def test_a_bulkhead_that_is_full(bulkhead: Bulkhead, message: str) -> None:
    """One has the slot, another one waits for it, and a third comes a second later."""
    refused: list[ConnectorError] = []

    async def run() -> None:
        slots = Slots(bulkhead, clock=clock)
        await slots.acquire()
        async with anyio.create_task_group() as tasks:
            for seconds in (0, 1):
                tasks.start_soon(come, slots, seconds)
            await clock.sleep(10)
            tasks.cancel_scope.cancel()

    async def come(slots: Slots, seconds: float) -> None:
        await clock.sleep(seconds)
        try:
            await slots.acquire()
        except RateLimitError as error:
            refused.append(error)

    clock = VirtualClock()
    clock.run(run)
    assert refused[0].message == message
