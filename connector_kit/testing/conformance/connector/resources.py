"""What the event loop and the process hold at a moment (tasks, threads, open files), and whether it grows."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import anyio
from anyio.lowlevel import checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FILES", "OPEN_FILES", "Resources", "growing", "resources_held", "settled"]

Resources: TypeAlias = dict[str, dict[str, str]]
"""For each kind, what identifies one of it and what it is called."""

TASKS, THREADS, FILES = "tasks", "threads", "open files or sockets"
OPEN_FILES = Path("/proc/self/fd")

_PAUSE_SECONDS = 0.01
_PAUSES = 20  # a socket is closed and a thread ends a little after they were told to


def resources_held() -> Resources:
    """Return what the event loop and the process hold now."""
    tasks = {str(task.id): task.name or "a task without a name" for task in anyio.get_running_tasks()}
    threads = {str(thread.ident): thread.name for thread in threading.enumerate()}
    return {TASKS: tasks, THREADS: threads, FILES: _open_files()}


def _open_files() -> dict[str, str]:
    files: dict[str, str] = {}
    for entry in OPEN_FILES.iterdir() if OPEN_FILES.is_dir() else ():
        try:
            target = str(entry.readlink())
        except OSError:  # the directory itself, which was open for this look
            continue
        files[f"{entry.name} {target}"] = target
    return files


async def settled(before: Resources) -> Resources:
    """Return what is held as soon as it is no more than before, or does not change any longer."""
    for _ in range(3):  # what closes a socket is called in the loop's next turns
        await checkpoint()
    now = resources_held()
    same = 0
    while same < _PAUSES and any(len(now[kind]) > len(before[kind]) for kind in now):
        await anyio.sleep(_PAUSE_SECONDS)
        last, now = now, resources_held()
        same = same + 1 if all(len(now[kind]) == len(last[kind]) for kind in now) else 0
    return now


def growing(rounds: Sequence[Resources]) -> dict[str, list[str]]:
    """Return the kinds of which there is more after each round than after the one before, and what the last one added."""
    grown: dict[str, list[str]] = {}
    for kind in rounds[0]:
        if all(len(before[kind]) < len(after[kind]) for before, after in pairwise(rounds)):
            last, now = rounds[-2][kind], rounds[-1][kind]
            grown[kind] = sorted(now[each] for each in now.keys() - last.keys())
    return grown
