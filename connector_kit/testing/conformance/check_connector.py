"""`check_connector`: all laws of a connector, looked at one after the other, and one report of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from .bounds import Bounds
from .connector.table import laws_named
from .preflight import prepare
from .report import LawReport
from .subject import Factory, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .verdict import Verdict
    from .wire import Wire

__all__ = ["check_connector"]


async def check_connector(  # noqa: PLR0913 - the options of the one call that there is, by keyword
    factory: Factory,
    /,
    *,
    bounds: Bounds = Bounds(),  # noqa: B008 - a frozen value
    wire: Wire | None = None,
    change: Callable[[], None] | None = None,
    secrets: Sequence[str] = (),
    laws: Sequence[str] = (),
    backend: str = "asyncio",
    progress: Callable[[Verdict], None] | None = None,
    name: str = "",
) -> LawReport:
    """Look at the laws that a connector keeps; at those named in `laws`, or at all of them.

    `factory` makes a new connector each time. `progress` is called with each verdict as it comes. Raises `ConfigError`
    for the name of a law that there is not. Whatever the connector does is told in the report.
    """
    chosen = laws_named(laws)
    subject = Subject(factory, bounds=bounds, wire=wire, change=change, secrets=tuple(secrets))
    started = time.monotonic()
    ready = await prepare(subject)
    verdicts: list[Verdict] = []
    if not ready.failure:
        for _, look in chosen:
            verdicts.append(await look(subject))
            if progress is not None:
                progress(verdicts[-1])
    report = LawReport(name or ready.name or "connector", tuple(verdicts), ready.failure)
    return attrs.evolve(report, requests=subject.meter.requests, seconds=time.monotonic() - started)
