"""JSON for the values records hold: what msgspec knows, and mappings and sequences of any class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

__all__ = ["ENCODER", "simplified"]


def simplified(value: object) -> Any:
    """Turn a mapping, a sequence or a set of somebody's own class into a dict or a list.

    Raises `TypeError` for anything else: msgspec calls this for values that it does not know.
    """
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence | AbstractSet):
        return list(value)
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


ENCODER = msgspec.json.Encoder(enc_hook=simplified)
"""Datetimes and decimals become text, bytes base64, NaN and the infinities null."""
