"""An event loop that stands still: for how long, and in which line of whose code."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Place", "Quiet", "Stall", "connectors_place", "place", "stack_of"]

_KIT: Final = Path(__file__).parents[2]
_ENTRANCES: Final = frozenset(
    str(Path(__file__).parent / name) for name in ("watched.py", "destination/watched.py", "isolation.py")
)
"""Where a connector is called from: by a law through `Watched`, or by the event loop for a task of its own."""
_LOOPS: Final = ("anyio", "asyncio", "trio", "uvloop", "outcome")


@attrs.frozen
class Place:
    """A line of code: its file, its number, the function it is in, and its text where that is known."""

    file: str
    line: int
    function: str
    code: str = ""

    def __str__(self) -> str:
        return f"{Path(self.file).name}:{self.line} in {self.function}" + (
            f": `{self.code}`" if self.code else ""
        )


@attrs.frozen
class Stall:
    """The event loop stood still for so many seconds at a place; `back` tells whether it went on afterwards."""

    place: Place
    seconds: float
    back: bool

    def __str__(self) -> str:
        if self.back:
            return f"blocks the event loop for {self.seconds:.1f} s at {self.place}"
        return f"blocks the event loop at {self.place}, and did not come back within {self.seconds:.1f} s"


class Quiet:
    """How long a heart has not been beating, in seconds, as seen by a watcher that looks every `interval` seconds.

    A watcher that comes late was kept from running itself, and so was the heart perhaps: by a suspended machine, by
    whoever holds the interpreter. The time it was late does not count.
    """

    def __init__(self, interval: float, now: float) -> None:
        self._interval = interval
        self._last = now
        self._beats = 0
        self.seconds = 0.0
        self.watched = 0.0

    def look(self, now: float, beats: int) -> float:
        """Give the seconds without a beat; `beats` counts all so far."""
        passed = min(now - self._last, 2 * self._interval)
        self._last = now
        self.watched += passed
        self.seconds = self.seconds + passed if beats == self._beats else 0.0
        self._beats = beats
        return self.seconds


def stack_of(thread: int | None) -> list[Place]:
    """Give where a thread is now, the innermost place first; nothing for a thread that has ended."""
    frame = sys._current_frames().get(thread or 0)  # noqa: SLF001 - the documented way to another thread's stack
    if frame is None:
        return []
    stack = traceback.StackSummary.extract(traceback.walk_stack(frame))
    return [Place(each.filename, each.lineno or 0, each.name, each.line or "") for each in stack]


def connectors_place(stack: Sequence[Place]) -> Place | None:
    """Give the innermost place that is the connector's; None where the loop is busy with something else.

    Making a connector and importing a module may take their time: both are done once.
    """
    entrance = next((at for at, each in enumerate(stack) if _in_conformance(each)), None)
    if entrance is None or stack[entrance].file not in _ENTRANCES:
        return None
    inside = stack[:entrance]
    if any(each.file.startswith("<frozen importlib") for each in inside):
        return None
    return _somebodys(inside)


def place(stack: Sequence[Place]) -> Place | None:
    """Give the innermost place that is no library's, whoever is to blame."""
    return _somebodys([each for each in stack if not _in_conformance(each)])


def _somebodys(stack: Sequence[Place]) -> Place | None:
    """Give the innermost place in code that somebody has written for this; for an installed connector, where it begins."""
    own = next((each for each in stack if not _in_library(each) and not _in_kit(each)), None)
    if own is not None:
        return own
    installed = [each for each in stack if not _in_standard_library(each) and not _in_loop(each)]
    return next((each for each in reversed(installed) if not _in_kit(each)), next(iter(installed), None))


def _in_conformance(where: Place) -> bool:
    return Path(__file__).parent in Path(where.file).parents


def _in_kit(where: Place) -> bool:
    return _KIT in Path(where.file).parents


def _in_library(where: Place) -> bool:
    return _in_standard_library(where) or not {"site-packages", "dist-packages"}.isdisjoint(
        Path(where.file).parts
    )


def _in_standard_library(where: Place) -> bool:
    parts = Path(where.file).parts
    if where.file.startswith("<frozen "):
        return True
    return Path(sysconfig.get_path("stdlib")) in Path(where.file).parents and "site-packages" not in parts


def _in_loop(where: Place) -> bool:
    return not set(_LOOPS).isdisjoint(Path(where.file).parts)
