"""Observed: what happened, in order, with the right values; and each observer hears its own."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import anyio
import pytest
import sources
from doubles import Able, Ear, Slow, Turnstile

from connector_kit.capabilities import close_stream
from connector_kit.errors import (
    AuthenticationError,
    ConnectionFailedError,
    RequestRejectedError,
    TimedOutError,
)
from connector_kit.events import (
    CallFinished,
    PageDelivered,
    PermitGranted,
    QuotaHeard,
    RetryScheduled,
    StreamFinished,
    TimeLimitPassed,
    emit,
)
from connector_kit.records.page import Page, Quota
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.fault_injection.wrapper import Fail, Faulty, Refuse, Stall
from connector_kit.wrappers.observation.wrapper import Observed
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.stack.protect import protect
from connector_kit.wrappers.stack.resilience import Resilience
from connector_kit.wrappers.timeout.wrapper import Timeouts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import datetime

    from connector_kit.events import Event
    from connector_kit.records.page import Cursor

pytestmark = pytest.mark.anyio


class TestCalls:
    def test_each_is_told_with_its_time(self, anyio_backend: str) -> None:
        clock, ear = VirtualClock(), Ear()

        async def test() -> None:
            observed = Observed(Slow(call=2, clock=clock), ear, clock=clock)
            observed.validate_config()
            await observed.connect()
            await observed.discover_schema()
            await observed.get_sample_data("orders")
            await observed.partition_data("orders", target=2)
            await observed.disconnect()

        clock.run(test, backend=anyio_backend)
        assert ear.heard == [
            CallFinished("connect", None, 2.0),
            CallFinished("discover_schema", None, 2.0),
            CallFinished("get_sample_data", "orders", 2.0),
            CallFinished("partition_data", "orders", 2.0),
            CallFinished("disconnect", None, 2.0),
        ]

    async def test_one_that_fails_is_told_with_its_error(self) -> None:
        ear = Ear()
        observed = Observed(Faulty(Able(), [Fail(AuthenticationError)]), ear)
        with pytest.raises(AuthenticationError) as caught:
            await observed.discover_schema()
        (event,) = ear.heard
        assert isinstance(event, CallFinished)
        assert event.error is caught.value

    def test_one_that_is_cancelled_has_not_ended_well(self, anyio_backend: str) -> None:
        """It did not end by itself at all, so nothing is told of it."""
        clock, ear = VirtualClock(), Ear()

        async def test() -> None:
            observed = Observed(Slow(call=60, pages=(60,), clock=clock), ear, clock=clock)
            with anyio.move_on_after(1) as scope:
                await observed.connect()
            assert scope.cancelled_caught
            with anyio.move_on_after(1) as scope:
                await anext(observed.fetch_data("orders"))
            assert scope.cancelled_caught

        clock.run(test, backend=anyio_backend)
        assert ear.heard == []

    async def test_a_sample_made_of_pages_is_told_page_by_page(self) -> None:
        ear = Ear()
        assert len(await Observed(sources.Shop(), ear).get_sample_data("orders", 5)) == 5
        assert [type(event) for event in ear.heard] == [PageDelivered, PageDelivered]


class TestStreams:
    def test_every_page_and_the_end_are_told_with_their_times(self, anyio_backend: str) -> None:
        """The time is that of waiting for the page, not that of using the one before."""
        clock, ear = VirtualClock(), Ear()

        async def test() -> None:
            async for _ in Observed(Slow(pages=(1, 2, 4), clock=clock), ear, clock=clock).fetch_data(
                "orders"
            ):
                await clock.sleep(100)

        clock.run(test, backend=anyio_backend)
        assert ear.heard == [
            PageDelivered("orders", 1, 1.0),
            PageDelivered("orders", 1, 2.0),
            StreamFinished("orders", 4.0),
        ]

    async def test_one_that_breaks_is_told_with_its_error(self) -> None:
        ear = Ear()
        stream = Observed(Faulty(sources.Shop(), [None, Fail()]), ear).fetch_data("orders")
        await anext(stream)
        with pytest.raises(ConnectionFailedError) as caught:
            await anext(stream)
        first, last = ear.heard
        assert isinstance(first, PageDelivered)
        assert isinstance(last, StreamFinished)
        assert (last.entity, last.error) == ("orders", caught.value)

    async def test_what_is_emitted_while_it_closes_is_heard(self) -> None:
        ear = Ear()

        class Saying(sources.Shop):
            async def fetch_data(
                self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
            ) -> AsyncIterator[Page]:
                try:
                    yield Page([])
                finally:
                    emit(PermitGranted("closing", None, 1.0))

        stream = Observed(Saying(), ear).fetch_data("orders")
        await anext(stream)
        await close_stream(stream)
        assert ear.heard[1:] == [PermitGranted("closing", None, 1.0)]


class TestLayersInside:
    def test_tell_of_everything_in_order(self, anyio_backend: str) -> None:
        """One read through the whole stack: refused, stalled, and then a page."""
        clock, ear = VirtualClock(), Ear()

        async def test() -> None:
            source = Faulty(sources.Shop(), [Refuse(7.0), Stall(60)], clock=clock)
            stack = protect(
                source,
                Resilience(
                    retry=Retry(backoff="constant", first_wait=1, jitter="none"),
                    attempt=Timeouts(page=10),
                    deadline=None,
                ),
                limiter=Turnstile(0.5, clock=clock),
                observer=ear,
                clock=clock,
                random=Random(1),
            )
            stream = stack.fetch_data("orders")
            await anext(stream)
            await close_stream(stream)

        clock.run(test, backend=anyio_backend)
        permit = PermitGranted("fetch_data", "orders", 0.5)
        refused, stalled = (event for event in ear.heard if isinstance(event, RetryScheduled))
        assert ear.heard == [
            permit,
            QuotaHeard("orders", Quota(None, 0, 7.0)),
            RetryScheduled("fetch_data", "orders", 1, 7.0, refused.error),
            permit,
            TimeLimitPassed("fetch_data", "orders", 10),
            RetryScheduled("fetch_data", "orders", 2, 1.0, stalled.error),
            permit,
            PageDelivered("orders", 3, 7.0 + 1.0 + 10 + 3 * 0.5),
        ]
        assert isinstance(stalled.error, TimedOutError)

    async def test_nested_observers_hear_everything_once(self) -> None:
        """Each hears its own of the page, and both hear what happens further in, the inner one first."""
        order: list[tuple[str, type[Event]]] = []

        class Named(Ear):
            def __init__(self, name: str) -> None:
                self.name = name

            def observe(self, event: Event, /) -> None:
                order.append((self.name, type(event)))

        limited = protect(sources.Shop(), Resilience(), limiter=Waited(), observer=Named("inner"))
        stream = Observed(limited, Named("outer")).fetch_data("orders")
        await anext(stream)
        await close_stream(stream)
        assert order == [
            ("inner", PermitGranted),
            ("outer", PermitGranted),
            ("inner", PageDelivered),
            ("outer", PageDelivered),
        ]

    async def test_two_streams_at_once_are_told_apart(self) -> None:
        """Each hears what happens in its own, in whichever tasks they run."""
        ears = [Ear(), Ear()]

        async def read(ear: Ear, pages: int) -> None:
            stream = protect(sources.Shop(), Resilience(), limiter=Waited(), observer=ear).fetch_data(
                "orders"
            )
            for _ in range(pages):
                await anext(stream)
            await close_stream(stream)

        async with anyio.create_task_group() as tasks:
            for ear, pages in zip(ears, (1, 3), strict=True):
                tasks.start_soon(read, ear, pages)
        assert [len(ear.heard) for ear in ears] == [2, 6]

    async def test_nothing_is_heard_after_the_call(self) -> None:
        ear = Ear()
        observed = Observed(Able(), ear)
        calls: list[Callable[[], Awaitable[object]]] = [
            observed.connect,
            partial(anext, observed.fetch_data("carts")),
        ]
        for call in calls:
            with suppress(RequestRejectedError):
                await call()
            before = len(ear.heard)
            emit(PermitGranted("connect", None, 1.0))
            assert len(ear.heard) == before


class Waited:
    """A limiter that says it has let a call wait."""

    async def acquire(self, cost: int = 1) -> float:
        return 0.25
