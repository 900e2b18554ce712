"""`check_connector`, `check_wrapper` and `check_destination`: all laws of a subject, and one report of them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from connector_kit.errors import ConfigError
from connector_kit.limiters.rates import Rate
from connector_kit.structure.explain import require
from connector_kit.testing.conformance.destination.subject import DESTINATION_LAWS, DestinationSubject
from connector_kit.testing.conformance.wrapper.content import Content, varied_content
from connector_kit.testing.conformance.wrapper.subject import WRAPPER_LAWS, Around, WrapperSubject
from connector_kit.testing.virtual_clock import VirtualClock

from .bounds import Bounds
from .examination import Examination, Ready, examine, require_backend
from .law import Findings, LawFunction, LawReport, Verdict
from .subject import CONNECTOR_LAWS, Factory, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector_kit.protocols import Limiter
    from connector_kit.testing.conformance.destination.fixture import FixtureFactory

    from .wire import Wire

__all__ = ["check_connector", "check_destination", "check_wrapper"]

F = TypeVar("F")


async def check_connector(  # noqa: PLR0913 - the options of the one call that there is, by keyword
    factory: Factory,
    /,
    *,
    bounds: Bounds = Bounds(),  # noqa: B008 - a frozen value
    wire: Wire | None = None,
    change: Callable[[], None] | None = None,
    secrets: Sequence[str] = (),
    limiter: Limiter | None = None,
    laws: Sequence[str] = (),
    backend: str = "asyncio",
    progress: Callable[[Verdict], None] | None = None,
    name: str = "",
) -> LawReport:
    """Look at the laws that a connector keeps; at those named in `laws`, or at all of them.

    `factory` makes a new connector each time. `wire` lets requests fail between it and its source, `change` changes the
    source as others would. `secrets` are looked for in every message. A `limiter` keeps all requests to a rate.
    `progress` is called with each verdict as it comes; what it raises is passed on.

    Each law runs in a thread of its own on a `backend` event loop of its own: a connector that blocks it, or never
    comes back, is named and abandoned. Whatever the connector does is told in the report, which has a verdict on each
    law that was asked for, or says in `failure` why nothing could be looked at.

    Raise `ConfigError` for the name of a law that there is not, for a backend that is not installed, and without
    hypothesis, which draws the plans of faults (not needed with `Bounds(faults=False)`).

    >>> import anyio
    >>> from functools import partial
    >>> from connector_kit.connectors.mock import MockConnector
    >>> report = anyio.run(partial(check_connector, MockConnector, laws=["cursors"]))
    >>> report.ok
    True
    """
    chosen = CONNECTOR_LAWS.named(laws)
    require_backend(backend)
    if bounds.faults:
        import_module("connector_kit.testing.drawing")  # which raises where hypothesis is missing
    subject = Subject(
        factory, bounds=bounds, wire=wire, change=change, secrets=tuple(secrets), limiter=limiter
    )
    examination = Examination(subject, backend, [each.law for each in chosen])
    return await examine(examination, chosen, progress=progress, name=name)


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

    Raise `ConfigError` for the name of a law that there is not, for a rate that is none, and for a backend that is not
    installed.

    >>> import anyio
    >>> from functools import partial
    >>> from connector_kit.wrappers.retry.wrapper import Retrying
    >>> report = anyio.run(partial(check_wrapper, Retrying, retries=True, laws=["transparent", "closing"]))
    >>> report.ok, report.subject
    (True, 'Retrying')
    """
    chosen = WRAPPER_LAWS.named(laws)
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

    runner = _InThreads(subject, one_clock=clock is not None)
    return await examine(runner, chosen, progress=progress, name=name)


async def check_destination(
    new_fixture: FixtureFactory,
    /,
    *,
    ordered: bool = True,
    bounds: Bounds = Bounds(),  # noqa: B008 - a frozen value
    laws: Sequence[str] = (),
    backend: str = "asyncio",
    progress: Callable[[Verdict], None] | None = None,
    name: str = "",
) -> LawReport:
    """Look at the laws that a destination keeps; at those named in `laws`, or at all of them.

    `new_fixture` makes a new, empty fixture each time: see `DestinationFixture`, and the protocols beside it that let more
    be checked. `ordered` says that rows are read back in the order in which they were written; False for a store that
    has none. `bounds.plans` sequences of calls are drawn for the last law. `progress` is called with each verdict as it
    comes; what it raises is passed on.

    Each law runs in a thread of its own on a `backend` event loop of its own: a destination that blocks it, or never
    comes back, is named and abandoned.

    Raise `ConfigError` for the name of a law that there is not, and for a backend that is not installed.
    """
    chosen = DESTINATION_LAWS.named(laws)
    require_backend(backend)
    subject = DestinationSubject(new_fixture, bounds=bounds, ordered=ordered)
    examination = Examination(subject, backend, [each.law for each in chosen])
    return await examine(examination, chosen, progress=progress, name=name)


class _InThreads:
    """Runs laws that have event loops of their own, each on a new subject, in a thread that is left behind if it hangs."""

    def __init__(self, subject: Callable[[], WrapperSubject], *, one_clock: bool) -> None:
        self._subject = subject
        self._one_clock = one_clock
        self._over = ""
        self.requests = 0

    async def prepare(self) -> Ready:
        """Put the wrapper around a connector once."""
        subject = self._subject()
        name: list[str] = []

        async def look() -> None:
            async with subject.wrapped(subject.inner()) as wrapper:
                name.append(type(wrapper).__name__)
                require(wrapper, "check_wrapper() was given a function whose result is")

        error = await subject.in_thread(lambda: subject.run(look))
        failure = f": {type(error).__name__}: {error}" if error is not None else ""
        if subject.hung:
            failure = f" within {subject.bounds.call_seconds:g} s"
        return Ready(
            name[0] if name else getattr(subject.around, "__name__", "wrapper"),
            f"no wrapper could be put around a connector{failure}" if failure else "",
        )

    async def look_at(self, law: LawFunction[WrapperSubject, F], /) -> Verdict:
        """Return the verdict on a law, whatever the wrapper does meanwhile."""
        if self._over:
            found = Findings(law.law)
            found.unchecked(self._over)
            return found.verdict()
        subject = self._subject()
        verdict = await law(subject)
        self.requests += verdict.requests
        if subject.hung and self._one_clock:
            self._over = f"not looked at, since the thread that hangs in {law.law.name!r} has the clock"
        return verdict


def _rate(given: Rate | str | None) -> Rate | None:
    if not isinstance(given, str):
        return given
    try:
        return Rate.parse(given)
    except ValueError as error:
        raise ConfigError(f"cannot look for rate={given!r}: expected {error}; give one of these") from error
