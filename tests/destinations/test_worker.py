"""Where blocking work runs: one piece at a time, and on the event loop only as long as that holds nobody up."""

from __future__ import annotations

import threading
from threading import get_ident
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint

from connector_kit.destinations.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio
PATIENCE = 30


class Time:
    """Stands still until something takes some of it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def taken(self, seconds: float) -> Callable[[], int]:
        """Give a call that takes so long, and tells the thread it ran in."""

        def call() -> int:
            self.seconds += seconds
            return get_ident()

        return call


async def test_run_uses_a_thread_and_run_briefly_the_event_loops() -> None:
    worker = Worker()
    assert await worker.run(get_ident) != get_ident()
    assert await worker.run_briefly(get_ident) == get_ident()


@pytest.mark.parametrize(("took", "spared"), [(0.05, False), (0.0501, True)])
async def test_after_more_than_50_ms_the_next_call_goes_to_a_thread(took: float, *, spared: bool) -> None:
    time = Time()
    worker = Worker(time)
    assert await worker.run_briefly(time.taken(took)) == get_ident()  # nobody could know
    assert (await worker.run_briefly(get_ident) != get_ident()) is spared


async def test_and_those_of_the_ten_seconds_from_its_end() -> None:
    time = Time()
    worker = Worker(time)
    await worker.run_briefly(time.taken(4))
    for now in (4.0, 13.9):
        time.seconds = now
        assert await worker.run_briefly(get_ident) != get_ident()
    time.seconds = 14.0
    assert await worker.run_briefly(get_ident) == get_ident()


async def test_what_others_take_meanwhile_does_not_count() -> None:
    time = Time()
    worker = Worker(time)

    async def other() -> None:
        time.seconds += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        for _ in range(2):
            await worker.run_briefly(get_ident)
    assert time.seconds == 1
    assert await worker.run_briefly(get_ident) == get_ident()


async def test_a_call_on_the_loop_has_the_lock() -> None:
    worker = Worker()
    assert await worker.run_briefly(worker._lock.locked)
    assert not worker._lock.locked()


async def test_who_is_cancelled_meanwhile_is_told_after_the_call() -> None:
    worker, begun, may_end, done = Worker(), threading.Event(), threading.Event(), list[str]()
    scope = anyio.CancelScope()

    def call() -> None:
        begun.set()
        assert may_end.wait(PATIENCE)
        done.append("call")

    async def caller() -> None:
        with scope:
            await worker.run(call)
        done.append("told")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(caller)
        while not begun.is_set():
            await checkpoint()
        scope.cancel()
        for _ in range(5):
            await checkpoint()
        may_end.set()
    assert done == ["call", "told"]


async def test_a_long_call_that_fails_counts_too() -> None:
    time = Time()
    worker = Worker(time)

    def fail() -> None:
        time.seconds += 1
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        await worker.run_briefly(fail)
    assert await worker.run_briefly(get_ident) != get_ident()


async def test_a_call_that_fails_gives_the_turn_back() -> None:
    worker = Worker()

    def fail() -> None:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        await worker.run_briefly(fail)
    assert await worker.run_briefly(get_ident) == get_ident()


async def test_who_is_cancelled_before_does_nothing() -> None:
    done: list[int] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        await Worker().run_briefly(lambda: done.append(1))
    assert scope.cancelled_caught
    assert done == []


async def test_one_brief_call_after_the_other_lets_others_run() -> None:
    worker, ran = Worker(), list[bool]()

    async def other() -> None:
        ran.append(True)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        for _ in range(2):
            await worker.run_briefly(get_ident)
        assert ran


async def test_a_turn_that_a_thread_has_is_not_waited_for_on_the_loop() -> None:
    """The loop would stand still until the thread is done; here, for ever, since it is the loop that lets it go on."""
    worker, order = Worker(), list[str]()
    begun, may_end = threading.Event(), threading.Event()

    def first() -> None:
        begun.set()
        assert may_end.wait(PATIENCE)
        order.append("first")

    async def second() -> None:
        await worker.run_briefly(lambda: order.append("second"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker.run, first)
        while not begun.is_set():
            await checkpoint()
        tasks.start_soon(second)
        for _ in range(5):
            await checkpoint()
        assert order == []
        may_end.set()
    assert order == ["first", "second"]
