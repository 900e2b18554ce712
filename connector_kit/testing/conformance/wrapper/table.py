"""The laws a wrapper keeps, in the order of docs/reference/laws.md, each with the function that looks at it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from connector_kit.testing.conformance.choosing import chosen
from connector_kit.testing.conformance.verdict import Law, Verdict

from . import bounded, cancellable, closing, exact, honest, independent, overhead, scopes, transparent, whole
from .subject import WrapperSubject

__all__ = ["WRAPPER_LAWS", "LawFunction", "laws_named"]

LawFunction: TypeAlias = Callable[[WrapperSubject], Awaitable[Verdict]]

WRAPPER_LAWS: Final[tuple[tuple[Law, LawFunction], ...]] = (
    (transparent.LAW, transparent.transparent),
    (exact.LAW, exact.exact),
    (bounded.LAW, bounded.bounded),
    (cancellable.LAW, cancellable.cancellable),
    (scopes.LAW, scopes.scopes),
    (overhead.LAW, overhead.overhead),
    (whole.LAW, whole.whole),
    (honest.LAW, honest.honest),
    (closing.LAW, closing.closing),
    (independent.LAW, independent.independent),
)


def laws_named(names: Sequence[str]) -> tuple[tuple[Law, LawFunction], ...]:
    """Give the laws of these names, in their own order; all of them for no names. Raises `ConfigError` for another name."""
    return chosen(WRAPPER_LAWS, names, "a wrapper")
