"""One operation of a wrapper, cancelled at one place: what came out, and what was left behind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import anyio
import attrs
from anyio.lowlevel import checkpoint

from connector_kit.errors import ConnectionFailedError
from connector_kit.protocols import FullConnector

from .inner import AbleInner, Inner, Request
from .subject import WrapperSubject, read_out

__all__ = ["Cut", "Job", "Moment", "Scenario"]

Job: TypeAlias = Callable[[FullConnector, str], Awaitable[None]]
"""Uses a wrapper for an entity, and closes what it opened."""

WAIT = 0.01
"""Seconds of each request while moments are looked at: below any sensible limit of time."""
SETTLING = 10
"""Checkpoints in which a task that was cancelled may come to its end."""


@attrs.frozen
class Moment:
    """When to cancel: so many seconds after the beginning, in the middle of a wait; whose wait it is."""

    seconds: float
    whose: str


@attrs.frozen
class Cut:
    """What came of a cancellation: whether the operation was still under way, what was wrong, and how to mend it."""

    reached: bool
    wrong: str = ""
    mend: str = ""


_OVER = Cut(reached=False)
_RIGHT = Cut(reached=True)


class _OneFault:
    """Lets the second page of a read fail, or the first call of an operation, once."""

    def __init__(self, operation: str) -> None:
        self._operation = operation
        self._made = False

    def __call__(self, request: Request) -> Exception | None:
        concerned = request.number == 2 or (not request.number and request.operation == self._operation)  # noqa: PLR2004 - the second page
        if self._made or not concerned:
            return None
        self._made = True
        return ConnectionFailedError("the connection broke, on purpose")


def _went_on(request: Request, cancelled_ns: int) -> bool:
    """Tell whether a request that was under way when all was cancelled was answered all the same."""
    under_way = request.at_ns < cancelled_ns < request.at_ns + round(WAIT * 1e9)
    return under_way and request.ended != "cancelled"


@attrs.frozen
class Scenario:
    """An operation around a new inner connector each time.

    `able`: the inner connector has the optional methods. `faulty`: one request fails, so that a wrapper that retries
    waits before the next.
    """

    subject: WrapperSubject
    operation: str
    job: Job
    able: bool
    faulty: bool

    def __str__(self) -> str:
        around = " of a connector that has it" if self.able else ""
        return f"{self.operation}{around}{' with a fault' if self.faulty else ''}"

    async def moments(self) -> list[Moment]:
        """Give the middle of every wait of a run that is not cancelled: the requests', and the wrapper's own between."""
        inner, clock = self._inner(WAIT), self.subject.clock
        start = free = clock.monotonic_ns()
        async with self.subject.wrapped(self._seen(inner)) as wrapper:
            await self._outcome(wrapper)
        moments = []
        for request in inner.requests:
            if request.at_ns > free + 1_000_000:
                middle = (free + request.at_ns) / 2
                moments.append(Moment((middle - start) / 1e9, f"the wrapper's own wait before {request}"))
            moments.append(Moment((request.at_ns - start) / 1e9 + WAIT / 2, f"the request for {request}"))
            free = max(free, request.at_ns + round(WAIT * 1e9))
        return moments

    async def cut_in(self, moment: Moment) -> Cut:
        """Cancel in the middle of a wait, where nothing but the cancellation can come."""
        inner, clock = self._inner(WAIT), self.subject.clock
        async with self.subject.wrapped(self._seen(inner)) as wrapper:
            before = len(anyio.get_running_tasks())
            start = clock.monotonic_ns()
            error: Exception | None = None
            with anyio.move_on_after(moment.seconds) as scope:
                error = await self._outcome(wrapper)
            late = (clock.monotonic_ns() - start) / 1e9 - moment.seconds
            if not scope.cancel_called:
                return _OVER
            if any(_went_on(each, start + round(moment.seconds * 1e9)) for each in inner.requests):
                return Cut(
                    reached=True,
                    wrong="the request went on to its end",
                    mend="shield nothing but the closing of what is open",
                )
            if not scope.cancelled_caught:
                came = "it went on" if error is None else f"{type(error).__name__} did: {error}"
                return Cut(
                    reached=True,
                    wrong=f"the cancellation did not come out; {came}",
                    mend="let it pass: catch Exception, not BaseException or asyncio.CancelledError",
                )
            if late > WAIT / 4:
                return Cut(
                    reached=True,
                    wrong=f"it came out {late:.3g} s late, when the wait was over",
                    mend="shield nothing but the closing of what is open",
                )
            return await self._left(wrapper, inner, before)

    async def cut_after(self, steps: int) -> Cut:
        """Cancel after so many steps of the event loop, in whatever is under way then."""
        inner = self._inner(0.0)
        async with self.subject.wrapped(self._seen(inner)) as wrapper:
            before = len(anyio.get_running_tasks())
            if not await self._cancelled_after(steps, wrapper):
                return _OVER
            return await self._left(wrapper, inner, before)

    async def _cancelled_after(self, steps: int, wrapper: FullConnector) -> bool:
        """Tell whether the operation was still under way."""
        ended = anyio.Event()
        scope = anyio.CancelScope()

        async def run() -> None:
            with scope:
                await self._outcome(wrapper)
                ended.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            for _ in range(steps):
                await checkpoint()
            scope.cancel()
        return not ended.is_set()

    async def _left(self, wrapper: FullConnector, inner: Inner, tasks: int) -> Cut:
        """Look at what a cancellation left behind."""
        for _ in range(SETTLING):
            if len(anyio.get_running_tasks()) == tasks:
                break
            await checkpoint()
        left = len(anyio.get_running_tasks()) - tasks
        if left > 0:
            return Cut(
                reached=True,
                wrong=f"tasks that go on: {left}",
                mend="end them in a task group, or cancel them in aclose",
            )
        if inner.open_streams:
            return Cut(
                reached=True,
                wrong=f"streams of the inner connector that stay open: {inner.open_streams}",
                mend="close it in a `finally`, under CancelScope(shield=True): an await there is cancelled, too",
            )
        return await self._next(wrapper, inner)

    async def _next(self, wrapper: FullConnector, inner: Inner) -> Cut:
        """Read once more, undisturbed."""
        entity = self.subject.content.first
        inner.wait, inner.fails = 0.0, lambda _: None
        expected = await read_out(self.subject.inner().fetch_data(entity))
        got = await read_out(wrapper.fetch_data(entity))
        if got.error is not None:
            return Cut(
                reached=True,
                wrong=f"the next read raised {type(got.error).__name__}: {got.error}",
                mend="give back what was taken (slots, permits, locks) in a `finally`",
            )
        if got.records != expected.records:
            return Cut(
                reached=True,
                wrong="the next read delivers other records",
                mend="keep what belongs to a read in its stream",
            )
        return _RIGHT

    def _inner(self, wait: float) -> Inner:
        fails = _OneFault(self.operation) if self.faulty else lambda _: None
        return self.subject.inner(wait=wait, fails=fails)

    def _seen(self, inner: Inner) -> Inner | AbleInner:
        return AbleInner(inner) if self.able else inner

    async def _outcome(self, wrapper: FullConnector) -> Exception | None:
        try:
            await self.job(wrapper, self.subject.content.first)
        except Exception as error:  # noqa: BLE001 - an error is as good an end as any here
            return error
        return None
