"""Law 10, independent: reads at once do not disturb each other, and each read asks the source anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from connector_kit.capabilities import close_stream
from connector_kit.records.page import Page
from connector_kit.testing.conformance.reading import SeenPage

from .subject import WRAPPER_LAWS, WrapperSubject, read_out

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connector_kit.testing.conformance.law import Findings

__all__ = ["independent"]


_MEND = "keep what belongs to one read (cursor, pages, counts) in its stream, not in the wrapper"


@WRAPPER_LAWS.law(
    10, "independent", "Two reads at once do not disturb each other, and a later read asks the source anew."
)
def independent(subject: WrapperSubject, found: Findings) -> None:
    """Read side by side, in turns and in two tasks, with one closed early; and once more after the source has changed."""
    for attempt in (_in_turns, _in_tasks, _closed_early):
        wrong = subject.run(attempt, subject)
        if wrong:
            found.broken(
                f"{subject.doing}: {wrong}",
                expected="each delivers what it would alone",
                mend=_MEND,
                entity=subject.content.first,
            )
        else:
            found.checked(subject.doing)
    subject.run(_anew, subject, found)


async def _expected(subject: WrapperSubject, entity: str) -> tuple[str, ...]:
    return (await read_out(subject.inner().fetch_data(entity))).records


def _others(subject: WrapperSubject) -> str:
    """Give another entity where there is one."""
    return subject.content.catalog.names[-1]


async def _in_turns(subject: WrapperSubject) -> str:
    """Take a page of one and a page of the other."""
    subject.doing = "two reads in turns"
    entities = (subject.content.first, _others(subject))
    got: list[list[SeenPage]] = [[], []]
    async with subject.wrapped(subject.inner()) as wrapper:
        streams = [wrapper.fetch_data(entity) for entity in entities]
        left = [0, 1]
        while left:
            for which in tuple(left):
                try:
                    page = await streams[which].__anext__()
                except StopAsyncIteration:
                    left.remove(which)
                else:
                    got[which].append(SeenPage.of(len(got[which]) + 1, page))
        for stream in streams:
            await close_stream(stream)
    for entity, pages in zip(entities, got, strict=True):
        records = tuple(record for page in pages for record in page.records)
        if records != await _expected(subject, entity):
            return f"{len(records)} records of {entity} came, or other ones"
    return ""


async def _in_tasks(subject: WrapperSubject) -> str:
    """Read twice at the same time."""
    subject.doing = "two reads in two tasks"
    got: list[tuple[str, ...]] = []
    errors: list[Exception] = []

    async def read(stream: AsyncIterator[Page]) -> None:
        outcome = await read_out(stream)
        got.append(outcome.records)
        if outcome.error is not None:
            errors.append(outcome.error)

    async with subject.wrapped(subject.inner()) as wrapper, anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(read, wrapper.fetch_data(subject.content.first))
    if errors:
        return f"{type(errors[0]).__name__} came out: {errors[0]}"
    expected = await _expected(subject, subject.content.first)
    return (
        "" if got == [expected, expected] else f"{' and '.join(str(len(each)) for each in got)} records came"
    )


async def _closed_early(subject: WrapperSubject) -> str:
    """Close one of two reads while the other goes on."""
    subject.doing = "one of two reads is closed early"
    async with subject.wrapped(subject.inner()) as wrapper:
        one, other = (wrapper.fetch_data(subject.content.first) for _ in range(2))
        first = SeenPage.of(1, await one.__anext__())
        await other.__anext__()
        await close_stream(other)
        outcome = await read_out(one)
    if outcome.error is not None:
        return f"{type(outcome.error).__name__} came out of the other one: {outcome.error}"
    records = (*first.records, *outcome.records)
    expected = await _expected(subject, subject.content.first)
    return "" if records == expected else f"{len(records)} records came of the other one"


async def _anew(subject: WrapperSubject, found: Findings) -> None:
    entity = subject.content.first
    subject.doing = "a read after the source has changed"
    inner = subject.inner()
    async with subject.wrapped(inner) as wrapper:
        await read_out(wrapper.fetch_data(entity))
        pages = list(inner.pages[entity])
        inner.pages = {**inner.pages, entity: [*pages[:-1], Page(pages[-1].records[:1], pages[-1].cursor)]}
        got = await read_out(wrapper.fetch_data(entity))
        expected = await read_out(inner.fetch_data(entity))
    if got.records != expected.records:
        found.broken(
            f"{subject.doing}: it delivers what was there before",
            expected="the source's pages of now",
            mend="keep no pages from one read to the next",
            entity=entity,
        )
    else:
        found.checked(subject.doing)
