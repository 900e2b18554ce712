"""What is left of a connector after it has disconnected: tasks, threads, open files. Part of the law of the lifecycle."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import anyio
from anyio.lowlevel import checkpoint

from connector_kit.runtime.session import disconnect_surely

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.subject import Subject, Watched

__all__ = ["Held", "growing", "held", "look_for_leftovers", "settled"]

Held: TypeAlias = dict[str, dict[str, str]]
"""What there is at a moment: for each kind, what identifies one of it and what it is called."""

TASKS, THREADS, FILES = "tasks", "threads", "open files or sockets"

_ROUNDS = 4
_OPEN_FILES = Path("/proc/self/fd")
_PAUSE_SECONDS = 0.01
_PAUSES = 20  # a socket is closed and a thread ends a little after they were told to


async def look_for_leftovers(subject: Subject, entity: str | None, found: Findings) -> None:
    """Connect, read a page of an entity and disconnect several times, and look whether there is more after each."""
    connectors: list[Watched] = []  # kept: what a connector that is thrown away held may go with it
    rounds = [held()]
    for _ in range(_ROUNDS):
        connectors.append(subject.make())
        await _once(subject, connectors[-1], entity)
        rounds.append(await settled(rounds[-1]))
    for kind, names in growing(rounds[2:]).items():  # before, what is made once came in
        found.broken(
            f"{kind} are left after disconnecting, more with every connector: {', '.join(names)}",
            expected="nothing of a connector after its disconnect",
            mend="let disconnect end and await what connect began, and close what it opened",
        )
    looked_at = [kind for kind in rounds[0] if rounds[0][kind]]
    if FILES not in looked_at:
        found.unchecked(f"whether {FILES} are left: this system has no {_OPEN_FILES}")
    if not growing(rounds[2:]):
        found.checked(
            f"no {', no '.join(looked_at)} are left by {_ROUNDS} connectors after their disconnects"
        )


async def _once(subject: Subject, connector: Watched, entity: str | None) -> None:
    try:
        await connector.connect()
        if entity is not None:
            await subject.read(connector, entity, pages=1)
    finally:
        await disconnect_surely(connector)


def held() -> Held:
    """Look at what the event loop and the process have now."""
    tasks = {str(task.id): task.name or "a task without a name" for task in anyio.get_running_tasks()}
    threads = {str(thread.ident): thread.name for thread in threading.enumerate()}
    return {TASKS: tasks, THREADS: threads, FILES: _open_files()}


def _open_files() -> dict[str, str]:
    found: dict[str, str] = {}
    if _OPEN_FILES.is_dir():
        for entry in _OPEN_FILES.iterdir():
            try:
                target = str(entry.readlink())
            except OSError:  # the directory itself, which was open for this look
                continue
            found[f"{entry.name} {target}"] = target
    return found


async def settled(before: Held) -> Held:
    """Give what there is as soon as it is no more than before, or does not change any longer."""
    for _ in range(3):  # what closes a socket is called in the loop's next turns
        await checkpoint()
    now = held()
    same = 0
    while same < _PAUSES and any(len(now[kind]) > len(before[kind]) for kind in now):
        await anyio.sleep(_PAUSE_SECONDS)
        last, now = now, held()
        same = same + 1 if _counts(now) == _counts(last) else 0
    return now


def _counts(held: Held) -> list[int]:
    return [len(each) for each in held.values()]


def growing(rounds: Sequence[Held]) -> dict[str, list[str]]:
    """Give the kinds of which there is more after each round than after the one before, and what came in the last one."""
    found: dict[str, list[str]] = {}
    for kind in rounds[0]:
        if all(len(before[kind]) < len(after[kind]) for before, after in pairwise(rounds)):
            last, now = rounds[-2][kind], rounds[-1][kind]
            found[kind] = sorted(now[each] for each in now.keys() - last.keys())
    return found
