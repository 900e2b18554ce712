"""Reads under faults: with the kit's retry around it, a connector has to deliver what it delivers undisturbed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import accumulate
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from connector_kit.errors import (
    ConfigError,
    CursorExpiredError,
    RateLimitError,
    ResumeImpossibleError,
    RetriesExhaustedError,
)
from connector_kit.protocols import Connector
from connector_kit.testing.conformance.bounds import EnoughError, NoAnswerError
from connector_kit.testing.conformance.reading import Difference, difference
from connector_kit.testing.conformance.wire import Breaks, WirePlan, plan_text, search_plan, wire_plans
from connector_kit.testing.virtual_clock import LeapingClock
from connector_kit.wrappers.fault_injection.wrapper import Faulty, Schedule
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.retry.wrapper import Retrying

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import SearchStrategy

    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.subject import Subject
    from connector_kit.testing.conformance.wire import Wire

    from .steady import QuietRead

__all__ = ["look_at_faults", "look_at_wire_faults"]

MOST_PAGES: Final = 12
"""How far a read under faults goes: what goes wrong after a fault goes wrong on the first pages, too."""

MOST_RECORDS: Final = 400
"""Where pages are large, it goes as far as it takes to see so many records, but over `LEAST_PAGES`."""

LEAST_PAGES: Final = 4

P = TypeVar("P", Schedule, WirePlan)
C = TypeVar("C", bound=Connector)

_MEND = "let each fetch begin at the cursor it is given and at nothing else, also on a connector whose last fetch broke"


async def look_at_faults(subject: Subject, reads: Sequence[QuietRead], found: Findings) -> None:
    """Read each entity in full through `Retrying(Faulty(connector, plan))`."""
    if not subject.bounds.faults:
        found.unchecked("reads under faults (they are turned off)")
        return
    for read in _full(reads):
        await _search(subject, read, "around the connector", _schedules, _around(subject, read), found)


async def look_at_wire_faults(subject: Subject, reads: Sequence[QuietRead], found: Findings) -> None:
    """Read each entity in full through `Retrying(connector)` while its requests fail on the wire."""
    if not subject.bounds.faults:
        return
    if subject.wire is None:
        found.unchecked("reads under faults on the wire (give wire=...)")
        return
    for read in _full(reads):
        await _search(
            subject, read, "on the wire", _wire_plans, _on_the_wire(subject, subject.wire, read), found
        )


def _full(reads: Sequence[QuietRead]) -> list[QuietRead]:
    return [read for read in reads if read.since is None and read.reading.pages]


def _pages(read: QuietRead) -> int:
    pages = read.reading.pages[:MOST_PAGES]
    records = accumulate(len(page.records) for page in pages)
    return min(len(pages), max(LEAST_PAGES, sum(count < MOST_RECORDS for count in records) + 1))


Tries: TypeAlias = Callable[[Connector, P], Awaitable[Difference | None]]
"""Reads with a connector under a plan, and gives what broke."""


def _around(subject: Subject, read: QuietRead) -> Tries[Schedule]:
    async def tries(connector: Connector, plan: Schedule) -> Difference | None:
        clock = LeapingClock()
        faulty = Faulty(connector, plan, clock=clock)
        return await _broke(subject, _retrying(faulty, len(plan), clock), read)

    return tries


def _on_the_wire(subject: Subject, wire: Wire, read: QuietRead) -> Tries[WirePlan]:
    async def tries(connector: Connector, plan: WirePlan) -> Difference | None:
        wire.fail(plan)
        try:
            return await _broke(subject, _retrying(connector, len(plan), LeapingClock()), read)
        finally:
            wire.fail(())

    return tries


def _on_one_connector(subject: Subject, connector: Connector, tries: Tries[P]) -> Breaks[P]:
    """Try plans on one connector: to connect costs time, and a source may count it.

    What breaks is tried again on a new one, so that no plan is blamed for what an earlier one has left behind; from then on
    each plan gets a connector of its own.
    """
    sound = True

    async def breaks(plan: P) -> Difference | None:
        nonlocal sound
        if sound and await tries(connector, plan) is None:
            return None
        sound = False
        async with subject.connector() as another:
            return await tries(another, plan)

    return breaks


def _schedules(size: int) -> SearchStrategy[Schedule]:
    from connector_kit.testing.strategies import schedules  # noqa: PLC0415 - needs hypothesis, an extra

    return schedules(max_in_a_row=2, max_size=size, max_seconds=1.0)


def _wire_plans(size: int) -> SearchStrategy[WirePlan]:
    return wire_plans(max_size=size)


def _retrying(connector: C, faults: int, clock: LeapingClock) -> Retrying[C]:
    # More attempts than there are faults; a connector that has a retry of its own inside is a connector like any other.
    retry = Retry(attempts=faults + 5, first_wait=0.001, max_wait=0.001, jitter="none")
    return Retrying(connector, retry, clock=clock, allow_nested=True)


async def _broke(subject: Subject, connector: Connector, read: QuietRead) -> Difference | None:
    """Read as many pages as it takes and compare with the undisturbed read as far as that goes.

    To say that a read cannot go on is right, where that is so.
    """
    try:
        got = await subject.read(connector, read.entity.name, pages=_pages(read) + 1)
    except (EnoughError, NoAnswerError):
        raise
    except (ResumeImpossibleError, CursorExpiredError):
        return None
    except RetriesExhaustedError as error:
        # There are more attempts than faults in the plan, so the last error is the source's own. A quota that is used up
        # shows nothing about the connector.
        if isinstance(error.__cause__, RateLimitError):
            raise error.__cause__ from None
        return Difference(f"RetriesExhaustedError: {error}")
    except Exception as error:  # noqa: BLE001 - whatever an author's connector raises is told, not passed on
        return Difference(f"{type(error).__name__}: {error}")
    return difference(
        read.reading.records, got.records, expected_ended=read.reading.ended, got_ended=got.ended
    )


async def _search(
    subject: Subject,
    read: QuietRead,
    where: str,
    strategy: Callable[[int], SearchStrategy[P]],
    tries: Tries[P],
    found: Findings,
) -> None:
    name = read.entity.name
    try:
        plans = strategy(_pages(read) + 4)
    except ConfigError as error:
        found.unchecked(f"{name} under faults {where}: {error}")
        return
    async with subject.connector() as connector:
        search = await search_plan(plans, _on_one_connector(subject, connector, tries), subject.meter)
    if search.stopped:
        found.unchecked(f"{name} under more plans of faults {where}: {search.stopped}")
    if search.broke is None:
        if search.tried:
            found.checked(f"read {name} under {search.tried} plans of faults {where}")
    elif search.plan is not None and await read.still_the_same(subject):
        found.broken(
            f"with faults {where}, one entry for each request of a read, and a retry outside: {search.broke.what}",
            expected="the records of the undisturbed read",
            mend=_MEND,
            entity=name,
            records=search.broke.records,
            plan=plan_text(search.plan),
        )
    else:
        found.unchecked(f"{name} under faults {where}: the source changed meanwhile")
