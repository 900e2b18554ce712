"""How a law is looked at: in a thread of its own, so that a wrapper that hangs or blocks is named and left behind."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

import anyio
import attrs

from connector_kit.testing.conformance.verdict import Findings, Law, Verdict

from .subject import Around, StoppedError, WrapperSubject

__all__ = ["Look", "look_in_a_thread", "looked_at"]

ENDING_SECONDS = 0.5
"""How long a thread that is cancelled may take to end. It keeps the caller waiting."""

Look: TypeAlias = Callable[[WrapperSubject, Findings], None]
"""Looks at one law, with event loops of its own: says what it finds, raises nothing of its own."""


async def looked_at(law: Law, look: Look, wrapper: Around | WrapperSubject) -> Verdict:
    """Look at a law and give the verdict. What comes out of the wrapper where nothing should is evidence."""
    subject = WrapperSubject.of(wrapper)
    found = Findings(law)
    subject.hung = not await look_in_a_thread(lambda: _judge(look, subject, found), subject)
    if subject.hung:
        seconds = f"{subject.bounds.call_seconds:g} s"
        found.broken(
            f"it hangs: nothing has happened for {seconds} while {subject.doing}",
            expected="an answer, an error, or the end of a cancellation",
            mend="look for a wait that nothing ends, for a shielded one, and for a loop that catches its cancellation",
        )
    return found.verdict(subject.requests)


def _judge(look: Look, subject: WrapperSubject, found: Findings) -> None:
    try:
        look(subject, found)
    except StoppedError:
        pass  # who stopped it tells why
    except BaseException as error:  # noqa: BLE001 - the thread ends here; whatever came is told
        found.broken(
            f"{type(error).__name__} came out while {subject.doing}: {_told(error)}",
            expected="nothing but what the inner connector gives or raises",
        )


def _told(error: BaseException) -> str:
    """Give an error's text; of a group, those of its members."""
    if isinstance(error, BaseExceptionGroup):
        return ", ".join(f"{type(each).__name__}: {_told(each)}" for each in error.exceptions)
    return str(error)


@attrs.define(eq=False)
class _Done:
    value: bool = False


async def look_in_a_thread(look: Callable[[], None], subject: WrapperSubject) -> bool:
    """Run a function in a thread, and tell whether it came back; it is left behind where nothing happens any more.

    Something happens where an event loop is started or a request reaches a connector inside.
    """
    done = _Done()

    def run() -> None:
        try:
            look()
        finally:
            done.value = True

    # A daemon: it must not keep the process from ending, which a worker thread of anyio's would.
    thread = threading.Thread(target=run, name="check_wrapper", daemon=True)
    thread.start()
    beat, since, pause = (-1, -1), time.monotonic(), 0.001
    while not done.value:
        now = (subject.beats, subject.requests)
        if now != beat:
            beat, since = now, time.monotonic()
        elif time.monotonic() - since > subject.bounds.call_seconds:
            _end(thread, subject)
            return False
        await anyio.sleep(pause)
        pause = min(0.05, pause * 1.5)
    return True


def _end(thread: threading.Thread, subject: WrapperSubject) -> None:
    """Let a thread end: cancelled, if it waits; interrupted, if it spins, so that it does not slow everybody down."""
    subject.stop()
    thread.join(ENDING_SECONDS)
    for _ in range(4):  # one request leaves the loop that runs, the others its attempts to end its tasks
        if thread.ident is None or not thread.is_alive():
            return
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
        thread.join(0.05)
