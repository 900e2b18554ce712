"""Law 3, bounded: no more requests reach the source, in any window, than the rate that is claimed allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from .subject import WRAPPER_LAWS, WrapperSubject, read_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.limiters.rates import Rate
    from connector_kit.protocols import FullConnector
    from connector_kit.testing.conformance.law import Findings

__all__ = ["bounded"]

MOST_READERS = 40
MOST_REQUESTS = 400


@WRAPPER_LAWS.law(
    3, "bounded", "In no window do more requests get through than the rate allows, whoever is cancelled."
)
def bounded(subject: WrapperSubject, found: Findings) -> None:
    """Let several read at once, cancel some of them, and count what reaches the source in each window of the rate.

    Only a wrapper that claims a rate can be looked at.
    """
    rate = subject.rate
    if rate is None:
        found.unchecked("no rate is claimed; name the one that it keeps to (rate=...), if it does")
        return
    readers = min(
        2 * rate.cost_limit + 4, MOST_READERS
    )  # half are cancelled; the others are more than may go at once
    needed = 2 * rate.cost_limit + readers
    if needed > MOST_REQUESTS:
        found.unchecked(f"{rate} would take {needed} requests to reach; give the wrapper a rate below it")
        return
    times = subject.run(_requests, subject, rate, readers, needed)
    crowd = fullest(times, rate)
    if crowd is None:
        found.checked(
            f"{len(times)} requests of {readers} readers, some cancelled, in no window more than {rate}"
        )
        return
    count, nanoseconds = crowd
    found.broken(
        f"{count} requests reached the source within {nanoseconds / 1e9:g} s",
        expected=f"{rate}: at most {rate.most_in(nanoseconds + 1)}",
        mend="take a permit before every call and every page, samples that come from a read included",
    )


async def _requests(subject: WrapperSubject, rate: Rate, readers: int, needed: int) -> list[int]:
    """Return the times of the requests that got through, in nanoseconds."""
    inner = subject.inner()
    subject.doing = f"reading with {readers} readers at once under {rate}"
    async with subject.wrapped(inner) as wrapper:
        while len(inner.requests) < needed:
            before = len(inner.requests)
            async with anyio.create_task_group() as tasks:
                for number in range(readers):
                    limit = None if number % 2 else float(rate.per) * 0.7
                    tasks.start_soon(_reader, wrapper, subject.content.first, limit)
            if len(inner.requests) == before:
                break
    return [each.at_ns for each in inner.requests]


async def _reader(wrapper: FullConnector, entity: str, seconds: float | None) -> None:
    with anyio.move_on_after(seconds):
        await read_out(wrapper.fetch_data(entity))
        await wrapper.get_sample_data(entity, 4)


def fullest(times: Sequence[int], rate: Rate) -> tuple[int, int] | None:
    """Return the first crowd that the rate does not allow: how many requests within how many nanoseconds."""
    times = sorted(times)
    for last, end in enumerate(times):
        for first in range(last):
            count, nanoseconds = last - first + 1, end - times[first]
            if count > rate.most_in(nanoseconds + 1):
                return count, nanoseconds
    return None
