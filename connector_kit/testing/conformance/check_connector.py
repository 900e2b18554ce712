"""`check_connector`: all laws of a connector, looked at one after the other, and one report of them."""

from __future__ import annotations

import time
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from connector_kit.testing.conformance.connector.table import laws_named

from .bounds import Bounds
from .choosing import require_backend
from .examination import Examination
from .report import LawReport
from .subject import Factory, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector_kit.protocols import Limiter

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

    Raises `ConfigError` for the name of a law that there is not, for a backend that is not installed, and without
    hypothesis, which draws the plans of faults (not needed with `Bounds(faults=False)`).

    >>> import anyio
    >>> from connector_kit.connectors.mock import MockConnector
    >>> report = anyio.run(partial(check_connector, MockConnector, laws=["cursors"]))
    >>> report.ok
    True
    """
    chosen = laws_named(laws)
    require_backend(backend)
    if bounds.faults:
        import_module("connector_kit.testing.drawing")  # which raises where hypothesis is missing
    subject = Subject(
        factory, bounds=bounds, wire=wire, change=change, secrets=tuple(secrets), limiter=limiter
    )
    started = time.monotonic()
    examination = Examination(subject, backend, tuple(law for law, _ in chosen))
    ready = await examination.prepare()
    verdicts: list[Verdict] = []
    if not ready.failure:
        for law, look in chosen:
            verdicts.append(await examination.look_at(law, partial(look, subject)))
            if progress is not None:
                progress(verdicts[-1])
    return LawReport(
        name or ready.name or getattr(factory, "__name__", "") or "connector",
        tuple(verdicts),
        ready.failure,
        subject.meter.requests,
        time.monotonic() - started,
        ready.error,
    )
