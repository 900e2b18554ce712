"""Cancellation comes out at once and leaves nothing behind; no cancel scope is open while a page is handed over."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import anyio
import attrs
from anyio.lowlevel import checkpoint

from connector_kit.capabilities import close_stream

from .inner import Inner, InnerRequest, fails_once, no_fault
from .subject import WRAPPER_LAWS, WrapperSubject, call, error_of, read_out

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from connector_kit.protocols import FullConnector
    from connector_kit.records.page import Page
    from connector_kit.testing.conformance.law import Findings

__all__ = ["cancellable", "scopes"]

_MOST_STEPS = 40
_WAIT = 0.01
"""Seconds of each request while moments are looked at: below any sensible limit of time."""
_SETTLING = 10
"""Checkpoints in which a task that was cancelled may come to its end."""
_OPERATIONS = (
    ("fetch_data", False),
    ("discover_schema", False),
    ("get_sample_data", False),
    ("get_sample_data", True),
    ("partition_data", True),
)
"""What is cancelled: an operation, and whether the inner connector has it of its own."""

_Wrong: TypeAlias = tuple[str, str] | None
"""What is wrong after a cancellation, and how to mend it."""
_SHIELD = "shield nothing but the closing of what is open"


@WRAPPER_LAWS.law(
    4,
    "cancellable",
    "Cancellation at any await leaves nothing behind: no task, no open stream; it comes out.",
)
def cancellable(subject: WrapperSubject, found: Findings) -> None:
    """Cancel reads and calls in every wait, the inner connector's and the wrapper's own, and at every step."""
    for operation, able in _OPERATIONS:
        for faulty in (False, True) if subject.bounds.faults else (False,):
            _cancel_everywhere(_Cancelled(subject, operation, able=able, faulty=faulty), found)
            if found.any_broken:
                return


def _cancel_everywhere(cancelled: _Cancelled, found: Findings) -> None:
    subject = cancelled.subject

    def broken(wrong: _Wrong) -> bool:
        if wrong is not None:
            found.broken(
                f"{subject.doing}: {wrong[0]}",
                expected="the cancellation comes out at once and leaves nothing behind",
                mend=wrong[1],
                entity=subject.content.first,
            )
        return wrong is not None

    subject.doing = str(cancelled)
    moments = subject.run(cancelled.moments)
    for moment in moments:
        subject.doing = f"{cancelled} is cancelled in {moment.where}"
        if broken(subject.run(cancelled.in_wait, moment)):
            return
    steps = 0
    while steps < _MOST_STEPS:
        subject.doing = f"{cancelled} is cancelled {steps} steps after its beginning"
        under_way, wrong = subject.run(cancelled.after_steps, steps)
        if broken(wrong) or not under_way:
            break
        steps += 1
    found.checked(f"{cancelled}: cancelled in {len(moments)} waits and at {steps} steps")


@attrs.frozen
class _Moment:
    """When to cancel: so many seconds after the beginning, in the middle of a wait; where it waits then."""

    seconds: float
    where: str


@attrs.frozen
class _Cancelled:
    """An operation, around a new inner connector each time, that is cancelled at one place.

    `able`: the inner connector has the optional methods. `faulty`: one request fails, so that a wrapper that retries
    waits before the next.
    """

    subject: WrapperSubject
    operation: str
    able: bool
    faulty: bool

    def __str__(self) -> str:
        around = " of a connector that has it" if self.able else ""
        return f"{self.operation}{around}{' with a fault' if self.faulty else ''}"

    async def moments(self) -> list[_Moment]:
        """Return the middle of every wait of a run that is not cancelled: the requests', and the wrapper's own between."""
        inner, clock = self._inner(_WAIT), self.subject.clock
        start = free = clock.monotonic_ns()
        async with self.subject.wrapped(inner) as wrapper:
            await self._calling(wrapper)
        moments: list[_Moment] = []
        for request in inner.requests:
            if request.at_ns > free + 1_000_000:
                middle = (free + request.at_ns) / 2
                moments.append(_Moment((middle - start) / 1e9, f"the wrapper's own wait before {request}"))
            moments.append(_Moment((request.at_ns - start) / 1e9 + _WAIT / 2, f"the request for {request}"))
            free = max(free, request.at_ns + round(_WAIT * 1e9))
        return moments

    async def in_wait(self, moment: _Moment) -> _Wrong:
        """Cancel in the middle of a wait, where nothing but the cancellation can come."""
        inner, clock = self._inner(_WAIT), self.subject.clock
        async with self.subject.wrapped(inner) as wrapper:
            before = len(anyio.get_running_tasks())
            start = clock.monotonic_ns()
            error: Exception | None = None
            with anyio.move_on_after(moment.seconds) as scope:
                error = await self._calling(wrapper)
            late = (clock.monotonic_ns() - start) / 1e9 - moment.seconds
            if not scope.cancel_called:
                return None
            if any(_went_on(each, start + round(moment.seconds * 1e9)) for each in inner.requests):
                return "the request went on to its end", _SHIELD
            if not scope.cancelled_caught:
                came = "it went on" if error is None else f"{type(error).__name__} did: {error}"
                mend = "let it pass: catch Exception, not BaseException or asyncio.CancelledError"
                return f"the cancellation did not come out; {came}", mend
            if late > _WAIT / 4:
                return f"it came out {late:.3g} s late, when the wait was over", _SHIELD
            return await self._left(wrapper, inner, before)

    async def after_steps(self, steps: int) -> tuple[bool, _Wrong]:
        """Cancel after so many steps of the event loop, and return whether the operation was still under way."""
        inner = self._inner(0.0)
        async with self.subject.wrapped(inner) as wrapper:
            before = len(anyio.get_running_tasks())
            ended, scope = anyio.Event(), anyio.CancelScope()

            async def run() -> None:
                with scope:
                    await self._calling(wrapper)
                    ended.set()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run)
                for _ in range(steps):
                    await checkpoint()
                scope.cancel()
            if ended.is_set():
                return False, None
            return True, await self._left(wrapper, inner, before)

    async def _left(self, wrapper: FullConnector, inner: Inner, tasks: int) -> _Wrong:
        """Look at what a cancellation left behind, and read once more, undisturbed."""
        for _ in range(_SETTLING):
            if len(anyio.get_running_tasks()) == tasks:
                break
            await checkpoint()
        left = len(anyio.get_running_tasks()) - tasks
        if left > 0:
            return f"tasks that go on: {left}", "end them in a task group, or cancel them in aclose"
        if inner.open_streams:
            mend = "close it in a `finally`, under CancelScope(shield=True): an await there is cancelled, too"
            return f"streams of the inner connector that stay open: {inner.open_streams}", mend
        inner.wait, inner.fails = 0.0, no_fault
        entity = self.subject.content.first
        expected = await self.subject.bare(entity)
        got = await read_out(wrapper.fetch_data(entity))
        if got.error is not None:
            mend = "give back what was taken (slots, permits, locks) in a `finally`"
            return f"the next read raised {type(got.error).__name__}: {got.error}", mend
        if got.records != expected.records:
            return "the next read delivers other records", "keep what belongs to a read in its stream"
        return None

    def _inner(self, wait: float) -> Inner:
        make = self.subject.able_inner if self.able else self.subject.inner
        return make(wait=wait, fails=fails_once(self._concerned) if self.faulty else no_fault)

    def _concerned(self, request: InnerRequest) -> bool:
        """Whether it is the second page of a read, or a call of the operation."""
        return request.number == 2 if request.number else request.operation == self.operation  # noqa: PLR2004 - the second page, as the docstring says

    def _calling(self, wrapper: FullConnector) -> Awaitable[Exception | None]:
        return error_of(call(wrapper, self.operation, self.subject.content.first))


def _went_on(request: InnerRequest, cancelled_ns: int) -> bool:
    """Tell whether a request that was under way when all was cancelled was answered all the same."""
    under_way = request.at_ns < cancelled_ns < request.at_ns + round(_WAIT * 1e9)
    return under_way and request.ended != "cancelled"


# -- law 5 -------------------------------------------------------------------------------------------------------------


@WRAPPER_LAWS.law(5, "scopes", "No cancel scope or task group is open while a page is handed over.")
def scopes(subject: WrapperSubject, found: Findings) -> None:
    """Look whether a consumer between two pages can cancel its own scope, change tasks, and keeps its own deadline."""
    tries: dict[str, Callable[[WrapperSubject], Awaitable[str]]] = {
        "a consumer keeps its own deadline between pages": _deadline,
        "a consumer cancels its own scope around a page": _own_scope,
        "pages are taken, and the stream is closed, in several tasks": _other_tasks,
    }
    for what, attempt in tries.items():
        subject.doing = f"looking whether {what}"
        try:
            wrong = subject.run(attempt, subject)
        except Exception as error:  # noqa: BLE001 - event loops tell of wrong nesting with errors of many classes
            wrong = f"{type(error).__name__}: {error}"
        if wrong:
            found.broken(
                f"{what}: {wrong}",
                expected="no cancel scope and no task group open while the consumer has the page",
                mend="end the `with` of a time limit, and the block of a task group, before the yield; "
                "tasks belong to a task group that is open around the whole read",
                entity=subject.content.first,
            )
        else:
            found.checked(f"{what}, on {subject.backend}")


async def _take(stream: AsyncIterator[Page], pages: list[Page]) -> None:
    pages.append(await stream.__anext__())


async def _deadline(subject: WrapperSubject) -> str:
    async with subject.wrapped(subject.inner()) as wrapper:
        stream = wrapper.fetch_data(subject.content.first)
        own = anyio.current_effective_deadline()
        number = 0
        async for _ in stream:
            number += 1
            now = anyio.current_effective_deadline()
            if now != own:
                await close_stream(stream)
                return f"with page {number} it has {now - anyio.current_time():g} s left, and had no limit before"
    return ""


async def _own_scope(subject: WrapperSubject) -> str:
    pages: list[Page] = []
    async with subject.wrapped(subject.inner()) as wrapper:
        stream = wrapper.fetch_data(subject.content.first)
        with anyio.CancelScope() as scope:
            await _take(stream, pages)
            scope.cancel()
            await checkpoint()
        caught = scope.cancelled_caught
        pages += [page async for page in stream]
    return _all_of(subject, pages) if caught else "the cancellation was not delivered to it"


async def _other_tasks(subject: WrapperSubject) -> str:
    pages: list[Page] = []
    async with subject.wrapped(subject.inner()) as wrapper:
        stream = wrapper.fetch_data(subject.content.first)
        for _ in range(2):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_take, stream, pages)
        pages += [page async for page in stream]
        again = wrapper.fetch_data(subject.content.first)
        await _take(again, [])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(close_stream, again)
    return _all_of(subject, pages)


def _all_of(subject: WrapperSubject, pages: list[Page]) -> str:
    expected = len(subject.content.pages[subject.content.first])
    return "" if len(pages) == expected else f"{len(pages)} pages came instead of {expected}"
