"""The queue of a limiter whose permits are given out elsewhere."""

from __future__ import annotations

import anyio
import attrs
import pytest

from connector_kit.errors import ConfigError, ConnectionFailedError, RateLimitError
from connector_kit.limiters.settings import LimiterSettings, SharedSettings
from connector_kit.limiters.shared_gate import SharedGate
from connector_kit.limiters.windows import SlidingLog
from connector_kit.records.page import Quota
from connector_kit.testing.virtual_clock import VirtualClock

MS = 1_000_000
EXHAUSTED = Quota(remaining=0, reset_after=0.5)


@attrs.define
class Shelf:
    """A store in memory; `delay` is how long it takes to answer, in seconds of the clock."""

    clock: VirtualClock
    log: SlidingLog
    delay: float = 0.0
    asked: int = 0
    told: int = 0
    paused_until: int = 0
    broken: bool = False

    async def ask(self, cost: int, /) -> int:
        self.asked += 1
        now = self.clock.monotonic_ns()
        wait = max(self.paused_until, self.log.ready_at(now, cost)) - now
        if wait == 0:
            self.log.commit(now, cost)
        with anyio.CancelScope(shield=True):
            await self.clock.sleep(self.delay)
        return wait

    def pause(self, ns: int, /) -> None:
        self.told += 1
        if self.broken:
            raise ConnectionFailedError("gone")
        self.paused_until = self.clock.monotonic_ns() + ns


@attrs.frozen
class Shop:
    """A gate under 2 permits a second, its store and its clock."""

    clock: VirtualClock
    shelf: Shelf
    gate: SharedGate

    @classmethod
    def open(cls, delay: float = 0.0, max_wait: float | None = None, max_queue: int | None = None) -> Shop:
        clock = VirtualClock()
        settings = SharedSettings.of(
            "shop", LimiterSettings.of("2/s", max_wait=max_wait, max_queue=max_queue, state=None)
        )
        shelf = Shelf(clock, SlidingLog(2, 1_000 * MS), delay)
        return cls(clock, shelf, SharedGate(shelf, settings, clock))

    async def come(self, calls: int, cost: int = 1) -> list[tuple[int, float, str]]:
        """Let calls come at once; give which got its permit or its refusal at which second, and what it was told."""
        seen: list[tuple[int, float, str]] = []

        async def call(number: int) -> None:
            try:
                await self.gate.acquire(cost)
                told = "granted"
            except RateLimitError as error:
                told = "max_wait" if "max_wait" in error.message else "max_queue"
            seen.append((number, round(self.clock.monotonic_ns() / 1e9, 1), told))

        async with anyio.create_task_group() as tasks:
            for number in range(calls):
                tasks.start_soon(call, number)
                await self.clock.sleep(0.000_001)
        return seen


def test_permits_come_in_the_order_of_the_calls(anyio_backend: str) -> None:
    shop = Shop.open()
    seen = shop.clock.run(shop.come, 6, backend=anyio_backend)
    assert seen == [(number, number // 2 * 1.0, "granted") for number in range(6)]
    assert shop.gate.waiting == 0


def test_only_the_first_asks_and_no_more_often_than_it_is_told(anyio_backend: str) -> None:
    shop = Shop.open()
    shop.clock.run(shop.come, 6, backend=anyio_backend)
    assert shop.shelf.asked <= 6 + 4


def test_no_wait_is_no_wait_however_long_the_store_takes(anyio_backend: str) -> None:
    shop = Shop.open(delay=0.25)

    async def main() -> None:
        assert await shop.gate.acquire(2) == 0.0
        assert 1.0 <= await shop.gate.acquire(2) < 1.3

    shop.clock.run(main, backend=anyio_backend)


@pytest.mark.parametrize("cost", [0, -1, 3])
def test_a_cost_that_can_never_be_granted_is_refused(anyio_backend: str, cost: int) -> None:
    shop = Shop.open()
    with pytest.raises(
        ConfigError, match=r"a cost of -?\d permits can never be granted under 2/s; expected 1 to 2"
    ):
        shop.clock.run(shop.gate.acquire, cost, backend=anyio_backend)
    with pytest.raises(ConfigError, match="can never be granted"):
        shop.clock.run(shop.gate.try_acquire, cost, backend=anyio_backend)


def test_max_wait_refuses_as_soon_as_it_is_certain(anyio_backend: str) -> None:
    shop = Shop.open(max_wait=0.5)
    seen = shop.clock.run(shop.come, 4, backend=anyio_backend)
    assert seen == [(0, 0.0, "granted"), (1, 0.0, "granted"), (2, 0.0, "max_wait"), (3, 0.0, "max_wait")]


def test_max_wait_ends_the_wait_for_a_turn(anyio_backend: str) -> None:
    """Those ahead took what was free; nobody could tell before."""
    shop = Shop.open(max_wait=1.5)
    seen = shop.clock.run(shop.come, 5, backend=anyio_backend)
    assert seen == [
        (0, 0.0, "granted"),
        (1, 0.0, "granted"),
        (2, 1.0, "granted"),
        (3, 1.0, "granted"),
        (4, 1.0, "max_wait"),
    ]
    late = Shop.open(max_wait=1.0, delay=0.8)
    assert sorted(late.clock.run(late.come, 3, backend=anyio_backend)) == [
        (0, 0.8, "granted"),
        (1, 1.6, "granted"),
        (2, 1.0, "max_wait"),
    ]


def test_max_queue_bounds_those_who_wait_and_not_those_who_ask(anyio_backend: str) -> None:
    shop = Shop.open(max_queue=1, delay=0.01)
    seen = shop.clock.run(shop.come, 5, backend=anyio_backend)
    assert [told for _, _, told in sorted(seen)] == [
        "granted",
        "granted",
        "max_queue",
        "max_queue",
        "max_queue",
    ]
    shop = Shop.open(max_queue=1)
    seen = shop.clock.run(shop.come, 4, backend=anyio_backend)
    assert seen == [(0, 0.0, "granted"), (1, 0.0, "granted"), (3, 0.0, "max_queue"), (2, 1.0, "granted")]


def test_a_try_takes_what_is_free_and_never_waits(anyio_backend: str) -> None:
    shop = Shop.open()

    async def main() -> None:
        assert await shop.gate.try_acquire(2)
        assert not await shop.gate.try_acquire(1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shop.gate.acquire, 1)
            await shop.clock.sleep(0.1)
            asked = shop.shelf.asked
            assert not await shop.gate.try_acquire(1)
            assert shop.shelf.asked == asked, "somebody waits: there is no need to ask"
        shop.gate.hear(EXHAUSTED)
        assert not await shop.gate.try_acquire(1)

    shop.clock.run(main, backend=anyio_backend)


def test_whoever_is_cancelled_in_the_queue_leaves_it(anyio_backend: str) -> None:
    shop = Shop.open()

    async def main() -> None:
        await shop.gate.acquire(2)
        async with anyio.create_task_group() as tasks:
            with anyio.move_on_after(0.5):
                async with anyio.create_task_group() as impatient:
                    impatient.start_soon(shop.gate.acquire, 1)
                    impatient.start_soon(shop.gate.acquire, 1)
            assert shop.gate.waiting == 0
            tasks.start_soon(shop.gate.acquire, 2)
        assert shop.clock.monotonic_ns() < 1_010 * MS

    shop.clock.run(main, backend=anyio_backend)


def test_a_permit_that_was_taken_when_the_caller_was_cancelled_is_its_own(anyio_backend: str) -> None:
    """It has been counted: the call ends with it, and is cancelled wherever it waits next."""
    shop = Shop.open(delay=0.2)
    reached: list[str] = []

    async def main() -> None:
        with anyio.move_on_after(0.1):
            await shop.gate.acquire(1)
            reached.append("granted")
            await anyio.sleep_forever()

    shop.clock.run(main, backend=anyio_backend)
    assert reached == ["granted"]
    assert shop.shelf.log.taken(shop.clock.monotonic_ns()) == 1
    assert shop.gate.waiting == 0


def test_a_cancelled_call_takes_nothing(anyio_backend: str) -> None:
    shop = Shop.open()

    async def main() -> None:
        for attempt in (shop.gate.acquire, shop.gate.try_acquire):
            with anyio.CancelScope() as scope:
                scope.cancel()
                await attempt(1)

    shop.clock.run(main, backend=anyio_backend)
    assert shop.shelf.asked == 0


def test_a_pause_holds_here_at_once_and_is_told_to_the_store(anyio_backend: str) -> None:
    shop = Shop.open()

    async def main() -> None:
        shop.gate.hear(EXHAUSTED)
        shop.gate.close()
        assert shop.shelf.paused_until == 500 * MS
        assert 0.5 <= await shop.gate.acquire(1) < 0.51

    shop.clock.run(main, backend=anyio_backend)


def test_a_pause_that_cannot_be_told_holds_here(anyio_backend: str) -> None:
    shop = Shop.open()
    shop.shelf.broken = True

    async def main() -> None:
        shop.gate.hear(EXHAUSTED)
        shop.gate.hear(EXHAUSTED)
        shop.gate.close()
        assert 0.5 <= await shop.gate.acquire(1) < 0.51

    shop.clock.run(main, backend=anyio_backend)


@pytest.mark.parametrize(
    "quota",
    [
        Quota(limit=5),
        Quota(remaining=1, reset_after=9.0),
        Quota(remaining=0),
        Quota(remaining=0, reset_after=float("inf")),
        Quota(remaining=0, reset_after=0.0),
    ],
)
def test_what_says_nothing_of_an_end_of_the_quota_changes_nothing(anyio_backend: str, quota: Quota) -> None:
    shop = Shop.open()
    shop.gate.hear(quota)
    shop.gate.close()
    assert shop.shelf.told == 0
    assert shop.clock.run(shop.gate.acquire, 1, backend=anyio_backend) == 0.0
