r"""JSON with half of a surrogate pair in it (`"\ud83d"`), as a server writes that cuts texts: one record's fault, not that of all."""

from __future__ import annotations

import re

import attrs

__all__ = ["Mended", "mended"]

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u(?P<half>[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_HALVES = 0xD800
_PRIVATE = {0xE000: rb"[eE][0-7]", 0xE800: rb"[eE][89a-fA-F]", 0xF000: rb"[fF][0-7]"}
"""Blocks of code points for private use, each with a place for every half, and what is written where one of them is in use."""


@attrs.frozen
class Mended:
    """The body with each half replaced by a code point for private use, of the block at `_block`, which it does not have."""

    body: bytes
    _block: int

    def restored(self, document: bytes) -> bytes | None:
        """Return a part of the body as it came; None where it came as it is."""
        restored = re.sub(
            rb"\\u(?P<private>" + _PRIVATE[self._block] + rb"[0-9a-f]{2})", self._half, document
        )
        return None if restored == document else restored

    def _half(self, escape: re.Match[bytes]) -> bytes:
        return b"\\u%x" % (int(escape["private"], 16) - self._block + _HALVES)


def mended(body: bytes) -> Mended | None:
    r"""Return the body with its halves replaced; None where it has none.

    >>> mended(rb'["\ud83d", "\ud83d\ude00", "\\ud83d"]').body
    b'["\\ue03d", "\\ud83d\\ude00", "\\\\ud83d"]'
    """
    block = next((block for block, used in _PRIVATE.items() if not re.search(rb"\\u" + used, body)), None)
    if block is None:
        return None

    def private(escape: re.Match[bytes]) -> bytes:
        half = escape["half"]
        return escape[0] if half is None else b"\\u%x" % (int(half, 16) - _HALVES + block)

    found = _ESCAPE.sub(private, body)
    return None if found == body else Mended(found, block)
