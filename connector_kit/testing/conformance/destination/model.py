"""A destination for one entity without any cleverness: what the contract promises of rows and checkpoints. Pure.

Where the contract leaves a choice (provisional rows that are shown or not, upserted ones that stay or not), the model
says what is allowed, and takes over what it is told was found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from connector_kit.records.checkpoint import Checkpoint, Mode
from connector_kit.records.page import Record

from .stored_values import equal_records, rows_difference

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
    replacing: bool = False
    written_over: list[Record] = attrs.field(factory=list[Record])
    """Provisional rows of a replace that were dropped, but may have been written over those with the same key."""

    def add(self, records: Sequence[Record], *, upserting: bool) -> None:
        self.pending.extend(records)
        self.upserting = upserting

    def all(self) -> list[Record]:
        if not self.upserting:
            return [*self.covered, *self.pending]
        rows = {row["id"]: row for row in self.covered}
        rows.update((row["id"], row) for row in self.pending)
        return list(rows.values())

    def cover(self, checkpoint: Checkpoint) -> None:
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
        if differs is not None and self.replacing and self._is_last_of_each(found):
            return ""
        return "" if differs is None else ", ".join([differs.what, *differs.records[:4]])

    def _is_last_of_each(self, found: Sequence[Record]) -> bool:
        """Whether there is one row for each key: the last one that was written."""
        last = {row["id"]: row for row in self.covered}
        allowed = [*self.written_over, *last.values()]
        return len(found) == len(last) == len({row.get("id") for row in found}) and all(
            any(equal_records(row, found_row) for row in allowed if row["id"] == found_row.get("id"))
            for found_row in found
        )

    def forget_pending(self) -> None:
        """Drop what no checkpoint covers."""
        self.written_over.extend(self.pending)
        self.pending = []

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
            self._following = _ModelRows(replacing=True)
        self._following.forget_pending()
        return complaint or _complaint_of(given, expected)

    def write(self, records: Sequence[Record], checkpoint: Checkpoint | None) -> None:
        """Store a page."""
        rows = self._target
        rows.add(records, upserting=self.mode == "upsert")
        if checkpoint is not None:
            rows.cover(checkpoint)

    def finish(self, checkpoint: Checkpoint) -> None:
        """Finish the read."""
        self._target.cover(checkpoint)
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
        following = None if self._following is None else self._following.checkpoint
        expected = [self._current.checkpoint]
        if following is not None:
            expected = [following, *([self._current.checkpoint] if self._stale else [])]
        elif self._following is not None:
            expected.append(None)  # of a generation that has none yet
        return self._current.complaint(found, ordered=self._ordered) or _complaint_of(given, expected)

    @property
    def _ordered(self) -> bool:
        return self.ordered and not self._current.upserting

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
