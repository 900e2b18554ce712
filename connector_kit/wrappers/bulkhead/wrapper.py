"""`Bulkheaded`: only so many operations at once, the others in a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import attrs

from connector_kit.events import SlotGranted, emit
from connector_kit.protocols import Connector
from connector_kit.wrappers.wrapper import WrappedPages, Wrapper

from .policy import Bulkhead, Slots

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from connector_kit.records.page import Page

__all__ = ["Bulkheaded"]

C = TypeVar("C", bound=Connector)
T = TypeVar("T")


def _as_slots(slots: Slots | Bulkhead) -> Slots:
    return Slots(slots) if isinstance(slots, Bulkhead) else slots


@attrs.frozen(repr=False)
class Bulkheaded(Wrapper[C]):
    """Holds a slot during each call and while each page is fetched, never while a consumer has the page.

    `slots` is a policy, or the `Slots` that are shared by all who together may not do more. Who may not wait is refused
    with a `RateLimitError`, as by a limiter.

    Outside a Retrying it would hold a slot while a retry is waited for, which is refused unless `allow_outside_retry`
    is set. Slots that are shared with a Bulkheaded inside are always refused: an operation would wait for itself.
    """

    slots: Slots = attrs.field(converter=_as_slots)
    allow_outside_retry: bool = attrs.field(default=False, kw_only=True, repr=False)

    def _stream(self, pages: AsyncIterator[Page], entity: str) -> AsyncIterator[Page]:
        return _QueuedPages(self.slots, pages, entity)

    async def _call(self, operation: str, entity: str | None, call: Callable[[], Awaitable[T]]) -> T:
        waited = await self.slots.acquire()
        try:
            if waited > 0:
                emit(SlotGranted(operation, entity, waited))
            return await call()
        finally:
            self.slots.release()


class _QueuedPages(WrappedPages):
    """The inner stream, each page of which is fetched in a slot."""

    __slots__ = ("_entity", "_slots")

    def __init__(self, slots: Slots, pages: AsyncIterator[Page], entity: str) -> None:
        super().__init__(pages)
        self._slots = slots
        self._entity = entity

    async def __anext__(self) -> Page:
        if self._ended:
            raise StopAsyncIteration
        slots = self._slots
        try:
            waited = await slots.acquire()
            try:
                if waited > 0:
                    emit(SlotGranted("fetch_data", self._entity, waited))
                return await self._inner.__anext__()
            finally:
                slots.release()
        except BaseException:  # a refusal and a cancellation end the stream as an error of its own does
            await self._break()
            raise
