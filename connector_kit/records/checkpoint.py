"""What a run stores to go on later: one JSON value of bounded size for each entity."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Literal, TypeAlias

import attrs
import msgspec

from connector_kit.errors import DataError

from .page import Cursor
from .values import is_json_array, is_json_object

__all__ = ["MAX_CHECKPOINT_BYTES", "Checkpoint", "EntityState", "FingerprintLog", "Mode", "Reading"]

Mode: TypeAlias = Literal["append", "upsert", "replace"]
"""How records land: after those that are there, over those with the same primary key, or instead of all of them."""

Reading: TypeAlias = Literal["since", "cursor", "full"]
"""What a read goes by: a time, the last page's cursor, or nothing (all is read)."""

MAX_CHECKPOINT_BYTES = 64 * 1024


@attrs.frozen
class FingerprintLog:
    """What mode "append" remembers of the records that the next read delivers again. A destination never looks inside.

    The log of an entity is its first `keep` bytes, followed by `added`. A destination stores it in the same atomic step as
    the checkpoint it comes with, beside that, and returns it whole (`keep` is 0) with the checkpoint of `start`.
    """

    keep: int = 0
    added: bytes = b""

    @property
    def size(self) -> int:
        """The length of the whole log in bytes."""
        return self.keep + len(self.added)


@attrs.frozen
class Checkpoint:
    """How far an entity's read has come.

    `since` and `cursor` are what `fetch_data` is called with to go on; `watermark` is how far the replication
    keys have come; `rows` and `pages` count this read, over all the runs it took. `complete` says that the read has ended,
    so that the next one reads what is new. `connector` names whose read it is.

    `revision`, `replication_key` and `reading` say what the cursor and the watermark belong to; `began` is when the read
    began, over all its runs. `log` is stored beside the checkpoint: its JSON has only the log's size.
    """

    connector: str
    entity: str
    mode: Mode
    since: datetime | None = None
    cursor: Cursor = None
    watermark: datetime | None = None
    rows: int = 0
    pages: int = 0
    complete: bool = False
    updated: datetime | None = None
    revision: str = ""
    replication_key: str | None = None
    reading: Reading | None = None
    began: datetime | None = None
    log: FingerprintLog = attrs.field(factory=FingerprintLog)

    def to_json(self) -> bytes:
        """Encode as JSON; raises `DataError` where the cursor is no JSON value or makes it larger than 64 KiB."""
        try:
            _check_json(self.cursor)
            values = attrs.asdict(self, recurse=False)
            values["log"] = self.log.size
            encoded = msgspec.json.encode(values)
        except (TypeError, ValueError, RecursionError) as error:
            raise DataError(
                f"the cursor of entity {self.entity!r} is no JSON value: {error}; a cursor must survive as JSON text"
            ) from error
        if len(encoded) > MAX_CHECKPOINT_BYTES:
            raise DataError(
                f"the checkpoint of entity {self.entity!r} takes {len(encoded)} bytes, more than {MAX_CHECKPOINT_BYTES}; "
                "a cursor must be a position, not a list of what was read"
            )
        return encoded

    def with_log(self, content: bytes) -> Checkpoint:
        """Return a decoded checkpoint with the log that was stored beside it. Raise `DataError` where it is not that one."""
        if len(content) != self.log.size:
            raise DataError(
                f"the log of fingerprints of entity {self.entity!r} has {len(content)} bytes; expected the {self.log.size} that its "
                "checkpoint says: one of the two was changed; replace the rows (mode 'replace'), or reset the entity's state"
            )
        return attrs.evolve(self, log=FingerprintLog(0, content))

    @classmethod
    def from_json(cls, encoded: bytes | str) -> Checkpoint:
        """Decode what `to_json` made; raises `DataError` where it is something else.

        Of its log only the size is known then, as `keep`; `with_log` adds the content.
        """
        try:
            return msgspec.json.decode(encoded, type=_Stored).checkpoint()
        except (msgspec.MsgspecError, RecursionError) as error:
            raise DataError(
                f"a stored checkpoint cannot be read: {error}; reset the entity's state"
            ) from error


def _check_json(value: object) -> None:
    """Refuse what would come back from JSON text as something else: msgspec writes NaN as null, a set as a list."""
    if is_json_object(value):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"a key in it is a {type(key).__name__}")
            _check_json(item)
    elif is_json_array(value):
        for item in value:
            _check_json(item)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"JSON has no {value}")
    elif value is not None and not isinstance(value, str | int | float):
        raise TypeError(f"it has a {type(value).__name__}")


class _Stored(msgspec.Struct):
    """The stored form. msgspec cannot decode the recursive JSON alias, so the cursor is Any here."""

    connector: str
    entity: str
    mode: Mode
    since: datetime | None = None
    cursor: Any = None
    watermark: datetime | None = None
    rows: int = 0
    pages: int = 0
    complete: bool = False
    updated: datetime | None = None
    revision: str = ""
    replication_key: str | None = None
    reading: Reading | None = None
    began: datetime | None = None
    log: int = 0

    def checkpoint(self) -> Checkpoint:
        values: dict[str, Any] = msgspec.structs.asdict(self)
        values["log"] = FingerprintLog(self.log)
        return Checkpoint(**values)


@attrs.frozen
class EntityState:
    """What a destination keeps of an entity: its last checkpoint, or the `problem` with what stands in its place."""

    entity: str
    checkpoint: Checkpoint | None = None
    problem: str = ""
