"""What the small file beside the data says: how many bytes count, and what is half done. Pure.

The file is JSON lines: each write adds one, the last whole line counts. A line that was not written to its end, by a
process that was killed meanwhile, is as good as none.
"""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

from connector_kit.errors import DestinationError
from connector_kit.records.checkpoint import Checkpoint

__all__ = ["FORMAT_VERSION", "Extent", "State"]

FORMAT_VERSION = 1


@attrs.frozen
class Extent:
    """How much of a data file counts: the first `length` bytes, which `checkpoint` covers."""

    length: int = 0
    checkpoint: Checkpoint | None = None


@attrs.frozen
class State:
    """What is kept of one entity.

    `reading` says that a read has begun and not finished: what the data file has beyond its length is ours to cut.
    `following` is the generation that a replace builds beside the data file. `swapping` says that the generation's
    file is to take the data file's place: whoever finds it there does so.
    """

    entity: str
    current: Extent = Extent()
    following: Extent | None = None
    reading: bool = False
    swapping: bool = False

    @property
    def last(self) -> Checkpoint | None:
        """The last checkpoint: of the unfinished generation, if that has one."""
        return (self.following and self.following.checkpoint) or self.current.checkpoint

    def to_line(self) -> bytes:
        """Encode as a line of JSON. Raises `DataError` for a cursor that is no JSON value."""
        encoded = msgspec.json.encode(
            {
                "format": FORMAT_VERSION,
                "entity": self.entity,
                "reading": self.reading,
                "swapping": self.swapping,
                "current": _stored(self.current),
                "following": self.following and _stored(self.following),
            }
        )
        return encoded + b"\n"

    @classmethod
    def last_of(cls, lines: bytes, where: object) -> State:
        """Decode the last whole line. Raises `DestinationError`, which names `where` it stands, for anything else."""
        whole = lines[: lines.rfind(b"\n")]
        encoded = whole[whole.rfind(b"\n") + 1 :]
        try:
            version = msgspec.json.decode(encoded, type=_Version).format
            if version > FORMAT_VERSION:
                raise DestinationError(
                    f"{where} has format version {version}; expected {FORMAT_VERSION} at most; "
                    "it was made by a newer connector_kit: update this one or choose another folder"
                )
            return msgspec.json.decode(encoded, type=_State).value()
        except msgspec.MsgspecError as error:
            raise DestinationError(
                f"{where} cannot be read as the state of an entity ({error}); expected what this destination has "
                "written; remove it and the entity's data file to read the entity anew, or choose another folder"
            ) from error


class _Version(msgspec.Struct):
    format: int


class _Extent(msgspec.Struct):
    length: int
    checkpoint: msgspec.Raw  # msgspec has no `Raw | None`: null is among the bytes

    def value(self) -> Extent:
        encoded = bytes(self.checkpoint)
        return Extent(self.length, None if encoded == b"null" else Checkpoint.from_json(encoded))


class _State(msgspec.Struct):
    entity: str
    reading: bool
    swapping: bool
    current: _Extent
    following: _Extent | None

    def value(self) -> State:
        following = None if self.following is None else self.following.value()
        return State(self.entity, self.current.value(), following, self.reading, self.swapping)


def _stored(extent: Extent) -> dict[str, Any]:
    checkpoint = extent.checkpoint
    return {
        "length": extent.length,
        "checkpoint": None if checkpoint is None else msgspec.Raw(checkpoint.to_json()),
    }
