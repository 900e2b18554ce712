"""The laws a connector keeps, in the order of docs/reference/laws.md, each with the function that looks at it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from connector_kit.testing.conformance.choosing import chosen
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
    """Give the laws of these names, in their own order; all of them for no names. Raises `ConfigError` for another name."""
    return chosen(CONNECTOR_LAWS, names, "a connector")
