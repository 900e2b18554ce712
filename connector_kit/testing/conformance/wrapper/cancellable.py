"""Law 4, cancellable: wherever a cancellation comes, it comes out at once, and nothing is left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.capabilities import close_broken_stream, close_stream

from .cutting import Cut, Job, Scenario
from .subject import WRAPPER_LAWS

if TYPE_CHECKING:
    from connector_kit.protocols import FullConnector
    from connector_kit.testing.conformance.law import Findings

    from .subject import WrapperSubject

__all__ = ["cancellable"]

MOST_STEPS = 40


@WRAPPER_LAWS.law(
    4,
    "cancellable",
    "Cancellation at any await leaves nothing behind: no task, no open stream; it comes out.",
)
def cancellable(subject: WrapperSubject, found: Findings) -> None:
    """Cancel reads and calls in every wait, the inner connector's and the wrapper's own, and at every step."""
    for (operation, able), job in _JOBS.items():
        for faulty in (False, True) if subject.bounds.faults else (False,):
            _scenario(Scenario(subject, operation, job, able=able, faulty=faulty), found)
            if found.any_broken:
                return


async def _read(wrapper: FullConnector, entity: str) -> None:
    stream = wrapper.fetch_data(entity)
    try:
        async for _ in stream:
            pass
    except BaseException:
        await close_broken_stream(stream)
        raise
    await close_stream(stream)


async def _catalog(wrapper: FullConnector, _: str) -> None:
    await wrapper.discover_schema()


async def _sample(wrapper: FullConnector, entity: str) -> None:
    await wrapper.get_sample_data(entity, 1000)


async def _partitions(wrapper: FullConnector, entity: str) -> None:
    await wrapper.partition_data(entity, target=2)


_JOBS: dict[tuple[str, bool], Job] = {
    ("fetch_data", False): _read,
    ("discover_schema", False): _catalog,
    ("get_sample_data", False): _sample,
    ("get_sample_data", True): _sample,
    ("partition_data", True): _partitions,
}
"""What is cancelled: an operation, and whether the inner connector has it of its own."""


def _scenario(scenario: Scenario, found: Findings) -> None:
    subject = scenario.subject
    subject.doing = str(scenario)
    moments = subject.run(scenario.moments)
    for moment in moments:
        subject.doing = f"{scenario} is cancelled in {moment.whose}"
        _tell(subject.run(scenario.cut_in, moment), subject, found)
        if found.any_broken:
            return
    steps = 0
    while steps < MOST_STEPS:
        subject.doing = f"{scenario} is cancelled {steps} steps after its beginning"
        cut = subject.run(scenario.cut_after, steps)
        _tell(cut, subject, found)
        if found.any_broken or not cut.reached:
            break
        steps += 1
    found.checked(f"{scenario}: cancelled in {len(moments)} waits and at {steps} steps")


def _tell(cut: Cut, subject: WrapperSubject, found: Findings) -> None:
    if cut.wrong:
        found.broken(
            f"{subject.doing}: {cut.wrong}",
            expected="the cancellation comes out at once and leaves nothing behind",
            mend=cut.mend,
            entity=subject.content.first,
        )
