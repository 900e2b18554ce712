"""The virtual clock: time passes at once, never goes back, and the event loop's own time goes with it."""

from __future__ import annotations

import socket
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector_kit.errors import ConfigError
from connector_kit.testing.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from connector_kit.clock import Clock

SECOND = 1_000_000_000
BACKENDS = ("asyncio", "trio")

on_both = pytest.mark.parametrize("backend", BACKENDS)
some_backend = st.sampled_from(BACKENDS)


def test_it_is_a_clock() -> None:
    clock: Clock = VirtualClock()
    assert clock.monotonic_ns() == 0
    assert clock.now() == datetime(2024, 1, 1, tzinfo=UTC)


@on_both
def test_sleep_lasts_exactly_what_was_asked(backend: str) -> None:
    clock = VirtualClock()
    clock.run(clock.sleep, 0.1, backend=backend)
    assert clock.monotonic_ns() == SECOND // 10


@on_both
def test_sleep_of_less_than_a_nanosecond_still_takes_one(backend: str) -> None:
    """Else a caller who sleeps until some moment, again and again, would never get there."""
    clock = VirtualClock()
    clock.run(clock.sleep, 1e-12, backend=backend)
    assert clock.monotonic_ns() == 1


@example(first=242_061_413_842_535_958, then=10**13, backend="asyncio")  # due, and a float cannot tell
@example(first=51_947_671_375_043_595, then=620, backend="asyncio")  # a jump that rounds to no progress
@example(first=586_175_838_033_807_366, then=51, backend="asyncio")  # too short for a float to hold
@example(first=751_762_699_534_613_317, then=38, backend="trio")
@given(first=st.integers(0, 10**18), then=st.integers(1, 10**15), backend=some_backend)
def test_sleep_until_a_moment_never_wakes_before_it(first: int, then: int, backend: str) -> None:
    """Up to 31 years into a run, where the event loop's floats no longer hold a nanosecond."""
    clock = VirtualClock()

    async def sleep_on() -> None:
        clock.advance(first / SECOND)
        wakeups, due = 0, clock.monotonic_ns() + then
        while clock.monotonic_ns() < due:
            await clock.sleep((due - clock.monotonic_ns()) / SECOND)
            wakeups += 1
        assert wakeups == 1
        assert clock.monotonic_ns() - due <= 1000

    clock.run(sleep_on, backend=backend)


@given(waits=st.lists(st.floats(0, 1e5), max_size=8), backend=some_backend)
def test_sleepers_wake_in_the_order_of_their_moments(waits: list[float], backend: str) -> None:
    clock = VirtualClock()
    woken: list[tuple[int, float]] = []

    async def sleeper(wait: float) -> None:
        await clock.sleep(wait)
        woken.append((clock.monotonic_ns(), wait))

    async def everybody() -> None:
        async with anyio.create_task_group() as group:
            for wait in waits:
                group.start_soon(sleeper, wait)

    clock.run(everybody, backend=backend)
    moments = [moment for moment, _ in woken]
    assert moments == sorted(moments)
    assert all(abs(moment - wait * SECOND) < 1 + 1e-9 * moment for moment, wait in woken)
    assert len(woken) == len(waits)


@on_both
@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_sleep_of_nothing_takes_no_time_and_lets_others_run(seconds: float, backend: str) -> None:
    clock = VirtualClock()

    async def check() -> bool:
        ran = anyio.Event()

        async def other() -> None:
            ran.set()

        async with anyio.create_task_group() as group:
            group.start_soon(other)
            while not ran.is_set():
                await clock.sleep(seconds)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await clock.sleep(seconds)
        return scope.cancelled_caught

    assert clock.run(check, backend=backend)
    assert clock.monotonic_ns() == 0


@on_both
def test_sleep_without_end_ends_with_a_time_limit(backend: str) -> None:
    clock = VirtualClock()

    async def check() -> None:
        with anyio.move_on_after(60):
            await clock.sleep(float("inf"))

    clock.run(check, backend=backend)
    assert clock.monotonic_ns() == 60 * SECOND


def test_sleep_outside_of_a_run_says_what_to_do() -> None:
    clock = VirtualClock()
    with pytest.raises(RuntimeError, match=r"outside of its run; .*clock\.run"):
        anyio.run(clock.sleep, 1)


@on_both
def test_time_limits_are_virtual(backend: str) -> None:
    """`move_on_after`, `fail_after` and deadlines end a wait of days at once, and at their moment."""
    clock = VirtualClock()

    async def check() -> None:
        with anyio.move_on_after(3600) as scope:
            await anyio.sleep(80_000)
        assert scope.cancelled_caught
        assert clock.monotonic_ns() == 3600 * SECOND
        with pytest.raises(TimeoutError), anyio.fail_after(3600):
            await clock.sleep(80_000)
        assert clock.monotonic_ns() == 7200 * SECOND
        with anyio.CancelScope(deadline=anyio.current_time() + 3600):
            await anyio.sleep_forever()
        assert clock.monotonic_ns() == 10_800 * SECOND

    clock.run(check, backend=backend)


@on_both
def test_a_time_limit_that_does_not_pass_leaves_the_time_alone(backend: str) -> None:
    clock = VirtualClock()

    async def check() -> None:
        with anyio.fail_after(3600):
            await clock.sleep(1)

    clock.run(check, backend=backend)
    assert clock.monotonic_ns() == SECOND


@on_both
def test_advance_moves_time_while_the_caller_runs(backend: str) -> None:
    """A stalled loop: what was due meanwhile happens late, and not again."""
    clock = VirtualClock()
    woken: list[int] = []

    async def sleeper() -> None:
        await clock.sleep(1)
        woken.append(clock.monotonic_ns())

    async def check() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(sleeper)
            await clock.sleep(0.5)
            clock.advance(10)
            assert clock.monotonic_ns() == 10_500_000_000
            assert woken == []

    clock.run(check, backend=backend)
    assert woken == [10_500_000_000]


@pytest.mark.parametrize("seconds", [-1.0, float("inf"), float("nan")])
def test_advance_refuses_to_go_back_or_nowhere(seconds: float) -> None:
    with pytest.raises(ValueError, match="expected zero or more"):
        VirtualClock().advance(seconds)


@on_both
def test_the_time_of_day_goes_along(backend: str) -> None:
    start = datetime(2013, 12, 31, 23, 0, tzinfo=UTC)
    clock = VirtualClock(start)
    clock.run(clock.sleep, 3600.000001, backend=backend)
    assert clock.now() == start + timedelta(hours=1, microseconds=1)


def test_time_goes_on_from_one_run_to_the_next() -> None:
    clock = VirtualClock()
    for runs, backend in enumerate(BACKENDS * 2, start=1):
        clock.run(anyio.sleep, 1.5, backend=backend)
        assert clock.monotonic_ns() == runs * 1_500_000_000


@on_both
def test_run_passes_arguments_result_and_error(backend: str) -> None:
    clock = VirtualClock()

    async def divide(dividend: int, divisor: int) -> float:
        await clock.sleep(1)
        return dividend / divisor

    assert clock.run(divide, 6, 3, backend=backend) == 2
    with pytest.raises(ZeroDivisionError):
        clock.run(divide, 6, 0, backend=backend)
    assert clock.monotonic_ns() == 2 * SECOND


@on_both
def test_worker_threads_are_waited_for(backend: str) -> None:
    """With nothing else to wait for, the loop blocks until the thread is done, and no virtual time passes."""
    clock = VirtualClock()

    async def check() -> int:
        called = threading.Event()

        async def back_in_the_loop() -> int:
            called.set()
            return 7

        def work() -> int:
            result = anyio.from_thread.run(back_in_the_loop)
            assert called.wait(10)
            return result

        return await anyio.to_thread.run_sync(work)

    assert clock.run(check, backend=backend) == 7
    assert clock.monotonic_ns() == 0


@on_both
def test_io_that_is_ready_comes_before_a_jump(backend: str) -> None:
    clock = VirtualClock()

    async def check() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs, anyio.fail_after(3600):
            theirs.send(b"hello")
            await anyio.wait_readable(ours)

    clock.run(check, backend=backend)
    assert clock.monotonic_ns() == 0


def test_an_unknown_backend_is_refused() -> None:
    clock = VirtualClock()
    with pytest.raises(ConfigError, match="no backend 'curio'; expected"):
        clock.run(clock.sleep, 1, backend="curio")


def test_without_trio_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trio.testing", None)
    clock = VirtualClock()
    with pytest.raises(ConfigError, match=r"pip install 'connector-kit\[testing\]'"):
        clock.run(clock.sleep, 1, backend="trio")
