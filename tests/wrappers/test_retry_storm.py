"""A source that is down hears no more than the retry budget allows, however many streams wait for it."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest
import sources
from hypothesis import given, settings
from hypothesis import strategies as st

from connector_kit.clock import Clock
from connector_kit.errors import RetriesExhaustedError, ServiceUnavailableError
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.retry.policy import BudgetLedger, Retry, RetryBudget
from connector_kit.wrappers.retry.wrapper import Retrying

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from datetime import datetime

    from connector_kit.records.page import Cursor, Page

STREAMS = 200
OUTAGE = 10.0
"""Seconds from the start for which the source is down."""
RETRY = Retry(attempts=8, first_wait=0.5, max_wait=4)


@attrs.define(eq=False)
class Down(sources.Shop):
    """Fails every request of the first OUTAGE seconds, after `answers_in` seconds; `asked_at` has their times."""

    clock: Clock = attrs.field(factory=VirtualClock, kw_only=True)
    answers_in: float = attrs.field(default=0.05, kw_only=True)
    asked_at: list[float] = attrs.field(factory=list)

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        self.asked_at.append(self.clock.monotonic_ns() / 1e9)
        await self.clock.sleep(self.answers_in)
        if self.asked_at[-1] < OUTAGE:
            raise ServiceUnavailableError("down for maintenance")
        async for page in sources.Shop.fetch_data(self, entity, since=since, cursor=cursor):
            yield page

    @property
    def heard_while_down(self) -> int:
        """How many requests it had to refuse."""
        return sum(at < OUTAGE for at in self.asked_at)


@attrs.frozen
class Storm:
    """What became of it: the requests sent while the source was down, and how many streams came through."""

    requests: int
    whole: int


def storm(
    ledgers: Sequence[BudgetLedger | None], starts: Sequence[float], backend: str, seed: int = 1
) -> Storm:
    """Let each stream begin at its start (seconds), with its ledger, and read until it ends or gives up."""
    clock, random = VirtualClock(), Random(seed)
    down = Down(clock=clock)
    whole = 0

    async def read(ledger: BudgetLedger | None, start: float) -> None:
        nonlocal whole
        await clock.sleep(start)
        retrying = Retrying(down, RETRY, budget=ledger, clock=clock, random=random)
        try:
            pages = [page async for page in retrying.fetch_data("orders")]
        except RetriesExhaustedError:
            return
        assert sum(len(page.records) for page in pages) == 10
        whole += 1

    async def test() -> None:
        async with anyio.create_task_group() as tasks:
            for ledger, start in zip(ledgers, starts, strict=True):
                tasks.start_soon(read, ledger, start)

    clock.run(test, backend=backend)
    return Storm(down.heard_while_down, whole)


def bound(budget: RetryBudget) -> float:
    """Give the most requests that a policy lets through in one window, from STREAMS calls of one page each.

    Every stream asks once by right. Retries in a window are at most `floor` plus `ratio` of the calls in the window
    before the last of them, and there are no more calls than streams: none is answered while the source is down.
    """
    assert budget.window >= OUTAGE
    return STREAMS + budget.floor + budget.ratio * STREAMS


@pytest.mark.unmeasured
@settings(max_examples=20)
@given(
    budget=st.builds(RetryBudget, ratio=st.floats(0, 1), floor=st.integers(0, 50), window=st.floats(10, 60)),
    spread=st.floats(0, 9),
    seed=st.integers(0, 1000),
    backend=st.sampled_from(["asyncio", "trio"]),
)
def test_with_a_shared_budget_the_requests_stay_within_its_bound(
    budget: RetryBudget, spread: float, seed: int, backend: str
) -> None:
    """Whenever the streams begin: all at once, or one after the other through most of the outage."""
    starts = [spread * number / STREAMS for number in range(STREAMS)]
    assert storm([BudgetLedger(budget)] * STREAMS, starts, backend, seed).requests <= bound(budget)


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    "ledger", [lambda: BudgetLedger(RetryBudget()), lambda: None], ids=["a budget for each", "no budget"]
)
def test_without_a_shared_budget_they_do_not(
    ledger: Callable[[], BudgetLedger | None], anyio_backend: str
) -> None:
    """Each stream by itself is modest: its few retries fit a budget of its own. Together they are a storm."""
    done = storm([ledger() for _ in range(STREAMS)], [0.0] * STREAMS, anyio_backend)
    assert done.requests > 2 * bound(RetryBudget())


def test_what_the_budget_lets_through_is_used(anyio_backend: str) -> None:
    """It is a bound and no switch: retries are made up to it, and later streams read as if nothing had been."""
    budget = RetryBudget()
    starts = [0.0] * (STREAMS // 2) + [OUTAGE + 1] * (STREAMS // 2)
    done = storm([BudgetLedger(budget)] * STREAMS, starts, anyio_backend)
    assert done.requests == STREAMS // 2 + budget.floor + int(budget.ratio * STREAMS / 2)
    assert done.whole >= STREAMS // 2
