"""Which requests fail: drawn from a key and the number of the request, so that every run meets the same faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.errors import ConnectionFailedError, ServiceUnavailableError, TimedOutError, TransientError

from .values import mix

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["drawn_faults"]

_KINDS: tuple[tuple[type[TransientError], str], ...] = (
    (ConnectionFailedError, "the connection broke"),
    (ServiceUnavailableError, "the service answered that it is not available"),
    (TimedOutError, "no answer came in time"),
)


def drawn_faults(key: int, share: float, max_in_a_row: int) -> Iterator[TransientError | None]:
    """Give, for one request after the other, the error it fails with, or None; without end."""
    number = row = 0
    while True:
        number += 1
        bits = mix(key, -number)  # negative: records have the other indexes
        if row < max_in_a_row and bits < share * 2**64:
            row += 1
            kind, what = _KINDS[bits % len(_KINDS)]
            yield kind(f"{what}: request {number} of the mock connector fails on purpose; try it again")
        else:
            row = 0
            yield None
