"""A destination for one entity without any cleverness: what the contract promises of rows and checkpoints. Pure.

Where the contract leaves a choice (provisional rows that are shown or not, upserted ones that stay or not), the model
says what is allowed, and takes over what it is told was found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from connector_kit.records.checkpoint import Checkpoint, Mode
from connector_kit.records.page import Record

from .stored_values import equal_records, rows_difference, with_size_alone

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Model"]


@attrs.define
class _ModelRows:
    """One generation: the rows that are covered, and those written since, one page after the other."""

    covered: list[Record] = attrs.field(factory=list[Record])
    checkpoint: Checkpoint | None = None
    pending: list[Record] = attrs.field(factory=list[Record])
    upserting: bool = False
    one_row_a_key: bool = False
    """Whether the last row of each key counts, once the read is finished: while a replace builds it."""
    dropped: list[Record] = attrs.field(factory=list[Record])
    """Provisional rows of a replace: where the store writes over the row with the same key, they may stay in its place."""
    moved: bool = False
    """Whether a key has come twice, so that where its row stands is open."""

    def add(self, records: Sequence[Record], *, upserting: bool) -> None:
        self.pending.extend(records)
        self.upserting = upserting

    def all(self) -> list[Record]:
        if not self.upserting:
            return [*self.covered, *self.pending]
        rows = {row["id"]: row for row in self.covered}
        rows.update((row["id"], row) for row in self.pending)
        return list(rows.values())

    def finish(self, checkpoint: Checkpoint) -> None:
        self.cover(checkpoint)
        if self.one_row_a_key:
            last = {row["id"]: row for row in self.covered}
            self.moved = self.moved or len(last) != len(self.covered)
            self.covered = list(last.values())
            self.one_row_a_key = False  # what is appended to it later may repeat a key

    def settle(self, found: Sequence[Record]) -> None:
        """Take over rows that a replace may have left in place of those that are covered."""
        for position, row in enumerate(self.covered):
            instead = [each for each in self.dropped if each["id"] == row["id"]]
            shown = [each for each in found if each.get("id") == row["id"]]
            if len(shown) == 1 and any(equal_records(each, shown[0]) for each in instead):
                self.covered[position] = shown[0]
        self.dropped = []

    def cover(self, checkpoint: Checkpoint) -> None:
        written = {row["id"] for row in self.pending}
        self.dropped = [row for row in self.dropped if row["id"] not in written]
        self.covered = self.all()
        self.pending = []
        self.checkpoint = checkpoint

    def complaint(self, found: Sequence[Record], *, ordered: bool, dropped: bool = False) -> str:
        """Say what is wrong with the rows that are shown; empty where nothing is.

        With `dropped`, provisional rows must be gone, but for upserted ones.
        """
        if self.pending and self.upserting:
            return self._upserted_complaint(found)
        shown = 0 if dropped else min(max(len(found) - len(self.covered), 0), len(self.pending))
        differs = rows_difference([*self.covered, *self.pending[:shown]], found, ordered=ordered)
        return "" if differs is None else ", ".join([differs.what, *differs.records[:4]])

    def _upserted_complaint(self, found: Sequence[Record]) -> str:
        for key in {row["id"] for row in self.all()}:
            before = [row for row in self.covered if row["id"] == key]
            allowed = [*before, *(row for row in self.pending if row["id"] == key)]
            rows = [row for row in found if row.get("id") == key]
            if len(rows) > 1 or (before and not rows):
                return f"there are {len(rows)} rows with id {key}"
            if rows and not any(equal_records(row, rows[0]) for row in allowed):
                return f"the row with id {key} is {dict(rows[0])}"
        return "" if len(found) <= len(self.all()) else f"there are {len(found)} rows"

    def drop_hidden(self) -> None:
        """Drop the provisional rows of a generation that nobody has seen."""
        known = {row["id"] for row in self.covered}
        self.dropped += [row for row in self.pending if row["id"] in known]
        self.pending = []

    def drop(self, found: Sequence[Record]) -> None:
        if self.pending and self.upserting:
            self.covered = [{name: row[name] for name in row} for row in found]
        self.pending = []


@attrs.define
class Model:
    """What has to be there after any sequence of calls and crashes."""

    ordered: bool
    mode: Mode | None = None
    _current: _ModelRows = attrs.field(factory=_ModelRows)
    _following: _ModelRows | None = None
    _stale: bool = False
    """Whether another mode has started since, so that the unfinished generation may have been dropped."""

    def takes(self, mode: Mode) -> bool:
        """Whether a start in this mode is no mistake: upsert cannot tell rows with the same key apart."""
        keys = [row["id"] for row in self._current.covered]
        return mode != "upsert" or len(keys) == len(set(keys))

    def start(self, mode: Mode, given: Checkpoint | None, found: Sequence[Record], *, resume: bool) -> str:
        """Start a read, and say what is wrong with the checkpoint that was given and the rows that are shown then."""
        self.mode = mode
        complaint = self._current.complaint(found, ordered=self._ordered, dropped=True)
        self._current.drop(found)
        if mode != "replace":
            self._stale = True
            return complaint or _complaint_of(given, [self._current.checkpoint])
        continues = resume and self._following is not None and self._following.checkpoint is not None
        expected: list[Checkpoint | None] = [None]
        if continues and self._following:
            expected = [self._following.checkpoint]
        if continues and self._stale:
            expected.append(None)
        self._stale = False
        if given is None or self._following is None:
            self._following = _ModelRows(one_row_a_key=True)
        self._following.drop_hidden()
        return complaint or _complaint_of(given, expected)

    def write(self, records: Sequence[Record], checkpoint: Checkpoint | None) -> None:
        """Store a page."""
        rows = self._target
        rows.add(records, upserting=self.mode == "upsert")
        if checkpoint is not None:
            rows.cover(checkpoint)

    def finish(self, checkpoint: Checkpoint) -> None:
        """Finish the read."""
        self._target.finish(checkpoint)
        if self.mode == "replace":
            self._current = self._target
            self._following = None
        self.mode = None

    def reset(self) -> None:
        """Forget how far reads have come."""
        self._current.checkpoint = None
        self._following = self.mode = None

    def complaint(self, found: Sequence[Record], given: Checkpoint | None) -> str:
        """Say what is wrong with the rows that a reader sees and with the checkpoint that `states` gives."""
        self._current.settle(found)
        following = None if self._following is None else self._following.checkpoint
        expected = [self._current.checkpoint]
        if following is not None:
            expected = [following, *([self._current.checkpoint] if self._stale else [])]
        elif self._following is not None:
            expected.append(None)  # of a generation that has none yet
        shown = list(map(with_size_alone, expected))
        return self._current.complaint(found, ordered=self._ordered) or _complaint_of(given, shown)

    @property
    def _ordered(self) -> bool:
        return self.ordered and not self._current.upserting and not self._current.moved

    @property
    def _target(self) -> _ModelRows:
        if self.mode != "replace":
            return self._current
        assert self._following is not None, "start has made one"
        return self._following


def _complaint_of(given: Checkpoint | None, expected: list[Checkpoint | None]) -> str:
    if given in expected:
        return ""
    wanted = " or ".join(_name_of(each) for each in expected)
    return f"the checkpoint is {_name_of(given)}; expected {wanted}"


def _name_of(checkpoint: Checkpoint | None) -> str:
    if checkpoint is None:
        return "none"
    return f"that of step {checkpoint.pages}{', the end' if checkpoint.complete else ''}"
