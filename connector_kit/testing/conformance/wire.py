"""The seam at which faults are made behind a connector: between it and its source."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Answer", "CutOff", "Hold", "Reset", "Trickle", "Wire", "WireFault", "failing"]


@attrs.frozen
class Answer:
    """The source answers with a status (429, 500, 503, 401 …) instead of what was asked for.

    `retry_after` is in seconds, for 429 and 503.
    """

    status: int
    retry_after: float | None = None


@attrs.frozen
class CutOff:
    """The connection is closed in the middle of the answer's body."""


@attrs.frozen
class Reset:
    """The connection is closed before anything is answered."""


@attrs.frozen
class Hold:
    """The answer comes `seconds` later."""

    seconds: float


@attrs.frozen
class Trickle:
    """The answer is right and comes in pieces of a few bytes."""


WireFault: TypeAlias = Answer | CutOff | Reset | Hold | Trickle


class Wire(Protocol):
    """What stands between a connector and its source, and lets requests fail as it is told.

    `HttpProxy` is one for HTTP; a fake source in a test may be one itself. It belongs to the connectors a factory
    makes, all of them.
    """

    @property
    def requests(self) -> int:
        """How many requests have passed so far, those that failed included."""
        ...

    def fail(self, faults: Sequence[WireFault | None], /) -> None:
        """Let the next requests fail so, one entry for each; what is left of an earlier plan is forgotten."""
        ...


@contextmanager
def failing(wire: Wire, faults: Sequence[WireFault | None]) -> Iterator[None]:
    """Let the next requests fail, as `Wire.fail` does, and none after the block."""
    wire.fail(faults)
    try:
        yield
    finally:
        wire.fail(())
