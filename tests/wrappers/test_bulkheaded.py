"""Bulkheaded: never more at once, first come first served, and no slot lost wherever a cancellation hits."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
import sources
from anyio.lowlevel import checkpoint
from doubles import Able, Ear, Slow
from hypothesis import event, given
from hypothesis import strategies as st

from connector_kit.capabilities import close_stream
from connector_kit.config.load import load_config
from connector_kit.durations import Duration
from connector_kit.errors import ConfigError, ConnectionFailedError, RateLimitError
from connector_kit.events import SlotGranted, observing
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.bulkhead.policy import Bulkhead, Slots
from connector_kit.wrappers.bulkhead.wrapper import Bulkheaded
from connector_kit.wrappers.fault_injection.wrapper import Fail, Faulty
from connector_kit.wrappers.retry.wrapper import Retrying

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_kit.wrappers.fault_injection.wrapper import Schedule

SECOND = 1_000_000_000
ROUNDING = 100
"""Nanoseconds by which a deadline, a float in the event loop, may be off."""

backends = st.sampled_from(["asyncio", "trio"])


@attrs.define(eq=False)
class Visit:
    """Somebody who comes `at`, works for `length` and leaves `patience` after they came (all in ms); moments in ns."""

    at: int
    length: int
    patience: int | None
    came: int = -1
    began: int = -1
    left: int = -1
    refused: str = ""
    waiting_before: int = 0

    @property
    def waited_until(self) -> int:
        return self.began if self.began >= 0 else self.left

    async def pay(self, slots: Slots, clock: VirtualClock) -> None:
        await clock.sleep(self.at / 1000)
        with anyio.move_on_after(math.inf if self.patience is None else self.patience / 1000):
            self.came, self.waiting_before = clock.monotonic_ns(), slots.waiting
            try:
                waited = await slots.acquire()
            except RateLimitError as error:
                self.refused = str(error)
                self.left = clock.monotonic_ns()
                return
            self.began = clock.monotonic_ns()
            assert round(waited * SECOND) == self.began - self.came
            try:
                await clock.sleep(self.length / 1000)
            finally:
                self.left = clock.monotonic_ns()
                slots.release()
        if self.began < 0:
            self.left = clock.monotonic_ns()


visits = st.lists(
    st.builds(Visit, st.integers(0, 2000), st.integers(0, 1500), st.none() | st.integers(0, 2000)),
    max_size=14,
)
bulkheads = st.builds(
    Bulkhead,
    limit=st.integers(1, 3),
    max_queue=st.none() | st.integers(0, 3),
    max_wait=st.none() | st.integers(0, 2000).map(lambda ms: ms / 1000),
)


def paid(bulkhead: Bulkhead, planned: list[Visit], backend: str) -> list[Visit]:
    """Let all visits happen and give them in the order in which they came."""
    clock = VirtualClock()
    slots = Slots(bulkhead, clock=clock)
    came: list[Visit] = []

    async def pay(visit: Visit) -> None:
        await visit.pay(slots, clock)

    async def test() -> None:
        async with anyio.create_task_group() as tasks:
            for visit in planned:
                tasks.start_soon(pay, visit)
        assert (slots.taken, slots.waiting) == (0, 0), "nothing is held by somebody who left"

    clock.run(test, backend=backend)
    came = [visit for visit in planned if visit.came >= 0]
    return sorted(came, key=lambda visit: visit.came)


def at_once(served: list[Visit], moment: int) -> int:
    """How many hold a slot at a moment, at which nothing changes."""
    return sum(visit.began < moment < visit.left for visit in served)


class TestLaws:
    @given(bulkheads, visits, backends)
    def test_never_more_at_once_in_their_order_and_never_later_than_needed(
        self, bulkhead: Bulkhead, planned: list[Visit], backend: str
    ) -> None:
        """Whoever is cancelled or refused, and whenever."""
        came = paid(bulkhead, planned, backend)
        served = [visit for visit in came if visit.began >= 0]
        moments = sorted({moment for visit in came for moment in (visit.came, visit.began, visit.left)})
        between = [(one + two) // 2 for one, two in pairwise(moments) if two - one > 2 * ROUNDING]
        for moment in between:
            assert at_once(served, moment) <= bulkhead.limit
            waiting = any(visit.came < moment < visit.waited_until for visit in came)
            assert not waiting or at_once(served, moment) == bulkhead.limit, (
                "a slot is free and somebody waits"
            )
        assert all(one.began <= two.began for one in served for two in served if one.came < two.came)
        event(f"waited: {any(visit.began > visit.came for visit in served)}")

    @given(bulkheads, visits, backends)
    def test_is_refused_only_where_a_bound_says_so(
        self, bulkhead: Bulkhead, planned: list[Visit], backend: str
    ) -> None:
        for visit in paid(bulkhead, planned, backend):
            if "(max_queue" in visit.refused:
                assert visit.left == visit.came
                assert visit.waiting_before == bulkhead.max_queue
            elif visit.refused:
                assert bulkhead.max_wait is not None
                assert abs(visit.left - visit.came - bulkhead.max_wait.ns) <= ROUNDING
            elif visit.began >= 0 and bulkhead.max_wait is not None:
                assert visit.began - visit.came <= bulkhead.max_wait.ns + ROUNDING

    @given(
        limit=st.integers(1, 3),
        size=st.integers(0, 8),
        cuts=st.lists(st.none() | st.integers(0, 12), min_size=1, max_size=6),
        schedule=st.lists(st.sampled_from([None, None, Fail()]), max_size=10).map(tuple),
        backend=backends,
    )
    def test_streams_that_fail_or_are_cancelled_leave_nothing(
        self, limit: int, size: int, cuts: list[int | None], schedule: Schedule, backend: str
    ) -> None:
        """At any page and moment: every stream is closed, every slot is back."""
        clock = VirtualClock()
        slow = Slow((1.0,) * (size + 1), clock=clock)
        bulkheaded = Bulkheaded(Faulty(slow, schedule, clock=clock), Slots(Bulkhead(limit), clock=clock))

        async def consume(cut: int | None) -> None:
            with anyio.move_on_after(math.inf if cut is None else cut):
                stream = bulkheaded.fetch_data("orders")
                try:
                    async for _ in stream:
                        await clock.sleep(1)
                except ConnectionFailedError:
                    return
                finally:
                    with anyio.CancelScope(shield=True):
                        await close_stream(stream)

        async def test() -> None:
            async with anyio.create_task_group() as tasks:
                for cut in cuts:
                    tasks.start_soon(consume, cut)

        clock.run(test, backend=backend)
        assert slow.opened == slow.closed
        assert (bulkheaded.slots.taken, bulkheaded.slots.waiting) == (0, 0)


class TestQueueing:
    def test_one_that_is_cancelled_as_its_turn_comes_hands_it_over(self, anyio_backend: str) -> None:
        """The slot was its own already and must not be lost: what comes next in the queue gets it."""
        clock = VirtualClock()
        slots = Slots(Bulkhead(1), clock=clock)
        served: list[str] = []

        async def wait(name: str, scope: anyio.CancelScope) -> None:
            with scope:
                await slots.acquire()
                served.append(name)

        async def test() -> None:
            await slots.acquire()
            scopes = [anyio.CancelScope() for _ in range(3)]
            async with anyio.create_task_group() as tasks:
                for name, scope in zip("abc", scopes, strict=True):
                    tasks.start_soon(wait, name, scope)
                    await clock.sleep(1)
                slots.release()
                scopes[0].cancel()
                await clock.sleep(1)
                # trio lets a task that has its turn go on, and cancels it at its next step
                if served == ["a"]:
                    slots.release()
                    await clock.sleep(1)
                assert served[-1] == "b"
                scopes[2].cancel()
            slots.release()
            assert (slots.taken, slots.waiting) == (0, 0)

        clock.run(test, backend=anyio_backend)

    def test_a_slot_is_held_while_a_page_is_fetched_and_not_while_it_is_used(
        self, anyio_backend: str
    ) -> None:
        """With one slot, two consumers who take long over their pages read side by side."""
        clock = VirtualClock()
        bulkheaded = Bulkheaded(Slow((1.0, 1.0, 0.0), clock=clock), Slots(Bulkhead(1), clock=clock))
        began: list[float] = []

        async def consume() -> None:
            async for _ in bulkheaded.fetch_data("orders"):
                began.append(clock.monotonic_ns() / SECOND)
                assert bulkheaded.slots.taken <= 1
                await clock.sleep(10)

        async def test() -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(consume)
                tasks.start_soon(consume)

        clock.run(test, backend=anyio_backend)
        assert began == [1, 2, 12, 13]

    def test_who_shares_slots_queues_together_and_the_events_tell_of_waits(self, anyio_backend: str) -> None:
        clock, ear = VirtualClock(), Ear()
        slots = Slots(Bulkhead(1), clock=clock)
        one, other = (Bulkheaded(Slow((2.0, 0.0), call=2, clock=clock), slots) for _ in range(2))

        async def read() -> None:
            await anext(other.fetch_data("orders"))

        async def test() -> None:
            with observing(ear):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(one.connect)
                    await checkpoint()
                    tasks.start_soon(other.discover_schema)
                    await checkpoint()
                    tasks.start_soon(read)

        clock.run(test, backend=anyio_backend)
        assert ear.heard == [
            SlotGranted("discover_schema", None, 2.0),
            SlotGranted("fetch_data", "orders", 4.0),
        ]

    def test_an_observer_that_fails_costs_no_slot(self, anyio_backend: str) -> None:
        class Deaf:
            def observe(self, event: object, /) -> None:
                raise ZeroDivisionError

        clock = VirtualClock()
        slots = Slots(Bulkhead(1), clock=clock)
        bulkheaded = Bulkheaded(Slow((2.0, 0.0), call=2, clock=clock), slots)

        async def fail() -> None:
            with observing(Deaf()):
                with pytest.raises(ZeroDivisionError):
                    await bulkheaded.connect()
                async with anyio.create_task_group() as tasks:
                    await slots.acquire()
                    tasks.start_soon(release)
                    with pytest.raises(ZeroDivisionError):
                        await anext(bulkheaded.fetch_data("orders"))

        async def release() -> None:
            await clock.sleep(1)
            slots.release()

        async def test() -> None:
            async with anyio.create_task_group() as tasks:
                await slots.acquire()
                tasks.start_soon(release)
                await fail()
            assert slots.taken == 0

        clock.run(test, backend=anyio_backend)

    def test_the_refusals_say_what_to_do(self, anyio_backend: str) -> None:
        clock = VirtualClock()
        full = Bulkheaded(Slow(call=5, clock=clock), Slots(Bulkhead(1, max_queue=0), clock=clock))
        slow = Bulkheaded(Slow(call=5, clock=clock), Slots(Bulkhead(1, max_wait="2s"), clock=clock))

        async def test() -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(full.connect)
                tasks.start_soon(slow.connect)
                await clock.sleep(1)
                with pytest.raises(
                    RateLimitError, match=r"under way 1 \(limit 1\), waiting 0 \(max_queue 0\); .* allow more"
                ):
                    await full.connect()
                with pytest.raises(
                    RateLimitError, match=r"within 2s \(max_wait\): .* still waiting 0; .* longer wait"
                ):
                    await slow.connect()

        clock.run(test, backend=anyio_backend)

    def test_a_refused_page_ends_the_stream_and_closes_it(self, anyio_backend: str) -> None:
        clock = VirtualClock()
        slow = Slow((0.0, 0.0, 0.0), clock=clock)
        bulkheaded = Bulkheaded(slow, Slots(Bulkhead(1, max_queue=0), clock=clock))

        async def test() -> None:
            stream = bulkheaded.fetch_data("orders")
            await anext(stream)
            await bulkheaded.slots.acquire()
            with pytest.raises(RateLimitError):
                await anext(stream)
            assert (slow.opened, slow.closed) == (1, 1)
            with pytest.raises(StopAsyncIteration):
                await anext(stream)

        clock.run(test, backend=anyio_backend)


class TestCalls:
    def test_every_call_but_disconnect_needs_a_slot(self, anyio_backend: str) -> None:
        clock = VirtualClock()
        able = Able()
        bulkheaded = Bulkheaded(able, Slots(Bulkhead(1, max_queue=0), clock=clock))
        plain = Bulkheaded(sources.Shop(), bulkheaded.slots)

        async def test() -> None:
            await bulkheaded.slots.acquire()
            for call in (
                bulkheaded.connect,
                bulkheaded.discover_schema,
                lambda: bulkheaded.get_sample_data("orders"),
                lambda: bulkheaded.partition_data("orders", target=2),
                lambda: anext(bulkheaded.fetch_data("orders")),
                lambda: plain.get_sample_data("orders"),
            ):
                with pytest.raises(RateLimitError):
                    await call()
            assert able.calls == []
            await bulkheaded.disconnect()
            bulkheaded.validate_config()
            assert able.calls == ["disconnect", "validate_config"]
            assert await plain.partition_data("orders", target=2) == [None], "nobody has to be asked"
            bulkheaded.slots.release()
            await bulkheaded.connect()
            assert await bulkheaded.partition_data("orders", target=2) == [{"after": 0}, {"after": 2}]
            assert len(await bulkheaded.get_sample_data("orders")) == 1
            assert len(await plain.get_sample_data("orders", 4)) == 4
            assert bulkheaded.slots.taken == 0

        clock.run(test, backend=anyio_backend)


class TestConstruction:
    def test_outside_a_retry_is_refused_unless_asked_for(self) -> None:
        with pytest.raises(ConfigError, match="held while retries are waited for; put it inside"):
            Bulkheaded(Retrying(sources.Shop()), Bulkhead(1))
        Bulkheaded(Retrying(sources.Shop()), Bulkhead(1), allow_outside_retry=True)

    def test_the_same_slots_twice_in_one_stack_are_refused(self) -> None:
        slots = Slots(Bulkhead(1))
        with pytest.raises(ConfigError, match="wait for the slot it holds"):
            Bulkheaded(Faulty(Bulkheaded(sources.Shop(), slots)), slots)
        Bulkheaded(Faulty(Bulkheaded(sources.Shop(), slots)), Bulkhead(1))

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"limit": 0}, "'limit' must be >= 1"),
            ({"limit": 1, "max_queue": -1}, "'max_queue' must be >= 0"),
            ({"limit": 1, "max_wait": -1}, "a duration"),
            ({"limit": 1, "max_wait": "soon"}, "a duration"),
        ],
    )
    def test_a_bound_that_makes_no_sense_is_refused(self, arguments: dict[str, Any], said: str) -> None:
        make: Callable[..., Bulkhead] = Bulkhead
        with pytest.raises(ValueError, match=said):
            make(**arguments)

    def test_can_stand_in_a_config_file(self) -> None:
        given = {"limit": 4, "max_queue": 100, "max_wait": "30s"}
        assert load_config(Bulkhead, given) == Bulkhead(4, 100, Duration(30))
        assert load_config(Bulkhead, {"limit": 4}) == Bulkhead(4)
        with pytest.raises(ConfigError, match="limit: 0; expected a value that is >= 1"):
            load_config(Bulkhead, {"limit": 0})

    def test_is_shown_with_its_bounds(self) -> None:
        wrapper = Bulkheaded(sources.Shop(), Bulkhead(2, max_queue=5))
        assert "Slots(Bulkhead(limit=2, max_queue=5, max_wait=None))" in repr(wrapper)
