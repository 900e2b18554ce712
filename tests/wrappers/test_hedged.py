"""Hedged: one more call where the first takes long, the first answer counts, and nothing is left under way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
import sources
from doubles import Able, Ear
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.config.load import load_config
from connector_kit.errors import ConfigError, ConnectionFailedError, ServiceUnavailableError
from connector_kit.events import HedgeStarted, observing
from connector_kit.records.catalog import Catalog, Entity
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.hedge.wrapper import Hedge, Hedged, HedgedOperation
from connector_kit.wrappers.retry.policy import BudgetLedger
from connector_kit.wrappers.retry.wrapper import Retrying

if TYPE_CHECKING:
    from connector_kit.records.page import Cursor, Record

SECOND = 1_000_000_000
SAFE: tuple[HedgedOperation, ...] = ("discover_schema", "get_sample_data", "partition_data")
backends = st.sampled_from(["asyncio", "trio"])


@attrs.frozen
class Answer:
    """What becomes of a call: it ends after `seconds`, with an answer or an error."""

    seconds: float
    fails: bool = False


@attrs.define(eq=False)
class Scripted(sources.Shop):
    """Call number i ends as `answers[i]` says; a catalog's one entity is named after the call that gave it."""

    clock: VirtualClock = attrs.field(factory=VirtualClock, kw_only=True)
    answers: Sequence[Answer] = attrs.field(default=(), kw_only=True)
    began: list[int] = attrs.field(factory=list)
    running: int = 0
    most: int = 0

    async def discover_schema(self) -> Catalog:
        number = len(self.began)
        self.began.append(self.clock.monotonic_ns())
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.clock.sleep(self.answers[number].seconds)
        finally:
            self.running -= 1
        if self.answers[number].fails:
            raise ServiceUnavailableError(f"call {number}")
        return Catalog([Entity(f"call {number}")])


@attrs.frozen
class Outcome:
    """What came of one call through the wrapper, and when."""

    name: str
    took: float
    calls: int
    heard: list[Any]


def asked(hedge: Hedge, answers: Sequence[Answer], backend: str) -> Outcome:
    """Make one call."""
    clock, ear = VirtualClock(), Ear()
    source = Scripted(clock=clock, answers=answers)

    async def test() -> str:
        with observing(ear):
            try:
                return (await Hedged(source, hedge, clock=clock).discover_schema()).names[0]
            except ServiceUnavailableError as error:
                return f"error of {error.message}"
            finally:
                assert source.running == 0, "the calls that are not needed have ended"

    name = clock.run(test, backend=backend)
    return Outcome(name, clock.monotonic_ns() / SECOND, len(source.began), ear.heard)


class TestLaws:
    @given(
        st.lists(st.builds(Answer, st.integers(0, 12).map(lambda n: n + 0.5), st.booleans()), min_size=4),
        st.integers(1, 3),
        st.integers(0, 3),
        backends,
    )
    def test_the_first_answer_counts_and_no_more_calls_are_made_than_allowed(
        self, answers: list[Answer], extra: int, floor: int, backend: str
    ) -> None:
        """Against a model: call number i begins i delays after the first, if nothing is decided by then."""
        hedge = Hedge(safe=SAFE, delay=3, extra=extra, share=0, floor=floor)
        begun: list[tuple[float, int]] = []
        for number in range(min(extra, floor) + 1):
            start = 3.0 * number
            ends = [(at + answers[i].seconds, answers[i].fails) for at, i in begun]
            answered = any(end < start and not fails for end, fails in ends)
            all_failed = bool(ends) and all(end < start for end, _ in ends)
            if answered or all_failed:
                break
            begun.append((start, number))
        ends_of = {i: at + answers[i].seconds for at, i in begun}
        good = {i: end for i, end in ends_of.items() if not answers[i].fails}
        outcome = asked(hedge, answers, backend)
        assert outcome.calls == len(begun)
        decisive = min(good.values()) if good else max(ends_of.values())
        assert math.isclose(outcome.took, decisive, abs_tol=1e-6)
        tied = [i for i, end in (good or ends_of).items() if end == decisive]
        assert outcome.name in {f"call {i}" if good else f"error of call {i}" for i in tied}
        assert outcome.heard == [
            HedgeStarted("discover_schema", None, number, 3.0 * number) for number in range(1, len(begun))
        ]

    @given(
        st.lists(st.floats(0, 20), max_size=30), st.sampled_from([0, 0.2, 0.5]), st.integers(0, 3), backends
    )
    def test_extra_calls_are_a_bounded_share(
        self, pauses: list[float], share: float, floor: int, backend: str
    ) -> None:
        """Of all who share the ledger."""
        clock = VirtualClock()
        hedge = Hedge(safe=SAFE, delay=1, share=share, floor=floor, window="1h")
        source = Scripted(clock=clock, answers=[Answer(2.5)] * 100)
        ledger = BudgetLedger(hedge.budget)
        sharing = [Hedged(source, hedge, ledger=ledger, clock=clock) for _ in range(2)]

        async def call(after: float, number: int) -> None:
            await clock.sleep(after)
            await sharing[number % 2].discover_schema()

        async def test() -> None:
            async with anyio.create_task_group() as tasks:
                for number, pause in enumerate(pauses):
                    tasks.start_soon(call, pause, number)

        clock.run(test, backend=backend)
        assert len(source.began) - len(pauses) <= floor + share * len(pauses)
        assert source.running == 0

    @given(st.floats(0, 10), backends)
    def test_cancelled_at_any_time_nothing_goes_on(self, after: float, backend: str) -> None:
        clock = VirtualClock()
        source = Scripted(clock=clock, answers=[Answer(20)] * 3)
        hedge = Hedge(safe=SAFE, delay=2, extra=2, floor=2)

        async def test() -> None:
            with anyio.move_on_after(after) as scope:
                await Hedged(source, hedge, clock=clock).discover_schema()
            assert scope.cancelled_caught
            assert source.running == 0

        clock.run(test, backend=backend)


class TestOperations:
    @pytest.mark.parametrize("operation", SAFE)
    def test_each_safe_operation_is_hedged_and_no_other(self, operation: str, anyio_backend: str) -> None:
        clock = VirtualClock()

        @attrs.define(eq=False)
        class Reluctant(Able):
            """Takes long over the first of every two calls."""

            async def answer(self, name: str) -> None:
                self.calls.append(name)
                await clock.sleep(100 if len(self.calls) % 2 else 0)

            async def discover_schema(self) -> Catalog:
                await self.answer("discover_schema")
                return Catalog([Entity("orders")])

            async def get_sample_data(self, entity: str, /, limit: int = 10) -> Sequence[Record]:
                await self.answer("get_sample_data")
                return [{"limit": limit}]

            async def partition_data(
                self, entity: str, /, *, since: object = None, target: int
            ) -> Sequence[Cursor]:
                await self.answer("partition_data")
                return [target]

        able = Reluctant()

        async def test() -> None:
            hedge = load_config(Hedge, {"safe": [operation], "delay": "2s"})
            hedged = Hedged(able, hedge, clock=clock)
            if operation == "discover_schema":
                assert (await hedged.discover_schema()).names == ("orders",)
            elif operation == "get_sample_data":
                assert await hedged.get_sample_data("orders", 3) == [{"limit": 3}]
            else:
                assert await hedged.partition_data("orders", target=5) == [5]

        clock.run(test, backend=anyio_backend)
        assert able.calls == [operation, operation]
        assert clock.monotonic_ns() == 2 * SECOND

    @pytest.mark.anyio
    async def test_nothing_is_hedged_that_was_not_named(self) -> None:
        able = Able()
        hedged = Hedged(able, Hedge(delay="1ms"))
        await hedged.connect()
        hedged.validate_config()
        await hedged.discover_schema()
        await hedged.get_sample_data("orders")
        await hedged.partition_data("orders", target=2)
        assert len([page async for page in hedged.fetch_data("orders")]) == 4
        await hedged.disconnect()
        assert len(able.calls) == 6
        assert hedged.ledger.budget == Hedge().budget

    @pytest.mark.anyio
    async def test_errors_are_not_wrapped(self) -> None:
        class Broken(sources.Shop):
            async def discover_schema(self) -> Catalog:
                raise ConnectionFailedError("down")

        with pytest.raises(ConnectionFailedError, match="down"):
            await Hedged(Broken(), Hedge(safe=SAFE)).discover_schema()


class TestRefused:
    def test_outside_a_retry(self) -> None:
        retrying = Retrying(sources.Shop())
        with pytest.raises(ConfigError, match="every extra call would have its own retries; put it inside"):
            Hedged(retrying, Hedge())
        assert Hedged(retrying, Hedge(), allow_outside_retry=True).inner is retrying
        assert Retrying(Hedged(sources.Shop(), Hedge())).inner.hedge == Hedge()

    @pytest.mark.parametrize(
        "wrong",
        [
            {"safe": ["connect"]},
            {"delay": "0s"},
            {"extra": 0},
            {"share": 1.5},
            {"floor": -1},
            {"window": "0s"},
        ],
        ids=str,
    )
    def test_policies_that_make_no_sense(self, wrong: dict[str, object]) -> None:
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            load_config(Hedge, wrong)
