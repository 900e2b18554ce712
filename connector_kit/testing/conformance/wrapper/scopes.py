"""Law 5, scopes: none is open while a page is handed over; the consumer's own ones, and its task, are its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint

from connector_kit.capabilities import close_stream

from .subject import WRAPPER_LAWS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from connector_kit.records.page import Page
    from connector_kit.testing.conformance.law import Findings

    from .subject import WrapperSubject

__all__ = ["scopes"]


_EXPECTED = "no cancel scope and no task group open while the consumer has the page"
_MEND = (
    "end the `with` of a time limit, and the block of a task group, before the yield; "
    "tasks belong to a task group that is open around the whole read"
)


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
            found.broken(f"{what}: {wrong}", expected=_EXPECTED, mend=_MEND, entity=subject.content.first)
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
    if not caught:
        return "the cancellation was not delivered to it"
    return _all_of(subject, pages)


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
