"""How far the laws may go: in requests, in time, in pages. So that they can be run against a real, limited API."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
import attrs

from connector_kit.errors import RateLimitError
from connector_kit.protocols import Limiter

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Bounds", "EnoughError", "Meter", "NoAnswerError"]


class EnoughError(Exception):
    """The bounds are reached: what is left of a law is not looked at. Never leaves the conformance kit."""


class NoAnswerError(Exception):
    """A call that did not come back in time. Never leaves the conformance kit."""


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

    @property
    def time_is_over(self) -> str:
        """What is said of that which is not looked at once the seconds are over."""
        return f"the {self.seconds:g} s allowed are over; allow more to look at the rest"


@attrs.define(eq=False)
class Meter:
    """Counts the requests of an examination, all laws together, stops it at its bounds, and knows what is under way.

    A `limiter` makes each of them wait for a permit, which is no part of the time for an answer.
    """

    bounds: Bounds
    limiter: Limiter | None = attrs.field(default=None, kw_only=True)
    requests: int = 0
    refusals: int = 0
    """How many requests were refused because of a quota."""
    _started: float = attrs.field(factory=time.monotonic)
    _under_way: dict[object, tuple[str, float]] = attrs.field(
        factory=dict[object, tuple[str, float]], init=False
    )

    def count(self) -> None:
        """Count a request that is about to be made. Raises `EnoughError` where it is one too many."""
        limit = self.bounds.requests
        if limit is not None and self.requests >= limit:
            raise EnoughError(f"the {limit} requests allowed are used up; allow more to look at the rest")
        if self.seconds_left < 0:
            raise EnoughError(self.bounds.time_is_over)
        self.requests += 1

    @property
    def requests_left(self) -> float:
        """How many more requests are allowed; infinite where there is no limit."""
        limit = self.bounds.requests
        return math.inf if limit is None else limit - self.requests

    @property
    def seconds_left(self) -> float:
        """What is left of the time for all laws; zero or less where it is over."""
        return self.bounds.seconds - (time.monotonic() - self._started)

    @contextmanager
    def answering(self, call: str) -> Generator[None]:
        """Wait for the answer to a call no longer than allowed. No page is handed over inside.

        Raise `NoAnswerError` where none came.
        """
        seconds, key = self.bounds.call_seconds, object()
        self._under_way[key] = (call, time.monotonic() + seconds)
        try:
            with anyio.move_on_after(seconds) as scope:
                try:
                    yield
                except RateLimitError:
                    self.refusals += 1
                    raise
        finally:
            self._under_way.pop(key, None)
        if scope.cancelled_caught:
            raise NoAnswerError(f"{call} did not come back within {seconds:g} s")

    def overdue(self) -> str | None:
        """Name a call that goes on although its time is over. May be asked from another thread."""
        now = time.monotonic()
        return next((what for what, until in tuple(self._under_way.values()) if now > until), None)

    def give_up(self) -> None:
        """Forget what is under way: nobody waits for it any more."""
        self._under_way.clear()
