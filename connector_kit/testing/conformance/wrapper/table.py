"""The laws of a wrapper in their order, each with the function that looks at it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from difflib import get_close_matches
from typing import Final, TypeAlias

from connector_kit.errors import ConfigError
from connector_kit.testing.conformance.verdict import Law, Verdict

from . import bounded, cancellable, closing, exact, honest, independent, overhead, scopes, transparent, whole
from .subject import WrapperSubject

__all__ = ["LAWS", "laws_named"]

LookAt: TypeAlias = Callable[[WrapperSubject], Awaitable[Verdict]]

LAWS: Final[tuple[tuple[Law, LookAt], ...]] = (
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


def laws_named(names: Sequence[str]) -> tuple[tuple[Law, LookAt], ...]:
    """Give the laws of these names in their order; all where there are none. Raises `ConfigError` for another name."""
    known = [law.name for law, _ in LAWS]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"name one of them: {', '.join(known)}"
            raise ConfigError(f"no law of wrappers is named {name!r}; expected one of {len(known)}; {hint}")
    return tuple((law, look) for law, look in LAWS if not names or law.name in names)
