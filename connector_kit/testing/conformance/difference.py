"""What one read delivered more or less than another: records as text, in order."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Difference", "difference"]


@attrs.frozen
class Difference:
    """In what two reads differ, as words ("2 records lost, 1 there twice"), and the records, the lost ones first."""

    what: str
    records: tuple[str, ...] = ()


def difference(
    expected: Sequence[str], got: Sequence[str], *, expected_ended: bool = True, got_ended: bool = True
) -> Difference | None:
    """Compare records in their order; None where they are the same.

    A read that was stopped before its end is compared as far as it went.
    """
    wanted = list(expected if got_ended else expected[: len(got)])
    there = list(got if expected_ended else got[: len(expected)])
    if wanted == there:
        return None
    lost = list((Counter(wanted) - Counter(there)).elements())
    more = list((Counter(there) - Counter(wanted)).elements())
    known = set(wanted)
    twice = [record for record in more if record in known]
    other = [record for record in more if record not in known]
    parts = [
        f"{len(records)} {_of(records)} {word}"
        for records, word in ((lost, "lost"), (twice, "there twice"), (other, "that should not be there"))
        if records
    ]
    if parts:
        return Difference(", ".join(parts), (*lost, *twice, *other))
    first = next(place for place, pair in enumerate(zip(wanted, there, strict=True)) if pair[0] != pair[1])
    return Difference("the same records in another order", (wanted[first], there[first]))


def _of(records: Sequence[str]) -> str:
    return "record" if len(records) == 1 else "records"
