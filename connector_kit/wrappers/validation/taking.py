"""How a run takes records that do not fit: whoever validates below it hands them over instead of failing."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .policy import Rejected

__all__ = ["Taker", "current_taker", "taking_rejected"]

Taker: TypeAlias = "Callable[[Sequence[Rejected]], Awaitable[None]]"

_taker: ContextVar[Taker | None] = ContextVar("connector_kit.taker", default=None)


def current_taker() -> Taker | None:
    """Return what takes the records that do not fit, of the read this is called in; None where they are an error."""
    return _taker.get()


class taking_rejected:  # noqa: N801 - used like a function: `with taking_rejected(taker): ...`
    """Let `taker` have the records that do not fit, of reads in this block; with None, they are an error."""

    __slots__ = ("_taker", "_token")

    def __init__(self, taker: Taker | None) -> None:
        self._taker = taker

    def __enter__(self) -> None:
        self._token = _taker.set(self._taker)

    def __exit__(self, *_: object) -> None:
        _taker.reset(self._token)
