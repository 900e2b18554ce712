"""`Interrupted`: asks for a page and is cancelled meanwhile; knows whether the cancellation got as far as the connector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import anyio
from anyio.lowlevel import checkpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Generator

    from connector_kit.records.page import Page

__all__ = ["Interrupted"]

Answer: TypeAlias = Literal["", "cancelled", "page", "end", "error"]


class Interrupted:
    """One page asked for. `answer` is what came: empty as long as nothing did.

    A page that comes all the same is no fault by itself: it may have been there already, or be fetched where nothing
    can be interrupted, in a thread or behind a shield. Only where the cancellation was raised inside of the connector,
    which `delivered` tells, must it come out again.
    """

    def __init__(self, stream: AsyncIterator[Page]) -> None:
        self._stream = stream
        self._scope = anyio.CancelScope()
        self._over = anyio.Event()
        self.answer: Answer = ""
        self.error: BaseException | None = None
        self.delivered = False

    async def ask(self) -> None:
        """Ask for the page; returns when there is an answer of any kind."""
        cancelled = anyio.get_cancelled_exc_class()
        try:
            with self._scope:
                try:
                    await _Observed(self._stream, self)
                except BaseException as error:
                    self.answer, self.error = _kind(error, cancelled), error
                    if not isinstance(error, Exception):
                        raise
                else:
                    self.answer = "page"
        finally:
            self._over.set()

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled before there was an answer."""
        return self._scope.cancel_called

    async def cancel(self, *, turns: int) -> bool:
        """Cancel it after so many turns of the event loop; tell whether there was something left to cancel."""
        for _ in range(turns):
            await checkpoint()
        if self.answer:
            return False
        self._scope.cancel()
        return True

    async def over(self) -> None:
        """Wait until there is an answer."""
        await self._over.wait()

    def see(self, error: object) -> None:
        """Take note of what the event loop raises where the connector waits."""
        if self.cancelled and isinstance(error, anyio.get_cancelled_exc_class()):
            self.delivered = True


def _kind(error: BaseException, cancelled: type[BaseException]) -> Answer:
    if isinstance(error, StopAsyncIteration):
        return "end"
    if isinstance(error, cancelled):
        return "cancelled"
    if isinstance(error, BaseExceptionGroup) and error.split(cancelled)[1] is None:
        return "cancelled"
    return "error"


class _Observed:
    """Awaits a page, and passes what the event loop sends through by hand, in order to see it."""

    def __init__(self, stream: AsyncIterator[Page], observer: Interrupted) -> None:
        self._stream = stream
        self._observer = observer

    def __await__(self) -> Generator[Any, Any, Page]:
        waiting = _generator(self._stream.__anext__())
        try:
            wanted = next(waiting)
            while True:
                try:
                    answer = yield wanted
                except BaseException as error:  # noqa: BLE001 - passed on; asyncio raises a cancellation like this
                    self._observer.see(error)
                    wanted = waiting.throw(error)
                else:
                    self._observer.see(getattr(answer, "error", None))  # trio sends it as an outcome
                    wanted = waiting.send(answer)
        except StopIteration as end:
            page: Page = end.value
            return page


async def _awaited(awaitable: Awaitable[Page]) -> Page:
    return await awaitable


def _generator(awaitable: Awaitable[Page]) -> Generator[Any, Any, Page]:
    """Give what `await` would step through: of an iterator it may be one without `send` and `throw`."""
    return _awaited(awaitable).__await__()
