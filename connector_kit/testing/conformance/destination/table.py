"""The laws a destination keeps, in the order of docs/reference/laws.md, each with the function that looks at it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from difflib import get_close_matches
from typing import Final, TypeAlias

from connector_kit.errors import ConfigError, Problem
from connector_kit.testing.conformance.verdict import Law, Verdict

from . import (
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
from .subject import PlaceOrSubject

__all__ = ["DESTINATION_LAWS", "LawFunction", "laws_named"]

LawFunction: TypeAlias = Callable[[PlaceOrSubject], Awaitable[Verdict]]

DESTINATION_LAWS: Final[tuple[tuple[Law, LawFunction], ...]] = (
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


def laws_named(wanted: Sequence[str]) -> tuple[tuple[Law, LawFunction], ...]:
    """Give the laws of these names, in their own order; all of them for no names.

    Raises `ConfigError` for a name that is none, with the nearest one that is.
    """
    known = [law.name for law, _ in DESTINATION_LAWS]
    problems = [_unknown(name, known) for name in wanted if name not in known]
    if problems:
        raise ConfigError("there is no such law of a destination", problems)
    return tuple((law, look) for law, look in DESTINATION_LAWS if not wanted or law.name in wanted)


def _unknown(name: str, known: Sequence[str]) -> Problem:
    near = get_close_matches(name, known, n=1)
    return Problem("laws", repr(name), f"one of {', '.join(known)}", f"use {near[0]!r}" if near else "")
