"""The small file beside the data in which an entry of the ledger is kept. Pure.

The file is JSON lines: each write adds one, the last whole line counts. A line that was not written to its end, by a
process that was killed meanwhile, is as good as none. `covered` is a number of bytes, and always
set. `log` numbers the file of its log of fingerprints; 0 where there is none.
"""

from __future__ import annotations

from typing import Any

import msgspec

from connector_kit.destinations.ledger import Entry, Generation, Phase
from connector_kit.errors import DestinationError

__all__ = ["FORMAT_VERSION", "DamagedStateError", "decode_last", "encode"]

FORMAT_VERSION = 2


class DamagedStateError(DestinationError):
    """A state file holds something else than a state."""


def encode(entry: Entry) -> bytes:
    """Encode as a line of JSON."""
    encoded = msgspec.json.encode(
        {
            "format": FORMAT_VERSION,
            "entity": entry.entity,
            "reading": entry.phase in {Phase.APPENDING, Phase.REPLACING},
            "swapping": entry.phase is Phase.SWAPPING,
            "current": _stored(entry.current),
            "following": entry.following and _stored(entry.following),
        }
    )
    return encoded + b"\n"


def decode_last(lines: bytes, where: object) -> Entry:
    """Decode the last whole line. Raise `DamagedStateError`, which names `where` it stands, for anything else.

    Raise `DestinationError` for a state of a newer version, which is not damaged.
    """
    complete = lines[: lines.rfind(b"\n")]
    encoded = complete[complete.rfind(b"\n") + 1 :]
    try:
        version = msgspec.json.decode(encoded, type=_Version).format
        if version > FORMAT_VERSION:
            raise DestinationError(
                f"{where} has format version {version}; expected {FORMAT_VERSION} at most; "
                "it was made by a newer connector_kit: update this one or choose another folder"
            )
        return msgspec.json.decode(encoded, type=_State).entry()
    except msgspec.MsgspecError as error:
        raise DamagedStateError(
            f"{where} cannot be read as the state of an entity ({error}); expected what this destination has "
            "written; reset the entity's state to read it from the start"
        ) from error


class _Version(msgspec.Struct):
    format: int


class _Generation(msgspec.Struct):
    length: int
    checkpoint: msgspec.Raw  # msgspec has no `Raw | None`: null is among the bytes
    log: int = 0

    def generation(self) -> Generation:
        encoded = bytes(self.checkpoint)
        return Generation(None if encoded == b"null" else encoded, self.length, self.log)


class _State(msgspec.Struct):
    entity: str
    reading: bool
    swapping: bool
    current: _Generation
    following: _Generation | None

    def entry(self) -> Entry:
        following = None if self.following is None else self.following.generation()
        return Entry(
            self.entity,
            0,
            owned=True,
            phase=self._phase(),
            current=self.current.generation(),
            following=following,
        )

    def _phase(self) -> Phase:
        if self.swapping:
            return Phase.SWAPPING
        if not self.reading:
            return Phase.IDLE
        return Phase.APPENDING if self.following is None else Phase.REPLACING


def _stored(generation: Generation) -> dict[str, Any]:
    checkpoint = generation.checkpoint
    return {
        "length": generation.covered,
        "checkpoint": None if checkpoint is None else msgspec.Raw(checkpoint),
        "log": generation.log,
    }
