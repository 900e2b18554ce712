"""`check_destination`: whether a destination keeps the laws, all of them or some."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

from connector_kit.errors import ConfigError

from .bounds import Bounds
from .destination import (
    append,
    atomic,
    cancelled,
    checkpoints,
    entities,
    evolution,
    history,
    lazy,
    lifecycle,
    names,
    provisional,
    refusals,
    replace,
    reset,
    upsert,
    values,
)
from .destination.place import Place, Places
from .destination.subject import DestinationSubject, PlaceOrSubject, close_quietly
from .report import LawReport
from .verdict import Law, Verdict

__all__ = ["DESTINATION_LAWS", "check_destination"]

Check: TypeAlias = Callable[[PlaceOrSubject], Awaitable[Verdict]]

_CHECKS: tuple[tuple[Law, Check], ...] = (
    (atomic.LAW, atomic.atomic),
    (checkpoints.LAW, checkpoints.checkpoints),
    (provisional.LAW, provisional.provisional),
    (append.LAW, append.append),
    (upsert.LAW, upsert.upsert),
    (replace.LAW, replace.replace),
    (evolution.LAW, evolution.evolution),
    (values.LAW, values.values),
    (names.LAW, names.names),
    (entities.LAW, entities.entities),
    (lifecycle.LAW, lifecycle.lifecycle),
    (refusals.LAW, refusals.refusals),
    (reset.LAW, reset.reset),
    (lazy.LAW, lazy.lazy),
    (cancelled.LAW, cancelled.cancelled),
    (history.LAW, history.history),
)

DESTINATION_LAWS: tuple[Law, ...] = tuple(law for law, _ in _CHECKS)
"""The laws of a destination, in the order in which they are looked at."""


async def check_destination(
    places: Places,
    /,
    *,
    laws: Iterable[str] = (),
    bounds: Bounds | None = None,
    ordered: bool = True,
    progress: Callable[[Verdict], None] | None = None,
    name: str = "",
) -> LawReport:
    """Look at the laws of a destination, in the caller's event loop, and report.

    places: makes a new, empty place each time; what a place has to be is in `Place`.
    laws: the names of those to look at; all where empty. Raises `ConfigError` for one that there is not.
    bounds: how long, and with how many calls. `Bounds()` where None.
    ordered: whether rows are read back in the order in which they were written.
    progress: is called with each verdict.
    name: of the destination, for the report; that of its class where empty.
    """
    wanted = _wanted(tuple(laws))
    subject = DestinationSubject(places, bounds=bounds or Bounds(), ordered=ordered)
    started = time.monotonic()
    failure, found_name = await _preflight(places, subject)
    verdicts: list[Verdict] = []
    for _, check in () if failure else wanted:
        verdicts.append(await check(subject))
        if progress is not None:
            progress(verdicts[-1])
    return LawReport(
        name or found_name,
        tuple(verdicts),
        failure,
        requests=subject.meter.requests,
        seconds=time.monotonic() - started,
    )


def _wanted(names: tuple[str, ...]) -> list[tuple[Law, Check]]:
    known = [law.name for law in DESTINATION_LAWS]
    if unknown := [each for each in names if each not in known]:
        raise ConfigError(
            f"there is no law {unknown[0]!r} of a destination; expected some of {', '.join(known)}; choose of these"
        )
    return [(law, check) for law, check in _CHECKS if not names or law.name in names]


async def _preflight(places: Places, subject: DestinationSubject) -> tuple[str, str]:
    """Say why nothing can be looked at, if so, and what the destination's class is called."""
    name = "destination"
    try:
        place: object = places()  # it may be anything: nobody has looked at it yet
        if not isinstance(place, Place):
            return (
                f"places() gave {type(place).__name__!r}, which is no place; expected an object with destination() "
                "and rows(entity); see `Place`"
            ), name
        made = place.destination()
        name = type(made).__name__
        if not subject.modes():
            return (
                "the destination says it has no mode; expected some of append, upsert, replace in modes",
                name,
            )
        destination = subject.watched(made)
        try:
            await destination.open()
        finally:
            await close_quietly(destination)
    except Exception as error:  # noqa: BLE001 - whatever an author's code raises is told, not passed on
        return f"it cannot be opened at a new place: {type(error).__name__}: {error}", name
    return "", name
