"""`check_wrapper`: all laws of a wrapper, looked at one after the other, and one report of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from connector_kit.errors import ConfigError
from connector_kit.limiters.rates import Rate
from connector_kit.structure.explain import require
from connector_kit.testing.conformance.wrapper.content import Content, varied_content
from connector_kit.testing.conformance.wrapper.looked_at import look_in_a_thread
from connector_kit.testing.conformance.wrapper.subject import Around, WrapperSubject
from connector_kit.testing.conformance.wrapper.table import laws_named
from connector_kit.testing.virtual_clock import VirtualClock

from .bounds import Bounds
from .choosing import require_backend
from .report import LawReport
from .verdict import Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .verdict import Law, Verdict

__all__ = ["check_wrapper"]


async def check_wrapper(  # noqa: PLR0913 - the options of the one call that there is, by keyword
    around: Around,
    /,
    *,
    retries: bool = False,
    reads_records: bool = False,
    rate: Rate | str | None = None,
    content: Content | None = None,
    clock: VirtualClock | None = None,
    bounds: Bounds = Bounds(),  # noqa: B008 - a frozen value
    laws: Sequence[str] = (),
    backend: str = "asyncio",
    progress: Callable[[Verdict], None] | None = None,
    name: str = "",
) -> LawReport:
    """Look at the laws that a wrapper keeps; at those named in `laws`, or at all of them.

    `around` puts the wrapper around a connector, which the kit supplies, and gives it, or an async context manager for
    it. It is called inside of an event loop on `backend` whose time is virtual: nothing waits. A wrapper that takes a
    clock goes by `clock` (a `VirtualClock` that is given here, too).

    What the wrapper claims: `retries` says that it makes good for a transient fault of each request, `reads_records`
    that looking into each record is its job, `rate` that no more requests than that get through. `content` is what
    the connectors inside deliver, where a wrapper cannot do with any pages. `bounds.plans` schedules of faults are
    drawn, none without `bounds.faults`; after `bounds.call_seconds` without a sign of life it hangs.

    `progress` is called with each verdict as it comes. Each law runs in a thread of its own: a wrapper that blocks it
    is named and left behind.

    Raises `ConfigError` for the name of a law that there is not, for a rate that is none, and for a backend that is not
    installed.

    >>> import anyio
    >>> from functools import partial
    >>> from connector_kit.wrappers.retry.wrapper import Retrying
    >>> report = anyio.run(partial(check_wrapper, Retrying, retries=True, laws=["transparent", "closing"]))
    >>> report.ok, report.subject
    (True, 'Retrying')
    """
    chosen = laws_named(laws)
    require_backend(backend)
    limit = _rate(rate)

    def subject() -> WrapperSubject:
        return WrapperSubject(
            around,
            retries=retries,
            reads_records=reads_records,
            rate=limit,
            content=content or varied_content(),
            clock=clock or VirtualClock(),
            backend=backend,
            bounds=bounds,
        )

    started = time.monotonic()
    found_name, failure = await _preflight(subject())
    verdicts: list[Verdict] = []
    over = ""
    for law, look in () if failure else chosen:
        looking = subject()
        verdicts.append(_not_looked_at(law, over) if over else await look(looking))
        if looking.hung and clock is not None:
            over = f"not looked at, since the thread that hangs in {law.name!r} has the clock"
        if progress is not None:
            progress(verdicts[-1])
    return LawReport(
        name or found_name,
        tuple(verdicts),
        failure,
        sum(verdict.requests for verdict in verdicts),
        time.monotonic() - started,
    )


async def _preflight(subject: WrapperSubject) -> tuple[str, str]:
    """Give the wrapper's name, and why nothing can be looked at; empty where it can."""
    name, failure = getattr(subject.around, "__name__", "wrapper"), ""

    async def look() -> None:
        nonlocal name
        async with subject.wrapped(subject.inner()) as wrapper:
            name = type(wrapper).__name__
            require(wrapper, "check_wrapper() was given a function whose result is")

    def run() -> None:
        nonlocal failure
        try:
            subject.run(look)
        except BaseException as error:  # noqa: BLE001 - the thread ends here; whatever came is told
            failure = f"no wrapper could be put around a connector: {type(error).__name__}: {error}"

    if not await look_in_a_thread(run, subject):
        failure = f"no wrapper could be put around a connector within {subject.bounds.call_seconds:g} s"
    return name, failure


def _not_looked_at(law: Law, why: str) -> Verdict:
    found = Findings(law)
    found.unchecked(why)
    return found.verdict()


def _rate(given: Rate | str | None) -> Rate | None:
    if not isinstance(given, str):
        return given
    try:
        return Rate.parse(given)
    except ValueError as error:
        raise ConfigError(f"cannot look for rate={given!r}: expected {error}; give one of these") from error
