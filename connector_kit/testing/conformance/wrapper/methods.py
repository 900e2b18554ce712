"""All seven methods are there, reach the inner connector where it has them, and go the wrapper's own way where not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.errors import ConfigError
from connector_kit.structure.explain import explain
from connector_kit.testing.conformance.reading import text_of

from .content import START
from .errors import ClientError
from .inner import AbleInner, Fails, Inner, fails_once, no_fault
from .subject import WRAPPER_LAWS, WrapperSubject, call, error_of

if TYPE_CHECKING:
    from connector_kit.testing.conformance.law import Findings

__all__ = ["methods"]

_BOTH = ("fetch_data", "get_sample_data")
_OWN_FETCH = "use first_records(self, entity, limit): the wrapper's own fetch_data, not the inner one's"


@WRAPPER_LAWS.law(
    7,
    "methods",
    "A wrapper has all seven methods, loses none of the inner connector's, and bypasses itself in none.",
)
def methods(subject: WrapperSubject, found: Findings) -> None:
    """Look at the seven methods, around a connector that has them all and around one that has only four."""
    for inner in (subject.inner(), subject.able_inner()):
        if not subject.run(_has_all, subject, found, inner):
            return
    subject.run(_around_seven, subject, found)
    subject.run(_around_four, subject, found)
    subject.run(_lifecycle, subject, found)
    _own_way(subject, found)


async def _has_all(subject: WrapperSubject, found: Findings, inner: Inner) -> bool:
    subject.doing = "looking at its methods"
    around = "has all seven" if isinstance(inner, AbleInner) else "has four of them"
    async with subject.wrapped(inner) as wrapper:
        wrong = [each for each in explain(wrapper).findings if each.status != "present"]
    for each in wrong:
        found.broken(
            f"{each.method}: {each.found}, around a connector that {around}",
            expected=each.expected,
            mend=f"write it out in the wrapper: `{each.line}`",
        )
    if not wrong:
        found.checked(f"all seven methods are there around a connector that {around}")
    return not wrong


async def _around_seven(subject: WrapperSubject, found: Findings) -> None:
    """Whether the optional methods of the inner connector are asked, with the same arguments."""
    entity = subject.content.first
    subject.doing = "asking for what an inner connector with all methods has"
    able, direct = subject.able_inner(), subject.able_inner(wrong="the token is missing")
    async with subject.wrapped(able) as wrapper:
        wrapper.validate_config()
        for limit in (3, 1):
            its = text_of(await subject.able_inner().get_sample_data(entity, limit))
            got = text_of(await wrapper.get_sample_data(entity, limit))
            if got != its:
                found.broken(
                    f"get_sample_data(limit={limit}) does not give the inner connector's sample",
                    expected="what its own get_sample_data gives for the same limit",
                    mend="use connector_kit.sample(inner, entity, limit)",
                    records=(got,),
                )
        before = len(able.requests)
        cursors = list(await wrapper.partition_data(entity, since=START, target=2))
        asked = [each.since for each in able.requests[before:] if each.operation == "partition_data"]
    if cursors != list(await direct.partition_data(entity, since=START, target=2)):
        found.broken(
            f"partition_data(target=2) gives {cursors!r}, which are not the inner one's",
            expected="what the inner connector answers to the same arguments",
            mend="use connector_kit.partitions(inner, entity, since=since, target=target)",
        )
    elif asked != [START]:
        found.broken(
            "partition_data did not hand `since` on", expected=f"since={START}", mend="pass since=since"
        )
    async with subject.wrapped(direct) as wrapper:
        try:
            wrapper.validate_config()
        except ConfigError:
            pass
        else:
            found.broken(
                "validate_config says nothing where the inner connector's raises ConfigError",
                expected="its ConfigError",
                mend="use connector_kit.validate(inner)",
            )
    if not found.any_broken:
        found.checked("sample, partitions and validation are the inner connector's where it has them")


async def _around_four(subject: WrapperSubject, found: Findings) -> None:
    """What is made up for an inner connector without the optional methods."""
    entity = subject.content.first
    subject.doing = "asking for what an inner connector with four methods lacks"
    inner = subject.inner()
    records = list((await subject.bare(entity)).records)
    async with subject.wrapped(inner) as wrapper:
        wrapper.validate_config()
        for limit in (0, 2, 4, len(records) + 10):
            sample = list(await wrapper.get_sample_data(entity, limit))
            if [text_of(dict(each)) for each in sample] != records[:limit]:
                found.broken(
                    f"get_sample_data(limit={limit}) gives {len(sample)} records, or other ones",
                    expected=f"the first {min(limit, len(records))} of a read, where the inner one has no such method",
                    mend="use connector_kit.first_records(self, entity, limit)",
                    entity=entity,
                )
                return
        if inner.open_streams:
            found.broken(
                "the read that a sample was taken from stays open",
                expected="its stream closed",
                mend="use connector_kit.first_records, which closes it",
                entity=entity,
            )
        cursors = list(await wrapper.partition_data(entity, target=3))
    if cursors != [None]:
        found.broken(
            f"partition_data gives {cursors!r} where the inner connector cannot divide a read",
            expected="[None]: the whole as one part",
            mend="use connector_kit.partitions",
        )
    if not found.any_broken:
        found.checked("sample and partitions are made up for where the inner connector lacks them")


async def _lifecycle(subject: WrapperSubject, found: Findings) -> None:
    """Whether connecting and disconnecting reach the inner connector, each time."""
    subject.doing = "connecting and disconnecting"
    inner = subject.inner()
    async with subject.wrapped(inner) as wrapper:
        for _ in range(2):
            await wrapper.connect()
            await wrapper.disconnect()
        await wrapper.disconnect()
    asked = [each.operation for each in inner.requests]
    expected = ["connect", "disconnect"] * 2 + ["disconnect"]
    if asked == expected:
        found.checked("connect and disconnect reach the inner connector")
    else:
        found.broken(
            f"the inner connector heard {', '.join(asked) or 'nothing'}",
            expected=", ".join(expected),
            mend="pass connect and disconnect on; disconnect is safe twice, and connect may follow",
        )


def _own_way(subject: WrapperSubject, found: Findings) -> None:
    """Whether the pages of a sample go the same way as those of a read: not earlier, and with the same errors."""
    entity = subject.content.first
    subject.doing = "comparing a sample with a read"
    (read, _), (sampled, _) = (subject.run(_ask, subject, each, no_fault) for each in _BOTH)
    early = [number for number, (mine, its) in enumerate(zip(sampled, read, strict=False), 1) if mine < its]
    if early:
        page = early[0]
        found.broken(
            f"a sample asked for page {page} after {sampled[page - 1]:g} s, a read after {read[page - 1]:g} s",
            expected="a sample that is taken from a read passes the same limits",
            mend=_OWN_FETCH,
            entity=entity,
            page=page,
        )
        return
    for once in (False, True):
        for page in (1, 2):
            (_, read_error), (_, sample_error) = (
                subject.run(_ask, subject, each, _fault(page, once=once)) for each in _BOTH
            )
            if read_error != sample_error:
                found.broken(
                    f"a fault on a page makes {read_error} of a read and {sample_error} of a sample",
                    expected="the same of both, where the inner connector has no sample of its own",
                    mend=_OWN_FETCH,
                    entity=entity,
                )
                return
    found.checked("a sample that is taken from a read goes the same way as one: limits, retries, translation")


async def _ask(subject: WrapperSubject, operation: str, fails: Fails) -> tuple[list[float], str]:
    """Return when each page was asked for, in seconds, and what came out."""
    inner = subject.inner(fails=fails)
    start = subject.clock.monotonic_ns()
    async with subject.wrapped(inner) as wrapper:
        error = await error_of(call(wrapper, operation, subject.content.first))
    times = [(each.at_ns - start) / 1e9 for each in inner.requests if each.number]
    return times, "nothing" if error is None else type(error).__name__


def _fault(number: int, *, once: bool) -> Fails:
    """Let a page fail: once, with an error that passes, or each time, with one that the kit does not know."""
    if once:
        return fails_once(lambda request: request.number == number)
    return lambda request: ClientError("down") if request.number == number else None
