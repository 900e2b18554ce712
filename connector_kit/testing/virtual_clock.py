"""Clocks whose time is virtual, so that a test of a day's waiting takes milliseconds."""

from __future__ import annotations

import asyncio
import math
import selectors
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import anyio
import anyio.lowlevel

from connector_kit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock

__all__ = ["LeapingClock", "VirtualClock"]


T = TypeVar("T")
Args = TypeVarTuple("Args")

_SECOND = 1_000_000_000


class VirtualClock:
    """A `Clock` with virtual time, counted in whole nanoseconds from zero; `start` is the time of day at zero.

    `backend`, "asyncio" or "trio", is where `run` runs if nothing else is said there.

    As soon as every task waits, time jumps to the next moment anybody waits for. It does not wait for worker threads
    then: only where no task waits for a moment does the loop really block until a thread or a socket has something.
    Not thread-safe: use it from the thread that runs the loop.

    >>> clock = VirtualClock()
    >>> clock.run(clock.sleep, 86_400)
    >>> clock.now()
    datetime.datetime(2024, 1, 2, 0, 0, tzinfo=datetime.timezone.utc)
    """

    def __init__(
        self, start: datetime = datetime(2024, 1, 1, tzinfo=UTC), *, backend: str = "asyncio"
    ) -> None:
        self._start = start
        self._backend = backend
        self._ns = 0
        self._origin = 0
        self._running = False
        self._mock: MockClock | None = None

    def monotonic_ns(self) -> int:
        """Virtual nanoseconds since the clock was made; never goes back, also from one run to the next."""
        if self._mock is not None:
            # trio's clock counts in floats from the start of the run; ours may be ahead by a rounding of them
            self._ns = max(self._ns, self._origin + round(self._mock.current_time() * _SECOND))
        return self._ns

    def now(self) -> datetime:
        """The virtual time of day, in UTC, to the microsecond."""
        return self._start + timedelta(microseconds=self.monotonic_ns() // 1000)

    async def sleep(self, seconds: float, /) -> None:
        """Let `seconds` pass, to the nearest nanosecond but at least one. Raises `RuntimeError` outside of `run`."""
        if not self._running:
            raise RuntimeError(
                f"sleep({seconds!r}) on a VirtualClock outside of its run; its time passes only there; "
                "start the test with clock.run(function)"
            )
        if seconds <= 0:
            await anyio.lowlevel.checkpoint()
        elif math.isinf(seconds):
            await anyio.sleep_forever()
        else:
            asked = max(1, round(seconds * _SECOND))
            until = self.monotonic_ns() + asked
            await anyio.sleep(asked / _SECOND)
            self._move_to(until)  # event loops count in floats and may wake a rounding too early

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass while the caller goes on running, as when something blocks the event loop."""
        if not 0 <= seconds < math.inf:
            raise ValueError(
                f"cannot advance by {seconds!r} seconds; expected zero or more; time never goes back"
            )
        self._move_to(self.monotonic_ns() + round(seconds * _SECOND))

    def run(
        self,
        function: Callable[[*Args], Awaitable[T]],
        *args: *Args,
        backend: str | None = None,
    ) -> T:
        """Run an async function under this clock and give its result. `backend` is the clock's own where None.

        One run after the other is possible; time goes on. Raises `ConfigError` for another backend or without trio.
        """
        backend = self._backend if backend is None else backend
        self._origin = self._ns
        self._running = True
        try:
            if backend == "asyncio":
                return anyio.run(
                    function,
                    *args,
                    backend_options={"loop_factory": lambda: _VirtualLoop(self._elapsed, self._jump)},
                )
            if backend == "trio":
                self._mock = _mock_clock()
                return anyio.run(function, *args, backend="trio", backend_options={"clock": self._mock})
            raise ConfigError(f'no backend {backend!r}; expected "asyncio" or "trio"; name one of them')
        finally:
            self.monotonic_ns()
            self._mock = None
            self._running = False

    def _elapsed(self) -> float:
        """Seconds since the start of this run: counted anew in each, so that a float holds every nanosecond."""
        return (self._ns - self._origin) / _SECOND

    def _jump(self, seconds: float) -> None:
        """Go to the end of the event loop's wait, by at least a nanosecond: without progress it would ask forever."""
        self._ns = max(self._ns + 1, self._origin + round((self._elapsed() + seconds) * _SECOND))

    def _move_to(self, ns: int) -> None:
        self._ns = max(self.monotonic_ns(), ns)
        if self._mock is not None:
            self._mock.jump(max(0.0, self._elapsed() - self._mock.current_time()))


class _VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's event loop on virtual time."""

    def __init__(self, elapsed: Callable[[], float], jump: Callable[[float], None]) -> None:
        super().__init__(_JumpingSelector(jump))
        self._elapsed = elapsed

    def time(self) -> float:
        now = self._elapsed()
        # By how much timers may be early. Half a year into a run a float no longer holds a nanosecond, and asyncio
        # would not see that a timer is due; on Windows its own figure is 16 ms.
        self._clock_resolution = max(1 / _SECOND, math.ulp(now))
        return now


class _JumpingSelector(selectors.DefaultSelector):
    """Looks whether a thread or a socket has something; if not, jumps over the time it was to wait."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self._jump(timeout)
        return ready


def _mock_clock() -> MockClock:
    try:
        from trio.testing import MockClock  # noqa: PLC0415 - trio is no core dependency
    except ImportError as error:
        raise ConfigError(
            "the backend 'trio' is not installed; VirtualClock runs on asyncio without it; "
            "pip install 'connector-kit[testing]'"
        ) from error
    return MockClock(autojump_threshold=0)


_START = datetime(2024, 1, 1, tzinfo=UTC)


class LeapingClock:
    """A `Clock` whose `sleep` moves it on at once. The event loop's own time is left as it is."""

    def __init__(self) -> None:
        self._ns = 0

    def monotonic_ns(self) -> int:
        """Nanoseconds slept so far, by all."""
        return self._ns

    def now(self) -> datetime:
        """The time of day that fits."""
        return _START + timedelta(microseconds=self._ns // 1000)

    async def sleep(self, seconds: float, /) -> None:
        """Let `seconds` pass, without waiting; a cancellation point."""
        self._ns += max(0, round(seconds * 1_000_000_000))
        await anyio.lowlevel.checkpoint()
