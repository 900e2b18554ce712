"""Answers that are kept for a time, with one call at a time for each question. What `Cached` remembers."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio
import attrs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connector_kit.clock import Clock
    from connector_kit.durations import Duration

__all__ = ["Answers"]

Q = TypeVar("Q")
A = TypeVar("A")


@attrs.frozen
class _Kept(Generic[A]):
    """An answer, and when it came."""

    answer: A
    came_ns: int


class _Call(Generic[A]):
    """One call that is under way, and what became of it: an answer, an error, or neither where it was cancelled."""

    __slots__ = ("done", "error", "kept")

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.kept: _Kept[A] | None = None
        self.error: Exception | None = None


class Answers(Generic[Q, A]):
    """Keeps the `most` answers that were used last, each for `ttl` after it came."""

    __slots__ = ("_calls", "_clock", "_kept", "_most", "_ttl_ns")

    def __init__(self, ttl: Duration, most: int, clock: Clock) -> None:
        self._ttl_ns = ttl.ns
        self._most = most
        self._clock = clock
        self._kept: OrderedDict[Q, _Kept[A]] = OrderedDict()  # the one that was used last comes last
        self._calls: dict[Q, _Call[A]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    async def get(self, question: Q, ask: Callable[[], Awaitable[A]]) -> tuple[A, float | None]:
        """Give the answer, and its age in seconds where it is that of another call.

        Where nobody asks the same already, `ask` is called; else that call's answer or error is shared. Where it is
        cancelled, the first of those who wait for it asks anew.
        """
        while True:
            kept = self._kept.get(question)
            if kept is not None and self._age_ns(kept) < self._ttl_ns:
                self._kept.move_to_end(question)
                return kept.answer, self._age_ns(kept) / 1e9
            call = self._calls.get(question)
            if call is None:
                return await self._ask(question, ask), None
            await call.done.wait()
            if call.error is not None:
                raise call.error
            if call.kept is not None:
                return call.kept.answer, self._age_ns(call.kept) / 1e9

    def forget(self) -> None:
        """Drop all answers. Calls that are under way answer those who wait for them, and nobody who comes later."""
        self._kept.clear()
        self._calls.clear()

    async def _ask(self, question: Q, ask: Callable[[], Awaitable[A]]) -> A:
        call = self._calls[question] = _Call[A]()
        try:
            answer = await ask()
            call.kept = _Kept(answer, self._clock.monotonic_ns())
            if self._calls.get(question) is call:  # else it was forgotten meanwhile
                self._keep(question, call.kept)
        except Exception as error:
            call.error = error
            raise
        finally:
            if self._calls.get(question) is call:
                del self._calls[question]
            call.done.set()
        return answer

    def _keep(self, question: Q, kept: _Kept[A]) -> None:
        self._kept[question] = kept
        self._kept.move_to_end(question)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def _age_ns(self, kept: _Kept[A]) -> int:
        return self._clock.monotonic_ns() - kept.came_ns
