"""Which records mode "append" has stored that the next read delivers again, so that it leaves them out.

`since` is inclusive, and a watermark is held back where a record may have changed behind the reader: the next read delivers the
records at and above it again, and new ones beside them. A destination that is written over a primary key needs no more; one that
only grows has to tell them apart, by fingerprints of what it has.

The fingerprints are a log, of which only the end grows while a read lasts, so that each checkpoint adds no more than its
pages. An entry is 16 bytes: the replication key in microseconds and what the entry says, then the fingerprint.
"""

from __future__ import annotations

from collections import Counter
from struct import Struct
from typing import TYPE_CHECKING, Final, Self

import attrs

from connector_kit.errors import DataError
from connector_kit.records.batches import peeked
from connector_kit.records.checkpoint import FingerprintLog
from connector_kit.records.instants import at_microseconds, microseconds_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from connector_kit.records.canonical import Fingerprints
    from connector_kit.records.page import Record

__all__ = ["MAX_FINGERPRINTS", "Boundary"]

MAX_FINGERPRINTS: Final = 1_000_000
"""How many records at or above a watermark can be told from new ones: 16 MB beside the rows."""

_HEADER: Final = b"connector-kit 1\n"
"""A log has it even where it is empty: without it, nobody has kept one."""
_ENTRY: Final = Struct(">q8s")
_KINDS: Final = 4
_EARLIER, _NEW, _AGAIN = range(3)
"""Stored by an earlier read; stored by this one; delivered again by this one."""
_NO_KEY: Final = 2**60
"""Stands for the key of a record that has none, above all others: nobody knows when it comes again."""
_FEW: Final = 4_096
"""Entries that no longer matter are removed when there are more of them than of others, but not for fewer than these."""


@attrs.frozen
class Boundary:
    """The fingerprints of one read, behind a page: a value, over a log that grows behind it.

    `size` is the length of the log behind this page. Whoever goes on from here twice, the second time works on a copy.
    """

    size: int
    memory: _Memory = attrs.field(eq=False, repr=False)

    @classmethod
    def empty(cls) -> Self:
        """Return the boundary of a first read."""
        return cls._over(_Memory(bytearray(_HEADER)))

    @classmethod
    def of(cls, log: FingerprintLog) -> Self:
        """Return the boundary that a log holds. Raises `DataError` where it is none, or another part of it than all."""
        if log.keep or not log.added.startswith(_HEADER) or (log.size - len(_HEADER)) % _ENTRY.size:
            raise DataError(
                f"a destination gave back {len(log.added)} bytes as a log of fingerprints of {log.size}, which are none; expected what it was "
                "given with the last checkpoint; replace the rows (mode 'replace'), or reset the entity's state"
            )
        return cls._over(_Memory(bytearray(log.added)))

    @classmethod
    def _over(cls, memory: _Memory) -> Self:
        return cls(len(memory.log), memory)

    def log_behind(self, stored: Boundary | None) -> FingerprintLog:
        """Return the log, of which the destination has what belongs to `stored`."""
        if stored is not None and stored.memory is self.memory and stored.size <= self.size:
            return FingerprintLog(stored.size, bytes(self.memory.log[stored.size : self.size]))
        return FingerprintLog(0, bytes(self.memory.log[: self.size]))

    def ended(self, watermark: datetime | None) -> FingerprintLog:
        """Return the log that the next read needs: what is stored at or above the watermark that this one leaves.

        A record without a key that did not come again is forgotten: a source that compares keys does not deliver it.
        """
        entries = self._at_hand().still_needed(watermark, at_the_end=True)
        return FingerprintLog(0, _HEADER + b"".join(entries))

    def advance(
        self,
        entity: str,
        records: Sequence[Record],
        keys: Sequence[datetime | None],
        *,
        since: datetime | None,
        watermark: datetime | None,
        fingerprints: Fingerprints,
    ) -> tuple[Boundary | None, Sequence[Record]]:
        """Return the boundary behind a page, and its records that are new: asked for, and not stored by an earlier read.

        `watermark` is that behind the page. The boundary is None where there is too much to remember.
        """
        memory = self._at_hand()
        until = memory.until if memory.expected else None
        left_out = set[int]()
        if since is not None:
            left_out.update(position for position, key in enumerate(keys) if key is not None and key < since)
        for position in _near(keys, until, watermark):
            if position in left_out:
                continue
            key = keys[position]
            fingerprint = fingerprints.of_record(entity, peeked(records, position))
            if memory.expected[fingerprint] > 0:
                memory.expect_no_more(key, fingerprint)
                left_out.add(position)
            elif key is None or watermark is None or key >= watermark:
                memory.add(key, fingerprint)
        left = memory.without_what_is_past(watermark)
        if left_out:
            records = [record for position, record in enumerate(records) if position not in left_out]
        return None if left is None else Boundary._over(left), records

    def _at_hand(self) -> _Memory:
        memory = self.memory
        return memory if len(memory.log) == self.size else _Memory(memory.log[: self.size])


def _near(
    keys: Sequence[datetime | None], until: datetime | None, watermark: datetime | None
) -> Iterable[int]:
    """Return the positions of the records that may be stored, or may come again, by their keys."""
    if watermark is None:
        return range(len(keys))
    if until is None:
        return [position for position, key in enumerate(keys) if key is None or key >= watermark]
    return [position for position, key in enumerate(keys) if key is None or key <= until or key >= watermark]


class _Memory:
    """The log, and what follows from it: which fingerprints of earlier reads are still expected to come again."""

    __slots__ = ("_allowed", "expected", "log", "until")

    def __init__(self, log: bytearray, allowed: int = _FEW) -> None:
        self.log = log
        self.expected = Counter[bytes]()
        self._allowed = allowed
        latest = -_NO_KEY
        for key, kind, fingerprint in self._entries():
            if kind == _EARLIER:
                self.expected[fingerprint] += 1
                latest = max(latest, key if key != _NO_KEY else latest)
            elif kind == _AGAIN:
                self.expected[fingerprint] -= 1
        self.expected = +self.expected
        self.until = None if latest == -_NO_KEY else at_microseconds(latest)

    def add(self, key: datetime | None, fingerprint: bytes) -> None:
        """Note a record that is stored by this read."""
        self._append(key, _NEW, fingerprint)

    def expect_no_more(self, key: datetime | None, fingerprint: bytes) -> None:
        """Note that a record of an earlier read has come again."""
        self._append(key, _AGAIN, fingerprint)
        self.expected[fingerprint] -= 1
        if not self.expected[fingerprint]:
            del self.expected[fingerprint]

    def without_what_is_past(self, watermark: datetime | None) -> _Memory | None:
        """Return the log without the entries that no later read needs, where there are many of them; None for too many others."""
        if len(self.log) <= len(_HEADER) + self._allowed * _ENTRY.size:
            return self
        entries = self.still_needed(watermark, at_the_end=False)
        if len(entries) > MAX_FINGERPRINTS:
            return None
        allowed = max(_FEW, min(2 * len(entries), MAX_FINGERPRINTS + _FEW))
        return _Memory(bytearray(_HEADER + b"".join(entries)), allowed)

    def still_needed(self, watermark: datetime | None, *, at_the_end: bool) -> list[bytes]:
        """Return the entries at or above the watermark, and during the read those that are still to come again."""
        first = -_NO_KEY if watermark is None else microseconds_of(watermark)
        came_again = Counter(fingerprint for _, kind, fingerprint in self._entries() if kind == _AGAIN)
        needed: list[bytes] = []
        for key, kind, fingerprint in self._entries():
            if kind == _AGAIN:
                continue
            came = kind == _NEW
            if not came and came_again[fingerprint]:
                came_again[fingerprint] -= 1
                came = True
            if at_the_end:
                if key >= first and (came or key != _NO_KEY):
                    needed.append(_packed(key, _EARLIER, fingerprint))
            elif not came or key >= first:
                needed.append(_packed(key, _NEW if came else _EARLIER, fingerprint))
        return needed

    def _append(self, key: datetime | None, kind: int, fingerprint: bytes) -> None:
        self.log += _packed(_NO_KEY if key is None else microseconds_of(key), kind, fingerprint)

    def _entries(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield the key in microseconds, the kind and the fingerprint of each entry."""
        with memoryview(self.log)[len(_HEADER) :] as entries:
            for packed, fingerprint in _ENTRY.iter_unpack(entries):
                yield packed // _KINDS, packed % _KINDS, fingerprint


def _packed(key: int, kind: int, fingerprint: bytes) -> bytes:
    return _ENTRY.pack(key * _KINDS + kind, fingerprint)
