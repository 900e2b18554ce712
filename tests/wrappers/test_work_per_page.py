"""What a wrapper with nothing to do adds to a page, in calls of Python functions: a count is the same on any machine."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest
from anyio.lowlevel import checkpoint

from connector_kit.durations import Duration
from connector_kit.protocols import Connector
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
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime
    from types import FrameType
    from typing import Any, Self

    from connector_kit.events import Event


@attrs.frozen
class Ready:
    """A connector that delivers so many empty pages, and is never waited for."""

    pages: int

    async def connect(self) -> None:
        pass

    async def disconnect(self) -> None:
        pass

    async def discover_schema(self) -> Catalog:
        return Catalog([Entity("pages")])

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        for number in range(self.pages):
            yield Page(records=(), cursor=number)


@attrs.frozen
class Waited:
    """Its pages have to be waited for."""

    inner: Connector

    async def connect(self) -> None:
        pass

    async def disconnect(self) -> None:
        pass

    async def discover_schema(self) -> Catalog:
        return await self.inner.discover_schema()

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        async for page in self.inner.fetch_data(entity, since=since, cursor=cursor):
            await checkpoint()
            yield page


class Unlimited:
    async def acquire(self, cost: int = 1) -> float:
        return 0.0


class Silent:
    def observe(self, event: Event, /) -> None:
        pass


class Counting:
    """Counts the Python functions that are called, or gone on with, in its block, the cancel scopes opened, and looks at the clock."""

    def __init__(self) -> None:
        self.calls = 0
        self.scopes = 0
        self.looks = 0

    def __enter__(self) -> Self:
        gc.disable()  # or what others do at a collection would count
        self._before = sys.getprofile()
        self._scope = type(anyio.CancelScope()).__enter__.__code__
        sys.setprofile(self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._before)
        gc.enable()

    def _hear(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            self.calls += 1
            self.scopes += frame.f_code is self._scope
            self.looks += frame.f_code is anyio.current_time.__code__


MINUTE = Timeouts(page=Duration(60))
EIGHT = Resilience(
    cache=Duration(60),
    deadline=None,
    breaker=Breaker(),
    bulkhead=Bulkhead(4),
    attempt=None,
    validation=Validation(),
)


async def work_per_page(wrap: Callable[[Connector], Connector]) -> tuple[int, int, int]:
    """Give the calls, the scopes and the looks for a page: a long read's less a short one's, so that opening is not in it.

    Rounded: what is done once in many pages, or once in a while, does not count.
    """
    counts = []
    for pages in (100, 200):
        connector = wrap(Ready(pages))
        await connector.connect()
        with Counting() as counting:
            async for _ in connector.fetch_data("pages"):
                pass
        counts.append(counting)
    short, long = counts
    return (
        round((long.calls - short.calls) / 100),
        round((long.scopes - short.scopes) / 100),
        round((long.looks - short.looks) / 100),
    )


async def added_by(wrap: Callable[[Connector], Connector]) -> tuple[int, int, int]:
    bare = await work_per_page(lambda connector: connector)
    wrapped = await work_per_page(wrap)
    return wrapped[0] - bare[0], wrapped[1] - bare[1], wrapped[2] - bare[2]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("wrap", "most"),
    [
        pytest.param(lambda inner: Cached(inner, Duration(60)), 0, id="Cached"),
        pytest.param(lambda inner: TimeLimited(inner, Timeouts()), 0, id="TimeLimited"),
        pytest.param(Translating, 1, id="Translating"),
        pytest.param(Validating, 1, id="Validating"),
        pytest.param(lambda inner: RateLimited(inner, Unlimited()), 3, id="RateLimited"),
        pytest.param(lambda inner: Bulkheaded(inner, Bulkhead(4)), 3, id="Bulkheaded"),
        pytest.param(Retrying, 3, id="Retrying"),
        pytest.param(CircuitBreaking, 6, id="CircuitBreaking"),
        pytest.param(lambda inner: Observed(inner, Silent()), 6, id="Observed"),
        pytest.param(
            lambda inner: protect(inner, EIGHT, limiter=Unlimited(), observer=Silent()), 23, id="all eight"
        ),
    ],
)
async def test_a_wrapper_with_nothing_to_do_adds_few_calls_to_a_page_and_no_cancel_scope(
    wrap: Callable[[Connector], Connector], most: int
) -> None:
    calls, scopes, _ = await added_by(wrap)
    assert calls <= most
    assert scopes == 0


@pytest.mark.anyio
async def test_each_time_limit_opens_one_cancel_scope_a_page_and_nothing_else_does(
    anyio_backend_name: str,
) -> None:
    """And where the page is there, nobody asks what time it is, nor for each of them which event loop runs."""
    both = attrs.evolve(EIGHT, attempt=MINUTE, deadline=MINUTE)
    limited = await added_by(lambda inner: TimeLimited(inner, MINUTE))
    assert limited[1:] == (1, 0)
    assert limited[0] <= {"asyncio": 17, "trio": 44}[anyio_backend_name]
    stack = await added_by(lambda inner: protect(inner, both, limiter=Unlimited(), observer=Silent()))
    assert stack[1:] == (2, 0)


@pytest.mark.anyio
async def test_a_call_that_succeeds_passes_retrying_in_three_functions() -> None:
    """The method, what makes the attempts, and the count of calls; nothing is prepared for a failure."""
    connector = Retrying(Ready(0))
    with Counting() as bare:
        await Ready.connect(connector.inner)
    with Counting() as retried:
        await connector.connect()
    assert retried.calls - bare.calls <= 3


@pytest.mark.anyio
async def test_the_count_hears_of_every_function() -> None:
    """Or the bounds would hold for a count that hears nothing."""
    bare_calls, _, _ = await work_per_page(lambda connector: connector)
    assert bare_calls >= 1
    waited = await work_per_page(lambda connector: TimeLimited(Waited(connector), MINUTE))
    assert waited[1:] == (1, 1)
    assert (await added_by(Translating))[0] == 1
