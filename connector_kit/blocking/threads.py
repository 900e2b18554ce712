"""Worker threads for a client that blocks: bounded, and never left at work without somebody having waited. For `Threaded`."""

from __future__ import annotations

import math
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread

from connector_kit.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Threads"]

T = TypeVar("T")


class Threads:
    """Runs calls in at most `most` worker threads, or all of them in one thread of its own (`same`).

    Nothing can interrupt a thread. A call that is cancelled waits until its thread is back, for `grace_period` seconds at
    most; then the thread is left to itself, what it brings is discarded, and it counts as busy until it ends.
    """

    __slots__ = ("_busy", "_grace_period", "_most", "_own", "_same", "_turns", "_unbounded")

    def __init__(self, most: int, *, same: bool, grace_period: float) -> None:
        self._most = 1 if same else most
        self._same = same
        self._grace_period = grace_period
        self._turns = anyio.CapacityLimiter(self._most)
        # anyio's default limit is shared with the rest of the program, and releases a thread that is left to itself.
        self._unbounded = anyio.CapacityLimiter(math.inf)
        self._busy: set[Future[None]] = set()
        self._own: ThreadPoolExecutor | None = None

    async def run(self, call: Callable[[], T]) -> T:
        """Return what the call returns, or raise what it raises. It sees the caller's context variables.

        Raises `ServiceUnavailableError` where no thread is free but for calls that were given up and still go on.
        """
        answer: Future[T] = Future()
        async with self._turns:
            self._refuse_where_all_are_stuck()
            job: Future[None] = Future()
            self._busy.add(job)
            try:
                await self._in_thread(self._job(job, answer, call))
            except BaseException:
                if not job.cancel():  # it has begun
                    with anyio.CancelScope(shield=True):
                        await self._wait_for({job})
                raise
            finally:
                if job.done():
                    self._busy.discard(job)
        return answer.result()

    async def finish(self, call: Callable[[], None]) -> bool:
        """Run a call that releases something, even when cancelled and beyond the bound; say whether it has ended.

        After `grace_period` it is left to itself: the thread does it as soon as it can.
        """
        with anyio.move_on_after(self._grace_period, shield=True) as scope:
            await self._in_thread(self._placed(call))
        return not scope.cancelled_caught

    async def end(self, last: Callable[[], None]) -> bool:
        """Run the last call once no thread is busy, and end the thread that all calls shared; a next call begins anew.

        Even when cancelled; each step has `grace_period` seconds. Return whether the last call has ended.
        """
        turn = object()
        ended = False
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(self._grace_period):  # calls that came before have their turn before
                await self._turns.acquire_on_behalf_of(turn)
            await self._wait_for(self._busy)
            try:
                ended = await self.finish(last)
            finally:
                own, self._own = self._own, None
                if own is not None:
                    with anyio.move_on_after(self._grace_period):
                        await self._in_thread(own.shutdown)
                with suppress(RuntimeError):  # its turn has not come
                    self._turns.release_on_behalf_of(turn)
        return ended

    def _refuse_where_all_are_stuck(self) -> None:
        self._busy = {job for job in self._busy if not job.done()}
        if len(self._busy) >= self._most:
            raise ServiceUnavailableError(
                f"the client is stuck: {len(self._busy)} of {self._most} threads are in calls that were given up and have "
                "not returned; expected a free one; try again later, and give the client time limits of its own"
            )

    def _job(self, job: Future[None], answer: Future[T], call: Callable[[], T]) -> Callable[[], None]:
        placed = self._placed(call)

        def work() -> None:
            if not job.set_running_or_notify_cancel():
                return
            try:
                answer.set_result(placed())
            except BaseException as error:  # noqa: BLE001 - raised again where the answer is waited for
                answer.set_exception(error)
            finally:
                job.set_result(None)

        return work

    def _placed(self, call: Callable[[], T]) -> Callable[[], T]:
        """Return the call, or one that has it made by the one thread."""
        if not self._same:
            return call
        own = self._own = self._own or ThreadPoolExecutor(1, thread_name_prefix="connector-kit")
        # The thread in between has the caller's context without its event loop, which the client must not find.
        return lambda: own.submit(copy_context().run, call).result()

    async def _in_thread(self, call: Callable[[], object]) -> None:
        await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._unbounded)

    async def _wait_for(self, jobs: set[Future[None]]) -> None:
        if jobs:
            await anyio.to_thread.run_sync(wait_for, set(jobs), self._grace_period, limiter=self._unbounded)
