"""Detects a read that goes round in circles, with the memory of two values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.errors import RepeatedCursorError

if TYPE_CHECKING:
    from .page import Cursor

__all__ = ["CircleWatch", "CursorWatch"]


class CircleWatch:
    """Sees values one after the other, none of them None, and tells when one comes again.

    A value that equals the one before is found at once. A longer circle is found by Brent's method: compare with a
    remembered value that moves up at every power of two. With n values before a circle of length m, that is at the
    latest the value number 2 * max(n + 2, m) + m - 2.
    Source: R. P. Brent, An improved Monte Carlo factorization algorithm, BIT 20 (1980).
    """

    __slots__ = ("_last", "_left", "_power", "_remembered")

    def __init__(self) -> None:
        self._last: object = None
        self._remembered: object = None
        self._power = 1
        self._left = 1

    def comes_again(self, value: object) -> bool:
        """Take note of a value; return whether it is one that came before."""
        if value in (self._last, self._remembered):
            return True
        self._last = value
        self._left -= 1
        if self._left == 0:
            self._remembered = value
            self._power *= 2
            self._left = self._power
        return False


class CursorWatch:
    """Sees the cursors of one read, one after the other, and raises when one comes again, by `CircleWatch`."""

    __slots__ = ("_circle",)

    def __init__(self) -> None:
        self._circle = CircleWatch()

    def see(self, cursor: Cursor) -> None:
        """Take note of a delivered page's cursor; raises `RepeatedCursorError`. None is no cursor."""
        if cursor is not None and self._circle.comes_again(cursor):
            raise RepeatedCursorError(
                "a page carries the cursor of an earlier page of the same read; every page must move on, so this read "
                "would never end: look at how the connector computes its cursor (or how the server answers it)"
            )
