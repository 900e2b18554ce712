"""`Retrying`: calls are made again, and a broken stream goes on at the cursor of the last page that was delivered."""

from __future__ import annotations

import math
from collections import deque
from random import Random
from typing import TYPE_CHECKING, NoReturn, TypeVar

import anyio
import attrs
from anyio.lowlevel import checkpoint

from connector_kit.capabilities import close_broken_stream
from connector_kit.clock import AnyioClock, Clock
from connector_kit.errors import (
    ConnectorError,
    ResumeImpossibleError,
    RetriesExhaustedError,
)
from connector_kit.events import RetryScheduled, emit
from connector_kit.protocols import Connector
from connector_kit.records.cursor_watch import CursorWatch
from connector_kit.wrappers.wrapper import NOT_OPEN, WrappedPages, Wrapper

from .policy import Again, BudgetLedger, GiveUp, Retry, is_retryable, was_made

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import datetime

    from connector_kit.records.page import Cursor, Page

__all__ = ["Retrying"]

C = TypeVar("C", bound=Connector)
T = TypeVar("T")

KEPT_FAULTS = 20
"""How many faults a RetriesExhaustedError carries at most: the last ones."""


@attrs.frozen(repr=False)
class Retrying(Wrapper[C]):
    """Retries what raises a `TransientError` or meets an open circuit, as its policy says.

    For a stream: whatever schedule of transient faults the policy can bear, the pages delivered are those of a read
    without faults. The attempts count anew after each delivered page. Only what the inner stream raises is retried,
    never what happens while a page is handed over. Where a read breaks after a page without a cursor, it cannot go
    on exactly and raises `ResumeImpossibleError`.

    `budget` bounds the retries of all who share it. A retry around a retry multiplies attempts and is refused unless
    `allow_nested` is set.
    """

    retry: Retry = attrs.field(factory=Retry)
    budget: BudgetLedger | None = attrs.field(default=None, kw_only=True)
    clock: Clock = attrs.field(factory=AnyioClock, kw_only=True)
    random: Random = attrs.field(factory=Random, kw_only=True, repr=False)
    allow_nested: bool = attrs.field(default=False, kw_only=True, repr=False)

    def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        """Read page by page, opening a new stream at the last page's cursor where one breaks."""
        return _RetriedPages(self, entity, since, cursor)

    async def _call(self, operation: str, entity: str | None, call: Callable[[], Awaitable[T]]) -> T:
        attempts: _Attempts | None = None  # made for the first failure: most calls have none
        self.count_call()
        while True:
            try:
                return await call()
            except Exception as fault:  # noqa: BLE001 - the policy tells which are retried; the others are raised again
                attempts = attempts or _Attempts(self, operation, entity)
                await attempts.failed(fault)

    def count_call(self) -> None:
        """Tell the budget of a first attempt."""
        if self.budget is not None:
            self.budget.called(self.clock.monotonic_ns())


class _Attempts:
    """One sequence of attempts at the same call or page, from its first failure on."""

    def __init__(self, wrapper: Retrying[C], operation: str, entity: str | None) -> None:
        self._wrapper = wrapper
        self._operation = operation
        self._entity = entity
        self._waits = wrapper.retry.waits()
        self._made = 0
        self._faults: deque[Exception] = deque(maxlen=KEPT_FAULTS)
        self._first_failure_ns: int | None = None

    async def failed(self, fault: Exception) -> None:
        """Wait until the next attempt is due, or raise."""
        if is_retryable(fault):
            await checkpoint()  # from the first wait on, a time limit around this call says when it ends
        wrapper = self._wrapper
        now_ns = wrapper.clock.monotonic_ns()
        if self._first_failure_ns is None:  # not `or`: a clock may begin at 0
            self._first_failure_ns = now_ns
        if was_made(fault):
            self._made += 1
            self._faults.append(fault)
        if isinstance(fault, ConnectorError):
            fault.locate(operation=self._operation, entity=self._entity, attempt=self._made)
        decision = wrapper.retry.decide(
            fault,
            attempt=self._made,
            spent=(now_ns - self._first_failure_ns) / 1e9,
            left=_left(),
            waits=self._waits,
            random=wrapper.random,
        )
        charged = was_made(fault) and wrapper.budget
        if isinstance(decision, Again) and charged and not charged.allows(now_ns):
            decision = GiveUp("budget")
        if isinstance(decision, GiveUp):
            self._raise(fault, decision)
        emit(RetryScheduled(self._operation, self._entity, self._made, decision.wait, fault))
        await wrapper.clock.sleep(decision.wait)

    def _raise(self, fault: Exception, decision: GiveUp) -> NoReturn:
        if decision.reason == "permanent" or self._wrapper.retry.attempts == 1 or not self._made:
            raise fault
        why = {
            "attempts": f"the policy allows {self._wrapper.retry.attempts} attempts",
            "deadline": f"the next attempt is due in {decision.wait:.1f} s, which is after the deadline",
            "budget": "the retry budget shared with other calls is used up",
        }[decision.reason]
        attempts = f"{self._made} attempt" + ("s" if self._made > 1 else "")
        message = fault.message if isinstance(fault, ConnectorError) else str(fault)
        exhausted = RetriesExhaustedError(
            f"gave up after {attempts}: {why}; last error: {message}", self._faults
        )
        if isinstance(fault, ConnectorError):
            exhausted.locate(connector=fault.connector, cursor=fault.cursor)
        raise exhausted.locate(operation=self._operation, entity=self._entity, attempt=self._made) from fault


def _left() -> float:
    """Return the seconds until the earliest deadline of the scopes around this call; infinite where there is none."""
    deadline = anyio.current_effective_deadline()
    # A scope that is cancelled already has its deadline at minus infinity: no deadline to keep, the wait will not begin.
    return math.inf if math.isinf(deadline) else deadline - anyio.current_time()


class _RetriedPages(WrappedPages):
    """One read over as many inner streams as it takes."""

    __slots__ = (
        "_attempts",
        "_cursor",
        "_delivered",
        "_entity",
        "_since",
        "_watch",
        "_wrapper",
    )

    def __init__(self, wrapper: Retrying[C], entity: str, since: datetime | None, cursor: Cursor) -> None:
        super().__init__(NOT_OPEN)
        self._wrapper = wrapper
        self._entity = entity
        self._since = since
        self._cursor = cursor
        self._delivered = False
        self._attempts: _Attempts | None = None
        self._watch = CursorWatch()

    async def __anext__(self) -> Page:
        if self._ended:
            raise StopAsyncIteration
        wrapper = self._wrapper
        if wrapper.budget is not None:
            wrapper.count_call()
        while True:
            try:
                if self._inner is NOT_OPEN:
                    self._inner = wrapper.inner.fetch_data(
                        self._entity, since=self._since, cursor=self._cursor
                    )
                page = await self._inner.__anext__()
            except StopAsyncIteration:
                self._ended = True
                raise
            except Exception as fault:  # noqa: BLE001 - the policy tells which are retried; the others are raised again
                await self._recover(fault)
                continue
            try:
                self._watch.see(page.cursor)
            except ConnectorError as error:
                error.locate(operation="fetch_data", entity=self._entity, cursor=page.cursor)
                await self._break()
                raise
            self._cursor = page.cursor
            self._delivered = True
            self._attempts = None
            return page

    async def _recover(self, fault: Exception) -> None:
        """Get ready for the next attempt at the same page, or raise."""
        await self._break()
        if is_retryable(fault) and self._delivered and self._cursor is None:
            raise ResumeImpossibleError(
                f"the read broke after a page without a cursor: {fault}; going on would lose or repeat records, "
                "so read again from the start, or let the connector give a cursor with every page"
            ).locate(operation="fetch_data", entity=self._entity) from fault
        self._attempts = self._attempts or _Attempts(self._wrapper, "fetch_data", self._entity)
        await self._attempts.failed(fault)
        self._ended = False

    async def _break(self) -> None:
        # Ended until the next attempt is due: whoever is cancelled or given an error in between finds a finished stream.
        self._ended = True
        broken, self._inner = self._inner, NOT_OPEN
        await close_broken_stream(broken)
