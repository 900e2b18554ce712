"""How far the laws may go: in requests, in time, in pages. So that they can be run against a real, limited API."""

from __future__ import annotations

import time

import attrs

__all__ = ["Bounds", "EnoughError", "Meter"]


class EnoughError(Exception):
    """The bounds are reached: what is left of a law is not looked at. Never leaves the conformance kit."""


@attrs.frozen
class Bounds:
    """How far an examination goes.

    requests: calls and pages asked for, in all; None for no limit.
    seconds: for all laws together.
    call_seconds: for one answer; a longer one counts as a hang.
    pages: of one read; what follows is not looked at.
    entities: their names; all of the catalog where empty.
    faults: whether faults are made around the connector and on its wire.
    plans: how many plans of faults are drawn for a law.
    """

    requests: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.ge(1))
    )
    seconds: float = attrs.field(default=60.0, validator=attrs.validators.gt(0))
    call_seconds: float = attrs.field(default=5.0, validator=attrs.validators.gt(0))
    pages: int = attrs.field(default=200, validator=attrs.validators.ge(1))
    entities: tuple[str, ...] = attrs.field(default=(), converter=tuple[str, ...])
    faults: bool = True
    plans: int = attrs.field(default=25, validator=attrs.validators.ge(1))


@attrs.define(eq=False)
class Meter:
    """Counts the requests of an examination, all laws together, and stops it at its bounds."""

    bounds: Bounds
    requests: int = 0
    _started: float = attrs.field(factory=time.monotonic)

    def count(self) -> None:
        """Count a request that is about to be made. Raises `EnoughError` where it is one too many."""
        limit = self.bounds.requests
        if limit is not None and self.requests >= limit:
            raise EnoughError(f"the {limit} requests allowed are used up; allow more to look at the rest")
        if time.monotonic() - self._started > self.bounds.seconds:
            raise EnoughError(
                f"the {self.bounds.seconds:g} s allowed are over; allow more to look at the rest"
            )
        self.requests += 1
