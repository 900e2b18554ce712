"""Runs an async function in a thread and an event loop of its own, and says where that loop stands still."""

from __future__ import annotations

import ctypes
import sys
import sysconfig
import threading
import time
import traceback
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, Literal, TypeAlias, TypeVar

import anyio
import anyio.to_thread
import attrs

from .telling import members_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

__all__ = [
    "CodeLine",
    "Heartbeat",
    "Isolated",
    "Standstill",
    "connector_line",
    "in_thread",
    "isolated",
    "somebodys_line",
    "stack_of",
]

T = TypeVar("T")

_BEAT_SECONDS: Final = 0.02
_LOOK_SECONDS: Final = 0.05
_TURNING_SECONDS: Final = 0.2  # a loop that has had its heart beat within this time turns
_NOBODYS: Final = (
    3  # times the silence_limit, for a loop that is blocked by something else than the connector
)
_ENDING_SECONDS: Final = 0.5  # how long a thread that is told to stop may take; its caller waits

_HERE: Final = Path(__file__).parent
_KIT: Final = _HERE.parents[1]
_STANDARD_LIBRARY: Final = Path(sysconfig.get_path("stdlib"))
_LOOPS: Final = frozenset({"anyio", "asyncio", "trio", "uvloop", "outcome"})
_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
_ENTRANCES: Final = frozenset(
    str(_HERE / name) for name in ("subject.py", "destination/watched.py", "isolation.py")
)
"""Where a connector is called from: by a law through `Watched`, or by the event loop for a task of its own."""


@attrs.frozen
class CodeLine:
    """A line of code: its file, its number, the function it is in, and its text where that is known."""

    file: str
    line: int
    function: str
    code: str = ""

    def __str__(self) -> str:
        where = f"{Path(self.file).name}:{self.line} in {self.function}"
        return f"{where}: `{self.code}`" if self.code else where

    def within(self, folder: Path) -> bool:
        """Whether the file is somewhere in a folder."""
        return folder in Path(self.file).parents

    def passes_through(self, names: frozenset[str]) -> bool:
        """Whether one of the file's folders has one of these names."""
        return not names.isdisjoint(Path(self.file).parts)

    @property
    def of_standard_library(self) -> bool:
        """Whether Python itself brings it."""
        if self.file.startswith("<frozen "):
            return True
        return self.within(_STANDARD_LIBRARY) and not self.passes_through(_INSTALLED)


@attrs.frozen
class Standstill:
    """The event loop stood still for so many seconds at a line; `back` tells whether it went on afterwards."""

    at: CodeLine
    seconds: float
    back: bool

    def __str__(self) -> str:
        if self.back:
            return f"blocks the event loop for {self.seconds:.1f} s at {self.at}"
        return f"blocks the event loop at {self.at}, and did not come back within {self.seconds:.1f} s"


@attrs.define
class Heartbeat:
    """For how many seconds a heart has not been beating, as seen by a watcher that looks every `interval` seconds.

    A watcher that comes late was kept from running itself, and so was the heart perhaps: by a suspended machine, by
    whoever holds the interpreter. The time it was late does not count, nor does the time in which the heart's thread was
    ready and waited for a processor, which others had.
    """

    interval: float
    _last: float
    _beats: object = attrs.field(default=0, init=False)
    _queued: float = attrs.field(default=0.0, init=False)
    _silent: float = attrs.field(default=0.0, init=False)
    watched: float = attrs.field(default=0.0, init=False)

    def silence(self, now: float, beats: object, queued: float = 0.0) -> float:
        """Return the seconds without a beat. `beats` changes with each; `queued` are the seconds spent in wait for a processor."""
        passed = max(0.0, min(now - self._last, 2 * self.interval) - (queued - self._queued))
        self._last, self._queued = now, queued
        self.watched += passed
        self._silent = self._silent + passed if beats == self._beats else 0.0
        self._beats = beats
        return self._silent


def queued_seconds(thread: threading.Thread) -> float:
    """Return how long a thread has been ready to run without a processor, so far. 0.0 where the system does not tell."""
    try:
        text = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text("ascii")
        return int(text.split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def stack_of(thread: int | None) -> list[CodeLine]:
    """Return where a thread is now, the innermost line first; nothing for a thread that has ended."""
    frame = sys._current_frames().get(thread or 0)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the documented way to another thread's stack
    if frame is None:
        return []
    stack = traceback.StackSummary.extract(traceback.walk_stack(frame))
    return [CodeLine(each.filename, each.lineno or 0, each.name, each.line or "") for each in stack]


def connector_line(stack: Sequence[CodeLine]) -> CodeLine | None:
    """Return the innermost line that is the connector's; None where the loop is busy with something else.

    Making a connector and importing a module may take their time: both are done once.
    """
    entrance = next((at for at, each in enumerate(stack) if each.within(_HERE)), None)
    if entrance is None or stack[entrance].file not in _ENTRANCES or stack[entrance].function == "make":
        return None
    inside = stack[:entrance]
    if any(each.file.startswith("<frozen importlib") for each in inside):
        return None
    return somebodys_line(inside)


def somebodys_line(stack: Sequence[CodeLine]) -> CodeLine | None:
    """Return the innermost line that somebody has written for this; of an installed connector, where it begins."""
    lines = [each for each in stack if not each.within(_HERE) and not each.of_standard_library]
    own = (each for each in lines if not each.passes_through(_INSTALLED) and not each.within(_KIT))
    installed = [each for each in lines if not each.passes_through(_LOOPS)]
    outermost = (each for each in reversed(installed) if not each.within(_KIT))
    return next(chain(own, outermost, installed), None)


_End: TypeAlias = Literal["ended", "stopped", "blocked", "hung"]
"""By itself; cancelled when its time was over; abandoned while it blocked its loop; abandoned while it did not react."""


@attrs.frozen
class Isolated(Generic[T]):
    """What came of a function: its value or its error, how it ended, and where its loop stood still.

    `at` is where the thread was when it was abandoned, `waiting_for` what had no answer then; both as far as known.
    """

    end: _End
    value: T | None = None
    error: BaseException | None = None
    stalls: tuple[Standstill, ...] = ()
    at: CodeLine | None = None
    waiting_for: str = ""


async def isolated(
    function: Callable[[], Awaitable[T]],
    /,
    *,
    seconds: float,
    block_seconds: float = 1.0,
    silence_limit: float = 5.0,
    backend: str = "asyncio",
    overdue: Callable[[], str | None] = lambda: None,
) -> Isolated[T]:
    """Run a function in a daemon thread with an event loop of its own.

    After `seconds` it is cancelled. A loop that stands still for `block_seconds` in the connector's code is told as a
    stall. It is abandoned, which means that nobody waits for it any more, when it blocks its loop for `silence_limit`
    seconds, does not react to its cancellation for as long, or when `overdue` names a call that has outlived its own
    time limit for a fifth of that. Cancelled from outside, it is told to stop, and not waited for.
    """
    run = _IsolatedRun(function, backend)
    watch = _Watch(run, seconds, block_seconds, silence_limit, overdue)
    limiter = anyio.CapacityLimiter(1)
    run.thread.start()
    try:
        while (end := watch.look()) is None:
            await anyio.to_thread.run_sync(
                run.over.wait, _LOOK_SECONDS, abandon_on_cancel=True, limiter=limiter
            )
    finally:
        run.stop = True
    # What is abandoned is not ended: whoever unwinds its tasks, or frees them, runs the connector's code in a thread of
    # theirs. Its loop stands still for good, if it turns, so that it takes no time from anybody. Code that spins without
    # letting the loop turn goes on until the program ends: there is no safe way to stop it (an exception sent to a
    # thread that does not take it slows every other thread of CPython down, for ever).
    run.parked = end in {"blocked", "hung"}
    return watch.result(end)


class _IsolatedRun(Generic[T]):
    """The function in its thread. The two threads share its attributes; each has one writer."""

    def __init__(self, function: Callable[[], Awaitable[T]], backend: str) -> None:
        self._function = function
        self._backend = backend
        self.thread = threading.Thread(target=self._run, name="connector_kit isolated", daemon=True)
        self.beats = 0
        self.stop = False
        self.parked = False
        self.answered = False
        self.over = threading.Event()
        self.value: T | None = None
        self.error: BaseException | None = None
        self.stopped = False

    def _run(self) -> None:
        try:
            anyio.run(self._main, backend=self._backend)
        except BaseException as error:  # noqa: BLE001 - the thread is at its end; the error is the caller's to see
            self.error = self.error or _alone(error)
        finally:
            self.over.set()

    async def _main(self) -> None:
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:
                tasks.start_soon(self._beat, scope)
                try:
                    self.value = await self._function()
                except Exception as error:  # noqa: BLE001 - the caller's to see, and not as a part of a group
                    self.error = error
            self.stopped = scope.cancelled_caught
            self.answered = True
            tasks.cancel_scope.cancel()

    async def _beat(self, scope: anyio.CancelScope) -> None:
        while True:
            self.beats += 1
            if self.parked:
                threading.Event().wait()  # nobody sets it
            if self.stop:
                scope.cancel()
            await anyio.sleep(_BEAT_SECONDS)


def _alone(error: BaseException) -> BaseException:
    """Return an error that task groups have wrapped."""
    while len(members := members_of(error)) == 1:
        error = members[0]
    return error


@attrs.define(eq=False)
class _Watch(Generic[T]):
    """Looks at a run every now and then, and decides how it has ended."""

    _run: _IsolatedRun[T]
    _seconds: float
    _block_seconds: float
    _patience: float
    _overdue: Callable[[], str | None]
    _heart: Heartbeat = attrs.field(factory=lambda: Heartbeat(_LOOK_SECONDS, time.monotonic()), init=False)
    _answered_at: float | None = attrs.field(default=None, init=False)
    _overdue_since: float | None = attrs.field(default=None, init=False)
    _stalls: list[Standstill] = attrs.field(factory=list[Standstill], init=False)
    _standing: Standstill | None = attrs.field(default=None, init=False)
    _waiting_for: str = attrs.field(default="", init=False)

    def look(self) -> _End | None:
        """Return how the run has ended; None while it goes on."""
        run = self._run
        silence = self._heart.silence(time.monotonic(), run.beats, queued_seconds(run.thread))
        if self._run.over.is_set() or self._run.answered:
            return self._after_answer()
        self._look_at_stall(silence)
        now = self._heart.watched
        if self._standing is not None and silence >= self._patience:
            return "blocked"
        if silence >= _NOBODYS * self._patience:  # in code of nobody's: of a factory, say
            return "blocked"
        if silence < _TURNING_SECONDS and self._without_answer(now):
            return "hung"
        if now >= self._seconds:
            self._run.stop = True
        if now >= self._seconds + self._patience:
            return "blocked" if silence >= self._patience else "hung"
        return None

    def result(self, end: _End) -> Isolated[T]:
        """Return what came of the run."""
        run = self._run
        if end in {"ended", "stopped"}:
            return Isolated(end, run.value, run.error, tuple(self._stalls))
        stalls = [*self._stalls, *([self._standing] if self._standing else [])]
        at = self._standing.at if self._standing else somebodys_line(stack_of(run.thread.ident))
        return Isolated(end, stalls=tuple(stalls), at=at, waiting_for=self._waiting_for)

    def _after_answer(self) -> _End | None:
        """A function that has given its answer has ended; its loop gets a little time to be closed."""
        self._come_back()
        now = self._heart.watched
        if self._answered_at is None:
            self._answered_at = now
        if self._run.over.is_set() or now - self._answered_at > self._patience:
            return "stopped" if self._run.stopped else "ended"
        return None

    def _look_at_stall(self, silence: float) -> None:
        if silence < self._block_seconds:
            self._come_back()
        elif self._standing is not None:
            self._standing = attrs.evolve(self._standing, seconds=silence)
        elif (where := connector_line(stack_of(self._run.thread.ident))) is not None:
            self._standing = Standstill(where, silence, back=False)

    def _come_back(self) -> None:
        if self._standing is not None:
            self._stalls.append(attrs.evolve(self._standing, back=True))
            self._standing = None

    def _without_answer(self, now: float) -> bool:
        """Tell whether a call has been ignoring its time limit for long enough."""
        waiting_for = self._overdue()
        if waiting_for is None:
            self._overdue_since = None
            return False
        self._waiting_for = waiting_for
        self._overdue_since = now if self._overdue_since is None else self._overdue_since
        return now - self._overdue_since >= self._patience / 5


async def in_thread(
    function: Callable[[], None],
    /,
    *,
    signs_of_life: Callable[[], object],
    silence_limit: float,
    stop: Callable[[], None],
) -> bool:
    """Run a function that has event loops of its own in a daemon thread, and return whether it came back.

    It is left behind when `signs_of_life` have not changed for `silence_limit` seconds: told to `stop`, if it waits;
    interrupted, if it spins, so that it does not slow everybody down.
    """
    thread = threading.Thread(target=function, name="connector_kit in thread", daemon=True)
    thread.start()
    heart, pause = Heartbeat(_LOOK_SECONDS, time.monotonic()), 0.001
    while thread.is_alive():
        if heart.silence(time.monotonic(), signs_of_life(), queued_seconds(thread)) > silence_limit:
            stop()
            thread.join(_ENDING_SECONDS)
            _interrupt(thread)
            return False
        await anyio.sleep(pause)
        pause = min(_LOOK_SECONDS, pause * 1.5)
    return True


def _interrupt(thread: threading.Thread) -> None:
    for _ in range(4):  # one request leaves the loop that runs, the others its attempts to end its tasks
        if thread.ident is None or not thread.is_alive():
            return
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
        thread.join(0.05)
