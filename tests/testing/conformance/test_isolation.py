"""A function in a thread of its own: it ends, is stopped, or is abandoned, and the place where it blocks is named."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from connector_kit.testing.conformance.isolation import (
    CodeLine,
    Heartbeat,
    Standstill,
    connector_line,
    isolated,
    queued_seconds,
    somebodys_line,
    stack_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

HERE = Path(__file__)
CONFORMANCE = Path(sys.modules[Standstill.__module__].__file__ or "").parent

# Half a second is what a busy machine does not take for a task that only wakes up; what blocks here does so for longer.
quickly = partial(isolated, seconds=20.0, block_seconds=0.5, silence_limit=1.0)


async def blocks_and_comes_back() -> str:
    time.sleep(0.8)  # noqa: ASYNC251 - the mistake
    await anyio.lowlevel.checkpoint()
    return "done"


async def blocks_for_good() -> None:
    threading.Event().wait()


async def spins() -> None:
    while True:
        pass


async def swallows_cancellation() -> None:
    while True:
        with suppress(BaseException):
            await anyio.sleep(0.01)


@pytest.mark.anyio
class TestIsolated:
    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    async def test_a_function_gives_its_value_from_the_event_loop_asked_for(self, backend: str) -> None:
        async def function() -> tuple[str, bool, bool]:
            await anyio.lowlevel.checkpoint()
            thread = threading.current_thread()
            return anyio.get_current_task().name or "", thread.daemon, thread is threading.main_thread()

        run = await quickly(function, backend=backend)

        assert run.end == "ended"
        assert run.value is not None
        assert run.value[1:] == (True, False)
        assert (run.error, run.stalls) == (None, ())

    async def test_an_error_is_given_as_it_was_raised(self) -> None:
        error = ValueError("no")

        async def function() -> None:
            await anyio.lowlevel.checkpoint()
            raise error

        run = await quickly(function)

        assert (run.end, run.error) == ("ended", error)

    async def test_what_ends_a_program_ends_the_thread_alone(self) -> None:
        async def function() -> None:
            await anyio.lowlevel.checkpoint()
            raise SystemExit(3)

        run = await quickly(function)

        assert run.end == "ended"
        assert run.value is None
        assert run.error is not None

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    async def test_who_blocks_and_comes_back_is_named_with_the_line(self, backend: str) -> None:
        run = await quickly(blocks_and_comes_back, backend=backend)

        assert (run.end, run.value) == ("ended", "done")
        (stall,) = run.stalls
        assert stall.back
        assert (stall.at.file, stall.at.function) == (str(HERE), "blocks_and_comes_back")
        assert "time.sleep(0.8)" in stall.at.code
        assert stall.seconds >= 0.5

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    async def test_who_blocks_for_good_is_abandoned(self, backend: str) -> None:
        run = await quickly(blocks_for_good, backend=backend)

        assert run.end == "blocked"
        (stall,) = run.stalls
        assert not stall.back
        assert run.at == stall.at
        assert stall.at.function == "blocks_for_good"
        assert "threading.Event().wait()" in str(stall)

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    async def test_who_waits_is_cancelled_when_the_time_is_over(self, backend: str) -> None:
        cleaned_up = threading.Event()

        async def function() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                cleaned_up.set()

        run = await isolated(function, seconds=0.1, backend=backend)

        assert (run.end, run.value, run.stalls) == ("stopped", None, ())
        assert cleaned_up.is_set()

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    async def test_who_swallows_the_cancellation_is_abandoned(self, backend: str) -> None:
        before = set(threading.enumerate())

        run = await isolated(swallows_cancellation, seconds=0.1, silence_limit=0.5, backend=backend)

        assert run.end == "hung"
        await everybody_stands_still(before)

    async def test_a_call_that_outlives_its_time_limit_is_abandoned_with_its_name(self) -> None:
        run = await quickly(anyio.sleep_forever, overdue=lambda: "page 2")

        assert (run.end, run.waiting_for) == ("hung", "page 2")

    async def test_a_call_that_comes_back_just_after_its_time_limit_counts_as_back(self) -> None:
        answers = iter(["page 2", None])

        async def function() -> str:
            while next(answers, "none") != "none":  # noqa: ASYNC110 - it has to take some time
                await anyio.sleep(0.01)
            return "done"

        run = await quickly(function, overdue=lambda: next(answers, None))

        assert (run.end, run.value) == ("ended", "done")

    async def test_cancelled_from_outside_it_tells_the_function_to_stop_and_does_not_wait(self) -> None:
        started, stopped = threading.Event(), threading.Event()

        async def function() -> None:
            started.set()
            try:
                await anyio.sleep_forever()
            finally:
                stopped.set()

        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(quickly, function)
                while not started.is_set():  # noqa: ASYNC110 - an event of another thread
                    await anyio.sleep(0.01)
                scope.cancel()

        assert scope.cancelled_caught
        assert await anyio.to_thread.run_sync(stopped.wait, 20.0)

    async def test_a_loop_that_is_slow_to_close_does_not_hold_up_the_answer(self) -> None:
        async def function() -> str:
            stream = never_closes()
            await stream.__anext__()
            return "done"

        async def never_closes() -> AsyncIterator[None]:
            try:
                yield
            finally:
                threading.Event().wait()

        run = await isolated(function, seconds=20.0, silence_limit=0.3)

        assert (run.end, run.value) == ("ended", "done")


async def everybody_stands_still(before: set[threading.Thread]) -> None:
    abandoned = {each for each in threading.enumerate() if each.name == "connector_kit isolated"} - before
    with anyio.fail_after(20):
        while not all("_beat" in {at.function for at in stack_of(each.ident)[:3]} for each in abandoned):  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.01)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("function", [blocks_for_good, spins])
def test_what_was_abandoned_does_not_hold_up_the_end_of_the_program(
    function: Callable[[], Awaitable[None]], backend: str
) -> None:
    """In a program of its own, since what spins goes on as long as that."""
    program = f"""
import sys, anyio
from functools import partial
sys.path.insert(0, {str(HERE.parent)!r})
from test_isolation import {function.__name__}, quickly
run = anyio.run(partial(quickly, {function.__name__}, backend={backend!r}))
print(run.end, run.at.function)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout == f"blocked {function.__name__}\n"
    assert done.stderr == ""


class TestHeartbeat:
    def test_time_without_a_beat_adds_up_and_a_beat_ends_it(self) -> None:
        heart = Heartbeat(0.1, 0.0)

        assert [heart.silence(now / 10, 1) for now in range(1, 4)] == pytest.approx([0.0, 0.1, 0.2])
        assert heart.silence(0.4, 2) == 0.0
        assert heart.watched == pytest.approx(0.4)

    def test_the_time_the_watcher_was_late_does_not_count(self) -> None:
        """The machine was suspended, or somebody else had the interpreter: the connector is not to blame."""
        heart = Heartbeat(0.1, 0.0)
        heart.silence(0.1, 1)

        assert heart.silence(60.0, 1) == pytest.approx(0.2)

    def test_nor_does_the_time_others_had_the_processor(self) -> None:
        """The heart was ready to beat, and had no processor: a busy machine is no hang."""
        heart = Heartbeat(0.1, 0.0)
        heart.silence(0.1, 1)

        assert heart.silence(0.2, 1, queued=0.08) == pytest.approx(0.02)
        assert heart.silence(0.3, 1, queued=0.08) == pytest.approx(0.12)

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
    def test_the_system_tells_how_long_a_thread_waited_for_a_processor(self) -> None:
        """Two processes spin on one processor, so the thread gets half of it."""
        spinning = "import os; os.sched_setaffinity(0, {%d})\nwhile True: pass"
        done = threading.Event()

        def spin() -> None:
            os.sched_setaffinity(threading.get_native_id(), {cpu})
            while not done.is_set():
                sum(range(1000))

        cpu = min(os.sched_getaffinity(0))
        thread = threading.Thread(target=spin, daemon=True)
        with subprocess.Popen([sys.executable, "-S", "-c", spinning % cpu]) as other:
            thread.start()
            try:
                deadline = time.monotonic() + 20
                while queued_seconds(thread) < 0.05 and time.monotonic() < deadline:
                    time.sleep(0.02)
                assert queued_seconds(thread) >= 0.05
            finally:
                done.set()
                other.kill()
        thread.join()
        assert queued_seconds(thread) == 0.0


SHOP = CodeLine("/srv/shop/shop.py", 33, "fetch_data", "time.sleep(1.3)")
SLEEPER = CodeLine("/usr/x/site-packages/vendor/client.py", 7, "get")
VENDOR = CodeLine("/usr/x/site-packages/shop_connector/shop.py", 40, "fetch_data")
LAW = CodeLine(str(CONFORMANCE / "connector" / "resume.py"), 50, "_look")
WATCHED = CodeLine(str(CONFORMANCE / "subject.py"), 100, "__anext__")
SUBJECT = CodeLine(str(CONFORMANCE / "subject.py"), 66, "make")
RUN = CodeLine(str(CONFORMANCE / "isolation.py"), 100, "_main")
LOOP = CodeLine("/usr/x/site-packages/anyio/_core/_eventloop.py", 77, "run")
WRAPPER = CodeLine(str(CONFORMANCE.parents[1] / "wrappers" / "retrying.py"), 90, "__anext__")
SOCKET = CodeLine(sys.modules["selectors"].__file__ or "", 5, "select")
IMPORTING = CodeLine("<frozen importlib._bootstrap>", 1, "_find_and_load")


class TestPlaces:
    def test_the_innermost_line_of_the_connector_is_named_not_that_of_its_client(self) -> None:
        assert connector_line([SOCKET, SLEEPER, SHOP, WRAPPER, WATCHED, LAW, RUN, LOOP]) == SHOP

    def test_of_an_installed_connector_it_is_where_it_was_called(self) -> None:
        assert connector_line([SOCKET, SLEEPER, VENDOR, WRAPPER, WATCHED, LAW, RUN, LOOP]) == VENDOR

    def test_of_a_connector_of_the_kit_it_is_the_innermost_line(self) -> None:
        assert connector_line([SOCKET, WRAPPER, WATCHED, LAW, RUN, LOOP]) == WRAPPER

    def test_a_task_of_the_connectors_own_is_found_too(self) -> None:
        assert connector_line([SOCKET, SHOP, LOOP, RUN]) == SHOP

    @pytest.mark.parametrize(
        "stack",
        [
            pytest.param([], id="ended"),
            pytest.param([SOCKET], id="not of an isolated thread"),
            pytest.param([LAW, RUN, LOOP], id="a law compares what it has read"),
            pytest.param([WATCHED, LAW, RUN, LOOP], id="between two calls"),
            pytest.param([SHOP, SUBJECT, LAW, RUN, LOOP], id="the factory"),
            pytest.param([SLEEPER, IMPORTING, SHOP, WATCHED, LAW, RUN, LOOP], id="an import"),
            pytest.param([SOCKET, LOOP, RUN], id="the loop waits"),
        ],
    )
    def test_nobody_is_blamed_for_what_is_no_call_of_the_connector(self, stack: list[CodeLine]) -> None:
        assert connector_line(stack) is None

    def test_where_a_thread_hangs_is_told_whoever_is_to_blame(self) -> None:
        assert somebodys_line([SHOP, SUBJECT, LAW, RUN, LOOP]) == SHOP

    def test_the_stack_of_a_thread_begins_where_it_is(self) -> None:
        here = next(each for each in stack_of(threading.get_ident()) if each.file == str(HERE))

        assert here.function == "test_the_stack_of_a_thread_begins_where_it_is"
        assert stack_of(None) == []

    def test_a_stall_is_told_in_a_line(self) -> None:
        assert str(Standstill(SHOP, 1.31, back=True)) == (
            "blocks the event loop for 1.3 s at shop.py:33 in fetch_data: `time.sleep(1.3)`"
        )
        assert str(Standstill(CodeLine("/a/shop.py", 33, "get"), 5, back=False)) == (
            "blocks the event loop at shop.py:33 in get, and did not come back within 5.0 s"
        )
