"""What the author of a destination gives: a fixture to write to, and a way to read what is there.

`DestinationFixture` is needed. The other protocols let more be checked; what a fixture lacks is told as unchecked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from connector_kit.protocols import Destination
    from connector_kit.records.page import Record

__all__ = [
    "Abandoning",
    "Crashing",
    "Damageable",
    "DestinationFixture",
    "FixtureFactory",
    "Killed",
    "Occupiable",
]


@runtime_checkable
class DestinationFixture(Protocol):
    """One store that a destination writes to: a file, a folder, a schema of a database. Empty when it is made."""

    def destination(self) -> Destination:
        """Return a new destination for this store, not yet opened, as a new process would make it."""
        ...

    def rows(self, entity: str, /) -> Sequence[Record]:
        """Return the rows a reader sees now, in their order; none for an entity that is not here.

        Do not read through a destination that is open. Values are Python's or what JSON has for them (a datetime may
        be text with its zone, bytes base64, a list its JSON text, a boolean 0 or 1, a missing field None). Leave out
        columns that the destination adds of its own.
        """
        ...


FixtureFactory: TypeAlias = Callable[[], DestinationFixture]
"""Makes a new, empty fixture each time."""


@runtime_checkable
class Abandoning(Protocol):
    """A fixture that can let go of a destination as the system does for a process that was killed.

    Without it, a destination is left unclosed, and only what Python's memory management closes is closed.
    """

    def abandon(self, destination: Destination, /) -> None:
        """Release what the system would release (locks, connections, descriptors), and nothing more."""
        ...


@runtime_checkable
class Crashing(Protocol):
    """A fixture whose destinations can be killed in the middle of a call."""

    def crashing(self, point: int, /) -> Destination:
        """Return a destination that dies at its crash point number `point`, the first being 0.

        A crash point is a statement or a file operation: not done, half done or done, as you like. It raises
        `Killed`, and so does everything the destination does to the store after it. With a `point` beyond the last
        one, it does all it is asked to.
        """
        ...


@runtime_checkable
class Occupiable(Protocol):
    """A fixture that somebody else can fill, to see that a destination leaves that alone."""

    def occupy(self, entity: str, /) -> None:
        """Put something of somebody else's where a destination would write the entity, or the whole store."""
        ...

    def theirs(self) -> object:
        """Return what is there of somebody else's, to compare before and after."""
        ...


@runtime_checkable
class Damageable(Protocol):
    """A fixture in which a stored checkpoint can be damaged, as a disk or an editor would damage it."""

    def damage(self, entity: str, /) -> None:
        """Put something in the place of the entity's checkpoint that is none. No destination is open."""
        ...


class Killed(BaseException):
    """The process is gone: raised by what a `Crashing` fixture returns. Nothing is done to the store after it."""
