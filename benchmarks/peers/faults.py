"""What the served API does wrong, and on which pages: decided by a seed alone, so that every contestant meets the same. Pure."""

from __future__ import annotations

from random import Random
from typing import Final

__all__ = ["KINDS", "NONE", "Schedule"]

NONE: Final = "none"
KINDS: Final = ("429", "503", "cut", "reset", "stall")
"""Too many requests (with Retry-After: 1), unavailable, half a body and the end of the connection, a reset before the
answer, half a body and then silence."""
SEED = 5
FAULTY_PAGES = 3
STALLED_PAGES = 1


class Schedule:
    """The pages of one read that fail, each at the first time it is asked for. The first page never does."""

    def __init__(self, kind: str, pages: int) -> None:
        faulty = {NONE: 0, "stall": STALLED_PAGES}.get(kind, FAULTY_PAGES)
        candidates = range(1, pages)
        self._left = set(Random(f"{SEED} {kind}").sample(candidates, min(faulty, len(candidates))))

    def fails(self, page: int) -> bool:
        """Tell whether a request for a page fails now; the next one for it does not."""
        if page not in self._left:
            return False
        self._left.remove(page)
        return True
