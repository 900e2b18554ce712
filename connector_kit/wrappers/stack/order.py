"""The orders of wrappers: the one that `protect` builds, and those that cannot work, each with its reason.

Explained in docs/explanation/order-of-wrappers.md, which a test compares with these tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs

from connector_kit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ORDER", "REFUSED", "LayerPosition", "RefusedOrder", "refuse_order"]

LayerPosition: TypeAlias = Literal[
    "Observed",
    "Cached",
    "TimeLimited(deadline)",
    "Retrying",
    "Hedged",
    "CircuitBreaking",
    "Bulkheaded",
    "RateLimited",
    "TimeLimited(attempt)",
    "Validating",
    "Translating",
]

ORDER: tuple[LayerPosition, ...] = (
    "Observed",
    "Cached",
    "TimeLimited(deadline)",
    "Retrying",
    "Hedged",
    "CircuitBreaking",
    "Bulkheaded",
    "RateLimited",
    "TimeLimited(attempt)",
    "Validating",
    "Translating",
)
"""The layers of `protect`, the outermost first."""


@attrs.frozen
class RefusedOrder:
    """Two wrappers, by the names of their classes, that must not stand in this order, whatever is between them."""

    outer: str
    inner: str
    found: str
    """What is there, as the message begins."""
    reason: str
    way_out: str
    allowed_by: str | None = None
    """The option of the outer one that allows it."""
    same: str | None = None
    """Refused only where both have the same object in this field."""

    def __str__(self) -> str:
        allowed = f", or say {self.allowed_by}=True" if self.allowed_by else ""
        return f"{self.found}, {self.reason}; {self.way_out}{allowed}"

    def concerns(self, outer: object, inner: object) -> bool:
        """Return whether these two are refused."""
        return (
            self.inner in _class_names(inner)
            and not (self.allowed_by and getattr(outer, self.allowed_by))
            and (self.same is None or getattr(outer, self.same) is getattr(inner, self.same))
        )


REFUSED = (
    RefusedOrder(
        outer="Retrying",
        inner="Retrying",
        found="there is a Retrying inside this Retrying",
        reason="so that attempts would multiply",
        way_out="leave one out",
        allowed_by="allow_nested",
    ),
    RefusedOrder(
        outer="RateLimited",
        inner="Retrying",
        found="RateLimited is outside Retrying",
        reason="so that retries would go past the limit",
        way_out="put it inside: Retrying(RateLimited(connector, limiter), retry)",
        allowed_by="allow_outside_retry",
    ),
    RefusedOrder(
        outer="CircuitBreaking",
        inner="Retrying",
        found="CircuitBreaking is outside Retrying",
        reason="so that an open circuit would stop no retry",
        way_out="put it inside: Retrying(CircuitBreaking(connector, breaker), retry)",
        allowed_by="allow_outside_retry",
    ),
    RefusedOrder(
        outer="Bulkheaded",
        inner="Retrying",
        found="Bulkheaded is outside Retrying",
        reason="so that slots would be held while retries are waited for",
        way_out="put it inside: Retrying(Bulkheaded(connector, bulkhead), retry)",
        allowed_by="allow_outside_retry",
    ),
    RefusedOrder(
        outer="Hedged",
        inner="Retrying",
        found="Hedged is outside Retrying",
        reason="so that every extra call would have its own retries",
        way_out="put it inside: Retrying(Hedged(connector, hedge), retry)",
        allowed_by="allow_outside_retry",
    ),
    RefusedOrder(
        outer="Translating",
        inner="Retrying",
        found="Translating is outside Retrying",
        reason="which decides by the translated class",
        way_out="put it inside: Retrying(Translating(connector, rules), retry)",
    ),
    RefusedOrder(
        outer="Bulkheaded",
        inner="Bulkheaded",
        found="there is a Bulkheaded with the same slots inside this one",
        reason="so that an operation would wait for the slot it holds",
        way_out="leave one of them out, or give each its own Bulkhead",
        same="slots",
    ),
    RefusedOrder(
        outer="Retrying",
        inner="Prefetching",
        found="there is a Prefetching inside this Retrying",
        reason="so that every fault would throw away what was fetched ahead",
        way_out="put it outside: Prefetching(Retrying(connector, retry), tasks)",
    ),
    RefusedOrder(
        outer="RateLimited",
        inner="Prefetching",
        found="there is a Prefetching inside this RateLimited",
        reason="so that requests would be made ahead of their permits",
        way_out="put it outside: Prefetching(RateLimited(connector, limiter), tasks)",
    ),
    RefusedOrder(
        outer="Prefetching",
        inner="Prefetching",
        found="there is a Prefetching inside this Prefetching",
        reason="which would only copy pages from buffer to buffer",
        way_out="leave one out and give the other more pages=",
    ),
    RefusedOrder(
        outer="protect",
        inner="Retrying",
        found="there is a Retrying around this connector already",
        reason="as protect puts one",
        way_out=(
            "give protect the connector without its stack (the command line protects what it is given, as the file's "
            "[resilience] says)"
        ),
    ),
    RefusedOrder(
        outer="protect with a rate",
        inner="RateLimited",
        found="there is a RateLimited around this connector already",
        reason="so that every page would take two permits",
        way_out="protect the connector without it, and give its limiter as limiter=",
    ),
)
"""The orders that are refused; the message is that of the first one found."""


def refuse_order(outer: object, inside: Sequence[object]) -> None:
    """Raise `ConfigError` where a layer of `inside` must not be inside `outer`: a wrapper, or the name of a builder."""
    names = {outer} if isinstance(outer, str) else _class_names(outer)
    for refused in REFUSED:
        if refused.outer in names and any(refused.concerns(outer, layer) for layer in inside):
            raise ConfigError(str(refused))


def _class_names(layer: object) -> set[str]:
    """Return the names of the kit's classes that a layer is an instance of."""
    return {cls.__name__ for cls in type(layer).__mro__ if cls.__module__.startswith("connector_kit")}
