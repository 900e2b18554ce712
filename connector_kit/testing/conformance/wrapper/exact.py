"""Law 2, exact: under faults, what is delivered is the beginning of a read without them; all of it where none came out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.errors import ConfigError
from connector_kit.testing.conformance.reading import Difference, difference
from connector_kit.testing.conformance.wire import plan_text
from connector_kit.wrappers.fault_injection.wrapper import Faulty

from .subject import WRAPPER_LAWS, Outcome, WrapperSubject, read_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_kit.testing.conformance.law import Findings
    from connector_kit.wrappers.fault_injection.wrapper import Schedule

__all__ = ["exact"]

MOST_FAULTS = 12
_MEND = (
    "pass an error on, it is no end; go on, if at all, at the cursor of the last page that was handed over"
)
_MEND_RETRIES = (
    "retry a TransientError at the cursor of the last page that was handed over, and never from the start after one; "
    "leave retries=True out for a wrapper that does not"
)


@WRAPPER_LAWS.law(
    2,
    "exact",
    "Under transient faults, the pages delivered are those of a read without faults: none lost, none twice; "
    "all of them, where the wrapper retries.",
)
def exact(subject: WrapperSubject, found: Findings) -> None:
    """Draw schedules of faults around the inner connector; report the smallest with which records are lost or repeated."""
    if not subject.bounds.faults:
        found.unchecked("no faults are to be made")
        return
    try:
        import connector_kit.testing.drawing  # noqa: F401, PLC0415 - an extra, asked for where it is needed
    except ConfigError as error:
        found.unchecked(str(error))
        return
    for entity in subject.content.catalog.names:
        if any(page.cursor is None for page in subject.content.pages[entity]) and subject.retries:
            found.unchecked(f"{entity}: its pages have no cursors, so that no retry can go on after one")
            continue
        _entity(subject, found, entity)


class _Found(Exception):  # noqa: N818 - no error: how hypothesis is told that a schedule shows something
    pass


def _entity(subject: WrapperSubject, found: Findings, entity: str) -> None:
    whole = subject.run(_bare, subject, entity)
    shown: list[tuple[Schedule, Difference]] = []
    tried = 0

    def attempt(schedule: Schedule) -> None:
        nonlocal tried
        tried += 1
        subject.doing = f"reading {entity} with the faults {plan_text(schedule)}"
        wrong = _wrong(subject.run(_under, subject, entity, schedule), whole, retries=subject.retries)
        if wrong is not None:
            shown.append((schedule, wrong))
            raise _Found

    try:
        _draw(subject, attempt)
    except _Found:
        schedule, wrong = shown[-1]  # the last one that hypothesis tries is the smallest
        found.broken(
            wrong.what,
            expected="each record once"
            if subject.retries
            else "each record once, and an error or all records",
            mend=_MEND_RETRIES if subject.retries else _MEND,
            entity=entity,
            records=wrong.records,
            plan=plan_text(_up_to_the_last(schedule)),
        )
    else:
        found.checked(f"{tried} schedules of faults with {entity}")


def _up_to_the_last(schedule: Schedule) -> Schedule:
    """Leave out what follows the last fault: requests that are answered."""
    while schedule and schedule[-1] is None:
        schedule = schedule[:-1]
    return schedule


def _draw(subject: WrapperSubject, attempt: Callable[[Schedule], None]) -> None:
    from connector_kit.testing.drawing import hypothesis  # noqa: PLC0415 - as above
    from connector_kit.testing.strategies import schedules  # noqa: PLC0415 - as above

    # A wrapper that retries has to bear one fault of each request, and waits of a second: how much more is its own to say.
    drawn = (
        schedules(max_in_a_row=1, max_size=MOST_FAULTS, max_seconds=1.0)
        if subject.retries
        else schedules(max_size=MOST_FAULTS)
    )
    settings = hypothesis.settings(
        database=None,
        deadline=None,
        derandomize=True,
        max_examples=subject.bounds.plans,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        suppress_health_check=(hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.nested_given),
        verbosity=hypothesis.Verbosity.quiet,
        report_multiple_bugs=False,
    )
    settings(hypothesis.given(drawn)(attempt))()


async def _bare(subject: WrapperSubject, entity: str) -> Outcome:
    return await read_out(subject.inner().fetch_data(entity))


async def _under(subject: WrapperSubject, entity: str, schedule: Schedule) -> Outcome:
    faulty = Faulty(subject.inner(), schedule, clock=subject.clock)
    async with subject.wrapped(faulty) as wrapper:
        return await read_out(wrapper.fetch_data(entity))


def _wrong(got: Outcome, whole: Outcome, *, retries: bool) -> Difference | None:
    """Compare what came with a read without faults; None where it is right."""
    if retries and got.error is not None:
        return Difference(f"{type(got.error).__name__} came out of a wrapper that retries: {got.error}")
    return difference(whole.records, got.records, got_ended=got.error is None)
