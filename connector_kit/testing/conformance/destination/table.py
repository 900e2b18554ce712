"""The laws a destination keeps, in the order of docs/reference/laws.md, each with the function that looks at it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from connector_kit.testing.conformance.choosing import chosen
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


def laws_named(names: Sequence[str]) -> tuple[tuple[Law, LawFunction], ...]:
    """Give the laws of these names, in their own order; all of them for no names. Raises `ConfigError` for another name."""
    return chosen(DESTINATION_LAWS, names, "a destination")
