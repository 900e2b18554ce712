"""The read that is interrupted, and what has to be there afterwards: for laws that stop it somewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from connector_kit.records.checkpoint import Mode

from .samples import LAST, ORDERS, page, pages, reached

if TYPE_CHECKING:
    from connector_kit.records.checkpoint import Checkpoint
    from connector_kit.records.page import Record

    from .trial import Trial
    from .watched import WatchedDestination

__all__ = ["CALLS", "earlier", "goes_on", "make"]

_MEND = "store the rows and their checkpoint in one transaction, or let the checkpoint say which rows count"
_OLD = 5
"""The page of an earlier, complete read."""

CALLS = ("open", "start", "write of page 1", "write of page 2", "write of page 3", "finish", "close")
_COVERED = (None, None, None, 1, 1, 3, LAST, LAST)
"""The last page that is covered before each call, and after the last one; None is what the earlier read has."""


async def earlier(at: Trial, mode: Mode) -> None:
    """Make the earlier read, which is complete."""
    await at.start(mode)
    await at.write(_OLD)
    await at.destination.finish(ORDERS.name, _checkpoint(mode, None))


async def make(destination: WatchedDestination, mode: Mode, call: int) -> None:
    """Make one call of the read."""
    match call:
        case 0:
            await destination.open()
        case 1:
            await destination.start(ORDERS, mode)
        case 2 | 3 | 4:
            number = call - 1
            covered = None if number == 2 else reached(mode, number)  # noqa: PLR2004 - the provisional page
            await destination.write(ORDERS.name, page(number), covered)
        case 5:
            await destination.finish(ORDERS.name, _checkpoint(mode, LAST))
        case _:
            await destination.close()


# -- what has to be there afterwards -----------------------------------------------------------------------------------


def _checkpoint(mode: Mode, number: int | None) -> Checkpoint:
    if number is None:
        return reached(mode, _OLD, complete=True)
    return reached(mode, number, complete=number == LAST)


@attrs.frozen
class _State:
    """What is stored: the page that is covered, None where it is the earlier read that counts."""

    mode: Mode
    covered: int | None

    @property
    def rows(self) -> list[Record]:
        """The rows that a reader sees once provisional ones are dropped."""
        new = pages(*range(1, 1 + min(self.covered or 0, 3)))
        if self.mode == "replace":
            return new if self.covered == LAST else page(_OLD)
        return [*page(_OLD), *new]

    @property
    def told(self) -> str:
        if self.covered is None:
            return "the earlier read is covered"
        return "the read is complete" if self.covered == LAST else f"page {self.covered} is covered"


def _told(stored: Checkpoint | None) -> str:
    return "none" if stored is None else f"one with cursor {stored.cursor}{', complete' * stored.complete}"


async def goes_on(at: Trial, mode: Mode, before: int, after: int) -> None:
    """Compare with the states before and after the call that was under way, go on with the read, and compare again."""
    call = f" in {CALLS[before]}" if after > before else ""
    stored = (await at.destination.checkpoints()).get(ORDERS.name)
    covered = next(
        (each for each in _COVERED[before : after + 1] if stored == _checkpoint(mode, each)), LAST + 1
    )
    state = _State(mode, covered)
    if covered == LAST + 1:
        at.broken(
            f"gone{call}, checkpoints() gives neither the checkpoint before nor the one after, but {_told(stored)}",
            mend=_MEND,
            entity=ORDERS.name,
        )
    when = f"gone{call}, the checkpoint says that {state.told}; then"
    given = await at.start(mode)  # a destination may leave it to this to complete what was under way
    new = mode == "replace" and covered in {None, LAST}
    at.given_is(given, None if new else _checkpoint(mode, covered), f"{when} the next start", mend=_MEND)
    if mode != "upsert" or covered == LAST:
        at.rows_are(state.rows, f"{when} after the next start", mend=_MEND, ordered=mode != "upsert")
    if covered == LAST:
        return
    for number in range((covered or 0) + 1, 4):
        await at.write(number)
    await at.finish()
    rows = _State(mode, LAST).rows
    at.rows_are(rows, f"{when} after the read has gone on to its end", mend=_MEND, ordered=mode != "upsert")
