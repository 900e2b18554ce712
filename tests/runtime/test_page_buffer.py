"""Pages pass from one task to the other in order, as many at a time as there are, within the room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.records.json_lines import json_size
from connector_kit.records.page import Page
from connector_kit.runtime.page_buffer import PAGE_BYTES, PageBuffer
from connector_kit.testing.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Sequence

backends = st.sampled_from(["asyncio", "trio"])
sizes = st.lists(st.integers(0, 6), max_size=12)
BYTES = len(b'{"id":1}')
"""Of a record; a page counts PAGE_BYTES besides."""


def page(number: int, records: int) -> Page:
    return Page([{"id": 1}] * records, cursor=number)


def weight(pages: Sequence[Page]) -> int:
    return sum(PAGE_BYTES + json_size(each.records) for each in pages)


@given(sizes, st.integers(0, 5 * PAGE_BYTES), st.lists(st.integers(0, 3), max_size=12), backends)
def test_all_pages_come_out_once_and_in_order_and_never_more_than_fit(
    records: list[int], room: int, pauses: list[int], backend: str
) -> None:
    """However the two tasks take turns; a page that is larger than the room comes alone."""
    clock = VirtualClock()
    taken: list[list[Page]] = []

    async def run() -> None:
        pages = PageBuffer(room)

        async def put() -> None:
            for number, size in enumerate(records):
                await pages.put(page(number, size))
                await clock.sleep(pauses[number % len(pauses)] if pauses else 0)
            pages.end()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(put)
            while there := await pages.take():
                taken.append(there)
                await clock.sleep(1)
        assert await pages.take() == []

    clock.run(run, backend=backend)
    assert [each.cursor for there in taken for each in there] == list(range(len(records)))
    assert all(len(there) == 1 or weight(there) <= room for there in taken)


@pytest.mark.anyio
async def test_a_page_waits_until_there_is_room() -> None:
    pages = PageBuffer(PAGE_BYTES + 2 * BYTES)
    await pages.put(page(0, 2))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pages.put, page(1, 1))
        for _ in range(5):
            await checkpoint()
        assert [each.cursor for each in await pages.take()] == [0]
        assert [each.cursor for each in await pages.take()] == [1]


@pytest.mark.anyio
async def test_who_puts_where_there_is_room_does_not_let_others_run() -> None:
    """The source has awaits of its own; one more for each page would cost more than the page's way through here."""
    ran = []

    async def other() -> None:
        ran.append(True)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        await PageBuffer(2 * PAGE_BYTES).put(page(0, 1))
        assert not ran


@pytest.mark.anyio
@pytest.mark.parametrize(("records", "enough"), [(1, False), (2, True), (5, True)])
async def test_half_of_the_room_is_enough(records: int, *, enough: bool) -> None:
    pages = PageBuffer(2 * (PAGE_BYTES + 2 * BYTES))
    await pages.put(page(0, records))
    with anyio.move_on_after(0) as scope:
        await pages.enough()
    assert scope.cancelled_caught is not enough


@pytest.mark.anyio
async def test_the_end_is_enough_and_so_is_a_page_that_waits() -> None:
    pages = PageBuffer(3 * PAGE_BYTES)
    await pages.put(page(0, 1))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pages.put, page(1, 500))
        await pages.enough()
        assert len(await pages.take()) == 1
        await pages.take()
        tasks.start_soon(pages.enough)
        await checkpoint()
        pages.end()


@pytest.mark.anyio
async def test_a_page_whose_put_is_cancelled_is_left_out(anyio_backend: Any) -> None:
    """The read has ended then; what is not covered is read again."""
    pages = PageBuffer(0)
    await pages.put(page(0, 1))
    with anyio.move_on_after(0):
        await pages.put(page(1, 1))
    pages.end()
    assert [each.cursor for each in await pages.take()] == [0]
    assert await pages.take() == []


@pytest.mark.anyio
async def test_a_take_that_is_cancelled_takes_nothing() -> None:
    pages = PageBuffer(2 * PAGE_BYTES)
    with anyio.move_on_after(0):
        await pages.take()
    await pages.put(page(0, 1))
    assert len(await pages.take()) == 1


@pytest.mark.anyio
async def test_pages_without_records_take_room_too() -> None:
    """A source that has no end of them, and never waits, would otherwise not let anybody else run."""
    pages = PageBuffer(10 * PAGE_BYTES)
    with anyio.move_on_after(0) as scope:
        for number in range(1_000):
            await pages.put(page(number, 0))
    assert scope.cancelled_caught
    assert len(await pages.take()) == 10
