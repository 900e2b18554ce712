"""The part of an entity that a read still has to deliver, and the cursor that stands for it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import attrs

from connector_kit.errors import CursorExpiredError, RequestRejectedError

if TYPE_CHECKING:
    from connector_kit.records.page import Cursor

__all__ = ["IndexRange"]


@attrs.frozen
class IndexRange:
    """The indexes from `low` to before `high`.

    A `growing` range ends where the entity ends, so that its cursor reaches records added later; any other keeps its
    end.
    """

    low: int
    high: int
    growing: bool = False

    def __len__(self) -> int:
        return max(0, self.high - self.low)

    @property
    def cursor(self) -> Cursor:
        """The same as JSON: `{"from": 300}` or `{"from": 300, "to": 400}`."""
        return {"from": self.low} if self.growing else {"from": self.low, "to": self.high}

    @classmethod
    def at(cls, cursor: Cursor, count: int) -> IndexRange:
        """Read a cursor, for an entity that has `count` records.

        Raises `RequestRejectedError` for something else, `CursorExpiredError` where the records are not there.
        """
        match cursor:
            case {"from": int(low), "to": int(high), **rest} if not rest and 0 <= low <= high:
                index_range = cls(low, high)
            case {"from": int(low), **rest} if not rest and low >= 0:
                index_range = cls(low, max(low, count), growing=True)
            case _:
                raise RequestRejectedError(
                    f"the cursor {repr(cursor)[:80]} is none of the mock connector's; expected "
                    '{"from": 300} or {"from": 300, "to": 400}; go on from the cursor of a page, or read without one'
                )
        if index_range.high > count:
            raise CursorExpiredError(
                f"the cursor goes to record {index_range.high}, but there are {count}; was `size` larger when it was "
                "made? read again without it"
            )
        return index_range

    def since(self, index: int) -> IndexRange:
        """Leave out what is below `index`."""
        return attrs.evolve(self, low=min(max(self.low, index), self.high))

    def first(self, size: int) -> tuple[range, IndexRange]:
        """Divide into the first `size` indexes and the rest."""
        cut = min(self.low + size, self.high)
        return range(self.low, cut), attrs.evolve(self, low=cut)

    def last(self, size: int) -> tuple[range, IndexRange]:
        """Divide into the last `size` indexes, the highest first, and the rest."""
        cut = max(self.high - size, self.low)
        return range(self.high - 1, cut - 1, -1), IndexRange(self.low, cut)

    def parts(self, target: int) -> list[IndexRange]:
        """Divide into `target` parts of about the same size; none is empty unless the whole is."""
        number = max(1, min(target, len(self)))
        bounds = [self.low + len(self) * part // number for part in range(number + 1)]
        return [IndexRange(low, high) for low, high in pairwise(bounds)]
