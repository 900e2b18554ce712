"""The laws a connector keeps, in the order of docs/reference/laws.md, each with the function that looks at it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from difflib import get_close_matches
from typing import Final, TypeAlias

from connector_kit.errors import ConfigError, Problem
from connector_kit.testing.conformance.subject import Factory, Subject
from connector_kit.testing.conformance.verdict import Law, Verdict

from . import catalog, closing, cursors, errors, lifecycle, progress, resume, sample, shape, since

__all__ = ["CONNECTOR_LAWS", "LawFunction", "laws_named"]

LawFunction: TypeAlias = Callable[[Factory | Subject], Awaitable[Verdict]]

CONNECTOR_LAWS: Final[tuple[tuple[Law, LawFunction], ...]] = (
    (lifecycle.LAW, lifecycle.lifecycle),
    (catalog.LAW, catalog.catalog),
    (shape.LAW, shape.shape),
    (resume.LAW, resume.resume),
    (since.LAW, since.since),
    (progress.LAW, progress.progress),
    (cursors.LAW, cursors.cursors),
    (closing.LAW, closing.closing),
    (errors.LAW, errors.errors),
    (sample.LAW, sample.sample),
)


def laws_named(names: Sequence[str]) -> tuple[tuple[Law, LawFunction], ...]:
    """Give the laws of these names, in their own order; all of them for no names.

    Raises `ConfigError` for a name that is none, with the nearest one that is.
    """
    known = [law.name for law, _ in CONNECTOR_LAWS]
    problems = [_unknown(name, known) for name in names if name not in known]
    if problems:
        raise ConfigError("there is no such law of a connector", problems)
    return tuple((law, look) for law, look in CONNECTOR_LAWS if not names or law.name in names)


def _unknown(name: str, known: Sequence[str]) -> Problem:
    near = get_close_matches(name, known, n=1)
    return Problem("laws", repr(name), f"one of {', '.join(known)}", f"use {near[0]!r}" if near else "")
